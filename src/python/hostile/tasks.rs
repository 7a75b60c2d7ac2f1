//! Tasks in memory that answers anything.

use proptest::prelude::*;

use super::{BASE, MOST_READS, hostile, start};
use crate::python::frames::DEEPEST;
use crate::python::literal::{Literal, eras};
use crate::python::published;
use crate::python::tasks::{MOST_TASKS, TaskLayout, TaskReader};
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
        let found = TaskLayout::published(&layout, coroutines, &published, Address(BASE)).unwrap();
        if let Some(tasks) = found {
            let mut reader = TaskReader::new(tasks);
            let list = reader.list(&memory, thread).unwrap_or_default();
            prop_assert!(list.len() <= MOST_TASKS);
            for task in list.into_iter().chain([thread]).take(4) {
                let (mut frames, before) = (Vec::new(), memory.reads.get());
                let _ = reader.frames(&layout, &memory, task, &mut frames);
                let _ = reader.label(&layout, &memory, task);
                let _ = reader.name(&layout, &memory, task);
                prop_assert!(frames.len() <= DEEPEST as usize && memory.reads.get() - before <= 4 * MOST_READS);
            }
        }
    }
}
