//! Where tasks are in 3.14 and later: each thread state has a list of those that were made in it and are not done, and each
//! interpreter one of those that were made in threads that are over. Where they are asyncio publishes for debuggers,
//! `_AsyncioDebug`, in a section of its own.
//!
//! It runs a task where its loop runs, which need not be where it was made: a program may make tasks first, and then start
//! a thread for their loop. Which threads have such tasks is looked up while the target runs.

use std::time::{Duration, Instant};

use super::{MOST_FOLLOWED, MOST_TASKS, TaskLayout};
use crate::python::chain::{Chain, Endless};
use crate::python::frames::WalkError;
use crate::python::layout::{Field, Layout};
use crate::python::threads::{self, Interpreter};
use crate::target::elf::{Elf, ElfError};
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

/// The section, in a module of asyncio's own or in the interpreter.
const SECTION: &str = ".AsyncioDebug";
/// Its bytes.
const PUBLISHED: usize = 13 * 8;
/// A thread state and a task are smaller than this.
const LARGEST_OFFSET: u64 = 1 << 16;
/// `fut_loop` of a task.
const LOOP: Field<Address> = Field::at(16);
/// Threads with tasks of others' loops are looked for after this long.
const ELSEWHERE: Duration = Duration::from_millis(100);

/// The lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lists {
    /// In a thread state: the head,
    head: Field<Address>,
    /// the loop that runs in it,
    its_loop: Field<Address>,
    /// and the task that does.
    running: Field<Address>,
    /// In a task: its place in the list.
    node: Field<Address>,
    /// In an interpreter: the head of the list of those whose thread is over.
    left: Field<Address>,
    /// Thread states that have tasks of loops that do not run there, and when they were looked for.
    elsewhere: Vec<Address>,
    sought: Option<Instant>,
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
        let lists = Lists {
            head: field(12)?,
            its_loop: field(10)?,
            running: field(11)?,
            node: field(6)?,
            left: field(8)?,
            elsewhere: Vec::new(),
            sought: None,
        };
        Some((lists, TaskLayout { name: field(1)?, coroutine: field(5)? }))
    };
    Ok(published())
}

impl Lists {
    /// Looks up which threads have tasks of loops that do not run there, if it is time for that, and says whether these are
    /// others now. The target runs meanwhile: what is being changed is found the next time.
    pub(super) fn follow(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        interpreters: &[Interpreter],
        now: Instant,
    ) -> bool {
        if self.sought.is_some_and(|then| now.duration_since(then) < ELSEWHERE) {
            return false;
        }
        self.sought = Some(now);
        let mut all = Vec::new();
        for interpreter in interpreters {
            // Those that were found before an error are there.
            let _ = threads::threads(layout, memory, interpreter.address, &mut all);
        }
        let has_others = |thread: &Address| {
            let found = self.has_others(memory, *thread);
            found.unwrap_or_else(|_| self.elsewhere.contains(thread))
        };
        all.retain(has_others);
        let before = std::mem::replace(&mut self.elsewhere, all);
        self.elsewhere != before
    }

    /// Are there tasks of another loop than the one that runs here?
    fn has_others(&self, memory: &impl Memory, thread: Address) -> Result<bool, WalkError> {
        let its_loop = self.its_loop.of(memory, thread)?;
        let mut found = false;
        self.walk(memory, self.head.within(thread), &mut 0, |task| {
            found = LOOP.of(memory, task)? != its_loop;
            Ok(!found)
        })?;
        Ok(found)
    }

    /// The tasks of the loop that runs in the thread state at `thread`, those that were made there first, each list's oldest
    /// first, into `list`, and into `running` the one that runs. Says whether these are all.
    pub(super) fn fill(
        &self,
        layout: &Layout,
        memory: &impl Memory,
        thread: Address,
        list: &mut Vec<Address>,
        running: &mut Vec<Address>,
    ) -> Result<bool, WalkError> {
        let its_loop = self.its_loop.of(memory, thread)?;
        if its_loop.is_null() {
            return Ok(true);
        }
        running.push(self.running.of(memory, thread)?);
        let interpreter = layout.thread.interpreter.of(memory, thread)?;
        let mut others = Vec::new();
        if self.elsewhere.iter().any(|other| *other != thread) {
            threads::threads(layout, memory, interpreter, &mut others)?;
            others.retain(|other| *other != thread && self.elsewhere.contains(other));
        }
        let heads = [thread].into_iter().chain(others).map(|thread| self.head.within(thread));
        let (mut followed, mut is_all) = (0, true);
        for head in heads.chain([self.left.within(interpreter)]) {
            is_all &= self.walk(memory, head, &mut followed, |task| {
                if LOOP.of(memory, task)? == its_loop {
                    if list.len() == MOST_TASKS {
                        return Ok(false);
                    }
                    list.push(task);
                }
                Ok(true)
            })?;
        }
        Ok(is_all)
    }

    /// Shows the tasks of a list as long as that `goes_on`, and says whether these were all.
    fn walk(
        &self,
        memory: &impl Memory,
        head: Address,
        followed: &mut usize,
        mut goes_on: impl FnMut(Address) -> Result<bool, WalkError>,
    ) -> Result<bool, WalkError> {
        let mut chain = Chain::new(MOST_FOLLOWED as u32 + 2);
        let mut at = memory.pointer(head)?;
        // Null where asyncio has not been.
        while !at.is_null() && at != head {
            if at.0 < u64::from(self.node.offset()) || !at.0.is_multiple_of(8) {
                return Err(WalkError::Broken(at));
            }
            chain.step(at).map_err(|Endless| WalkError::Broken(at))?;
            if *followed == MOST_FOLLOWED || !goes_on(Address(at.0 - u64::from(self.node.offset())))? {
                return Ok(false);
            }
            *followed += 1;
            at = memory.pointer(at)?;
        }
        Ok(true)
    }
}
