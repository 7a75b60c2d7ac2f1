//! What the kernel says of threads: on a CPU, or asleep. A file read each, so it is asked less often than stacks
//! are taken.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::sample::Flags;
use crate::target::{RunState, Target, Tid};

/// What was said is taken to be true for this long.
const AGE: Duration = Duration::from_millis(20);
/// Threads asked about in one look, 4 µs each: of 300 each is asked about every 75 looks.
const AT_ONCE: usize = 4;

/// The last word of the kernel on each thread.
#[derive(Debug, Default)]
pub struct States {
    said: FxHashMap<Tid, (Instant, Flags)>,
    /// Threads that were seen, to be asked about in turn.
    turn: Vec<Tid>,
    next: usize,
}

impl States {
    /// Asks about the threads whose state is the oldest.
    pub fn refresh(&mut self, target: &Target) {
        let now = Instant::now();
        for _ in 0..AT_ONCE.min(self.turn.len()) {
            self.next = (self.next + 1) % self.turn.len().max(1);
            let Some(tid) = self.turn.get(self.next).copied() else { return };
            if self.said.get(&tid).is_some_and(|(at, _)| now.duration_since(*at) < AGE) {
                return;
            }
            if let Some(moment) = target.tasks().moment(tid) {
                self.said.insert(tid, (now, flags(moment.state)));
            } else {
                self.said.remove(&tid);
                self.turn.swap_remove(self.next);
            }
        }
    }

    /// What is known of a thread; one that was not asked about yet will be.
    pub fn flags(&mut self, tid: Tid) -> Flags {
        let never = || {
            self.turn.push(tid);
            (Instant::now(), Flags::default())
        };
        let (_, flags) = *self.said.entry(tid).or_insert_with(never);
        flags
    }
}

const fn flags(state: RunState) -> Flags {
    match state {
        RunState::Running => Flags::ON_CPU,
        RunState::Sleeping | RunState::Uninterruptible => Flags::WAITING,
        _ => Flags::from_bits(0),
    }
}
