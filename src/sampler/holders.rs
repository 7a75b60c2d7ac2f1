//! Who holds the GIL; and when nobody does, whether that is because it is on its way from one thread to the next.

use std::time::{Duration, Instant};

use crate::python::layout::{Layout, NameFormat};
use crate::python::threads::Lock;
use crate::target::memory::{Address, ReadError};
use crate::target::{RunState, Target, Tid};

/// 2.7 lets go of the GIL a thousand times a second and takes it again, or hands it over, which takes the kernel some
/// 50 µs: look again after these times before calling it idle.
const LOOK_AGAIN: [Duration; 3] =
    [Duration::from_micros(10), Duration::from_micros(40), Duration::from_micros(100)];
/// On a busy machine the next holder waits for a CPU first. As long as somebody is seen to wait for the GIL it is not
/// called idle, but looked at this often at first,
const PAUSE: Duration = Duration::from_micros(100);
/// after so long this often, since then its next holder waits for others, or its whole container does,
const PATIENT: Duration = Duration::from_millis(4);
const LONG_PAUSE: Duration = Duration::from_millis(1);
/// and no longer than this.
const LONGEST: Duration = Duration::from_millis(50);
/// Threads that are asked whether they wait for it: those that held it last.
const ASKED: usize = 8;
/// Who has not held it for this long is not asked.
const RECENT: Duration = Duration::from_millis(100);
/// Bytes of CPython's `_gil_runtime_state`, of which `last_holder` is the second word: the two condition variables and
/// their mutexes stand in it, and who waits for the GIL, or for its being taken, sleeps on one of these.
const STATE: std::ops::Range<u64> = 0..256;
const HOLDER_IN_STATE: u64 = 8;

/// Remembers who held the GIL.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The latest first.
    recent: Vec<(Tid, Instant)>,
}

impl Holders {
    /// This thread holds it now.
    pub(super) fn note(&mut self, tid: Tid, now: Instant) {
        self.recent.retain(|(other, _)| *other != tid);
        self.recent.truncate(ASKED - 1);
        self.recent.insert(0, (tid, now));
    }

    /// Who holds it; `None` if nobody does and nobody is seen to wait for it. Who runs may do so in C, without it: to
    /// wait for the end of that would show it more often in somebody's hands than it is.
    pub(super) fn wait(
        &mut self,
        target: &Target,
        layout: &Layout,
        lock: Lock,
    ) -> Result<Option<Address>, ReadError> {
        let memory = target.memory();
        if let Some(holder) = lock.holder(memory)? {
            return Ok(Some(holder));
        }
        self.recent.retain(|(_, at)| at.elapsed() < RECENT);
        // 2.7, the only one whose names are bytes, lets go of it every hundred instructions; later ones when they are asked to.
        if matches!(layout.text.names, NameFormat::Bytes) {
            self.guess(target, lock)
        } else if self.is_wanted(target, lock) {
            self.wait_for_next(target, lock)
        } else {
            Ok(None)
        }
    }

    /// Who holds it next, while somebody sleeps until he gets it.
    fn wait_for_next(&self, target: &Target, lock: Lock) -> Result<Option<Address>, ReadError> {
        let begin = Instant::now();
        loop {
            let holder = lock.holder(target.memory())?;
            let waited = begin.elapsed();
            if holder.is_some() || waited >= LONGEST {
                return Ok(holder);
            }
            std::thread::sleep(if waited < PATIENT { PAUSE } else { LONG_PAUSE });
            if !self.is_wanted(target, lock) {
                return lock.holder(target.memory());
            }
        }
    }

    /// Who holds it soon, where it is let go of all the time, and not seen who waits for it: if more than one has had it
    /// lately, and one of them runs.
    fn guess(&self, target: &Target, lock: Lock) -> Result<Option<Address>, ReadError> {
        let runs = |(tid, _): &(Tid, Instant)| target.tasks().is_in(*tid, RunState::Running);
        if self.recent.len() < 2 || !self.recent.iter().any(runs) {
            return Ok(None);
        }
        for pause in LOOK_AGAIN {
            std::thread::sleep(pause);
            if let Some(holder) = lock.holder(target.memory())? {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Does one of those that held it last sleep until it gets it, or until another one has it?
    fn is_wanted(&self, target: &Target, lock: Lock) -> bool {
        self.recent.iter().any(|(tid, _)| waits_for(target, *tid, lock))
    }
}

/// Does a thread sleep in the lock itself? (Before 3.7 that is not in one place, and this is never seen.)
pub(super) fn waits_for(target: &Target, tid: Tid, lock: Lock) -> bool {
    let (Lock::Holder(holder) | Lock::Runtime(holder)) = lock else { return false };
    let start = Address(holder.0.wrapping_sub(HOLDER_IN_STATE));
    let mut tasks = target.tasks();
    let sleeps_on_it = tasks.futex(tid).is_some_and(|futex| STATE.contains(&futex.0.wrapping_sub(start.0)));
    // Whoever was stopped by job control in such a sleep is not about to take anything.
    sleeps_on_it && tasks.is_in(tid, RunState::Sleeping)
}
