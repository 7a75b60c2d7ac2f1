//! asyncio's tasks that wait, 3.14 and later. No thread runs them, so their frames hang in no thread's chain: each
//! coroutine keeps its own frame, on top of whose stack lies what it awaits. Each thread state has a list of the tasks that
//! were made in it and are not done; where, asyncio publishes for debuggers (`_AsyncioDebug`, a section of its own).
//!
//! ```text
//! thread state ─tasks_head→ task ─node→ task … back to the thread state
//!                            │ coro
//!                            ▼
//!                        coroutine {frame} ─awaits→ coroutine {frame} ─awaits→ a future
//! ```

use std::hash::Hasher;
use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHasher};

use crate::python::chain::{Chain, Endless};
use crate::python::frames::{self, DEEPEST, RawFrame, WalkError};
use crate::python::layout::{Field, Layout};
use crate::python::locate::Python;
use crate::python::objects::{IntegerLayout, ObjectLayout, flag};
use crate::python::published;
use crate::python::version::Build;
use crate::target::elf::{Elf, ElfError};
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

/// Tasks of a thread that are read, the oldest first: each holds its loop up for some 2 µs.
pub const MOST_TASKS: usize = 1024;
/// Bytes of a name by which it is told from others.
const TOLD_BY: usize = 64;
/// What types are called whose objects matter.
const KINDS: [(&[u8], Kind); 8] = [
    (b"coroutine\0", Kind::Coroutine),
    (b"generator\0", Kind::Coroutine),
    (b"async_generator\0", Kind::Coroutine),
    (b"coroutine_wrapper\0", Kind::Wrapper),
    (b"async_generator_asend\0", Kind::Wrapper),
    (b"async_generator_athrow\0", Kind::Wrapper),
    (b"int\0", Kind::Integer),
    (b"str\0", Kind::Text),
];
/// Types that are remembered; there are ten at the most that matter.
const MOST_KINDS: usize = 256;

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
    /// `stackpointer` in the frame,
    pub stack: Field<Address>,
    /// and so many bytes below where that points what is awaited.
    pub awaited: u64,
    /// `tp_name`.
    pub kind_name: Field<Address>,
    /// `tp_flags`.
    pub kind_flags: Field<u64>,
}

/// Where tasks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLayout {
    /// In a thread state: the head of the list,
    head: Field<Address>,
    /// and the task that runs.
    running: Field<Address>,
    /// In a task: its place in the list, its name, its coroutine.
    node: Field<Address>,
    name: Field<Address>,
    coroutine: Field<Address>,
    coroutines: Coroutines,
    integers: IntegerLayout,
}

/// Bytes of `_AsyncioDebug`.
const PUBLISHED: usize = 13 * 8;
/// A thread state and a task are smaller than this.
const LARGEST_OFFSET: u64 = 1 << 16;

impl TaskLayout {
    /// From what asyncio publishes at `table`. `None` if a number cannot be an offset.
    pub fn published(
        layout: &Layout,
        coroutines: Coroutines,
        memory: &impl Memory,
        table: Address,
    ) -> Result<Option<Self>, ReadError> {
        let mut bytes = [0; PUBLISHED];
        memory.read(table, &mut bytes)?;
        // task: size, name, awaited_by, is_task, awaited_by_is_set, coro, node; interpreter: size, tasks_head;
        // thread: size, running_loop, running_task, tasks_head
        let field = |index: u32| {
            let value = Field::<u64>::at(8 * index).from(&bytes, 0)?;
            let fits = value < LARGEST_OFFSET && value.is_multiple_of(8);
            fits.then(|| Field::at(value as u32))
        };
        let published = || {
            Some(Self {
                head: field(12)?,
                running: field(11)?,
                node: field(6)?,
                name: field(1)?,
                coroutine: field(5)?,
                coroutines,
                integers: ObjectLayout::of(layout)?.integers,
            })
        };
        Ok(published())
    }
}

/// The section in which asyncio says where tasks are, in a module of its own or in the interpreter.
const SECTION: &str = ".AsyncioDebug";

/// Does such a Python publish where tasks are? (Without a GIL it does, too, but no such one has been seen.)
pub fn are_told(layout: &Layout) -> bool {
    layout.version.minor() >= (3, 14) && layout.build != Build::FreeThreaded
}

/// Finds where tasks are, if asyncio has been loaded. `load` opens a module.
pub fn locate<'a>(
    memory: &impl Memory,
    maps: &Maps,
    python: &Python,
    load: impl Fn(&Module) -> Result<Elf<'a>, ElfError>,
) -> Option<TaskLayout> {
    if !are_told(&python.layout) {
        return None;
    }
    let coroutines = published::coroutines(memory, python.roots.runtime).ok()??;
    let mut modules = maps.modules();
    modules.retain(|module| {
        let name = module.file_name();
        ["_asyncio", "libpython", "python"].iter().any(|start| name.starts_with(start))
    });
    let tables = modules.iter().filter_map(|module| load(module).ok()?.section(SECTION).ok()?);
    let mut layouts = tables.filter_map(|place| {
        TaskLayout::published(&python.layout, coroutines.clone(), memory, place.address).ok()?
    });
    layouts.next()
}

/// What a task is told by from the next one at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// No two of a program have the same number.
    Number(u64),
    /// The program has given it a name; this stands for it.
    Given(u64),
}

/// What an object is, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coroutine,
    /// The object that the first field leads to is meant.
    Wrapper,
    Integer,
    Text,
    Other,
}

/// Reads tasks.
#[derive(Debug)]
pub struct TaskReader {
    layout: TaskLayout,
    kinds: FxHashMap<Address, Kind>,
    list: Vec<Address>,
    /// The task that runs in the thread whose list that is.
    running: Address,
    cut: u64,
}

impl TaskReader {
    /// One that knows where tasks are.
    pub fn new(layout: TaskLayout) -> Self {
        Self { layout, kinds: FxHashMap::default(), list: Vec::new(), running: Address::NULL, cut: 0 }
    }

    /// The tasks of the thread state at `thread` that are not done, the oldest first, but no more than [`MOST_TASKS`].
    pub fn list(&mut self, memory: &impl Memory, thread: Address) -> Result<Vec<Address>, WalkError> {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        self.cut += u64::from(!self.fill(memory, thread, &mut list)?);
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

    /// Says whether these are all.
    fn fill(
        &mut self,
        memory: &impl Memory,
        thread: Address,
        list: &mut Vec<Address>,
    ) -> Result<bool, WalkError> {
        let TaskLayout { head, running, node, .. } = &self.layout;
        let head = head.within(thread);
        let mut chain = Chain::new(MOST_TASKS as u32 + 2);
        let mut at = memory.pointer(head)?;
        // Null where asyncio has not been here.
        if at.is_null() || at == head {
            return Ok(true);
        }
        self.running = running.of(memory, thread)?;
        while at != head {
            if list.len() == MOST_TASKS {
                return Ok(false);
            }
            if at.0 < u64::from(node.offset()) || !at.0.is_multiple_of(8) {
                return Err(WalkError::Broken(at));
            }
            chain.step(at).map_err(|Endless| WalkError::Broken(at))?;
            let task = Address(at.0 - u64::from(node.offset()));
            list.push(task);
            at = memory.pointer(at)?;
        }
        Ok(true)
    }

    /// Appends the frames of the task at `task`, which was listed last, leaf first: none if it runs (then they are its
    /// thread's), or is no task of coroutines.
    pub fn frames(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        task: Address,
        frames: &mut Vec<RawFrame>,
    ) -> Result<(), WalkError> {
        if task == self.running {
            return Ok(());
        }
        let start = frames.len();
        let mut chain = Chain::new(DEEPEST);
        let mut object = self.layout.coroutine.of(memory, task)?;
        while let Some(coroutine) = self.coroutine(layout, memory, object)? {
            chain.step(coroutine).map_err(|Endless| WalkError::Broken(coroutine))?;
            let Coroutines { frame, state, waits, awaits, stack, awaited, .. } = &self.layout.coroutines;
            let state = state.of(memory, coroutine)?;
            if !waits.contains(&state) {
                break;
            }
            let frame = frame.within(coroutine);
            frames.push(frames::waiting(layout, memory, frame)?);
            if !awaits.contains(&state) {
                break;
            }
            let top = stack.of(memory, frame)?;
            if top.0 < *awaited || !top.0.is_multiple_of(8) {
                return Err(WalkError::Broken(frame));
            }
            object = frames::untagged(memory.pointer(Address(top.0 - awaited))?);
        }
        frames[start..].reverse();
        Ok(())
    }

    /// The coroutine that an object is, or leads to.
    fn coroutine(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        object: Address,
    ) -> Result<Option<Address>, WalkError> {
        Ok(match self.kind_of(layout, memory, object)? {
            Kind::Coroutine => Some(object),
            Kind::Wrapper => {
                let wrapped = memory.pointer(layout.object_type.within(object) + 8)?;
                let is_it = self.kind_of(layout, memory, wrapped)? == Kind::Coroutine;
                is_it.then_some(wrapped)
            }
            _ => None,
        })
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
        let found = self.find_kind(memory, kind)?;
        // Types that a program has made come and go; those of the interpreter stay where they are.
        if found != Kind::Other {
            if self.kinds.len() >= MOST_KINDS {
                self.kinds.clear();
            }
            self.kinds.insert(kind, found);
        }
        Ok(found)
    }

    fn find_kind(&self, memory: &impl Memory, kind: Address) -> Result<Kind, ReadError> {
        let Coroutines { kind_name, kind_flags, .. } = &self.layout.coroutines;
        if kind.is_null() || kind_flags.of(memory, kind)? & flag::HEAP_TYPE != 0 {
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
        Ok(known.map_or(Kind::Other, |(_, kind)| kind))
    }

    /// What the task at `task` is told by.
    pub fn label(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        task: Address,
    ) -> Result<Label, WalkError> {
        let name = self.layout.name.of(memory, task)?;
        Ok(match self.kind_of(layout, memory, name)? {
            Kind::Integer => {
                let IntegerLayout { size, digits, .. } = &self.layout.integers;
                let count = size.of(memory, name)? >> 3;
                let digit = |index: u64| memory.u32(digits.within(name) + 4 * index).map(u64::from);
                Label::Number(match count {
                    1 => digit(0)?,
                    2 => digit(1)? << 30 | digit(0)?,
                    _ => 0,
                })
            }
            Kind::Text => {
                let start = layout.text.start_of_name(name);
                let extent = layout.text.extent_of_name(memory, name).unwrap_or(8);
                let mut bytes = [0; TOLD_BY];
                let bytes = &mut bytes[..extent.min(TOLD_BY)];
                memory.read(start, bytes)?;
                let mut hasher = FxHasher::default();
                hasher.write(bytes);
                Label::Given(hasher.finish())
            }
            _ => Label::Number(0),
        })
    }

    /// The name that a program has given to the task at `task`.
    pub fn name(&self, layout: &Layout, memory: &impl Memory, task: Address) -> Option<String> {
        layout.text.name(memory, self.layout.name.of(memory, task).ok()?).ok()
    }
}

#[cfg(test)]
mod tests;
