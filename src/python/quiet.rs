//! How long no code object has died, or none was made: by the count that an interpreter keeps of that, see
//! [`Generation`](crate::python::layout::Generation).
//!
//! A Python that is ended and started again in its process counts anew, in the same memory, and can come to the same
//! count with other code objects. So an equal count proves something only if it was looked at so often that none can
//! have been started meanwhile.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::python::threads::Interpreter;
use crate::target::memory::Address;

/// To end a Python and to start it again takes 5.8 ms at the least (3.12 and 3.13 without `site`, on 2.6 GHz).
const UNSEEN: Duration = Duration::from_micros(2500);
/// Interpreters of which this is kept.
const MOST: usize = 1 << 14;

/// An interpreter and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The interpreter.
    pub interpreter: Interpreter,
    /// Its count.
    pub count: u64,
}

/// A time in which an interpreter's count stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(NonZeroU64);

/// The counts of all interpreters.
#[derive(Debug, Default)]
pub struct Quiet {
    all: FxHashMap<Address, Watched>,
    /// How many periods there were.
    periods: u64,
}

#[derive(Debug)]
struct Watched {
    stamp: Stamp,
    /// When the look began that saw it last.
    seen: Instant,
    period: Period,
}

impl Quiet {
    /// The period in which a look that began at `begun` has seen this count, and that is `now` not over.
    pub fn period(&mut self, stamp: Stamp, begun: Instant, now: Instant) -> Period {
        let known = self.all.get_mut(&stamp.interpreter.address);
        if let Some(known) =
            known.filter(|known| known.stamp == stamp && now.saturating_duration_since(known.seen) < UNSEEN)
        {
            known.seen = begun;
            return known.period;
        }
        if self.all.len() >= MOST {
            self.all.clear();
        }
        let period = Period(NonZeroU64::MIN.saturating_add(self.periods));
        self.periods += 1;
        self.all.insert(stamp.interpreter.address, Watched { stamp, seen: begun, period });
        period
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::threads::Lock;

    fn at(address: u64, id: u32) -> Interpreter {
        Interpreter { address: Address(address), id, lock: Lock::Attached }
    }

    #[test]
    fn a_period_ends_with_its_count_or_when_nobody_looks() {
        let mut quiet = Quiet::default();
        let start = Instant::now();
        let after = |micros: u64| start + Duration::from_micros(micros);
        let mut see = |(address, id), count, begun, now| {
            let stamp = Stamp { interpreter: at(address, id), count };
            quiet.period(stamp, after(begun), after(now)).0.get()
        };
        // Interpreter, count, when the look began, when it asks, and in which period it is.
        for (interpreter, count, begun, now, period) in [
            ((8, 0), 100, 0, 30, 1),
            ((8, 0), 100, 1000, 1030, 1),
            ((8, 0), 100, 3000, 3030, 1),
            // Another one.
            ((16, 0), 100, 3000, 3030, 2),
            ((8, 0), 101, 4000, 4030, 3),
            // It never comes back.
            ((8, 0), 100, 5000, 5030, 4),
            ((8, 0), 100, 6000, 6030, 4),
            // Nobody looked.
            ((8, 0), 100, 9000, 9030, 5),
            // The look before had to wait.
            ((8, 0), 100, 10_000, 12_400, 6),
            ((8, 0), 100, 12_450, 12_480, 6),
            ((16, 0), 100, 12_450, 12_480, 7),
            // Another interpreter, where that one was.
            ((16, 1), 100, 12_460, 12_490, 8),
        ] {
            assert_eq!(see(interpreter, count, begun, now), period, "{interpreter:?} {count} {begun}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut quiet = Quiet::default();
        let now = Instant::now();
        for interpreter in 0..3 * MOST as u64 {
            quiet.period(Stamp { interpreter: at(interpreter, 0), count: 1 }, now, now);
        }
        assert!(quiet.all.len() <= MOST);
    }
}
