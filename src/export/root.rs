//! Whose a stack is, as frames: what stands at the root of every stack where threads are told apart.
//!
//! `thread:worker-0:24063`, its name and the kernel's number for it, is a frame like all others: it has three fields, is
//! escaped as they are, and ends in a number after a colon, also where lines are left out. (A blank before that number
//! would be a second count for `flamegraph.pl`.) The number tells threads apart that have one name, and finds each of
//! them in `top -H`; it is written for all, so that none is called otherwise because another one has come.
//!
//! Where processes below the one that is watched are watched, too, the process stands above its threads, as
//! `process:python3:24060`, by what the kernel calls it.
//!
//! A task of asyncio's stands below the thread of its loop: what is kept of it outlives it, and belongs to the next one of
//! its function.

use std::collections::HashMap;
use std::rc::Rc;

use super::escape::Escaped;
use crate::profile::{Profile, Thread, ThreadNo};
use crate::sample::{Process, ThreadId};

/// Spells threads, and remembers those that it spelled before.
pub(super) struct Roots<'a> {
    profile: &'a Profile,
    /// The threads themselves, for what waits in them.
    threads: HashMap<ThreadId, &'a Thread>,
    spelled: HashMap<ThreadNo, Rc<[String]>>,
}

impl<'a> Roots<'a> {
    pub(super) fn new(profile: &'a Profile) -> Self {
        let threads = profile.threads().filter(|(_, thread)| thread.id.seat == 0);
        let threads = threads.map(|(_, thread)| (thread.id, thread)).collect();
        Self { profile, threads, spelled: HashMap::new() }
    }

    /// The frames of a thread, root first.
    pub(super) fn of(&mut self, number: ThreadNo) -> Rc<[String]> {
        let Self { profile, threads, spelled } = self;
        let spell = || {
            let known = profile.thread(number);
            let thread = threads.get(&ThreadId { seat: 0, ..known.id }).copied();
            let name = match thread {
                None if known.id.seat > 0 => format!("thread {}", known.id.tid).into(),
                thread => profile.name_of(thread.unwrap_or(known)),
            };
            let process = known.process.as_ref();
            let process = process.map(|Process { pid, name }| {
                let name = if name.is_empty() { "process" } else { name };
                format!("process:{}:{pid}", Escaped(name))
            });
            let thread = format!("thread:{}:{}", Escaped(&name), known.id.tid);
            process.into_iter().chain([thread]).collect()
        };
        Rc::clone(spelled.entry(number).or_insert_with(spell))
    }
}
