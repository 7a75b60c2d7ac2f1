//! What threads are called: by the program where it says so, else by the kernel.

use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::python::locate::Python;
use crate::python::names::{NameLayout, thread_names};
use crate::python::threads::Interpreter;
use crate::sample::{ThreadId, ThreadSample};
use crate::target::memory::Address;
use crate::target::{RunState, Target, Tid};

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
    /// When Python was last asked, and when it was for all threads that were seen.
    read: Option<Instant>,
    read_all: Option<Instant>,
    /// These were told the kernel's name, and when: Python had just been asked, or did not know them yet. A thread has a
    /// state and frames before it has put itself where `threading` keeps those that run, and others may have the GIL then.
    provisional: FxHashMap<ThreadId, Instant>,
    /// The latest of these moments.
    doubted: Option<Instant>,
}

impl Names {
    /// For one Python.
    pub fn new(python: &Python) -> Self {
        Self {
            layout: NameLayout::of(&python.layout),
            told: FxHashMap::default(),
            read: None,
            read_all: None,
            provisional: FxHashMap::default(),
            doubted: None,
        }
    }

    /// Is it time to look for names, if there are new threads or if there are none?
    pub(super) fn are_due(&self, is_new: bool, now: Instant) -> bool {
        // Who is none of Python's own has no other name: the longer there was none, the longer we wait.
        let waited =
            self.read.zip(self.doubted).map(|(read, doubted)| read.saturating_duration_since(doubted));
        let pause = if is_new { SOONEST } else { SOONEST.max(waited.unwrap_or_default()) };
        let some = is_new || !self.provisional.is_empty();
        some && is_over(self.read, pause, now) || is_over(self.read_all, AGAIN, now)
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
        let threads = || seen.iter().map(|sample| sample.thread).filter(|thread| thread.seat == 0);
        let is_new = threads().any(|thread| !self.told.contains_key(&thread));
        let all = is_over(self.read_all, AGAIN, now);
        // Who has no name yet is asked for when he is seen: another look's asking would put that off.
        let is_wanted = is_new || all || threads().any(|thread| self.provisional.contains_key(&thread));
        let read_again = is_wanted && self.are_due(is_new, now);
        if !is_new && !read_again {
            return Vec::new();
        }
        if self.told.len() > MOST {
            self.told.clear();
        }
        let is_due = |thread: &ThreadId| {
            all || !self.told.contains_key(thread) || read_again && self.provisional.contains_key(thread)
        };
        let due: Vec<_> = threads().filter(is_due).collect();
        let pthread =
            |thread: &ThreadId| python.layout.thread.pthread.of(target.memory(), *states.get(thread)?).ok();
        let (mut names, mut pthreads) = (FxHashMap::default(), vec![None; due.len()]);
        if read_again {
            pthreads = due.iter().map(pthread).collect();
            names = self.read(target, python, interpreters, &pthreads.iter().flatten().copied().collect());
            self.provisional.retain(|_, told| now.saturating_duration_since(*told) < AGAIN);
            self.read = Some(now);
            if all {
                self.read_all = Some(now);
            }
        }
        let mut news = Vec::new();
        for (thread, pthread) in due.into_iter().zip(pthreads) {
            let name = pthread.and_then(|pthread| names.get(&pthread).cloned());
            // Who is over by now has left its `pthread_self()` to another one, and this may be that one's name.
            let name = name.filter(|_| lives(target, thread));
            if name.is_some() {
                self.provisional.remove(&thread);
            }
            let name = match (name, self.told.get(&thread)) {
                (Some(name), Some(told)) if name == *told => continue,
                (Some(name), _) => name,
                (None, Some(_)) => continue,
                (None, None) => {
                    self.provisional.insert(thread, now);
                    self.doubted = Some(now);
                    target.tasks().name(Tid(thread.tid)).unwrap_or_default()
                }
            };
            self.told.insert(thread, name.clone());
            news.push((thread, name));
        }
        news
    }

    /// By `pthread_self()`, the names of those that are wanted. The target runs meanwhile: what is being changed at this
    /// moment is found the next time.
    fn read(
        &self,
        target: &Target,
        python: &Python,
        interpreters: &[Interpreter],
        wanted: &FxHashSet<u64>,
    ) -> FxHashMap<u64, String> {
        let Some(layout) = &self.layout else { return FxHashMap::default() };
        let wanted = |pthread| wanted.contains(&pthread);
        let names = interpreters.iter().filter_map(|one| {
            thread_names(&python.layout, layout, target.memory(), one.address, wanted).ok()
        });
        names.flatten().collect()
    }
}

fn lives(target: &Target, thread: ThreadId) -> bool {
    let moment = target.tasks().moment(Tid(thread.tid));
    moment.is_some_and(|moment| !matches!(moment.state, RunState::Zombie | RunState::Dead))
}

/// Is there no such moment, or has so much time gone by since?
fn is_over(then: Option<Instant>, length: Duration, now: Instant) -> bool {
    then.is_none_or(|then| now.duration_since(then) >= length)
}
