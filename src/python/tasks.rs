//! asyncio's tasks that wait, 3.11 and later. No thread runs them, so their frames hang in no thread's chain: each
//! coroutine keeps its own frame, on top of whose stack lies what it awaits.
//!
//! ```text
//! task ─coro→ coroutine {frame} ─awaits→ coroutine {frame} ─awaits→ a future
//! ```
//!
//! Where the tasks are is another matter: see `lists.rs` for 3.14 and later, and `sets.rs`. Which of them awaits which, too:
//! see `awaiting.rs`.

mod awaiting;
mod coroutines;
mod labels;
mod lists;
mod sets;

use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::python::chain::{Chain, Endless};
use crate::python::frames::{self, DEEPEST, RawFrame, WalkError};
use crate::python::layout::{Field, Layout};
use crate::python::locate::Python;
use crate::python::objects::{ObjectLayout, flag};
use crate::python::published;
use crate::python::threads::Interpreter;
use crate::python::version::Build;
use crate::target::elf::{Elf, ElfError};
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

use awaiting::Awaiting;
pub use coroutines::{Coroutines, Top};
pub use labels::Label;
use lists::Lists;
use sets::Sets;

/// Tasks of a thread that are read: each holds its loop up for some 2 µs.
pub const MOST_TASKS: usize = 1024;
/// So many are come by on the way to those: of other loops, and such as are done.
const MOST_FOLLOWED: usize = 4 * MOST_TASKS;
/// What types are called whose objects matter.
const KINDS: [(&[u8], Kind); 12] = [
    (b"coroutine\0", Kind::Coroutine),
    (b"generator\0", Kind::Coroutine),
    (b"async_generator\0", Kind::Coroutine),
    (b"coroutine_wrapper\0", Kind::Wrapper),
    (b"async_generator_asend\0", Kind::Wrapper),
    (b"async_generator_athrow\0", Kind::Wrapper),
    (b"anext_awaitable\0", Kind::Wrapper),
    (b"int\0", Kind::Integer),
    (b"str\0", Kind::Text),
    (b"_asyncio.FutureIter\0", Kind::Future),
    (b"function\0", Kind::Function),
    (b"method\0", Kind::Method),
];
/// Types that are remembered; there are ten at the most that matter.
const MOST_KINDS: usize = 256;

/// Where tasks are.
#[derive(Debug, Clone)]
enum Source {
    Lists(Lists),
    Sets(Sets),
}

/// What is read of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TaskLayout {
    name: Field<Address>,
    coroutine: Field<Address>,
}

/// Does such a Python say where tasks are? (Those without a GIL do, too, but none has been seen.)
pub fn are_told(layout: &Layout) -> bool {
    layout.version.minor() >= (3, 11) && layout.build == Build::Ordinary
}

/// Finds where tasks are, if asyncio has been loaded. `load` opens a module.
pub fn locate<'a>(
    memory: &impl Memory,
    maps: &Maps,
    python: &Python,
    load: impl Fn(&Module) -> Result<Elf<'a>, ElfError>,
) -> Option<TaskReader> {
    if !are_told(&python.layout) {
        return None;
    }
    if let Some(coroutines) = coroutines::before_published(&python.layout) {
        let (sets, task) = Sets::of(&python.layout)?;
        return TaskReader::new(&python.layout, Source::Sets(sets), task, coroutines);
    }
    let coroutines = published::coroutines(memory, python.roots.runtime).ok()??;
    let (lists, task) = lists::locate(memory, maps, load)?;
    TaskReader::new(&python.layout, Source::Lists(lists), task, coroutines)
}

/// What an object is, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coroutine,
    /// The object that the first field leads to is meant.
    Wrapper,
    /// The first field leads to a future, which is awaited.
    Future,
    Function,
    Method,
    Integer,
    Text,
    Other,
}

/// What a coroutine awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Coroutine(Address),
    Future(Address),
    Other,
}

/// Reads tasks.
#[derive(Debug, Clone)]
pub struct TaskReader {
    source: Source,
    task: TaskLayout,
    coroutines: Coroutines,
    objects: ObjectLayout,
    kinds: FxHashMap<Address, Kind>,
    /// A module's type, which may go with it: known for one look only.
    iterator: Address,
    awaiting: Awaiting,
    list: Vec<Address>,
    /// Tasks that run, of those that were listed last.
    running: Vec<Address>,
    cut: u64,
}

impl TaskReader {
    fn new(layout: &Layout, source: Source, task: TaskLayout, coroutines: Coroutines) -> Option<Self> {
        Some(Self {
            source,
            task,
            coroutines,
            objects: ObjectLayout::of(layout)?,
            kinds: FxHashMap::default(),
            iterator: Address::NULL,
            awaiting: Awaiting::of(layout),
            list: Vec::new(),
            running: Vec::new(),
            cut: 0,
        })
    }

    /// The one for what stands at `table`.
    #[cfg(test)]
    pub(crate) fn published(
        layout: &Layout,
        coroutines: Coroutines,
        memory: &impl Memory,
        table: Address,
    ) -> Option<Self> {
        let (lists, task) = lists::published(memory, table).ok()??;
        Self::new(layout, Source::Lists(lists), task, coroutines)
    }

    /// The one for sets, where everything stands at one address.
    #[cfg(test)]
    pub(crate) fn in_sets(layout: &Layout, interpreter: Interpreter, thread: Address) -> Option<Self> {
        let (sets, task) = Sets::of(layout)?;
        let sets = sets.with(interpreter, thread, interpreter.address);
        Self::new(layout, Source::Sets(sets), task, coroutines::before_published(layout)?)
    }

    /// Looks up what is far away and changes seldom, while the target runs. Says whether that is another now.
    pub fn follow(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        interpreters: &[Interpreter],
        now: Instant,
    ) -> bool {
        match &mut self.source {
            Source::Lists(lists) => lists.follow(layout, memory, interpreters, now),
            Source::Sets(sets) => sets.follow(layout, memory, interpreters, now),
        }
    }

    /// The tasks of the loop that runs in the thread state at `thread`, but no more than [`MOST_TASKS`]; from 3.14 on the
    /// oldest, and those alone that are not done.
    pub fn list(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        thread: Address,
    ) -> Result<Vec<Address>, WalkError> {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        self.running.clear();
        self.iterator = Address::NULL;
        self.awaiting.begin();
        let all = match &self.source {
            Source::Lists(lists) => lists.fill(layout, memory, thread, &mut list, &mut self.running)?,
            Source::Sets(sets) => sets.fill(layout, memory, thread, &mut list, &mut self.running)?,
        };
        self.cut += u64::from(!all);
        Ok(list)
    }

    /// How many lists were longer than is read.
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Gives a list back, whose room serves the next one.
    pub fn put_back(&mut self, list: Vec<Address>) {
        self.list = list;
    }

    /// Appends the frames of the task at `task`, which was listed last, leaf first: none if it runs (then they are its
    /// thread's), or is no task of coroutines. Gives the future that it awaits, which may be another task.
    pub fn frames(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        task: Address,
        frames: &mut Vec<RawFrame>,
    ) -> Result<Option<Address>, WalkError> {
        if self.running.contains(&task) {
            return Ok(None);
        }
        let start = frames.len();
        let mut chain = Chain::new(DEEPEST);
        let mut object = self.task.coroutine.of(memory, task)?;
        let mut future = None;
        loop {
            let coroutine = match self.awaited(layout, memory, object)? {
                Awaited::Coroutine(coroutine) => coroutine,
                Awaited::Future(awaited) => {
                    future = Some(awaited);
                    break;
                }
                Awaited::Other => break,
            };
            chain.step(coroutine).map_err(|Endless| WalkError::Broken(coroutine))?;
            let Coroutines { frame, state, waits, awaits, .. } = &self.coroutines;
            let state = state.of(memory, coroutine)?;
            let (waits, awaits) = (waits.contains(&state), awaits.contains(&state));
            if !waits {
                break;
            }
            let frame = frame.within(coroutine);
            let raw = frames::waiting(layout, memory, frame)?;
            frames.push(raw);
            if !awaits || !self.coroutines.is_awaiting(memory, raw.instruction)? {
                break;
            }
            object = frames::untagged(self.coroutines.awaited(memory, frame)?);
        }
        frames[start..].reverse();
        Ok(future.filter(|_| frames.len() > start))
    }

    /// The coroutine or the future that an object is, or leads to.
    fn awaited(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        object: Address,
    ) -> Result<Awaited, WalkError> {
        let mut object = object;
        // `anext()` with a default wraps what wraps the generator.
        for _ in 0..2 {
            let leads_to = || memory.pointer(layout.object_type.within(object) + 8);
            match self.kind_of(layout, memory, object)? {
                Kind::Coroutine => return Ok(Awaited::Coroutine(object)),
                Kind::Future => return Ok(Awaited::Future(leads_to()?)),
                Kind::Wrapper => object = leads_to()?,
                _ => return Ok(Awaited::Other),
            }
        }
        let is_it = self.kind_of(layout, memory, object)? == Kind::Coroutine;
        Ok(if is_it { Awaited::Coroutine(object) } else { Awaited::Other })
    }

    fn kind_of(&mut self, layout: &Layout, memory: &impl Memory, object: Address) -> Result<Kind, WalkError> {
        if object.is_null() {
            return Ok(Kind::Other);
        }
        if !object.0.is_multiple_of(8) {
            return Err(WalkError::Broken(object));
        }
        let kind = layout.object_type.of(memory, object)?;
        if let Some(known) = self.kinds.get(&kind) {
            return Ok(*known);
        }
        if kind == self.iterator {
            return Ok(Kind::Future);
        }
        let found = self.find_kind(memory, kind)?;
        // Types that a program has made come and go; those of the interpreter stay where they are.
        if found == Kind::Future {
            self.iterator = kind;
        } else if found != Kind::Other {
            if self.kinds.len() >= MOST_KINDS {
                self.kinds.clear();
            }
            self.kinds.insert(kind, found);
        }
        Ok(found)
    }

    fn find_kind(&self, memory: &impl Memory, kind: Address) -> Result<Kind, ReadError> {
        let Coroutines { kind_name, kind_flags, .. } = &self.coroutines;
        if kind.is_null() {
            return Ok(Kind::Other);
        }
        // Those that are made by `class` can be changed.
        let flags = kind_flags.of(memory, kind)? & (flag::HEAP_TYPE | flag::IMMUTABLE);
        if flags == flag::HEAP_TYPE {
            return Ok(Kind::Other);
        }
        let start = kind_name.of(memory, kind)?;
        let mut bytes = [0; 24];
        let mut length = 0;
        // Not further than the name goes: it may be the last that is mapped.
        while let Some(byte) = bytes.get_mut(length) {
            *byte = memory.u8(start + length as u64)?;
            length += 1;
            if *byte == 0 {
                break;
            }
        }
        let known = KINDS.into_iter().find(|(name, _)| bytes.get(..length) == Some(*name));
        // What a module has made is no type of the interpreter's.
        let known = known.filter(|(_, kind)| flags & flag::HEAP_TYPE == 0 || *kind == Kind::Future);
        Ok(known.map_or(Kind::Other, |(_, kind)| kind))
    }
}

#[cfg(test)]
mod tests;
