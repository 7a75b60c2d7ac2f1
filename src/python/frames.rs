//! A thread's frames, leaf first, as raw as they stand in memory: addresses only, nothing looked up. This
//! runs while the thread stands still, so it copies and checks, and allocates nothing beyond its buffer.

use crate::python::chain::{Chain, Endless};
use crate::python::layout::{FrameObjects, Frames, Layout, Owner};
use crate::target::memory::{Address, Memory, ReadError};

mod interpreter;

use interpreter::Walk;

/// More frames than this are no stack: the recursion limit can be raised, but the memory must be there.
pub const DEEPEST: u32 = 1 << 18;

/// A frame as it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame {
    /// The code object.
    pub code: Address,
    /// Where it is being executed.
    pub instruction: Instruction,
    /// It belongs to a generator: such a frame is a call even before its first traceable instruction.
    pub generator: bool,
    /// 3.11 and 3.12: where it lies, if that is in the newest chunk of the data stack.
    pub place: Option<Address>,
}

/// A place in a code object's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// Counted from the first, in the unit of the line table; -1 before it. 2.7–3.10, and free-threaded 3.14 and later
    /// where it is in a copy of the code.
    Position(i64),
    /// 3.11 and later: the address, in the code object itself.
    Address(Address),
}

impl Instruction {
    /// The one at `address` of those that begin at `start`; 3.11 and later, whose line tables count units of two bytes.
    pub fn position(address: Address, start: Address) -> i64 {
        (address - start).cast_signed().div_euclid(2)
    }
}

/// Why a chain of frames cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkError {
    /// A part of it could not be read.
    Read(ReadError),
    /// What stands at the address contradicts itself: a misaligned pointer, an unknown owner, an endless
    /// chain, an end that is not the end, or an entry that the `_PyCFrame`s do not confirm.
    Broken(Address),
}

impl From<ReadError> for WalkError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Longer than any frame's part that is read: 2.7's `f_lasti` stands at 120, plus the object header of
/// a debug build.
const FRAME_BYTES: usize = 144;

/// Appends the frames of the thread state at `thread` to `frames`, leaf first.
pub fn walk(
    layout: &Layout,
    memory: &impl Memory,
    thread: Address,
    frames: &mut Vec<RawFrame>,
) -> Result<(), WalkError> {
    walk_while(layout, memory, thread, frames, |_| true)
}

/// The same, as long as `goes_on` says so of the frames' addresses. A walk that it has ended proves nothing.
pub fn walk_while(
    layout: &Layout,
    memory: &impl Memory,
    thread: Address,
    frames: &mut Vec<RawFrame>,
    goes_on: impl FnMut(Address) -> bool,
) -> Result<(), WalkError> {
    match &layout.frames {
        Frames::Objects(objects) => walk_objects(objects, memory, thread, frames, goes_on),
        Frames::Interpreter(kind) => {
            let copies = layout.code.bytecode.and_then(|bytecode| bytecode.copies);
            Walk::new(kind, copies, memory).run(thread, frames, goes_on)
        }
    }
}

/// The frame of a coroutine that waits, at `frame`: it hangs in no chain. 3.11 and later.
pub fn waiting(layout: &Layout, memory: &impl Memory, frame: Address) -> Result<RawFrame, WalkError> {
    let Frames::Interpreter(kind) = &layout.frames else { return Err(WalkError::Broken(frame)) };
    let copies = layout.code.bytecode.and_then(|bytecode| bytecode.copies);
    let walk = Walk::new(kind, copies, memory);
    let mut bytes = [0; FRAME_BYTES];
    let bytes = bytes.get_mut(..walk.length).ok_or(WalkError::Broken(frame))?;
    let head = memory.view(pointer(frame)?, bytes, |bytes| walk.head(bytes))?;
    let head = head.filter(|head| head.owner == Owner::GENERATOR).ok_or(WalkError::Broken(frame))?;
    let (code, instruction) = walk.call(&head)?;
    Ok(RawFrame { code, instruction, generator: true, place: None })
}

/// The object that a stack reference refers to.
pub const fn untagged(reference: Address) -> Address {
    Address(reference.0 & !TAG_BITS)
}

fn walk_objects(
    objects: &FrameObjects,
    memory: &impl Memory,
    thread: Address,
    frames: &mut Vec<RawFrame>,
    mut goes_on: impl FnMut(Address) -> bool,
) -> Result<(), WalkError> {
    let mut chain = Chain::new(DEEPEST);
    let start = objects.back.offset();
    let end = objects.last_instruction.offset() + 4;
    let mut bytes = [0; FRAME_BYTES];
    let bytes = bytes.get_mut(..(end - start) as usize).ok_or(WalkError::Broken(thread))?;
    let mut frame = objects.first.of(memory, thread)?;
    while !frame.is_null() {
        pointer(frame)?;
        chain.step(frame).map_err(|Endless| WalkError::Broken(frame))?;
        if !goes_on(frame) {
            return Ok(());
        }
        let head = memory.view(frame + u64::from(start), bytes, |bytes| {
            let code = objects.code.from(bytes, start)?;
            Some((code, objects.last_instruction.from(bytes, start)?, objects.back.from(bytes, start)?))
        })?;
        let (code, last, back): (Address, i32, Address) = head.ok_or(WalkError::Broken(frame))?;
        let position = i64::from(last) * i64::from(if last < 0 { 1 } else { objects.instruction_unit });
        let instruction = Instruction::Position(position);
        frames.push(RawFrame { code: pointer(code)?, instruction, generator: false, place: None });
        frame = back;
    }
    Ok(())
}

/// A pointer to an object or frame: not null and aligned.
fn pointer(address: Address) -> Result<Address, WalkError> {
    if address.is_null() || !address.0.is_multiple_of(8) {
        Err(WalkError::Broken(address))
    } else {
        Ok(address)
    }
}

/// Tags of 3.14's stack references; objects are aligned to 8.
const TAG_BITS: u64 = 7;

#[cfg(test)]
mod tests;
