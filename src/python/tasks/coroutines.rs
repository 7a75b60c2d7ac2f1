//! Coroutines that wait: their frames, and what they wait for.

use std::ops::RangeInclusive;

use crate::python::frames::{Instruction, WalkError};
use crate::python::layout::{Field, Layout};
use crate::target::memory::{Address, Memory, ReadError};

/// Coroutines, generators, asynchronous generators: they begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coroutines {
    /// `gi_iframe`, the frame.
    pub frame: Field<u8>,
    /// `gi_frame_state`.
    pub state: Field<u8>,
    /// The values of that if it does not run, and is not over.
    pub waits: RangeInclusive<u8>,
    /// If it awaits another one.
    pub awaits: RangeInclusive<u8>,
    /// 3.11 and 3.12: if these instructions of these codes are next, with a number that tells so; the state does not.
    pub resumes: Option<[u8; 2]>,
    /// Where in the frame is told how full its stack is.
    pub stack: Top,
    /// `tp_name`.
    pub kind_name: Field<Address>,
    /// `tp_flags`.
    pub kind_flags: Field<u64>,
}

/// Where what a coroutine awaits lies, in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// 3.14 and later, `stackpointer`: so many bytes below where that points.
    Pointer(Field<Address>, u64),
    /// `stacktop`, words of those from here on, of which it is the last.
    Count(Field<i32>, Field<u8>),
}

/// A frame has fewer words than this.
const MOST_WORDS: u64 = 1 << 20;
/// Of a `RESUME`: below this it is not in an `await` or a `yield from`.
const AWAITS: u8 = 2;

/// The tables before 3.14, in builds without longer object headers.
pub(super) fn before_published(layout: &Layout) -> Option<Coroutines> {
    let (frame, state, waits, resumes) = match layout.version.minor() {
        // RESUME, RESUME_QUICK
        (3, 11) => (80, 75, 254..=255, Some([151, 150])),
        // RESUME, INSTRUMENTED_RESUME
        (3, 12) => (72, 67, 254..=255, Some([151, 240])),
        (3, 13) => (72, 67, 253..=255, None),
        _ => return None,
    };
    Some(Coroutines {
        frame: Field::at(frame),
        state: Field::at(state),
        waits,
        awaits: 255..=255,
        resumes,
        stack: Top::Count(Field::at(64), Field::at(72)),
        kind_name: Field::at(24),
        kind_flags: Field::at(168),
    })
}

impl Coroutines {
    /// Does what comes next say that it awaits something, if that has to be asked?
    pub(super) fn is_awaiting(&self, memory: &impl Memory, at: Instruction) -> Result<bool, ReadError> {
        let (Some(resumes), Instruction::Address(at)) = (self.resumes, at) else {
            return Ok(true);
        };
        // It is two bytes long: a code, and a number.
        let [code, number] = Field::<u16>::at(2).of(memory, at)?.to_le_bytes();
        Ok(resumes.contains(&code) && number >= AWAITS)
    }

    /// What lies where the awaited does.
    pub(super) fn awaited(&self, memory: &impl Memory, frame: Address) -> Result<Address, WalkError> {
        let at = match self.stack {
            Top::Pointer(field, below) => {
                let top = field.of(memory, frame)?;
                top.0.checked_sub(below).filter(|at| at.is_multiple_of(8))
            }
            Top::Count(count, first) => {
                let count = u64::try_from(count.of(memory, frame)?).ok().filter(|count| *count < MOST_WORDS);
                count.and_then(|count| Some(first.within(frame).0 + 8 * count.checked_sub(1)?))
            }
        };
        Ok(memory.pointer(Address(at.ok_or(WalkError::Broken(frame))?))?)
    }
}
