//! The layout that CPython 3.13 and later publish about themselves: `_Py_DebugOffsets`, at the start of
//! `_PyRuntime`. It stands in the target's memory and is therefore untrusted: every number is checked for
//! bounds and alignment here, once.

use std::fmt;

use crate::python::layout::{
    Bytecode, CodeLayout, Collecting, Field, FirstFrame, Frames, Generation, Gil, InterpreterFrames,
    InterpreterLayout, Layout, LineFormat, NameFormat, TextLayout, ThreadLayout, Word,
};
use crate::python::tasks::{Coroutines, Top};
use crate::python::version::{Build, Version};
use crate::target::memory::{Address, Memory, ReadError};

/// What stands at the start of `_PyRuntime` from 3.13 on.
pub const COOKIE: [u8; 8] = *b"xdebugpy";

/// `_PyInterpreterState` is the largest structure that has fields we read; in 3.15 they end near 8,000.
const LARGEST_OFFSET: u64 = 1 << 20;

/// Why a published table is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedError {
    /// It could not be read.
    Read(ReadError),
    /// The cookie is not there: no CPython 3.13 or later, or not yet initialized.
    NoCookie,
    /// A version whose table is not known: too new, or an alpha or beta, whose table may be another.
    Unknown(Version),
    /// A number that cannot be an offset: where in the table, and what it was.
    Absurd {
        /// Bytes from the table's start.
        position: u32,
        /// What stands there.
        value: u64,
    },
}

impl From<ReadError> for PublishedError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for PublishedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "its table of offsets could not be read: {error}"),
            Self::NoCookie => f.write_str("its runtime carries no table of offsets"),
            Self::Unknown(version) => write!(f, "the table of offsets of Python {version} is not known"),
            Self::Absurd { position, value } => {
                write!(f, "its table of offsets holds an absurd {value:#x} at byte {position}")
            }
        }
    }
}

impl std::error::Error for PublishedError {}

/// Where each part of the table begins, in bytes, and how long it is: that differs between minor versions.
struct Sections {
    size: usize,
    thread: u32,
    frame: u32,
    code: u32,
    object: u32,
    bytes: u32,
    unicode: u32,
    gc: u32,
    /// 3.14 put `threads_main` into the interpreter's part, behind `threads_head`.
    threads_main: bool,
    /// 3.15 put three fields behind the thread's `current_frame`.
    base_frame: bool,
}

const SECTIONS_313: Sections = Sections {
    size: 584,
    thread: 152,
    frame: 224,
    code: 272,
    object: 352,
    bytes: 512,
    unicode: 536,
    gc: 568,
    threads_main: false,
    base_frame: false,
};
const SECTIONS_314: Sections = Sections {
    size: 760,
    thread: 176,
    frame: 248,
    code: 312,
    object: 400,
    bytes: 592,
    unicode: 616,
    gc: 648,
    threads_main: true,
    base_frame: false,
};
const SECTIONS_315: Sections = Sections {
    size: 888,
    thread: 176,
    frame: 312,
    code: 376,
    object: 464,
    bytes: 688,
    unicode: 712,
    gc: 752,
    threads_main: true,
    base_frame: true,
};

/// The version that the runtime at `runtime` names in its table, if it has one.
pub fn version(memory: &impl Memory, runtime: Address) -> Result<Version, PublishedError> {
    let mut head = [0; 16];
    memory.read(runtime, &mut head)?;
    let word = u64::parse(&head[8..]).unwrap_or_default();
    if head[..8] != COOKIE {
        return Err(PublishedError::NoCookie);
    }
    u32::try_from(word)
        .map(Version::from_hex)
        .map_err(|_| PublishedError::Absurd { position: 8, value: word })
}

/// The layout that the runtime at `runtime` publishes.
pub fn layout(memory: &impl Memory, runtime: Address) -> Result<Layout, PublishedError> {
    let version = version(memory, runtime)?;
    let sections = match version.minor() {
        _ if !version.is_settled() => return Err(PublishedError::Unknown(version)),
        (3, 13) => SECTIONS_313,
        (3, 14) => SECTIONS_314,
        (3, 15) => SECTIONS_315,
        _ => return Err(PublishedError::Unknown(version)),
    };
    let mut bytes = vec![0; sections.size];
    memory.read(runtime, &mut bytes)?;
    Table { bytes, version, sections }.layout()
}

/// Where coroutines keep what they wait for, 3.14 and later; before, that is not published.
pub fn coroutines(memory: &impl Memory, runtime: Address) -> Result<Option<Coroutines>, PublishedError> {
    let version = version(memory, runtime)?;
    // gen_object: size, gi_name, gi_iframe, gi_frame_state; type_object: size, tp_name, tp_repr, tp_flags
    let (sections, generator, kind, awaited, waits, awaits) = match version.minor() {
        (3, 14) => (SECTIONS_314, 664, 416, 8, 253..=255, 255..=255),
        (3, 15) => (SECTIONS_315, 792, 480, 16, 0..=3, 2..=3),
        _ => return Ok(None),
    };
    let mut bytes = vec![0; sections.size];
    memory.read(runtime, &mut bytes)?;
    let table = Table { bytes, version, sections };
    Ok(Some(Coroutines {
        frame: table.field(generator + 16)?,
        state: table.field(generator + 24)?,
        waits,
        awaits,
        resumes: None,
        stack: Top::Pointer(table.field(table.sections.frame + 48)?, awaited),
        kind_name: table.field(kind + 8)?,
        kind_flags: table.field(kind + 24)?,
    }))
}

struct Table {
    bytes: Vec<u8>,
    version: Version,
    sections: Sections,
}

impl Table {
    fn layout(&self) -> Result<Layout, PublishedError> {
        let build = match self.number(16)? {
            0 => Build::Ordinary,
            1 => Build::FreeThreaded,
            value => return Err(PublishedError::Absurd { position: 16, value }),
        };
        // runtime_state: size, finalizing, interpreters_head
        Ok(Layout {
            version: self.version,
            build,
            interpreters: self.field(40)?,
            gil: self.gil(build)?,
            interpreter: self.interpreter()?,
            thread: self.thread()?,
            frames: Frames::Interpreter(self.frames(build)?),
            code: self.code(build)?,
            text: self.text(build)?,
            object_type: self.field(self.sections.object + 8)?,
        })
    }

    fn number(&self, position: u32) -> Result<u64, PublishedError> {
        self.bytes
            .get(position as usize..)
            .and_then(u64::parse)
            .ok_or(PublishedError::Absurd { position, value: self.bytes.len() as u64 })
    }

    /// The offset at `position`, for a word of type `T`: in bounds and aligned.
    fn field<T: Word>(&self, position: u32) -> Result<Field<T>, PublishedError> {
        let value = self.number(position)?;
        if value >= LARGEST_OFFSET || !value.is_multiple_of(size_of::<T>() as u64) {
            return Err(PublishedError::Absurd { position, value });
        }
        Ok(Field::at(value as u32))
    }

    /// Positions in the interpreter's part behind `threads_head`.
    fn after_threads_head(&self, position: u32) -> u32 {
        if self.sections.threads_main { position + 8 } else { position }
    }

    /// `gil_runtime_state…` are given from the interpreter's start, for the GIL that it would own; what it
    /// uses may be another's, so they are made relative to the GIL. `…_enabled` is relative already.
    fn gil(&self, build: Build) -> Result<Gil, PublishedError> {
        let own = self.number(self.after_threads_head(120))?;
        let position = self.after_threads_head(144);
        let value = self.number(position)?;
        let holder = value
            .checked_sub(own)
            .filter(|offset| *offset < 256 && offset.is_multiple_of(8))
            .ok_or(PublishedError::Absurd { position, value })?;
        let pointer = self.field(self.after_threads_head(112))?;
        let holder = Field::at(holder as u32);
        Ok(match build {
            Build::FreeThreaded => Gil::Optional { pointer, enabled: Field::at(0), holder },
            _ => Gil::Interpreter { pointer, holder },
        })
    }

    fn interpreter(&self) -> Result<InterpreterLayout, PublishedError> {
        // `collecting` is given from where the interpreter's garbage collector begins.
        let gc: Field<u64> = self.field(self.after_threads_head(80))?;
        let collecting: Field<i32> = self.field(self.sections.gc + 8)?;
        let generation = match self.version.minor() {
            (3, 13) => self.made()?,
            _ => Some(Generation::Died(self.field(160)?)),
        };
        Ok(InterpreterLayout {
            next: self.field(64)?,
            id: Some(self.field(56)?),
            threads: self.field(72)?,
            modules: self.field(self.after_threads_head(88))?,
            collecting: Some(Collecting::Interpreter(collecting.moved(gc.offset()))),
            generation,
        })
    }

    /// 3.13's `func_state.next_version` is not published, and stands 16 bytes farther in a debug build. That it is none is
    /// told by the interpreter's size, which grew by 16 bytes somewhere from 3.13.1 to 3.13.15.
    fn made(&self) -> Result<Option<Generation>, PublishedError> {
        Ok(match (self.version.micro, self.number(48)?) {
            (_, 194_968) | (15.., 194_984) => Some(Generation::Made(Field::at(17_000))),
            (_, 195_000) => Some(Generation::Made(Field::at(17_016))),
            _ => None,
        })
    }

    fn thread(&self) -> Result<ThreadLayout, PublishedError> {
        // size, prev, next, interp, current_frame, [3.15: base_frame, last_profiled_frame, …_seq,]
        // thread_id, native_thread_id, datastack_chunk, status, [3.15: holds_gil, gil_requested]
        let start = self.sections.thread;
        let after_frame = start + if self.sections.base_frame { 64 } else { 40 };
        Ok(ThreadLayout {
            next: self.field(start + 16)?,
            interpreter: self.field(start + 24)?,
            pthread: self.field(after_frame)?,
            native_id: Some(self.field(after_frame + 8)?),
            in_pthread: None,
            status: Some(self.field(after_frame + 24)?),
            size: Some(self.number(start)?).filter(|size| *size < LARGEST_OFFSET).map(|size| size as u32),
            gil_requested: if self.sections.base_frame { Some(self.field(after_frame + 40)?) } else { None },
        })
    }

    fn frames(&self, build: Build) -> Result<InterpreterFrames, PublishedError> {
        // size, previous, executable, instr_ptr, localsplus, owner, [3.14: stackpointer, tlbc_index]
        let start = self.sections.frame;
        let copies = build == Build::FreeThreaded && self.version.minor() >= (3, 14);
        let base = if self.sections.base_frame { Some(self.field(self.sections.thread + 40)?) } else { None };
        Ok(InterpreterFrames {
            first: FirstFrame::Current { current: self.field(self.sections.thread + 32)?, base },
            code: self.field(start + 16)?,
            previous: self.field(start + 8)?,
            instruction: self.field(start + 24)?,
            owner: self.field(start + 40)?,
            bytecode_copy: if copies { Some(self.field(start + 56)?) } else { None },
        })
    }

    fn code(&self, build: Build) -> Result<CodeLayout, PublishedError> {
        // size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
        // localspluskinds, co_code_adaptive, [3.14: co_tlbc]
        let start = self.sections.code;
        let copies = build == Build::FreeThreaded && self.version.minor() >= (3, 14);
        let first_line: Field<i32> = self.field(start + 40)?;
        Ok(CodeLayout {
            first_line,
            file: self.field(start + 8)?,
            name: self.field(start + 16)?,
            qualified_name: Some(self.field(start + 24)?),
            lines: self.field(start + 32)?,
            line_format: LineFormat::Locations,
            bytecode: Some(Bytecode {
                start: self.field(start + 72)?,
                first_traceable: self.first_traceable(build),
                copies: if copies { Some(self.field(start + 80)?) } else { None },
            }),
            frame_size: None,
            // It is not published; compiled from the headers of each version.
            version: Some(Field::at(first_line.offset() + 24)),
        })
    }

    /// `_co_firsttraceable` is not published; compiled from the headers of each version.
    fn first_traceable(&self, build: Build) -> Field<i32> {
        let offset = if self.version.minor() == (3, 13) { 184 } else { 192 };
        Field::at(if build == Build::FreeThreaded { offset + 16 } else { offset })
    }

    fn text(&self, build: Build) -> Result<TextLayout, PublishedError> {
        let bytes = self.sections.bytes;
        let unicode = self.sections.unicode;
        let ascii: Field<u64> = self.field(unicode + 24)?;
        // Free-threaded 3.14 made `interned` a whole byte, to be read without a lock.
        let kind_shift = if build == Build::FreeThreaded && self.version.minor() >= (3, 14) { 8 } else { 2 };
        Ok(TextLayout {
            bytes_length: self.field(bytes + 8)?,
            bytes_data: self.field(bytes + 16)?,
            names: NameFormat::Unicode {
                length: self.field(unicode + 16)?,
                state: self.field(unicode + 8)?,
                kind_shift,
                ascii_data: Field::at(ascii.offset()),
                // `PyCompactUnicodeObject` adds `utf8_length` and `utf8`.
                wide_data: Field::at(ascii.offset() + 16),
            },
        })
    }
}

#[cfg(test)]
mod tests;
