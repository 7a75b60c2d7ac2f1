//! Threads that want a CPU and have none, because others want one, too. Told to stop they would do so when it is their turn,
//! milliseconds later, and the look would be late by that; so they are looked at where they wait. To find out whether a
//! thread has a CPU costs 10 µs, of which most of the time nothing would come: it is done as long as stops take long.

use std::time::Duration;

use crate::sampler::look::{Compare, Looker};
use crate::sampler::miss::Miss;
use crate::target::{OffCpu, Target, Tid};

/// The way to a stop takes some 30 µs; who takes longer than this has waited for its turn, as long as others had theirs.
const SLOW: Duration = Duration::from_millis(2);
/// So many looks later it may be the same again.
const TRIES: u32 = 64;

/// Is it likely that a thread has no CPU?
#[derive(Debug, Default)]
pub(super) struct Crowd {
    left: u32,
}

impl Crowd {
    /// A thread took so long to come to its stop.
    pub(super) fn note(&mut self, waited: Duration) {
        if waited >= SLOW {
            self.left = TRIES;
        }
    }

    pub(super) const fn is_likely(&self) -> bool {
        self.left > 0
    }

    const fn tell(&mut self, had_none: bool) {
        self.left = if had_none { TRIES } else { self.left - 1 };
    }
}

impl Looker {
    /// A thread, if it has no CPU, where that is likely.
    pub(super) fn off_cpu(&mut self, target: &Target, tid: Tid) -> Option<OffCpu> {
        if self.never_stops() || !self.crowd.is_likely() {
            return None;
        }
        let off = target.tasks().off_cpu(tid);
        self.crowd.tell(off.is_some());
        off
    }

    /// Copies something while a thread has no CPU, if it has none, and says whether it had none all the time. One that sleeps
    /// (`copy` is told) is not to be stopped: the system call in which it does may fail by that, or do less than it should.
    /// So if it has woken meanwhile it is one that has fled.
    pub(super) fn take_off_cpu(
        &mut self,
        target: &Target,
        tid: Tid,
        copy: impl FnOnce(&mut Self, bool) -> Result<(), Miss>,
    ) -> Result<bool, Miss> {
        let sleeps = target.tasks().sleeps(tid);
        let not_off = if sleeps { Err(Miss::Fled) } else { Ok(false) };
        let off = if sleeps { target.tasks().off_cpu(tid) } else { self.off_cpu(target, tid) };
        let Some(off) = off else { return not_off };
        let copied = copy(self, sleeps);
        if !target.tasks().stayed_off(off) {
            // What was copied is of no moment in particular.
            self.compare = Compare::Before;
            return not_off;
        }
        match copied {
            // It stands in the middle of something, and would as long as it waits.
            Err(Miss::Again(_)) if !sleeps => {
                (self.compare, self.whole) = (Compare::Before, true);
                self.cost.retried += 1;
                Ok(false)
            }
            copied => {
                self.cost.off_cpu += 1;
                copied.map(|()| true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_asked_as_long_as_stops_take_long() {
        let mut crowd = Crowd::default();
        crowd.note(Duration::from_micros(40));
        assert!(!crowd.is_likely());
        crowd.note(Duration::from_millis(4));
        for had_none in [false, false, true] {
            assert!(crowd.is_likely());
            crowd.tell(had_none);
        }
        let in_vain = (0..1000).take_while(|_| {
            let likely = crowd.is_likely();
            if likely {
                crowd.tell(false);
            }
            likely
        });
        assert_eq!(in_vain.count(), TRIES as usize);
    }
}
