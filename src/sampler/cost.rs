//! What the looking cost the target and us; measured, for `--stats` and for the screen.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::python::code::CodeCounts;
use crate::python::snapshot::Reads;
use crate::python::tasks::MOST_TASKS;
use crate::sampler::unstopped::Attempts;

/// Running counts.
#[derive(Debug)]
pub struct Cost {
    /// How long threads stood still, in nanoseconds. Fixed size; values above ten seconds count as that.
    stops: Histogram<u32>,
    /// All of it.
    pub stopped: Duration,
    /// How much of that was the way to the stop: on a busy CPU mostly the thread's own wait for its turn.
    pub waited: Duration,
    /// The longest that a thread stood still once it had come to its stop.
    pub longest: Duration,
    /// How many of these were no stops: we looked from the thread's own CPU, where it does not run while we do.
    pub stays: u64,
    /// Looks at a thread that wanted a CPU and had none, and need not be stopped.
    pub off_cpu: u64,
    /// Attempts repeated because what was copied contradicted itself.
    pub retried: u64,
    /// Stops that were of no use because the thread had only just entered the evaluation loop.
    pub entering: u64,
    /// Looks at all threads in which only the holder had to be read.
    pub remembered: u64,
    /// Lists of asyncio's tasks that were longer than is read.
    pub tasks_cut: u64,
    /// Looks since which nothing had moved: not even that one had to be read.
    pub asleep: u64,
    /// Attempts to look without stopping anything.
    pub attempts: Attempts,
    /// Reads of the target's memory, per look.
    pub reads: Reads,
    /// How often the kernel was asked what a thread does.
    pub asked: u64,
    /// Code objects read.
    pub codes: CodeCounts,
    /// Processes below the one that was named, where they were to be watched.
    pub(super) below: Below,
    /// Tenths of a second or so that we spent elsewhere than on the target's CPU, and on it.
    spots: [Spot; 2],
}

/// What was found below a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Below {
    /// Pythons that were watched.
    pub(super) pythons: u64,
    /// Programs that are none.
    pub(super) strangers: u64,
    /// Processes that could not be looked at.
    pub(super) barred: u64,
    /// Searches that did not get to all of them: there were too many, or it took too long.
    pub(super) cut: u64,
}

/// A place of our own.
#[derive(Debug, Clone, Copy, Default)]
struct Spot {
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
            longest: Duration::ZERO,
            stays: 0,
            off_cpu: 0,
            retried: 0,
            entering: 0,
            remembered: 0,
            asleep: 0,
            tasks_cut: 0,
            attempts: Attempts::default(),
            asked: 0,
            reads: Reads::default(),
            codes: CodeCounts::default(),
            below: Below::default(),
            spots: [Spot::default(); 2],
        }
    }

    /// How many stops there were.
    pub fn stops(&self) -> u64 {
        self.stops.len()
    }

    /// What another process has cost.
    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.stops.add(&other.stops);
        self.stopped += other.stopped;
        self.waited += other.waited;
        self.longest = self.longest.max(other.longest);
        self.stays += other.stays;
        self.off_cpu += other.off_cpu;
        self.retried += other.retried;
        self.entering += other.entering;
        self.remembered += other.remembered;
        self.asleep += other.asleep;
        self.tasks_cut += other.tasks_cut;
        self.attempts.add(other.attempts);
        self.read(other.reads);
        self.asked += other.asked;
        self.codes.new += other.codes.new;
        self.codes.replaced += other.codes.replaced;
        for (spot, other) in self.spots.iter_mut().zip(other.spots) {
            spot.windows += other.windows;
            spot.loss += other.loss;
        }
    }

    /// For a while we were on the target's CPU, or elsewhere, and a look cost it so much.
    pub(super) fn spot(&mut self, with_target: bool, loss: Duration) {
        let spot = &mut self.spots[usize::from(with_target)];
        spot.windows += 1;
        spot.loss += loss;
    }

    /// A thread stood still for this long, `waited` of it on the way there.
    pub fn stop(&mut self, duration: Duration, waited: Duration) {
        self.stopped += duration;
        self.waited += waited;
        self.longest = self.longest.max(duration.saturating_sub(waited));
        self.stops.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(LONGEST));
    }

    /// A thread could not run for this long, because we were on its CPU.
    pub(super) fn stay(&mut self, duration: Duration) {
        self.stays += 1;
        self.stop(duration, Duration::ZERO);
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

impl Spot {
    fn micros(self) -> f64 {
        self.loss.as_secs_f64() * 1e6 / f64::from(self.windows.max(1))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |nanos| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        let at = |quantile| micros(self.stops.value_at_quantile(quantile));
        let [apart, with] = self.spots;
        writeln!(
            f,
            "stops {}, and looks from the thread's own CPU, where it need not be stopped, {}: median {:.1} µs, \
             p99 {:.1} µs, longest {:.1} µs, once it stood {:.1} µs; {:.3} ms of all on the way to the stop",
            self.stops.len() - self.stays,
            self.stays,
            at(0.5),
            at(0.99),
            micros(self.stops.max()),
            self.longest.as_secs_f64() * 1e6,
            self.waited.as_secs_f64() * 1e3,
        )?;
        writeln!(
            f,
            "looks retried {}; stops refused because a frame was only just being entered {}; threads that waited for a CPU, \
             and need not be stopped, {}",
            self.retried, self.entering, self.off_cpu
        )?;
        writeln!(
            f,
            "memory: calls {}, ranges {}, blocks used {}, of which not predicted {}; looks that read only the holder, the \
             other threads being as they were, {}; looks in which nothing had moved since the last, {}",
            self.reads.calls,
            self.reads.ranges,
            self.reads.used,
            self.reads.missed,
            self.remembered,
            self.asleep
        )?;
        writeln!(f, "code objects read {}, replaced {}", self.codes.new, self.codes.replaced)?;
        writeln!(f, "the kernel was asked what a thread does {} times", self.asked)?;
        write!(
            f,
            "on the target's CPU {} of {} times that it was thought of (a look cost the target {:.1} µs there, {:.1} µs \
             elsewhere)",
            with.windows,
            with.windows + apart.windows,
            with.micros(),
            apart.micros(),
        )?;
        if self.tasks_cut > 0 {
            let most = MOST_TASKS;
            write!(f, "\nlists of more than {most} tasks, of which so many were read, {}", self.tasks_cut)?;
        }
        if self.attempts != Attempts::default() {
            write!(f, "\n{}", self.attempts)?;
        }
        let Below { pythons, strangers, barred, cut } = self.below;
        if self.below != Below::default() {
            write!(
                f,
                "\nbelow it: Pythons that were watched {pythons}, other programs {strangers}, processes that could not be \
                 looked at {barred}, searches that did not get to all of them {cut}"
            )?;
        }
        Ok(())
    }
}
