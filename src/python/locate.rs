//! Finds the Python in a process: which of its modules holds the runtime, which version it is, and where
//! everything begins. Symbols and sections first; the searches through memory last.

use std::fmt;

use crate::python::frames::{self, WalkError};
use crate::python::layout::{Frames, Generation, Gil, Layout};
use crate::python::published::{self, COOKIE, PublishedError};
use crate::python::search::{self, Bounded};
use crate::python::tables;
use crate::python::threads::{self, Roots};
use crate::python::version::{Build, Version};
use crate::target::elf::{Elf, ElfError};
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

/// All that is needed to read a Python's stacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// What stands where.
    pub layout: Layout,
    /// Where everything begins.
    pub roots: Roots,
    /// `&PyCode_Type`, which every code object points to.
    pub code_type: Address,
    /// `_PyEval_EvalFrameDefault()`, where a thread must not be read that has only just entered it.
    pub evaluation: Option<Address>,
}

impl Python {
    /// 3.11 and 3.12 link a new `_PyCFrame` some instructions before they fill it in. The other account of the frames
    /// gives it away, but for one in 100,000 stops of a maze at which the stale one happened to agree. It was linked 79
    /// (3.11.2), 66 (3.11.7) and 48 bytes (3.12.1) from the function's start and filled in at 109, 104 and 174; the
    /// first instruction that executes bytecode came after 237 and more.
    const ENTRANCE: std::ops::Range<u64> = 48..192;

    /// Does a thread that stands at this instruction enter the evaluation loop just now?
    pub fn is_entering(&self, instruction: Option<Address>) -> bool {
        let (Some(start), Some(at)) = (self.evaluation, instruction) else { return false };
        Self::ENTRANCE.contains(&at.0.wrapping_sub(start.0))
    }
}

/// Why no Python was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocateError {
    /// None of the process's files is a Python; how many were looked at.
    NotPython(usize),
    /// None that was looked at, and there is more than that.
    TooMuch(Bound),
    /// There is one, but it has not come as far as running a thread.
    NotYet,
    /// It is a PyPy; the file that says so.
    PyPy(String),
    /// It is a program for 32 bits.
    ThirtyTwoBit,
    /// The runtime is there, its version is not to be found; the file that holds it.
    NoVersion(String),
    /// A version that has no layout.
    Unknown(Version),
    /// The layout that it publishes cannot be used.
    Published(PublishedError),
    /// The version that `--abi` names does not fit what is in memory.
    WrongAbi(Version),
    /// A build without names, of a version that can only be found by them.
    Nameless(Version),
    /// What was found contradicts itself.
    Broken(String),
    /// Its memory cannot be read.
    Read(ReadError),
}

/// Where looking ends: a hostile process may have as much as it likes of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many files.
    Files,
    /// What a search through memory may read.
    Memory,
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPython(0) => f.write_str("no file of it could be looked at"),
            Self::NotPython(1) => f.write_str("its one file is no CPython"),
            Self::NotPython(files) => write!(f, "none of its {files} files is a CPython"),
            Self::TooMuch(Bound::Files) => {
                write!(f, "the first {MOST_FILES} of its files are no CPython, and it has more")
            }
            Self::TooMuch(Bound::Memory) => f.write_str(
                "none of its files says that it is a CPython, and they are too large to be searched",
            ),
            Self::NotYet => f.write_str("its Python has not started a thread"),
            Self::PyPy(file) => {
                write!(f, "{file} is a PyPy, which keeps its frames in another way than CPython")
            }
            Self::ThirtyTwoBit => f.write_str("it is a 32-bit program, only 64-bit ones can be read"),
            Self::NoVersion(file) => write!(f, "{file} holds a Python, but nothing that names its version"),
            Self::Unknown(version) => write!(f, "it runs Python {version}, whose memory is not known"),
            Self::Published(error) => error.fmt(f),
            Self::WrongAbi(version) => {
                write!(f, "what is in its memory does not fit Python {}.{}", version.major, version.minor)
            }
            Self::Nameless(version) => write!(
                f,
                "it is a build without any names, and by them alone Python {}.{} can be found",
                version.major, version.minor
            ),
            Self::Broken(file) => {
                write!(f, "{file} holds a Python whose lists of threads contradict themselves")
            }
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LocateError {}

impl From<ReadError> for LocateError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A module that was opened.
struct Image<'a> {
    module: &'a Module,
    elf: Elf<'a>,
}

impl Image<'_> {
    /// The address of an exported symbol. A file that cannot be read as it should has none.
    fn symbol(&self, name: &str) -> Option<Address> {
        self.elf.symbol(name).ok().flatten().map(|place| place.address)
    }

    fn name(&self) -> String {
        self.module.path.display().to_string()
    }
}

/// Files that are opened, the likely ones first. A browser has 300, a Python with all that can be installed some thousand;
/// a hostile process has 65,530, of which each takes up to five milliseconds.
const MOST_FILES: usize = 4096;

/// Finds the Python in the process that has `memory` and `maps`. `load` opens a module; `abi` is what
/// `--abi` says.
pub fn locate<'a>(
    memory: &impl Memory,
    maps: &Maps,
    abi: Option<Version>,
    load: impl Fn(&Module) -> Result<Elf<'a>, ElfError>,
) -> Result<Python, LocateError> {
    let mut modules = maps.modules();
    modules.retain(|module| module.mappings.iter().any(|mapping| mapping.access.execute));
    modules.sort_by_key(|module| rank(module.file_name()));
    if let Some(pypy) = modules.iter().find(|module| module.file_name().contains("pypy")) {
        return Err(LocateError::PyPy(pypy.path.display().to_string()));
    }
    let files = modules.len();
    modules.truncate(MOST_FILES);
    for module in &modules {
        match load(module) {
            Ok(elf) => {
                let image = Image { module, elf };
                if let Some(runtime) = by_name(&image, memory)? {
                    return finish(memory, maps, &image, runtime, abi);
                }
            }
            Err(ElfError::ThirtyTwoBit) => return Err(LocateError::ThirtyTwoBit),
            Err(_) => {}
        }
    }
    // They are opened anew rather than kept open: there may be more of them than we may have open.
    let images = || modules.iter().filter_map(|module| Some(Image { module, elf: load(module).ok()? }));
    let bounded = Bounded::new(memory);
    for module in modules.iter().take_while(|_| !bounded.is_spent()) {
        if let Some(runtime) = by_cookie(module, &bounded)
            && let Ok(elf) = load(module)
        {
            return finish(memory, maps, &Image { module, elf }, runtime, abi);
        }
    }
    let found = abi.map(|abi| by_shape(&bounded, maps, images(), abi));
    match found {
        Some(Ok(python)) => Ok(python),
        _ if files > MOST_FILES => Err(LocateError::TooMuch(Bound::Files)),
        _ if bounded.is_spent() => Err(LocateError::TooMuch(Bound::Memory)),
        Some(Err(error)) => Err(error),
        None => Err(LocateError::NotPython(files)),
    }
}

/// Where a runtime is likely: a shared libpython, a program called python, anything else.
fn rank(name: &str) -> u8 {
    match name {
        _ if name.starts_with("libpython") => 0,
        _ if name.starts_with("python") => 1,
        _ => 2,
    }
}

/// By exported symbols, which Debian's stripped static builds keep, and by the section of 3.10 and later.
fn by_name(image: &Image<'_>, memory: &impl Memory) -> Result<Option<Roots>, LocateError> {
    if let Some(runtime) = image.symbol("_PyRuntime") {
        return Ok(Some(Roots { runtime, current: None }));
    }
    if let Some(current) = image.symbol("_PyThreadState_Current") {
        let head = interpreter_head(image, memory)?;
        return Ok(Some(Roots { runtime: head, current: Some(current) }));
    }
    let section = image.elf.section(".PyRuntime").ok().flatten();
    Ok(section.map(|place| Roots { runtime: place.address, current: None }))
}

/// `interp_head` is a local symbol, gone from stripped files; then from `PyInterpreterState_Head()`, whose whole
/// body on x86-64 is `mov interp_head(%rip),%rax; ret`.
fn interpreter_head(image: &Image<'_>, memory: &impl Memory) -> Result<Address, LocateError> {
    if let Ok(Some(place)) = image.elf.local_symbol("interp_head") {
        return Ok(place.address);
    }
    if let Some(function) = image.symbol("PyInterpreterState_Head") {
        let mut body = [0; 8];
        memory.read(function, &mut body)?;
        if let [0x48, 0x8B, 0x05, r0, r1, r2, r3, 0xC3] = body {
            let step = i64::from(i32::from_le_bytes([r0, r1, r2, r3]));
            return Ok(Address((function + 7).0.wrapping_add_signed(step)));
        }
    }
    Err(LocateError::NoVersion(image.name()))
}

/// By the eight bytes at the start of the runtime of 3.13 and later, for files without any names.
fn by_cookie(module: &Module, memory: &impl Memory) -> Option<Roots> {
    let writable = module.mappings.iter().filter(|mapping| mapping.access.write);
    writable
        .filter_map(|mapping| search::aligned(memory, mapping.start, mapping.size(), &COOKIE))
        .map(|runtime| Roots { runtime, current: None })
        .next()
}

/// By the shape of the lists, for files without names of a version that is told by `--abi`.
fn by_shape<'a>(
    memory: &Bounded<'_, impl Memory>,
    maps: &Maps,
    images: impl Iterator<Item = Image<'a>>,
    abi: Version,
) -> Result<Python, LocateError> {
    for image in images.take_while(|_| !memory.is_spent()) {
        let version =
            written_version(memory, &image).filter(|found| found.minor() == abi.minor()).unwrap_or(abi);
        let layout =
            tables::layout(assume_latest(version), Build::Ordinary).ok_or(LocateError::WrongAbi(abi))?;
        // Without a name the GIL of 3.6 and earlier cannot be told from any other pointer.
        if layout.gil == Gil::Current {
            return Err(LocateError::Nameless(abi));
        }
        if let Some(runtime) = search::runtime(memory, maps, image.module, &layout)
            && let Ok(python) = finish(memory, maps, &image, Roots { runtime, current: None }, Some(version))
        {
            return Ok(python);
        }
    }
    Err(LocateError::WrongAbi(abi))
}

fn finish(
    memory: &impl Memory,
    maps: &Maps,
    image: &Image<'_>,
    roots: Roots,
    abi: Option<Version>,
) -> Result<Python, LocateError> {
    let layout = match published::layout(memory, roots.runtime) {
        Ok(layout) => match abi {
            Some(abi) if abi.minor() != layout.version.minor() => return Err(LocateError::WrongAbi(abi)),
            _ => layout,
        },
        Err(PublishedError::NoCookie) => from_table(memory, image, abi)?,
        Err(PublishedError::Read(error)) => return Err(LocateError::Read(error)),
        Err(PublishedError::Unknown(version)) => return Err(LocateError::Unknown(version)),
        Err(error) => return Err(LocateError::Published(error)),
    };
    // Lists and stacks have their bounds each; a hostile process has as many stacks as its lists are long.
    let code_type = verify(&Bounded::new(memory), maps, image, &layout, roots, abi)?;
    let enters = layout.lends_threads() && matches!(layout.frames, Frames::Interpreter(_));
    let evaluation = image.symbol("_PyEval_EvalFrameDefault").filter(|_| enters);
    Ok(Python { layout, roots, code_type, evaluation })
}

fn from_table(memory: &impl Memory, image: &Image<'_>, abi: Option<Version>) -> Result<Layout, LocateError> {
    let found = version(memory, image);
    let version = match (abi, found) {
        (Some(abi), Some(found)) if abi.minor() == found.minor() => found,
        (Some(abi), _) => assume_latest(abi),
        (None, Some(found)) => found,
        // Before it has written its version down, it has no thread either.
        (None, None) => return Err(LocateError::NotYet),
    };
    let build = build(memory, image);
    let mut layout = tables::layout(version, build).ok_or(LocateError::Unknown(version))?;
    // A local symbol: where it is gone, code objects are compared at each look.
    if version.minor() == (3, 12)
        && let Ok(Some(word)) = image.elf.local_symbol("_Py_next_func_version")
    {
        layout.interpreter.generation = Some(Generation::MadeByAll(word.address));
    }
    Ok(layout)
}

/// Where only major and minor are known: the layout of the last patch release.
const fn assume_latest(version: Version) -> Version {
    match version {
        Version { micro: 0, .. } => Version { micro: 99, ..version },
        version => version,
    }
}

/// `Py_Version` (3.11), what `Py_GetVersion()` wrote down, or the library's name.
fn version(memory: &impl Memory, image: &Image<'_>) -> Option<Version> {
    if let Some(symbol) = image.symbol("Py_Version")
        && let Ok(hex) = memory.u64(symbol)
    {
        return u32::try_from(hex).ok().map(Version::from_hex);
    }
    written_version(memory, image)
}

fn written_version(memory: &impl Memory, image: &Image<'_>) -> Option<Version> {
    image.elf.zeroed().find_map(|place| search::version(memory, place.address, place.size))
}

/// `PyType_Type` is its own type: where it points to itself is where `ob_type` stands.
fn build(memory: &impl Memory, image: &Image<'_>) -> Build {
    let Some(kind) = image.symbol("PyType_Type") else { return Build::Ordinary };
    match memory.pointer(kind + 24) {
        Ok(pointer) if pointer == kind => Build::TraceRefs,
        _ => Build::Ordinary,
    }
}

/// Walks everything once, before it is believed, and returns the type that all code objects have.
fn verify(
    memory: &impl Memory,
    maps: &Maps,
    image: &Image<'_>,
    layout: &Layout,
    roots: Roots,
    abi: Option<Version>,
) -> Result<Address, LocateError> {
    let wrong = || abi.map_or_else(|| LocateError::Broken(image.name()), LocateError::WrongAbi);
    let mut interpreters = Vec::new();
    let mut found = Vec::new();
    let lists = threads::interpreters(layout, memory, roots, &mut interpreters).and_then(|()| {
        interpreters
            .iter()
            .try_for_each(|interpreter| threads::threads(layout, memory, interpreter.address, &mut found))
    });
    match lists {
        Ok(()) if found.is_empty() => return Err(LocateError::NotYet),
        Ok(()) => {}
        Err(WalkError::Read(ReadError::Gone)) => return Err(LocateError::Read(ReadError::Gone)),
        // A process that is about to start or to end has lists in any state.
        Err(_) => return Err(wrong()),
    }
    match image.symbol("PyCode_Type") {
        Some(kind) => Ok(kind),
        None => code_type(memory, maps, layout, &found).ok_or_else(wrong),
    }
}

/// Without a symbol: the type of the first frame's code object, if it is called `code`.
fn code_type(memory: &impl Memory, maps: &Maps, layout: &Layout, found: &[Address]) -> Option<Address> {
    let mut stack = Vec::new();
    for thread in found {
        stack.clear();
        if frames::walk(layout, memory, *thread, &mut stack).is_err() {
            continue;
        }
        for frame in &stack {
            let kind = layout.object_type.of(memory, frame.code).ok()?;
            // `tp_name` follows the head of an object of variable size.
            let name = memory.pointer(kind + u64::from(layout.object_type.offset()) + 16).ok()?;
            let mut text = [0; 5];
            if maps.containing(name).is_some() && memory.read(name, &mut text).is_ok() && text == *b"code\0" {
                return Some(kind);
            }
        }
    }
    None
}
