//! Tasks in memory that answers anything.

use std::time::Instant;

use proptest::prelude::*;

use super::{BASE, Hostile, MOST_READS, hostile, start, words};
use crate::python::frames::DEEPEST;
use crate::python::layout::Layout;
use crate::python::literal::{Literal, eras};
use crate::python::published;
use crate::python::tasks::{Label, MOST_TASKS, TaskReader};
use crate::python::threads::{Interpreter, Lock};
use crate::python::version::Build;
use crate::target::memory::Address;

proptest! {
    #[test]
    fn tasks_come_to_an_end(
        memory in hostile(),
        thread in start(),
        minor in 14..=15_u8,
        free in any::<bool>(),
        table in prop::collection::vec(prop_oneof![(0..130_u64).prop_map(|n| 8 * n), any::<u64>()], 13),
    ) {
        let build = if free { Build::FreeThreaded } else { Build::Ordinary };
        let layout = eras::layout(3, minor, build);
        let runtime = eras::table(minor, build);
        let runtime = Literal::new().at(eras::RUNTIME, runtime.len()).bytes(0, &runtime);
        let coroutines = published::coroutines(&runtime, Address(eras::RUNTIME)).unwrap().unwrap();
        let bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
        let published = Literal::new().at(BASE, bytes.len()).bytes(0, &bytes);
        if let Some(mut reader) = TaskReader::published(&layout, coroutines, &published, Address(BASE)) {
            read(&mut reader, &layout, &memory, thread)?;
            let interpreter = Interpreter { address: Address(BASE), id: 0, lock: Lock::Attached };
            let _ = reader.follow(&layout, &memory, &[interpreter], Instant::now());
            read(&mut reader, &layout, &memory, thread)?;
        }
    }

    #[test]
    fn sets_come_to_an_end(
        words in words(),
        seed in any::<u64>(),
        thread in start(),
        minor in 11..=13_u8,
        table in any::<bool>(),
    ) {
        let layout = eras::layout(3, minor, Build::Ordinary);
        let memory = Hostile::new(words, seed);
        // Its loop is what the thread says, or what it does not.
        let address = if table { Address(BASE) } else { thread };
        let interpreter = Interpreter { address, id: 0, lock: Lock::Attached };
        let mut reader = TaskReader::in_sets(&layout, interpreter, thread).unwrap();
        read(&mut reader, &layout, &memory, thread)?;
        let _ = reader.follow(&layout, &memory, &[interpreter], Instant::now());
        read(&mut reader, &layout, &memory, thread)?;
    }
}

/// The tasks of a thread, some of their stacks, and what they are called.
fn read(
    reader: &mut TaskReader,
    layout: &Layout,
    memory: &Hostile,
    thread: Address,
) -> Result<(), TestCaseError> {
    let before = memory.reads.get();
    let list = reader.list(layout, memory, thread).unwrap_or_default();
    prop_assert!(list.len() <= MOST_TASKS && memory.reads.get() - before <= MOST_READS);
    let futures: Vec<_> = list.iter().map(|task| Some(*task + 8)).chain([Some(thread)]).collect();
    let before = memory.reads.get();
    let awaited_by = reader.awaited_by(layout, memory, &list, &futures);
    prop_assert!(memory.reads.get() - before <= MOST_READS + 64 * list.len() as u64);
    let is_one = |place: &Option<usize>| place.is_none_or(|place| place < futures.len());
    prop_assert!(awaited_by.is_ok_and(|all| all.iter().all(is_one)) || !list.is_empty());
    for task in list.into_iter().chain([thread]).take(4) {
        let (mut frames, before) = (Vec::new(), memory.reads.get());
        let _ = reader.frames(layout, memory, task, &mut frames);
        let label = reader.label(layout, memory, task).unwrap_or(Label::Given(task.0));
        let _ = reader.name(layout, memory, task, label);
        prop_assert!(frames.len() <= DEEPEST as usize && memory.reads.get() - before <= 4 * MOST_READS);
    }
    Ok(())
}
