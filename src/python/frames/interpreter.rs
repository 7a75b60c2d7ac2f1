//! Frames from 3.11 on, which are no objects.
//!
//! ```text
//! 3.11, 3.12                                        3.13 and later
//! tstate ─cframe→ _PyCFrame ─current_frame→ frame    tstate ─current_frame→ frame
//!                    │ previous               │ previous                      │ previous
//!                    ▼                        ▼                               ▼
//!                 _PyCFrame ─current_frame→ frame                           frame … NULL
//! ```

use std::ops::Range;

use arrayvec::ArrayVec;

use super::{DEEPEST, FRAME_BYTES, Instruction, RawFrame, WalkError, pointer, untagged};
use crate::python::chain::{Chain, Endless};
use crate::python::layout::{Boundary, Field, FirstFrame, InterpreterFrames, Owner};
use crate::target::memory::{Address, Memory};

/// A walk along them.
pub(super) struct Walk<'a, M> {
    kind: &'a InterpreterFrames,
    /// Free-threaded 3.14 and later: where a code object says where the copies of its code are.
    copies: Option<Field<Address>>,
    memory: &'a M,
    /// Bytes of a frame that hold everything that is read.
    pub(super) length: usize,
}

/// What is read of an interpreter's frame.
pub(super) struct Head {
    pub(super) owner: u8,
    /// 3.11 and 3.12: an evaluation loop begins with it.
    is_entry: bool,
    executable: Address,
    instruction: Address,
    /// Which copy of the bytecode it executes.
    copy: u32,
    previous: Address,
}

/// How far a walk is.
struct Way {
    /// The next frame, and the one before it.
    frame: Address,
    last: Address,
    /// The lowest that was read since the walk came to these bytes.
    lowest: Address,
    chain: Chain,
}

/// What a walk comes to.
enum Met {
    /// The next frame is not among these bytes.
    Elsewhere,
    /// A frame for which more must be read.
    Other(Head),
    /// A frame to which it is not to go.
    Barred,
}

impl<'a, M: Memory> Walk<'a, M> {
    /// Of frames that are laid out like this.
    pub(super) fn new(kind: &'a InterpreterFrames, copies: Option<Field<Address>>, memory: &'a M) -> Self {
        let fields = [
            kind.code.offset() + 8,
            kind.previous.offset() + 8,
            kind.instruction.offset() + 8,
            kind.owner.offset() + 1,
            kind.bytecode_copy.map_or(0, |field| field.offset() + 4),
            match kind.first {
                FirstFrame::Entry { boundary: Boundary::IsEntry(field), .. } => field.offset() + 1,
                _ => 0,
            },
        ];
        Self { kind, copies, memory, length: fields.into_iter().max().unwrap_or(0) as usize }
    }

    /// Adds the frames of the thread state, leaf first, as long as `goes_on` says so of their addresses.
    pub(super) fn run(
        &self,
        thread: Address,
        frames: &mut Vec<RawFrame>,
        mut goes_on: impl FnMut(Address) -> bool,
    ) -> Result<(), WalkError> {
        let mut entries = Entries::new(self.kind.first, self.memory, thread)?;
        let mut way = Way {
            frame: entries.first,
            last: Address::NULL,
            lowest: entries.first,
            chain: Chain::new(DEEPEST),
        };
        let mut bytes = [0; FRAME_BYTES];
        let bytes = bytes.get_mut(..self.length).ok_or(WalkError::Broken(thread))?;
        while !way.frame.is_null() {
            let from = pointer(way.frame)?;
            way.lowest = from;
            let met = self.memory.stretch(from, bytes, |bytes, start| {
                let met = self.along(bytes, start, &mut way, &mut entries, frames, &mut goes_on);
                (way.lowest, met)
            })??;
            match met {
                Met::Elsewhere => {}
                // What is read for that may not be there any more when the rest is followed.
                Met::Barred => return entries.confirm(self.memory),
                Met::Other(head) => {
                    entries.check(self.memory, way.frame, &head)?;
                    self.pass(&mut way, &head, &mut entries, frames)?;
                }
            }
        }
        entries.end(self.memory, way.last)
    }

    /// Goes on along the frames that lie in `bytes`, which begin at `start`, as long as nothing else has to be read.
    #[inline]
    fn along(
        &self,
        bytes: &[u8],
        start: Address,
        way: &mut Way,
        entries: &mut Entries,
        frames: &mut Vec<RawFrame>,
        goes_on: &mut impl FnMut(Address) -> bool,
    ) -> Result<Met, WalkError> {
        let length = self.length;
        loop {
            let frame = way.frame;
            let Some(bytes) = bytes.get((frame - start) as usize..).and_then(|bytes| bytes.get(..length))
            else {
                return Ok(Met::Elsewhere);
            };
            pointer(frame)?;
            way.lowest = way.lowest.min(frame);
            way.chain.step(frame).map_err(|Endless| WalkError::Broken(frame))?;
            if !goes_on(frame) {
                return Ok(Met::Barred);
            }
            let head = self.head(bytes).filter(|head| head.owner <= Owner::LAST);
            let head = head.ok_or(WalkError::Broken(frame))?;
            if self.copies_of(&head).is_some() || !entries.need_no_more(&head) {
                return Ok(Met::Other(head));
            }
            self.pass(way, &head, entries, frames)?;
        }
    }

    /// Adds the frame, if it is Python's, and goes on to its caller.
    #[inline]
    fn pass(
        &self,
        way: &mut Way,
        head: &Head,
        entries: &mut Entries,
        frames: &mut Vec<RawFrame>,
    ) -> Result<(), WalkError> {
        let place = entries.place(way.frame, head.owner);
        if head.owner < Owner::NOT_PYTHON {
            let (code, instruction) = self.call(head)?;
            frames.push(RawFrame { code, instruction, generator: head.owner == Owner::GENERATOR, place });
        }
        if !entries.lives(way.frame, head, place) {
            return Err(WalkError::Broken(way.frame));
        }
        way.last = std::mem::replace(&mut way.frame, head.previous);
        Ok(())
    }

    /// Which code is executed, and where in it. Reads nothing but of a copy of the code.
    #[inline]
    pub(super) fn call(&self, head: &Head) -> Result<(Address, Instruction), WalkError> {
        let code = pointer(untagged(head.executable))?;
        let instruction = match self.copies_of(head) {
            Some(copies) => {
                let start = self.copy(copies, code, head.copy)?;
                Instruction::Position(Instruction::position(head.instruction, start))
            }
            None => Instruction::Address(head.instruction),
        };
        Ok((code, instruction))
    }

    /// Where the code says where its copies are, if it is one of them that is executed.
    #[inline]
    fn copies_of(&self, head: &Head) -> Option<Field<Address>> {
        self.copies.filter(|_| head.copy > 0)
    }

    #[inline]
    pub(super) fn head(&self, bytes: &[u8]) -> Option<Head> {
        let owner = self.kind.owner.from(bytes, 0)?;
        let is_entry = match self.kind.first {
            FirstFrame::Entry { boundary: Boundary::IsEntry(field), .. } => field.from(bytes, 0)? != 0,
            FirstFrame::Entry { boundary: Boundary::Shim, .. } => owner >= Owner::NOT_PYTHON,
            FirstFrame::Current { .. } => false,
        };
        Some(Head {
            owner,
            is_entry,
            executable: self.kind.code.from(bytes, 0)?,
            instruction: self.kind.instruction.from(bytes, 0)?,
            copy: match self.kind.bytecode_copy {
                Some(field) => field.from(bytes, 0)?,
                None => 0,
            },
            previous: self.kind.previous.from(bytes, 0)?,
        })
    }

    /// Where the code's copy number `index` begins: `_PyCodeArray` is a length and that many pointers.
    fn copy(&self, copies: Field<Address>, code: Address, index: u32) -> Result<Address, WalkError> {
        let array = pointer(copies.of(self.memory, code)?)?;
        if u64::from(index) >= self.memory.u64(array)? {
            return Err(WalkError::Broken(array));
        }
        pointer(self.memory.pointer(array + 8 + 8 * u64::from(index))?)
    }
}

/// The other account of where evaluation loops begin, with which the chain of frames must agree.
///
/// 3.11 and 3.12 link a new `_PyCFrame` into the thread state some instructions before they fill it in; a
/// thread stopped there shows stale stack contents, that is, a frame which has died (0.05–0.3 % of stops in
/// call-heavy programs). Comparing the two accounts finds nearly all of them. The rest, about one in 20,000
/// stops of the same programs, are dead frames whose memory still agrees with both: these lie where no living frame
/// can be, above the top of the data stack or out of order, or in a generator that is not running. 3.15 has an end
/// that each chain must reach.
struct Entries {
    first: Address,
    ends: Ends,
}

enum Ends {
    CFrames {
        /// The one of the loop that the walk is in, as far as that is confirmed, and what it says.
        cframe: Address,
        current: Address,
        previous: Address,
        links: Field<[Address; 2]>,
        root: Address,
        /// Entry frames that are to be confirmed, and which frame each says is its caller.
        entries: ArrayVec<(Address, Address), AT_ONCE>,
        /// The newest chunk of the data stack, and what the next frame in it must be below.
        chunk: Range<Address>,
        bound: Address,
    },
    Base(Option<Address>),
}

/// Entry frames that are confirmed together: what is read for that lies elsewhere than they.
const AT_ONCE: usize = 8;

/// 3.11 and 3.12 keep `gi_frame_state` 5 bytes before the frame that is embedded in a generator,
const GENERATOR_STATE: u64 = 5;
/// and this is `FRAME_EXECUTING`.
const EXECUTING: u8 = 0;

impl Entries {
    fn new(first: FirstFrame, memory: &impl Memory, thread: Address) -> Result<Self, WalkError> {
        Ok(match first {
            FirstFrame::Entry { cframe, links, root, stack, .. } => {
                let cframe = pointer(cframe.of(memory, thread)?)?;
                let [current, previous] = links.of(memory, cframe)?;
                let [start, bound, end] = stack.of(memory, thread)?;
                let (root, entries, chunk) = (thread + u64::from(root), ArrayVec::new(), start..end);
                let ends = Ends::CFrames { cframe, current, previous, links, root, entries, chunk, bound };
                Self { first: current, ends }
            }
            FirstFrame::Current { current, base } => {
                let first = current.of(memory, thread)?;
                let base = match base {
                    Some(field) => Some(field.of(memory, thread)?),
                    None => None,
                };
                Self { first, ends: Ends::Base(base) }
            }
        })
    }

    /// Where a frame lies, if the frames beside it lie there too.
    #[inline]
    fn place(&self, frame: Address, owner: u8) -> Option<Address> {
        match &self.ends {
            Ends::CFrames { chunk, .. } if owner == Owner::THREAD && chunk.contains(&frame) => Some(frame),
            _ => None,
        }
    }

    /// Does what stands at a frame tell by itself whether it may, as far as that is asked at once?
    #[inline]
    fn need_no_more(&self, head: &Head) -> bool {
        match &self.ends {
            Ends::CFrames { entries, .. } => {
                head.owner != Owner::GENERATOR && !(head.is_entry && entries.is_full())
            }
            Ends::Base(_) => true,
        }
    }

    /// This stands at `frame`, at this place: may it, as far as that tells? Whether an entry frame may is to be confirmed.
    #[inline]
    fn lives(&mut self, frame: Address, head: &Head, place: Option<Address>) -> bool {
        let Ends::CFrames { entries, bound, .. } = &mut self.ends else { return true };
        if head.is_entry && entries.try_push((frame, head.previous)).is_err() {
            return false;
        }
        place.is_none_or(|place| place < std::mem::replace(bound, place))
    }

    /// Makes room for what stands at `frame`: may it, as far as its generator tells?
    fn check(&mut self, memory: &impl Memory, frame: Address, head: &Head) -> Result<(), WalkError> {
        self.confirm(memory)?;
        let state = Address(frame.0.wrapping_sub(GENERATOR_STATE));
        let is_generator = head.owner == Owner::GENERATOR && matches!(self.ends, Ends::CFrames { .. });
        if is_generator && memory.u8(state)? != EXECUTING { Err(WalkError::Broken(frame)) } else { Ok(()) }
    }

    /// Is the caller of each entry frame the one that the next `_PyCFrame` names?
    fn confirm(&mut self, memory: &impl Memory) -> Result<(), WalkError> {
        let Ends::CFrames { cframe, current, previous, links, entries, .. } = &mut self.ends else {
            return Ok(());
        };
        for (frame, caller) in entries.drain(..) {
            *cframe = pointer(*previous)?;
            [*current, *previous] = links.of(memory, *cframe)?;
            if *current != caller {
                return Err(WalkError::Broken(frame));
            }
        }
        Ok(())
    }

    /// The chain ended after `last`.
    fn end(&mut self, memory: &impl Memory, last: Address) -> Result<(), WalkError> {
        self.confirm(memory)?;
        let ended = match &self.ends {
            Ends::CFrames { cframe, previous, root, .. } if cframe == root => previous.is_null(),
            // A greenlet (gevent, eventlet) begins on a `_PyCFrame` of its own, which has no frame and leads to the root.
            Ends::CFrames { current, previous, root, .. } => previous == root && current.is_null(),
            // A thread that has not run yet has no frame at all.
            Ends::Base(base) => base.is_none_or(|base| base == last || last.is_null()),
        };
        if ended { Ok(()) } else { Err(WalkError::Broken(last)) }
    }
}
