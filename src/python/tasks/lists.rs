//! Where tasks are in 3.14 and later: each thread state has a list of those that were made in it and are not done. Where
//! that is asyncio publishes for debuggers, `_AsyncioDebug`, in a section of its own.

use super::{MOST_TASKS, TaskLayout};
use crate::python::chain::{Chain, Endless};
use crate::python::frames::WalkError;
use crate::python::layout::Field;
use crate::target::elf::{Elf, ElfError};
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

/// The section, in a module of asyncio's own or in the interpreter.
const SECTION: &str = ".AsyncioDebug";
/// Its bytes.
const PUBLISHED: usize = 13 * 8;
/// A thread state and a task are smaller than this.
const LARGEST_OFFSET: u64 = 1 << 16;

/// The lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lists {
    /// In a thread state: the head,
    head: Field<Address>,
    /// and the task that runs.
    running: Field<Address>,
    /// In a task: its place in the list.
    node: Field<Address>,
}

/// Finds the section, if asyncio has been loaded.
pub(super) fn locate<'a>(
    memory: &impl Memory,
    maps: &Maps,
    load: impl Fn(&Module) -> Result<Elf<'a>, ElfError>,
) -> Option<(Lists, TaskLayout)> {
    let mut modules = maps.modules();
    modules.retain(|module| {
        let name = module.file_name();
        ["_asyncio", "libpython", "python"].iter().any(|start| name.starts_with(start))
    });
    let tables = modules.iter().filter_map(|module| load(module).ok()?.section(SECTION).ok()?);
    let mut found = tables.filter_map(|place| published(memory, place.address).ok()?);
    found.next()
}

/// What is published at `table`. `None` if a number cannot be an offset.
pub(super) fn published(
    memory: &impl Memory,
    table: Address,
) -> Result<Option<(Lists, TaskLayout)>, ReadError> {
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
        let lists = Lists { head: field(12)?, running: field(11)?, node: field(6)? };
        Some((lists, TaskLayout { name: field(1)?, coroutine: field(5)? }))
    };
    Ok(published())
}

impl Lists {
    /// The tasks of the thread state at `thread`, the oldest first, into `list`, and into `running` the one that runs. Says
    /// whether these are all.
    pub(super) fn fill(
        &self,
        memory: &impl Memory,
        thread: Address,
        list: &mut Vec<Address>,
        running: &mut Vec<Address>,
    ) -> Result<bool, WalkError> {
        let head = self.head.within(thread);
        let mut chain = Chain::new(MOST_TASKS as u32 + 2);
        let mut at = memory.pointer(head)?;
        // Null where asyncio has not been here.
        if at.is_null() || at == head {
            return Ok(true);
        }
        running.push(self.running.of(memory, thread)?);
        while at != head {
            if list.len() == MOST_TASKS {
                return Ok(false);
            }
            if at.0 < u64::from(self.node.offset()) || !at.0.is_multiple_of(8) {
                return Err(WalkError::Broken(at));
            }
            chain.step(at).map_err(|Endless| WalkError::Broken(at))?;
            list.push(Address(at.0 - u64::from(self.node.offset())));
            at = memory.pointer(at)?;
        }
        Ok(true)
    }
}
