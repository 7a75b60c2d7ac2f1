//! Looking at the holder of the GIL without a stop, where it is: on our own CPU.
//!
//! While we run on a CPU the thread that ran there does not. It need not be told to stop and to go on, and no other CPU
//! has to be woken for it, which costs more than all the rest. What is left to be shown is that it has not been moved to
//! another CPU meanwhile, see [`Target::stood`]. If it was, the look is done again, with a stop.

use std::time::{Duration, Instant};

use crate::fault;
use crate::python::threads::Lock;
use crate::sample::ThreadSample;
use crate::sampler::held::Still;
use crate::sampler::look::{Compare, Latest, Looker, Scope, Wanted};
use crate::sampler::miss::Miss;
use crate::sampler::row::Row;
use crate::target::memory::Address;
use crate::target::{Beside, Rseq, Stay, Target};

/// For this long the thread is let run where looks follow each other at once.
const A_MOMENT: [Duration; 3] =
    [Duration::from_micros(10), Duration::from_micros(20), Duration::from_micros(40)];
/// What took no longer was not interrupted by anybody.
const AT_ONCE: Duration = Duration::from_micros(50);

/// What is known of it from one look to the next.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    rseq: Option<Rseq>,
    /// As it was at the last look of this kind.
    last: Option<Stay>,
    /// As it is in this one, if it is at many threads.
    now: Option<Stay>,
    /// On which CPU the holder was when it was last asked, and on which we were.
    seen: Option<(u32, u32)>,
    /// The looks of this kind.
    row: Row,
}

impl InPlace {
    /// With `rseq`, if there is one, where a thread is can be read from its memory.
    pub(super) fn new(rseq: Option<Rseq>) -> Self {
        Self { rseq, ..Self::default() }
    }

    /// What helps to tell where a thread is.
    pub(super) const fn rseq(&self) -> Option<Rseq> {
        self.rseq
    }

    /// Who may be supposed to hold this, and to be where we are.
    pub(super) fn supposed(&self, lock: Lock) -> Option<Address> {
        self.row.supposed(lock).filter(|_| self.rseq.is_some())
    }

    /// On which CPU the holder was found by the last look, and on which we were; `None` if that was not asked.
    pub(super) fn seen(&mut self) -> Option<(u32, u32)> {
        self.seen.take()
    }

    /// Has the thread that we are beside run since the last look, as far as we have slept?
    pub(super) fn is_new(&mut self, stay: Stay) -> bool {
        self.now = Some(stay);
        self.last != Some(stay)
    }

    /// A look at many threads is over.
    pub(super) fn leave(&mut self) {
        self.last = self.now.take().or(self.last);
    }

    /// The thread and we on our CPUs, since when. Who has not slept since the last look of this kind would see the same
    /// moment again, and with a stop, too. (A sleep of 5 µs is mostly over before anybody else runs.)
    fn meet(&self, target: &Target, latest: Latest, supposed: bool) -> (Instant, Option<Beside>) {
        let Latest { tid, pthread, .. } = latest;
        let now = || {
            let beside = match self.rseq {
                Some(rseq) if supposed => Stay::begin().map(|stay| Beside::supposed(stay, pthread, rseq)),
                rseq => target.beside(tid, pthread, rseq),
            };
            (Instant::now(), beside)
        };
        let mut met = now();
        for pause in A_MOMENT {
            if met.1.as_ref().is_none_or(|beside| Some(beside.ours()) != self.last) {
                break;
            }
            std::thread::sleep(pause);
            met = now();
        }
        met
    }

    fn note(&mut self, stay: Stay, lock: Lock, holder: Address) {
        self.last = Some(stay);
        self.row.note(lock, holder);
    }
}

impl Looker {
    /// Looks, if that is possible, and says whether it was. That `holder` holds the GIL and is here may be `supposed`: what
    /// is copied tells.
    pub(super) fn take_in_place(
        &mut self,
        target: &Target,
        (lock, holder, scope): (Lock, Address, Scope),
        supposed: bool,
        taken: &mut Vec<ThreadSample>,
    ) -> Result<bool, Miss> {
        let latest = self.thread_of(target, holder)?;
        let (begin, beside) = self.in_place.meet(target, latest, supposed);
        let Some(beside) = beside else { return Ok(false) };
        let stay = beside.ours();
        self.in_place.seen = Some((beside.theirs(), stay.cpu()));
        target.tracer().set_apart(!beside.is_here());
        if !beside.is_here() || self.in_place.last == Some(stay) || self.is_lent(target, holder)? {
            return Ok(false);
        }
        fault::point("held");
        let wanted = Wanted { lock, holder, identity: latest.identity, scope };
        let number = beside.number();
        let still = if supposed { Still::Supposed(number) } else { Still::InPlace(number) };
        let copied = self.copy(target, wanted, still);
        let stood = match copied {
            // It is another's, or nobody's: ask.
            Err(Miss::Fled) if supposed => {
                self.in_place.row.forget();
                return Ok(false);
            }
            Ok(Some(number)) => {
                self.in_place.seen = Some((number, stay.cpu()));
                beside.is_proven_by(number)
            }
            _ => target.stood(&beside),
        };
        if !stood {
            // What was copied, and the code objects that were learned with it, are of no moment in particular.
            self.compare = Compare::Before;
            self.in_place.row.forget();
            return Ok(false);
        }
        // With a stop it can be told by its instruction whether it is just entering a frame.
        if copied.is_ok() && !self.met.tidy {
            self.cost.entering += 1;
            return Ok(false);
        }
        self.in_place.note(stay, lock, holder);
        self.apart.forget();
        let held = begin.elapsed();
        let decoded = copied.and_then(|_| self.decode(target, taken));
        // It could not run as long as we did, whatever we did; but when somebody else came it may have been its turn.
        let all = begin.elapsed();
        self.note_stay(if all < AT_ONCE || stay.lasts() { all } else { held });
        decoded.map(|()| true)
    }

    /// A look from a thread's own CPU has succeeded, and kept it from running for so long.
    pub(super) fn note_stay(&mut self, held: Duration) {
        if self.never_stops() {
            self.cost.attempts.succeed_there();
        } else {
            self.cost.stay(held);
        }
    }
}
