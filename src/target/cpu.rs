//! On which CPU we run ourselves. On the target's own CPU a stop takes a fifth of the time (no other CPU has
//! to be woken by an interrupt), but we take that CPU from it meanwhile: which is better is the sampler's to
//! measure.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;

/// The calling thread's place, and the places it had been given.
#[derive(Debug)]
pub struct Placement {
    given: CpuSet,
    chosen: Option<u32>,
}

impl Placement {
    /// Of the calling thread; it stays where it is.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self { given: sched_getaffinity(Pid::from_raw(0))?, chosen: None })
    }

    /// How many CPUs were given to this thread.
    pub fn count(&self) -> usize {
        (0..CpuSet::count()).filter(|&cpu| self.given.is_set(cpu).unwrap_or(false)).count()
    }

    /// May this thread run there?
    pub fn allows(&self, cpu: u32) -> bool {
        usize::try_from(cpu).is_ok_and(|cpu| self.given.is_set(cpu).unwrap_or(false))
    }

    /// Where it was last told to run; `None`: anywhere it may.
    pub fn chosen(&self) -> Option<u32> {
        self.chosen
    }

    /// Moves the calling thread to a CPU and keeps it there. `EINVAL` if that CPU was not given to it. Costs
    /// nothing when it is there already; otherwise as long as that CPU lets it wait for its turn.
    pub fn run_on(&mut self, cpu: u32) -> Result<(), Errno> {
        if self.chosen == Some(cpu) {
            return Ok(());
        }
        if !self.allows(cpu) {
            return Err(Errno::EINVAL);
        }
        let mut set = CpuSet::new();
        set.set(cpu as usize)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        self.chosen = Some(cpu);
        Ok(())
    }

    /// Lets the calling thread run wherever it was allowed to at first.
    pub fn run_anywhere(&mut self) -> Result<(), Errno> {
        if self.chosen.take().is_some() {
            sched_setaffinity(Pid::from_raw(0), &self.given)?;
        }
        Ok(())
    }
}

/// The calling thread on a CPU that it may not have left since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    cpu: u32,
    switches: (i64, i64),
}

impl Stay {
    /// Begins now; `None` if the kernel does not say where we are. Costs a quarter of a microsecond.
    pub fn begin() -> Option<Self> {
        // In this order: if we are moved between the two, it does not last.
        let switches = switches()?;
        Some(Self { cpu: here()?, switches })
    }

    /// Which CPU it is.
    pub const fn cpu(&self) -> u32 {
        self.cpu
    }

    /// Has nobody else run on it meanwhile?
    pub fn lasts(&self) -> bool {
        switches() == Some(self.switches)
    }
}

/// The CPU that the calling thread is on; `None` if the kernel does not say.
pub fn here() -> Option<u32> {
    u32::try_from(sched_getcpu().ok()?).ok()
}

/// How often the calling thread has left its CPU to somebody, of its own will and against it.
fn switches() -> Option<(i64, i64)> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some((usage.voluntary_context_switches(), usage.involuntary_context_switches()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_ends_when_somebody_else_may_run() {
        let lasting =
            || Stay::begin().is_some_and(|stay| stay.lasts() && stay == Stay::begin().unwrap_or(stay));
        assert!((0..100).any(|_| lasting()));
        let stay = (0..100).find_map(|_| Stay::begin()).expect("a CPU");
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(!stay.lasts());
        assert_ne!(Stay::begin(), Some(stay));
    }

    #[test]
    fn moves_only_where_it_may_and_back() {
        let mut place = Placement::new().expect("an affinity");
        let allowed: Vec<u32> = (0..64).filter(|&cpu| place.allows(cpu)).collect();
        assert!(place.count() >= allowed.len() && !allowed.is_empty());
        for &cpu in &allowed {
            place.run_on(cpu).expect("allowed");
            assert_eq!(Placement::new().expect("an affinity").count(), 1);
            assert_eq!(place.chosen(), Some(cpu));
        }
        assert_eq!(place.run_on(u32::MAX), Err(Errno::EINVAL));
        place.run_anywhere().expect("what was given");
        assert_eq!(Placement::new().expect("an affinity").count(), place.count());
    }
}
