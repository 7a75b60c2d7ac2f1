//! What must be known of a CPython's memory to read its stacks: offsets, and a few manners that offsets
//! do not tell. Filled once (from `tables` or from what the target publishes); after that nobody asks for
//! the version again.

pub use crate::python::field::{Field, Word};
use crate::python::version::{Build, Version};
use crate::target::memory::{Address, Memory, ReadError};

/// Everything that differs between CPythons, as far as we read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// For showing only.
    pub version: Version,
    /// For showing only.
    pub build: Build,
    /// The newest interpreter, from `_PyRuntime` (3.7 and later) or from `interp_head`, which it then is.
    pub interpreters: Field<Address>,
    /// Who may run Python.
    pub gil: Gil,
    /// `PyInterpreterState`.
    pub interpreter: InterpreterLayout,
    /// `PyThreadState`.
    pub thread: ThreadLayout,
    /// The chain of frames.
    pub frames: Frames,
    /// `PyCodeObject`.
    pub code: CodeLayout,
    /// Strings and bytes.
    pub text: TextLayout,
    /// `ob_type`: 8, or 24 in builds with a longer object header.
    pub object_type: Field<Address>,
}

/// Where the word stands that says who holds the GIL. Since 3.7, `last_holder` stays set after a release,
/// so the `locked` word that follows it (always 8 bytes later) has to be 1 as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gil {
    /// 2.7–3.6: the symbol `_PyThreadState_Current`, which is null when nobody holds it.
    Current,
    /// 3.7–3.11: in `_PyRuntime`; one for all interpreters.
    Runtime {
        /// `ceval.gil.last_holder`.
        holder: Field<Address>,
    },
    /// 3.12 and later: behind a pointer in each interpreter; sub-interpreters share the main one or own one.
    Interpreter {
        /// `ceval.gil`.
        pointer: Field<Address>,
        /// `last_holder`, from where that points.
        holder: Field<Address>,
    },
    /// Free-threaded: as `Interpreter` if the GIL was enabled at run time (`PYTHON_GIL=1`), else every
    /// attached thread runs.
    Optional {
        /// `ceval.gil`.
        pointer: Field<Address>,
        /// `enabled`, from where that points.
        enabled: Field<i32>,
        /// `last_holder`, likewise.
        holder: Field<Address>,
    },
}

/// `PyInterpreterState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterLayout {
    /// The next older interpreter.
    pub next: Field<Address>,
    /// Its number; before 3.7 there is none.
    pub id: Option<Field<i64>>,
    /// The newest thread state.
    pub threads: Field<Address>,
    /// `sys.modules`, for thread names.
    pub modules: Field<Address>,
    /// Not 0 while garbage is collected; in `_PyRuntime` for 3.7 and 3.8.
    pub collecting: Option<Collecting>,
    /// What tells that no code object's address was re-used.
    pub generation: Option<Generation>,
}

impl InterpreterLayout {
    /// The number of the interpreter that stands at an address; 0 where they have none. It is never used again.
    pub fn number(&self, memory: &impl Memory, interpreter: Address) -> Result<i64, ReadError> {
        self.id.map_or(Ok(0), |field| field.of(memory, interpreter))
    }
}

/// A count of which equal means that no address of a code object has been used again meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 3.14 and later, `_code_object_generation` of the interpreter: code objects that have died.
    Died(Field<u64>),
    /// 3.13, `func_state.next_version` of the interpreter: the version that the next code object will have. Functions are
    /// given such versions, too. 0 when all are used up.
    Made(Field<u32>),
    /// 3.12, `_Py_next_func_version`, a word of the program's: the same.
    MadeByAll(Address),
}

impl Generation {
    /// The count as it stands, for code objects of this interpreter; `None` when it has come to its end.
    pub fn of(self, memory: &impl Memory, interpreter: Address) -> Result<Option<u64>, ReadError> {
        let next = match self {
            Self::Died(field) => return field.of(memory, interpreter).map(Some),
            Self::Made(field) => field.of(memory, interpreter)?,
            Self::MadeByAll(word) => Field::<u32>::at(0).of(memory, word)?,
        };
        Ok(Some(u64::from(next)).filter(|next| *next > 0))
    }
}

/// Where the garbage collector's mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collecting {
    /// `_PyRuntime.gc.collecting`, 3.7 and 3.8.
    Runtime(Field<i32>),
    /// `interp.gc.collecting`, 3.9 and later.
    Interpreter(Field<i32>),
}

/// `PyThreadState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadLayout {
    /// The next older thread.
    pub next: Field<Address>,
    /// The interpreter it belongs to: the check that this is a thread state at all.
    pub interpreter: Field<Address>,
    /// `pthread_self()` of the thread.
    pub pthread: Field<u64>,
    /// 3.11 and later: the kernel's thread id, as the target's PID namespace numbers it.
    pub native_id: Option<Field<u64>>,
    /// Before 3.11, or where that is not true any more: where the same stands in what `pthread` points to. That is the C
    /// library's affair, and is found out in the running target.
    pub in_pthread: Option<Field<u32>>,
    /// 3.12 and later: a word of bits, of which [`ThreadLayout::ACTIVE`] says "attached".
    pub status: Option<Field<u32>>,
    /// 3.13 and later: its bytes, without what only some modules know.
    pub size: Option<u32>,
    /// 3.15 and later: waits for the GIL.
    pub gil_requested: Option<Field<i32>>,
}

impl ThreadLayout {
    /// The bit of `_status` that says that the thread is attached.
    pub const ACTIVE: u32 = 0x10;
}

/// How frames hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frames {
    /// 2.7–3.10: a linked list of `PyFrameObject`s.
    Objects(FrameObjects),
    /// 3.11 and later: a linked list of `_PyInterpreterFrame`s.
    Interpreter(InterpreterFrames),
}

/// `PyFrameObject`, 2.7–3.10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameObjects {
    /// `PyThreadState.frame`.
    pub first: Field<Address>,
    /// The caller.
    pub back: Field<Address>,
    /// The code object.
    pub code: Field<Address>,
    /// The instruction being executed, -1 before the first.
    pub last_instruction: Field<i32>,
    /// What it counts: 1 byte, or the 2 of a code unit (3.10).
    pub instruction_unit: u8,
}

/// `_PyInterpreterFrame`, 3.11 and later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterFrames {
    /// Where the newest frame is found.
    pub first: FirstFrame,
    /// The code object, or (3.13 and later) whatever is executed, with tag bits in 3.14 and later.
    pub code: Field<Address>,
    /// The caller.
    pub previous: Field<Address>,
    /// The instruction being executed (3.13 and later) or the last code unit of it.
    pub instruction: Field<Address>,
    /// Who owns the frame: see [`Owner`].
    pub owner: Field<u8>,
    /// Free-threaded 3.14 and later: which of the code's copies the instruction stands in.
    pub bytecode_copy: Option<Field<u32>>,
}

/// Where a thread's newest frame is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstFrame {
    /// 3.11 and 3.12: through a `_PyCFrame` on the target's C stack, one for each entry into the evaluation
    /// loop. It is linked in some instructions before it is filled in, so even a stopped thread may show a
    /// stale one: every entry frame must agree with the next `_PyCFrame`.
    Entry {
        /// `PyThreadState.cframe`.
        cframe: Field<Address>,
        /// `_PyCFrame.current_frame`, and `_PyCFrame.previous`.
        links: Field<[Address; 2]>,
        /// Offset of `PyThreadState.root_cframe`: the `_PyCFrame` with which every chain ends.
        root: u32,
        /// How an entry frame is told.
        boundary: Boundary,
        /// `PyThreadState.datastack_chunk`, `datastack_top` and `datastack_limit`: where the newest chunk of the data stack
        /// begins, below what its living frames are, and where it ends. Frames lie on it that belong to no generator.
        stack: Field<[Address; 3]>,
    },
    /// 3.13 and later: in the thread state.
    Current {
        /// `PyThreadState.current_frame`.
        current: Field<Address>,
        /// 3.15 and later: the frame in the thread state with which every chain ends.
        base: Option<Field<Address>>,
    },
}

/// What marks the outermost frame of an evaluation loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// 3.11: a byte in the frame itself.
    IsEntry(Field<u8>),
    /// 3.12: a shim frame after it, owned by the C stack.
    Shim,
}

/// The values of `_PyInterpreterFrame.owner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner;

impl Owner {
    /// On the thread's data stack.
    pub const THREAD: u8 = 0;
    /// Embedded in a generator, coroutine or asynchronous generator.
    pub const GENERATOR: u8 = 1;
    /// From here on it is no Python frame: 3 is the shim on the C stack (3.12, 3.13) or the interpreter
    /// (3.14), 4 the C stack (3.14).
    pub const NOT_PYTHON: u8 = 3;
    /// The largest value that any version uses.
    pub const LAST: u8 = 4;
}

/// `PyCodeObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLayout {
    /// `co_firstlineno`.
    pub first_line: Field<i32>,
    /// `co_filename`.
    pub file: Field<Address>,
    /// `co_name`.
    pub name: Field<Address>,
    /// `co_qualname`, 3.11 and later.
    pub qualified_name: Option<Field<Address>>,
    /// `co_lnotab` or `co_linetable`.
    pub lines: Field<Address>,
    /// How that is to be read.
    pub line_format: LineFormat,
    /// 3.11 and later: the bytecode, which begins here, in the object itself.
    pub bytecode: Option<Bytecode>,
    /// 3.11 and 3.12: how long its frames are.
    pub frame_size: Option<FrameSize>,
    /// `co_version`, 3.12 and later: no other one of its interpreter has the same, unless it is 0: all are used up.
    pub version: Option<Field<u32>>,
}

impl CodeLayout {
    /// Where the strings are that are shown of it: its file, its name, its lines.
    pub fn strings(&self) -> [Field<Address>; 3] {
        [self.file, self.qualified_name.unwrap_or(self.name), self.lines]
    }
}

/// The words of a frame: a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSize {
    /// `co_stacksize`, or the whole of it: `co_framesize`.
    pub stack: Field<i32>,
    /// `co_nlocalsplus`.
    pub locals: Option<Field<i32>>,
    /// Of each frame: `FRAME_SPECIALS_SIZE`.
    pub specials: u32,
}

/// Where a code object's instructions stand, 3.11 and later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytecode {
    /// `co_code_adaptive`: the first instruction.
    pub start: Field<u8>,
    /// `_co_firsttraceable`: a frame that has not come this far is not yet a call.
    pub first_traceable: Field<i32>,
    /// Free-threaded 3.14 and later: the array of copies, one a thread.
    pub copies: Option<Field<Address>>,
}

/// How lines are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// `co_lnotab`, up to 3.5: pairs of unsigned bytes.
    PairsUnsigned,
    /// `co_lnotab`, 3.6–3.9: the line's step is signed.
    PairsSigned,
    /// `co_linetable`, 3.10.
    Ranges,
    /// `co_linetable`, 3.11 and later.
    Locations,
}

/// Strings and bytes objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLayout {
    /// Bytes in a `bytes` (2.7: `str`) object, which code objects keep their line tables in.
    pub bytes_length: Field<i64>,
    /// Its first byte.
    pub bytes_data: Field<u8>,
    /// How names are stored.
    pub names: NameFormat,
}

/// How the strings in code objects are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFormat {
    /// 2.7: a byte string, like any other.
    Bytes,
    /// 3.3 and later: one, two or four bytes a character.
    Unicode {
        /// Characters.
        length: Field<i64>,
        /// The word that holds kind, compact and ascii.
        state: Field<u32>,
        /// Where the kind's three bits start; compact and ascii are the bits after them.
        kind_shift: u8,
        /// Data of a compact ASCII string.
        ascii_data: Field<u8>,
        /// Data of any other compact one; in the others a pointer to it stands here.
        wide_data: Field<u8>,
    },
}

impl Layout {
    /// Up to 3.12 the thread state that a new interpreter begins with names its creator as its thread for ever, and
    /// any other thread may run it (`_xxsubinterpreters.run_string` does so).
    pub fn lends_threads(&self) -> bool {
        match &self.frames {
            Frames::Objects(_) => true,
            Frames::Interpreter(frames) => matches!(frames.first, FirstFrame::Entry { .. }),
        }
    }

    /// The same layout for a build whose heap objects have `bytes` more in front.
    #[must_use]
    pub fn with_object_header(mut self, bytes: u32) -> Self {
        self.object_type = self.object_type.moved(bytes);
        let code = &mut self.code;
        code.first_line = code.first_line.moved(bytes);
        code.file = code.file.moved(bytes);
        code.name = code.name.moved(bytes);
        code.qualified_name = code.qualified_name.map(|field| field.moved(bytes));
        code.lines = code.lines.moved(bytes);
        code.version = code.version.map(|field| field.moved(bytes));
        code.bytecode = code.bytecode.map(|bytecode| Bytecode {
            start: bytecode.start.moved(bytes),
            first_traceable: bytecode.first_traceable.moved(bytes),
            copies: bytecode.copies.map(|field| field.moved(bytes)),
        });
        code.frame_size = code.frame_size.map(|size| FrameSize {
            stack: size.stack.moved(bytes),
            locals: size.locals.map(|field| field.moved(bytes)),
            ..size
        });
        if let Frames::Objects(frames) = &mut self.frames {
            frames.back = frames.back.moved(bytes);
            frames.code = frames.code.moved(bytes);
            frames.last_instruction = frames.last_instruction.moved(bytes);
        }
        let text = &mut self.text;
        text.bytes_length = text.bytes_length.moved(bytes);
        text.bytes_data = text.bytes_data.moved(bytes);
        if let NameFormat::Unicode { length, state, ascii_data, wide_data, .. } = &mut text.names {
            *length = length.moved(bytes);
            *state = state.moved(bytes);
            *ascii_data = ascii_data.moved(bytes);
            *wide_data = wide_data.moved(bytes);
        }
        self
    }
}
