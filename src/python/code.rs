//! Code objects: name, file and lines, read once each and kept by address.
//!
//! Addresses are re-used: of 2,000 small functions made by `exec` and dropped again, a quarter to two thirds
//! got an address that had held another function. So an entry must be compared with the target before it is
//! believed, see `code/confirm.rs`.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::python::ahead::Ahead;
use crate::python::capture::{Capture, Seen};
use crate::python::frames::{Instruction, RawFrame};
use crate::python::layout::{Bytecode, Field, FrameSize, Layout};
use crate::python::lines::Lines;
use crate::python::quiet::{Period, Quiet};
use crate::python::text::TextError;
use crate::sample::{Frame, Function};
use crate::target::memory::{Address, Memory, ReadError};

mod confirm;
mod meet;

use confirm::{Parts, Strings};
use meet::Doubt;

pub use meet::Met;

/// Code objects kept; a program that has more starts over.
const MOST: usize = 1 << 17;
/// Bytes of them with their names and lines; likewise.
const HEAVIEST: usize = 256 << 20;
/// Bytes of them read for one stack: the largest programs have some tens of megabytes in all.
const LARGEST_STACK: usize = 64 << 20;
/// Code objects compared in one call.
const COMPARED: usize = 64;
/// Bytes of a name or a line table that are read ahead: most are shorter.
const AHEAD: usize = 256;
/// Longer than any version's head: 3.9's goes from byte 40 to 128.
const HEAD: usize = 96;
/// Bytes of an entry.
const CODE: usize = size_of::<Code>() + size_of::<Image>();

/// Why a code object was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeError {
    /// It could not be read.
    Read(ReadError),
    /// What stands there is no code object, or one whose parts are absurd.
    NotCode(Address),
}

impl From<ReadError> for CodeError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<TextError> for CodeError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Read(error) => Self::Read(error),
            TextError::NotText(address) => Self::NotCode(address),
        }
    }
}

/// What each look asks of a code object, close together: a look finds little of it in the CPU's caches.
#[derive(Debug)]
struct Code {
    function: Arc<Function>,
    lines: Lines,
    /// Instructions before this position belong to no call yet.
    first_traceable: i64,
    /// Bytes of its frames on the data stack, where that is of interest.
    frame_size: Option<u32>,
    /// When it was last known to be right, where the version has such a notion.
    period: Option<Period>,
    /// The number of the interpreter in which that was.
    home: u32,
    image: Box<Image>,
}

/// A code object as it stands in memory.
#[derive(Debug)]
struct Image {
    head: [u8; HEAD],
    /// When all of it was last compared with what stands in memory.
    compared: Instant,
    /// Its file, name and lines, where the head does not say all.
    strings: Option<Strings>,
    /// Bytes of it and its names, and of its line table or its lines, whichever are more.
    weight: usize,
}

/// The code objects that were met.
#[derive(Debug)]
pub struct Codes {
    layout: Layout,
    /// `&PyCode_Type`: what every code object's type must be.
    kind: Address,
    /// Bytes from the object's start to the head, and of the head.
    head: (u32, usize),
    /// Bytes from the object's start to the end of all that is read of it.
    span: usize,
    known: FxHashMap<Address, Code>,
    /// What was met last and has to be compared.
    doubtful: Vec<Doubt>,
    /// Only a buffer: what is read for that.
    parts: Parts,
    /// Each that was read has a version that is its own.
    have_versions: bool,
    /// Whose turn it is to be compared, among those of a look.
    turn: usize,
    quiet: Quiet,
    /// When this look began.
    begun: Instant,
    /// Of all that are known.
    weight: usize,
    counts: CodeCounts,
    /// How often entries were forgotten.
    edition: u64,
}

/// What the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeCounts {
    /// Code objects read because their address was new.
    pub new: u64,
    /// Code objects read again because another function had been at their address.
    pub replaced: u64,
}

impl Codes {
    /// An empty cache for a Python whose `PyCode_Type` is at `kind`.
    pub fn new(layout: Layout, kind: Address) -> Self {
        let code = &layout.code;
        let fields = [code.first_line.offset(), code.file.offset(), code.name.offset(), code.lines.offset()];
        let sizes = code.frame_size.map(|size| size.stack.offset());
        let start = fields.into_iter().chain(sizes).min().unwrap_or(0);
        let end = fields.into_iter().chain(code.qualified_name.map(Field::offset)).max();
        let length = (end.unwrap_or(0) + 8 - start) as usize;
        let traceable = code.bytecode.map_or(0, |bytecode| bytecode.first_traceable.offset());
        let last = traceable.max(start + length as u32 - 8).max(layout.object_type.offset());
        Self {
            span: last as usize + 8,
            have_versions: layout.code.version.is_some(),
            head: (start, length.min(HEAD)),
            layout,
            kind,
            known: FxHashMap::default(),
            doubtful: Vec::new(),
            parts: Parts::default(),
            turn: 0,
            quiet: Quiet::default(),
            begun: Instant::now(),
            weight: 0,
            counts: CodeCounts::default(),
            edition: 0,
        }
    }

    /// A look begins, and will copy what is asked for next.
    pub const fn begin(&mut self, now: Instant) {
        self.begun = now;
    }

    /// What the cache did so far.
    pub const fn counts(&self) -> CodeCounts {
        self.counts
    }

    /// Reads the code objects of `capture` that are not known. They must be alive, so their threads still have to
    /// stand still.
    pub fn learn(&mut self, memory: &impl Memory, capture: &Capture) -> Result<(), CodeError> {
        // Room is made before, not between: what a stack needs must not push itself out.
        if self.known.len() >= MOST || self.weight >= HEAVIEST {
            self.known.clear();
            self.weight = 0;
            self.edition += 1;
        }
        let most = self.weight + LARGEST_STACK;
        let mut unknown = Vec::new();
        let now = Instant::now();
        for seen in capture.threads() {
            let period = self.period(seen, now);
            let new = codes_of(capture.frames(seen)).filter(|code| !self.known.contains_key(code));
            unknown.extend(new.map(|code| Doubt { code, period, home: seen.interpreter, near: true }));
        }
        once_each(&mut unknown);
        for some in unknown.chunks(COMPARED) {
            let ahead = self.ahead(memory, some);
            for new in some {
                let code = self.read(&ahead, *new)?;
                self.weight += code.image.weight;
                self.counts.new += 1;
                self.have_versions &= self.has_version(&code.image.head);
                self.known.insert(new.code, code);
                if self.weight > most {
                    return Err(CodeError::NotCode(new.code));
                }
            }
        }
        Ok(())
    }

    /// Fetches all that is read of these, in two calls.
    fn ahead<'a, M: Memory>(&self, memory: &'a M, some: &[Doubt]) -> Ahead<'a, M> {
        let mut ahead = Ahead::of(memory);
        ahead.fetch(some.iter().map(|doubt| doubt.code).collect(), self.span);
        ahead.fetch(some.iter().flat_map(|doubt| self.parts(&ahead, doubt.code)).collect(), AHEAD);
        ahead
    }

    /// Where the strings of a code object are, and its lines.
    fn parts(&self, memory: &impl Memory, address: Address) -> impl Iterator<Item = Address> {
        self.layout.code.strings().map(|field| field.of(memory, address)).into_iter().flatten()
    }

    /// As long as this stays the same, equal frames decode to equal stacks.
    pub const fn edition(&self) -> u64 {
        self.edition
    }

    fn forget(&mut self, address: Address) {
        self.edition += 1;
        if let Some(code) = self.known.remove(&address) {
            self.weight -= code.image.weight;
        }
    }

    fn read(
        &self,
        memory: &impl Memory,
        Doubt { code: address, period, home, .. }: Doubt,
    ) -> Result<Code, CodeError> {
        let layout = &self.layout;
        if layout.object_type.of(memory, address)? != self.kind {
            return Err(CodeError::NotCode(address));
        }
        let (skip, length) = self.head;
        let mut head = [0; HEAD];
        let bytes = head.get_mut(..length).ok_or(CodeError::NotCode(address))?;
        memory.read(address + u64::from(skip), bytes)?;
        let [file, name, lines] = self.places(&head).ok_or(CodeError::NotCode(address))?;
        let first_line: i32 = layout.code.first_line.from(&head, skip).ok_or(CodeError::NotCode(address))?;
        let first_line = u32::try_from(first_line).unwrap_or(0);
        let table = layout.text.bytes(memory, lines)?;
        let function = Function {
            file: layout.text.name(memory, file)?.into(),
            name: layout.text.name(memory, name)?.into(),
            first_line,
        };
        let first_traceable = match layout.code.bytecode {
            Some(bytecode) => i64::from(bytecode.first_traceable.of(memory, address)?),
            None => i64::MIN,
        };
        let frame_size = layout.code.frame_size.map(|size| frame_size(size, &head, skip));
        let lines = Lines::decode(layout.code.line_format, &table, first_line);
        // What was read costs time, what is kept memory; so does an entry without names and lines, of which a stack
        // could have millions.
        let names = function.file.len() + function.name.len();
        let strings = self.strings(memory, &head);
        let images = strings.as_ref().map_or(0, Strings::weight);
        let weight = CODE + size_of::<Function>() + names + table.len().max(lines.weight()) + images;
        let image = Box::new(Image { head, compared: Instant::now(), strings, weight });
        Ok(Code { function: Arc::new(function), lines, first_traceable, frame_size, period, home, image })
    }

    /// The frames, root first, of what [`Codes::learn`] has read and [`Codes::confirm`] has confirmed.
    ///
    /// Frames that are no call yet are left out: those that have not reached their first traceable
    /// instruction. 3.13's trampoline that calls `__init__` never does, and disappears with them.
    pub fn decode(&self, capture: &Capture, seen: &Seen, stack: &mut Vec<Frame>) {
        stack.clear();
        stack.extend(capture.frames(seen).iter().rev().filter_map(|frame| self.call(frame)));
    }

    /// What a frame is told as, if it is a call.
    pub fn call(&self, frame: &RawFrame) -> Option<Frame> {
        let (code, position) = self.position(frame)?;
        Some(Frame { function: Arc::clone(&code.function), line: code.lines.at(position) })
    }

    /// How many of these frames are calls.
    pub fn calls(&self, frames: &[RawFrame]) -> usize {
        frames.iter().filter(|frame| self.position(frame).is_some()).count()
    }

    /// The code and the position of a frame, if it is a call.
    fn position(&self, frame: &RawFrame) -> Option<(&Code, i64)> {
        let code = self.known.get(&frame.code)?;
        let position = position(self.layout.code.bytecode, frame);
        (position >= code.first_traceable || frame.generator).then_some((code, position))
    }
}

/// The code objects of frames, one that follows itself once: a recursion is mostly one function.
fn codes_of(frames: &[RawFrame]) -> impl Iterator<Item = Address> {
    let mut last = Address::NULL;
    let codes = frames.iter().map(|frame| frame.code);
    codes.filter(move |code| std::mem::replace(&mut last, *code) != *code)
}

/// Leaves out what stands there already, and rather what is far from the leaf.
fn once_each(codes: &mut Vec<Doubt>) {
    codes.sort_unstable_by_key(|doubt| (doubt.code, !doubt.near));
    codes.dedup_by_key(|doubt| doubt.code);
}

/// Bytes of a frame, from the head of its code object.
fn frame_size(size: FrameSize, head: &[u8], skip: u32) -> u32 {
    let words = |field: Field<i32>| field.from(head, skip).and_then(|words| u64::try_from(words).ok());
    let locals = size.locals.map_or(Some(0), words);
    let sum = words(size.stack).zip(locals).map(|(stack, locals)| stack + locals + u64::from(size.specials));
    // What is absurd fits nowhere.
    sum.and_then(|words| u32::try_from(words * 8).ok()).unwrap_or(0)
}

fn position(bytecode: Option<Bytecode>, frame: &RawFrame) -> i64 {
    match (frame.instruction, bytecode) {
        (Instruction::Position(position), _) => position,
        (Instruction::Address(address), Some(bytecode)) => {
            Instruction::position(address, bytecode.start.within(frame.code))
        }
        (Instruction::Address(_), None) => -1,
    }
}

#[cfg(test)]
mod tests;
