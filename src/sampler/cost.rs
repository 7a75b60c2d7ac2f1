//! What the looking cost the target and us; measured, for `--stats` and for the screen.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::python::code::CodeCounts;
use crate::python::snapshot::Reads;

/// Running counts.
#[derive(Debug)]
pub struct Cost {
    /// How long threads stood still, in nanoseconds. Fixed size; values above ten seconds count as that.
    stops: Histogram<u32>,
    /// All of it.
    pub stopped: Duration,
    /// How much of that was the way to the stop: on a busy CPU mostly the thread's own wait for its turn.
    pub waited: Duration,
    /// Attempts repeated because what was copied contradicted itself.
    pub retried: u64,
    /// Stops that were of no use because the thread had only just entered the evaluation loop.
    pub entering: u64,
    /// Looks at all threads in which only the holder had to be read.
    pub remembered: u64,
    /// Reads of the target's memory, per look.
    pub reads: Reads,
    /// Code objects read.
    pub codes: CodeCounts,
    /// Tenths of a second or so that we spent elsewhere than on the target's CPU, and on it.
    seats: [Seat; 2],
}

/// A place of our own.
#[derive(Debug, Clone, Copy, Default)]
struct Seat {
    windows: u32,
    /// What a look cost the target, summed over these.
    loss: Duration,
}

const LONGEST: u64 = 10_000_000_000;

impl Cost {
    /// Nothing yet.
    pub fn new() -> Self {
        let stops = Histogram::new_with_bounds(100, LONGEST, 2);
        Self {
            // The bounds are right as they stand; the other constructor takes none and cannot fail either.
            stops: stops.unwrap_or_else(|_| unreachable!("valid bounds")),
            stopped: Duration::ZERO,
            waited: Duration::ZERO,
            retried: 0,
            entering: 0,
            remembered: 0,
            reads: Reads::default(),
            codes: CodeCounts::default(),
            seats: [Seat::default(); 2],
        }
    }

    /// How many stops there were.
    pub fn stops(&self) -> u64 {
        self.stops.len()
    }

    /// For a while we were on the target's CPU, or elsewhere, and a look cost it so much.
    pub(super) fn seat(&mut self, with_target: bool, loss: Duration) {
        let seat = &mut self.seats[usize::from(with_target)];
        seat.windows += 1;
        seat.loss += loss;
    }

    /// A thread stood still for this long, `waited` of it on the way there.
    pub fn stop(&mut self, duration: Duration, waited: Duration) {
        self.stopped += duration;
        self.waited += waited;
        self.stops.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(LONGEST));
    }

    /// Memory was read.
    pub const fn read(&mut self, reads: Reads) {
        self.reads.calls += reads.calls;
        self.reads.ranges += reads.ranges;
        self.reads.used += reads.used;
        self.reads.missed += reads.missed;
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::new()
    }
}

impl Seat {
    fn micros(self) -> f64 {
        self.loss.as_secs_f64() * 1e6 / f64::from(self.windows.max(1))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |nanos| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        let at = |quantile| micros(self.stops.value_at_quantile(quantile));
        let [apart, with] = self.seats;
        write!(
            f,
            "stops {} (median {:.1} µs, p99 {:.1} µs, longest {:.1} µs; {:.3} ms of all on the way to the stop); calls to read memory {}; \
             ranges {}; blocks used {}; blocks not predicted {}; code objects read {}, replaced {}; looks retried {}; entering {}; \
             on the target's CPU in {} of {} windows (a look costs it {:.1} µs there, {:.1} µs elsewhere)",
            self.stops.len(),
            at(0.5),
            at(0.99),
            micros(self.stops.max()),
            self.waited.as_secs_f64() * 1e3,
            self.reads.calls,
            self.reads.ranges,
            self.reads.used,
            self.reads.missed,
            self.codes.new,
            self.codes.replaced,
            self.retried,
            self.entering,
            with.windows,
            with.windows + apart.windows,
            with.micros(),
            apart.micros(),
        )
    }
}
