//! What threads are called: by the program where it says so, else by the kernel.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::python::locate::Python;
use crate::python::names::{NameLayout, thread_names};
use crate::python::threads::Interpreter;
use crate::sample::{ThreadId, ThreadSample};
use crate::target::memory::Address;
use crate::target::{Target, Tid};

/// Names are looked for no more often than this when new threads turn up: a table of all modules has to be read,
/// which takes some 100 µs of ours and nothing of the target's.
const SOONEST: Duration = Duration::from_millis(20);
/// And again after this long, because a program may rename a thread.
const AGAIN: Duration = Duration::from_secs(3);
/// Threads remembered; a program that starts and ends more than that is told its names anew.
const MOST: usize = 1 << 16;

/// The names that were told.
#[derive(Debug)]
pub struct Names {
    layout: Option<NameLayout>,
    told: FxHashMap<ThreadId, String>,
    read: Option<Instant>,
    /// Some were told the kernel's name because Python's had just been read.
    provisional: bool,
}

impl Names {
    /// For one Python.
    pub fn new(python: &Python) -> Self {
        Self {
            layout: NameLayout::of(&python.layout),
            told: FxHashMap::default(),
            read: None,
            provisional: false,
        }
    }

    /// Is it time to look for names, if there are new threads or if there are none?
    pub(super) fn are_due(&self, is_new: bool, now: Instant) -> bool {
        let age = if is_new || self.provisional { SOONEST } else { AGAIN };
        self.read.is_none_or(|read| now.duration_since(read) >= age)
    }

    /// The names that have to be told after these threads were seen: of new ones, and of renamed ones. `states` leads
    /// from threads to their thread states.
    pub fn news(
        &mut self,
        target: &Target,
        (python, interpreters): (&Python, &[Interpreter]),
        states: &FxHashMap<ThreadId, Address>,
        seen: &[ThreadSample],
        now: Instant,
    ) -> Vec<(ThreadId, String)> {
        let is_new = seen.iter().any(|sample| !self.told.contains_key(&sample.thread));
        let read_again = self.are_due(is_new, now);
        if !is_new && !read_again {
            return Vec::new();
        }
        if self.told.len() > MOST {
            self.told.clear();
        }
        let names = if read_again { self.read(target, python, interpreters) } else { FxHashMap::default() };
        self.provisional = !read_again;
        if read_again {
            self.read = Some(now);
        }
        let mut news = Vec::new();
        for thread in seen.iter().map(|sample| sample.thread) {
            let pthread = states
                .get(&thread)
                .and_then(|state| python.layout.thread.pthread.of(target.memory(), *state).ok());
            let name = pthread.and_then(|pthread| names.get(&pthread).cloned());
            let name = match (name, self.told.get(&thread)) {
                (Some(name), Some(told)) if *told == name => continue,
                (Some(name), _) => name,
                (None, Some(_)) => continue,
                (None, None) => target.tasks().name(Tid(thread.tid)).unwrap_or_default(),
            };
            self.told.insert(thread, name.clone());
            news.push((thread, name));
        }
        news
    }

    /// By `pthread_self()`. The target runs meanwhile: what is being changed at this moment is found the next time.
    fn read(&self, target: &Target, python: &Python, interpreters: &[Interpreter]) -> FxHashMap<u64, String> {
        let Some(layout) = &self.layout else { return FxHashMap::default() };
        interpreters
            .iter()
            .filter_map(|one| thread_names(&python.layout, layout, target.memory(), one.address).ok())
            .flatten()
            .collect()
    }
}
