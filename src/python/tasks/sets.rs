//! Where tasks are up to 3.13: in a weak set of `asyncio.tasks`, for all loops of an interpreter together. Which loop runs
//! in which thread, and where the set is, is looked up while the target runs, some times a second, since it is a long way;
//! what it leads to is checked in each look.
//!
//! ```text
//! sys.modules["asyncio.tasks"]: _scheduled_tasks.data → a set of weak references → tasks, with the loop of each
//!                               _current_tasks: a dict of the task that runs, by loop
//! thread state: the loop that runs in it
//! ```

use std::time::{Duration, Instant};

use super::{MOST_FOLLOWED, MOST_TASKS, TaskLayout};
use crate::python::frames::WalkError;
use crate::python::layout::{Field, Layout};
use crate::python::objects::{ObjectLayout, Objects};
use crate::python::threads::{self, Interpreter};
use crate::target::memory::{Address, Memory, ReadError};

/// A set.
const MASK: Field<u64> = Field::at(32);
const TABLE: Field<Address> = Field::at(40);
/// Bytes of an entry: what it is, and its hash.
const ENTRY: usize = 16;
/// The hash of no object: the entry is not in use any more.
const NOBODY: u64 = u64::MAX;
/// Entries of a set that are looked at; most of them are empty.
const MOST_ENTRIES: u64 = 1 << 14;
/// Entries read at once: a block of a snapshot.
const PAGE: usize = 32;
/// `wr_object` of a weak reference, `fut_loop` of a task, `rl_loop` of what a thread of 3.11 keeps its loop in.
const FIRST: Field<Address> = Field::at(16);
/// `tp_base` of a type, and how many are followed from a class that a program has derived.
const BASE: Field<Address> = Field::at(256);
const MOST_BASES: usize = 8;
/// Tasks that run at the same moment: one a loop.
const MOST_RUNNING: usize = 64;
/// Under this name a thread keeps the loop that runs in it.
const RUNNING_LOOP: &str = "__asyncio_running_event_loop__";

/// Loops are looked for after this long, and interpreters that have loaded asyncio since, which takes longer.
const LOOPS: Duration = Duration::from_millis(100);
const HOMES: Duration = Duration::from_secs(1);

/// The sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sets {
    objects: ObjectLayout,
    /// What the set is called.
    name: &'static str,
    /// Bytes of a task.
    size: u64,
    running_loop: RunningLoop,
    homes: Vec<Home>,
    /// When homes were looked for, and loops.
    sought: Option<Instant>,
    followed: Option<Instant>,
}

/// Where a thread state says which loop runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunningLoop {
    /// 3.11: in its dict, in an object of its own.
    Holder(Field<Address>),
    /// 3.12: in its dict.
    Dict(Field<Address>),
    /// 3.13: behind what all versions have of it.
    Here(Field<Address>),
}

/// An interpreter that has loaded asyncio.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Home {
    interpreter: Interpreter,
    /// The set, the dict of tasks that run, and their type.
    set: Address,
    current: Address,
    kind: Address,
    /// By thread state the loop that runs in it.
    loops: Vec<(Address, Address)>,
}

impl Home {
    /// Is this the type of tasks, or one that is derived from it?
    fn is_of(&self, memory: &impl Memory, kind: Address) -> Result<bool, ReadError> {
        let mut kind = kind;
        for _ in 0..MOST_BASES {
            if kind == self.kind || kind.is_null() {
                return Ok(kind == self.kind);
            }
            kind = BASE.of(memory, kind)?;
        }
        Ok(false)
    }
}

impl Sets {
    /// For the versions that have them; compiled from their headers, and for a task from what their compilers say of it.
    pub(super) fn of(layout: &Layout) -> Option<(Self, TaskLayout)> {
        let (name, size, coroutine, running_loop) = match layout.version.minor() {
            (3, 11) => ("_all_tasks", 176, 136, RunningLoop::Holder(Field::at(128))),
            (3, 12) => ("_scheduled_tasks", 176, 136, RunningLoop::Dict(Field::at(112))),
            (3, 13) => ("_scheduled_tasks", 144, 120, RunningLoop::Here(Field::at(layout.thread.size?))),
            _ => return None,
        };
        let task = TaskLayout { name: Field::at(coroutine + 8), coroutine: Field::at(coroutine) };
        let objects = ObjectLayout::of(layout)?;
        let (homes, sought, followed) = (Vec::new(), None, None);
        Some((Self { objects, name, size, running_loop, homes, sought, followed }, task))
    }

    /// With what was found far away: of the loop of a thread.
    #[cfg(test)]
    pub(super) fn with(mut self, interpreter: Interpreter, thread: Address, its_loop: Address) -> Self {
        let (set, current, kind) = (interpreter.address, interpreter.address, interpreter.address);
        self.homes.push(Home { interpreter, set, current, kind, loops: vec![(thread, its_loop)] });
        self
    }

    /// Looks up what is far away, if it is time for that, and says whether it is another now. The target runs meanwhile: what
    /// is being changed is found the next time.
    pub(super) fn follow(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        interpreters: &[Interpreter],
        now: Instant,
    ) -> bool {
        let is_over = |then: Option<Instant>, time| then.is_none_or(|then| now.duration_since(then) >= time);
        if !is_over(self.followed, LOOPS) {
            return false;
        }
        self.followed = Some(now);
        let before = self.homes.clone();
        self.homes.retain(|home| interpreters.contains(&home.interpreter));
        if is_over(self.sought, HOMES) {
            self.sought = Some(now);
            for interpreter in interpreters {
                if !self.homes.iter().any(|home| home.interpreter == *interpreter)
                    && let Ok(Some(home)) = self.home(layout, memory, *interpreter)
                {
                    self.homes.push(home);
                }
            }
        }
        for index in 0..self.homes.len() {
            let loops = self.homes.get(index).and_then(|home| self.loops(layout, memory, home.interpreter));
            if let (Some(home), Some(loops)) = (self.homes.get_mut(index), loops) {
                home.loops = loops;
            }
        }
        self.homes != before
    }

    /// Which loop runs in which thread.
    fn loops(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        interpreter: Interpreter,
    ) -> Option<Vec<(Address, Address)>> {
        let mut list = Vec::new();
        threads::threads(layout, memory, interpreter.address, &mut list).ok()?;
        let found = list
            .into_iter()
            .filter_map(|thread| Some((thread, self.running_loop(layout, memory, thread).ok()??)));
        Some(found.collect())
    }

    fn home(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        interpreter: Interpreter,
    ) -> Result<Option<Home>, ReadError> {
        let mut objects = Objects::new(layout, &self.objects, memory);
        let mut find = || {
            let modules = layout.interpreter.modules.of(memory, interpreter.address)?;
            if modules.is_null() {
                return Ok(None);
            }
            let Some(entries) = objects.dict(modules)? else { return Ok(None) };
            let Some(tasks) = objects.item(entries, "asyncio.tasks")? else { return Ok(None) };
            let Some(kind) = objects.attribute(tasks, "_CTask")? else { return Ok(None) };
            let Some(current) = objects.attribute(tasks, "_current_tasks")? else { return Ok(None) };
            let Some(set) = objects.attribute(tasks, self.name)? else { return Ok(None) };
            let Some(set) = objects.attribute(set, "data")? else { return Ok(None) };
            Ok(Some(Home { interpreter, set, current, kind, loops: Vec::new() }))
        };
        let found = find()?;
        let fits = |home: &Home| self.objects.types.basic_size.of(memory, home.kind) == Ok(self.size);
        Ok(found.filter(fits))
    }

    /// The loop that runs in a thread.
    fn running_loop(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        thread: Address,
    ) -> Result<Option<Address>, ReadError> {
        let its_loop = match self.running_loop {
            RunningLoop::Here(field) => Some(field.of(memory, thread)?),
            RunningLoop::Holder(dict) => match self.in_dict(layout, memory, dict.of(memory, thread)?)? {
                Some(holder) => Some(FIRST.of(memory, holder)?),
                None => None,
            },
            RunningLoop::Dict(dict) => self.in_dict(layout, memory, dict.of(memory, thread)?)?,
        };
        Ok(its_loop.filter(|its_loop| !its_loop.is_null()))
    }

    fn in_dict(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        dict: Address,
    ) -> Result<Option<Address>, ReadError> {
        let mut objects = Objects::new(layout, &self.objects, memory);
        match if dict.is_null() { None } else { objects.dict(dict)? } {
            Some(entries) => objects.item(entries, RUNNING_LOOP),
            None => Ok(None),
        }
    }

    /// Adds the tasks that run now, a loop one.
    fn add_running(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        home: &Home,
        running: &mut Vec<Address>,
    ) -> Result<(), WalkError> {
        let mut objects = Objects::new(layout, &self.objects, memory);
        if let Some(entries) = objects.dict(home.current)? {
            let (mut page, mut start) = (Vec::new(), 0);
            while running.len() < MOST_RUNNING && objects.page(entries, &mut start, &mut page)? {
                running.extend(page.iter().map(|entry| entry.value));
            }
        }
        Ok(())
    }

    /// The tasks of the loop that runs in the thread state at `thread`, in no order, into `list`, and into `running` those
    /// that run. Says whether these are all.
    pub(super) fn fill(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        thread: Address,
        list: &mut Vec<Address>,
        running: &mut Vec<Address>,
    ) -> Result<bool, WalkError> {
        let find = |home: &Home| home.loops.iter().find(|(owner, _)| *owner == thread).copied();
        let found = self.homes.iter().find_map(|home| Some((home, find(home)?)));
        let Some((home, (_, its_loop))) = found else { return Ok(true) };
        // Another one by now: it is found soon.
        if self.running_loop(layout, memory, thread)? != Some(its_loop) {
            return Ok(true);
        }
        self.add_running(layout, memory, home, running)?;
        let entries = MASK.of(memory, home.set)?.saturating_add(1);
        if !entries.is_power_of_two() {
            return Err(WalkError::Broken(home.set));
        }
        let table = TABLE.of(memory, home.set)?;
        let mut followed = 0;
        for first in (0..entries.min(MOST_ENTRIES)).step_by(PAGE) {
            let mut bytes = [0; PAGE * ENTRY];
            let count = (entries - first).min(PAGE as u64) as usize;
            let bytes = &mut bytes[..count * ENTRY];
            memory.read(table + first * ENTRY as u64, bytes)?;
            for entry in bytes.chunks_exact(ENTRY) {
                let (Some(reference), Some(hash)) =
                    (Field::<Address>::at(0).from(entry, 0), Field::<u64>::at(8).from(entry, 0))
                else {
                    continue;
                };
                if reference.is_null() || hash == NOBODY {
                    continue;
                }
                if followed == MOST_FOLLOWED {
                    return Ok(false);
                }
                followed += 1;
                let task = FIRST.of(memory, reference)?;
                // What has died has left `None` behind.
                if task.is_null()
                    || !home.is_of(memory, layout.object_type.of(memory, task)?)?
                    || FIRST.of(memory, task)? != its_loop
                {
                    continue;
                }
                if list.len() == MOST_TASKS {
                    return Ok(false);
                }
                list.push(task);
            }
        }
        Ok(entries <= MOST_ENTRIES)
    }
}
