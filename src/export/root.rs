//! The thread as a frame: what stands at the root of every stack where threads are told apart.
//!
//! `thread:worker-0:24063`, its name and the kernel's number for it, is a frame like all others: it has three fields, is
//! escaped as they are, and ends in a number after a colon, also where lines are left out. (A blank before that number
//! would be a second count for `flamegraph.pl`.) The number tells threads apart that have one name, and finds each of
//! them in `top -H`; it is written for all, so that none is called otherwise because another one has come.
//!
//! A task of asyncio's stands below the thread of its loop: what is kept of it outlives it, and belongs to the next one of
//! its function.

use std::collections::HashMap;
use std::rc::Rc;

use super::escape::Escaped;
use crate::profile::{Profile, Thread, ThreadNo};
use crate::sample::ThreadId;

/// Spells threads, and remembers those that it spelled before.
pub(super) struct Roots<'a> {
    profile: &'a Profile,
    /// The threads themselves, for what waits in them.
    threads: HashMap<ThreadId, &'a Thread>,
    spelled: HashMap<ThreadNo, Rc<str>>,
}

impl<'a> Roots<'a> {
    pub(super) fn new(profile: &'a Profile) -> Self {
        let threads = profile.threads().filter(|(_, thread)| thread.id.seat == 0);
        let threads = threads.map(|(_, thread)| (thread.id, thread)).collect();
        Self { profile, threads, spelled: HashMap::new() }
    }

    /// The frame of a thread.
    pub(super) fn of(&mut self, number: ThreadNo) -> Rc<str> {
        let Self { profile, threads, spelled } = self;
        let spell = || {
            let known = profile.thread(number);
            let thread = threads.get(&ThreadId { seat: 0, ..known.id }).copied();
            let name = match thread {
                None if known.id.seat > 0 => format!("thread {}", known.id.tid).into(),
                thread => profile.name_of(thread.unwrap_or(known)),
            };
            format!("thread:{}:{}", Escaped(&name), known.id.tid).into()
        };
        Rc::clone(spelled.entry(number).or_insert_with(spell))
    }
}
