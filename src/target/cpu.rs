//! On which CPU we run ourselves. On the target's own CPU a stop takes a fifth of the time (no other CPU has
//! to be woken by an interrupt), but we take that CPU from it meanwhile: which is better is the sampler's to
//! measure.

use std::cell::Cell;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{self, sched_attr};
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::target::process::Tid;

/// The shortest that the kernel takes, in nanoseconds.
const SHORT_TURN: u64 = 100_000;

/// The calling thread's place, and the places it had been given.
#[derive(Debug)]
pub struct Placement {
    given: CpuSet,
    /// Where it was last told to run.
    chosen: Cell<CpuSet>,
}

impl Placement {
    /// Of the calling thread; it stays where it is.
    pub fn new() -> Result<Self, Errno> {
        let given = sched_getaffinity(Pid::from_raw(0))?;
        Ok(Self { given, chosen: Cell::new(given) })
    }

    /// Asks for short turns (Linux 6.12 and later; earlier ones ignore it). Who is content with a short turn has it
    /// sooner: no more of it, but not after somebody's whole long one. What is started by this thread is as it would
    /// have been.
    pub fn take_short_turns(&self) -> Result<(), Errno> {
        let mut attr = attributes(0)?;
        if attr.sched_policy != libc::SCHED_OTHER as u32 {
            return Ok(());
        }
        attr.sched_runtime = SHORT_TURN;
        attr.sched_flags |= libc::SCHED_FLAG_RESET_ON_FORK as u64;
        #[expect(unsafe_code, reason = "nix has no sched_setattr")]
        // SAFETY: it reads the `size` bytes that are there.
        Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) }).map(drop)
    }

    /// How many CPUs were given to this thread.
    pub fn count(&self) -> usize {
        (0..CpuSet::count()).filter(|&cpu| self.given.is_set(cpu).unwrap_or(false)).count()
    }

    /// May this thread run there?
    pub fn allows(&self, cpu: u32) -> bool {
        usize::try_from(cpu).is_ok_and(|cpu| self.given.is_set(cpu).unwrap_or(false))
    }

    /// Moves the calling thread to a CPU and keeps it there. `EINVAL` if that CPU was not given to it. Costs
    /// nothing when it is there already; otherwise as long as that CPU lets it wait for its turn.
    pub fn run_on(&self, cpu: u32) -> Result<(), Errno> {
        let mut set = CpuSet::new();
        if self.allows(cpu) {
            set.set(cpu as usize)?;
        }
        self.run_in(set)
    }

    /// Keeps the calling thread from a CPU. `EINVAL` if no other was given to it.
    pub fn run_off(&self, cpu: u32) -> Result<(), Errno> {
        let mut set = self.given;
        set.unset(cpu as usize)?;
        self.run_in(set)
    }

    /// Lets the calling thread run wherever it was allowed to at first.
    pub fn run_anywhere(&self) -> Result<(), Errno> {
        self.run_in(self.given)
    }

    fn run_in(&self, set: CpuSet) -> Result<(), Errno> {
        if self.chosen.get() != set {
            sched_setaffinity(Pid::from_raw(0), &set)?;
            self.chosen.set(set);
        }
        Ok(())
    }
}

/// May we have all the time of all CPUs of this machine? Costs some reads of files.
pub fn are_all_ours() -> bool {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    let ours = std::thread::available_parallelism();
    ours.is_ok_and(|ours| online.is_some_and(|online| usize::try_from(online) == Ok(ours.get())))
}

/// For how long CPUs of this machine have had nothing to do, summed up, to a hundredth of a second; `None` if the kernel
/// does not say.
pub fn idle() -> Option<Duration> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let idle: f64 = uptime.trim_end().rsplit(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(idle).ok()
}

/// Does a thread run before us whenever it can? Then we do not where it does.
pub fn goes_first(tid: Tid) -> bool {
    let is_real_time = |tid| {
        let policy = attributes(tid).map_or(0, |attr| attr.sched_policy.cast_signed());
        matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE)
    };
    is_real_time(tid.0.cast_signed()) && !is_real_time(0)
}

/// How a thread is scheduled; 0 is the one that calls.
#[expect(unsafe_code, reason = "nix has no sched_getattr")]
fn attributes(tid: i32) -> Result<sched_attr, Errno> {
    let size = size_of::<sched_attr>();
    // SAFETY: a struct of numbers.
    let mut attr: sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes `size` bytes at the most, and there are that many.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_getattr, tid, &raw mut attr, size, 0) })?;
    attr.size = u32::try_from(size).unwrap_or(u32::MAX);
    Ok(attr)
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
    fn takes_short_turns_for_itself_alone() {
        let sleep = || std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let mut before = sleep();
        Placement::new().and_then(|place| place.take_short_turns()).expect("short turns");
        let mut after = sleep();
        let of = |pid| attributes(pid).expect("attributes").sched_runtime;
        let [usual, later] = [&before, &after].map(|child| of(i32::try_from(child.id()).expect("a PID")));
        for child in [&mut before, &mut after] {
            child.kill().and_then(|()| child.wait()).expect("it ends");
        }
        // Linux before 6.12 does not know, and says nothing; whoever is idle work anyway is not asked.
        let is_usual = attributes(0).expect("attributes").sched_policy == libc::SCHED_OTHER as u32;
        assert!(of(0) == SHORT_TURN || usual == 0 || !is_usual, "{}, and {usual} before", of(0));
        assert_eq!(usual, later);
    }

    #[test]
    fn what_nobody_wants_is_no_more_than_there_is() {
        let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).expect("a number").expect("CPUs");
        let (begin, before) = (std::time::Instant::now(), idle().expect("an uptime"));
        std::thread::sleep(Duration::from_millis(50));
        let passed = idle().expect("an uptime").saturating_sub(before);
        let most = begin.elapsed() + Duration::from_millis(30);
        assert!(passed <= most * u32::try_from(online).expect("some"), "{passed:?} of {most:?}");
    }

    #[test]
    fn a_real_time_thread_goes_first() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let tid = Tid(child.id());
        let usual = goes_first(tid);
        let done = std::process::Command::new("chrt").args(["-r", "-p", "1", &tid.0.to_string()]).status();
        let first = goes_first(tid);
        child.kill().and_then(|()| child.wait()).expect("it ends");
        // Not everybody may.
        assert_eq!((usual, first), (false, done.is_ok_and(|status| status.success())));
        assert!(!goes_first(tid));
    }

    #[test]
    fn moves_only_where_it_may_and_back() {
        let place = Placement::new().expect("an affinity");
        let allowed: Vec<u32> = (0..64).filter(|&cpu| place.allows(cpu)).collect();
        assert!(place.count() >= allowed.len() && !allowed.is_empty());
        for &cpu in &allowed {
            place.run_on(cpu).expect("allowed");
            assert_eq!(Placement::new().expect("an affinity").count(), 1);
            assert!(Placement::new().expect("an affinity").allows(cpu));
            assert_eq!(place.run_off(cpu).is_ok(), allowed.len() > 1);
            assert_eq!(Placement::new().expect("an affinity").allows(cpu), allowed.len() == 1);
        }
        assert_eq!(place.run_on(u32::MAX), Err(Errno::EINVAL));
        place.run_anywhere().expect("what was given");
        assert_eq!(Placement::new().expect("an affinity").count(), place.count());
    }
}
