//! The watchdog of blocking waits: a timer of this thread's own, whose signal makes `waitid` return with
//! `EINTR`. So we can block, which on the target's own CPU is the only way to let it get to its stop, and
//! still never hang.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, compiler_fence};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::process::Tid;
use super::ptrace;

/// `SIGURG`: ignored by default, so that a stray one harms nobody, and unused by terminals and by our
/// libraries.
const SIGNAL: Signal = Signal::SIGURG;
/// The first tick comes this long after the timer was wound up,
const FIRST: Duration = Duration::from_millis(40);
/// and it is wound up again when less than this is left: at most 50 times a second (0.5 µs each), however
/// many waits.
const LEAST: Duration = Duration::from_millis(20);
/// Further ticks, while a wait lasts.
const TICK: Duration = Duration::from_millis(10);

/// Ticks while a wait lasts, and, where there are at least some 50 waits a second, never otherwise.
///
/// `SIGEV_THREAD_ID` sends the signal to this thread alone; other threads' system calls are not disturbed.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// When the next tick is due, if the timer runs.
    due: Cell<Option<Instant>>,
    _of_this_thread: PhantomData<*const ()>,
}

/// What the handler sees. It runs on the thread that owns it, so order is all that it takes.
struct Shared {
    timer: AtomicPtr<libc::c_void>,
    /// How many watchdogs this thread has (one a target).
    owners: AtomicUsize,
    waiting: AtomicBool,
    running: AtomicBool,
    /// The threads that this thread traces, 0 where there is none; without the first threads of processes,
    /// whose ends are the processes' own, and for which no exec waits.
    ///
    /// When a thread execs, the kernel kills its siblings and waits until all are gone; but a traced one is
    /// gone only when its tracer has fetched its end. If the tracer at that moment asks to trace one more
    /// thread, it is made to wait until the exec is through: so both wait for each other, for ever (seen on
    /// Linux 6.18). That wait of ours cannot be given up, but it lets handlers run.
    tracees: [AtomicU32; MOST],
    /// No thread is in the list beyond this.
    top: AtomicUsize,
}

/// How many threads can be traced at the same time.
const MOST: usize = 1024;

thread_local! {
    /// Constant at first and without a destructor, so that a handler may touch it at any time. (A pointer in
    /// the signal's value would do as well, if others could not send us signals with values of theirs.)
    static SHARED: Shared = const {
        Shared {
            timer: AtomicPtr::new(std::ptr::null_mut()),
            owners: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            running: AtomicBool::new(false),
            tracees: [const { AtomicU32::new(0) }; MOST],
            top: AtomicUsize::new(0),
        }
    };
}

impl Watchdog {
    /// A watchdog for the calling thread.
    pub(super) fn new() -> Result<Self, Errno> {
        SHARED.with(|shared| {
            if shared.owners.load(Ordering::Relaxed) == 0 {
                install_handler()?;
                let mut ours = SigSet::empty();
                ours.add(SIGNAL);
                ours.thread_unblock()?;
                shared.running.store(false, Ordering::Relaxed);
                shared.timer.store(create_timer()?, Ordering::Relaxed);
            }
            shared.owners.fetch_add(1, Ordering::Relaxed);
            Ok(Self { due: Cell::new(None), _of_this_thread: PhantomData })
        })
    }

    /// From here until the guard is dropped, a blocking call gives `EINTR` some 20 to 40 ms from `now` and
    /// then every 10 ms. Guards do not nest.
    pub(super) fn waiting(&self, now: Instant) -> Waiting {
        SHARED.with(|shared| {
            shared.waiting.store(true, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            let soon = |due: Instant| due.saturating_duration_since(now) < LEAST;
            if !shared.running.load(Ordering::Relaxed) || self.due.get().is_none_or(soon) {
                shared.running.store(true, Ordering::Relaxed);
                compiler_fence(Ordering::SeqCst);
                wind_up(shared.timer.load(Ordering::Relaxed), FIRST, TICK);
                self.due.set(Some(now + FIRST));
            }
        });
        Waiting(PhantomData)
    }

    /// Notes a thread that is traced from now on, if there is room.
    pub(super) fn note(tid: Tid) {
        SHARED.with(|shared| {
            if let Some(free) = shared.tracees.iter().position(|slot| slot.load(Ordering::Relaxed) == 0) {
                shared.tracees[free].store(tid.0, Ordering::Relaxed);
                shared.top.fetch_max(free + 1, Ordering::Relaxed);
            }
        });
    }

    /// Is there no room for one more?
    pub(super) fn is_full() -> bool {
        SHARED.with(|shared| shared.top.load(Ordering::Relaxed) >= MOST)
    }

    /// The thread is traced no longer.
    pub(super) fn forget(tid: Tid) {
        SHARED.with(|shared| {
            let top = shared.top.load(Ordering::Relaxed);
            let listed = &shared.tracees[..top];
            if let Some(slot) = listed.iter().find(|slot| slot.load(Ordering::Relaxed) == tid.0) {
                slot.store(0, Ordering::Relaxed);
            }
            let used = listed.iter().rposition(|slot| slot.load(Ordering::Relaxed) != 0);
            shared.top.store(used.map_or(0, |last| last + 1), Ordering::Relaxed);
        });
    }

    /// Is any thread traced?
    pub(super) fn has_tracees() -> bool {
        SHARED.with(|shared| shared.top.load(Ordering::Relaxed) > 0)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        SHARED.with(|shared| {
            if shared.owners.fetch_sub(1, Ordering::Relaxed) == 1 {
                delete_timer(shared.timer.load(Ordering::Relaxed));
            }
        });
    }
}

/// A wait that is going on.
pub(super) struct Waiting(PhantomData<*const ()>);

impl Drop for Waiting {
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        SHARED.with(|shared| shared.waiting.store(false, Ordering::Relaxed));
    }
}

fn install_handler() -> Result<(), Errno> {
    // No SA_RESTART: to interrupt is what it is for.
    let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "a signal handler")]
    // SAFETY: `tick` does only what a handler may: atomics and timer_settime.
    unsafe { sigaction(SIGNAL, &action) }.map(drop)
}

/// The handler. While somebody waits, the interruption is most of it: threads that an exec has killed are
/// fetched, in case that it is for those that it waits. Otherwise it stops the timer.
extern "C" fn tick(_: libc::c_int) {
    let before = Errno::last_raw();
    SHARED.with(|shared| {
        if shared.owners.load(Ordering::Relaxed) == 0 {
        } else if shared.waiting.load(Ordering::Relaxed) {
            bury_killed(shared);
        } else {
            shared.running.store(false, Ordering::Relaxed);
            wind_up(shared.timer.load(Ordering::Relaxed), Duration::ZERO, Duration::ZERO);
        }
    });
    Errno::set_raw(before);
}

/// Fetches the ends of threads that were killed while traced.
fn bury_killed(shared: &Shared) {
    for slot in &shared.tracees[..shared.top.load(Ordering::Relaxed)] {
        let tid = Tid(slot.load(Ordering::Relaxed));
        if tid.0 != 0 {
            let _ = ptrace::reap(tid);
        }
    }
}

fn create_timer() -> Result<libc::timer_t, Errno> {
    #[expect(unsafe_code, reason = "nix's timer cannot be stopped in a handler")]
    // SAFETY: sigevent is plain numbers; timer_create reads it, writes the timer, and keeps neither.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGNAL as libc::c_int;
        event.sigev_notify_thread_id = nix::unistd::gettid().as_raw();
        let mut timer: libc::timer_t = std::ptr::null_mut();
        Errno::result(libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer))?;
        Ok(timer)
    }
}

/// Starts the timer; zero stops it. The arguments are valid, so that it cannot fail.
fn wind_up(timer: libc::timer_t, first: Duration, then: Duration) {
    let converted = |duration: Duration| libc::timespec {
        tv_sec: duration.as_secs().cast_signed(),
        tv_nsec: i64::from(duration.subsec_nanos()),
    };
    let setting = libc::itimerspec { it_value: converted(first), it_interval: converted(then) };
    #[expect(unsafe_code, reason = "nix's timer cannot be stopped in a handler")]
    // SAFETY: reads `setting`; the timer is ours (a deleted one gives EINVAL). Safe in a handler by POSIX.
    unsafe {
        libc::timer_settime(timer, 0, &raw const setting, std::ptr::null_mut());
    }
}

fn delete_timer(timer: libc::timer_t) {
    #[expect(unsafe_code, reason = "nix's timer cannot be stopped in a handler")]
    // SAFETY: created by us, deleted once.
    unsafe {
        libc::timer_delete(timer);
    }
}
