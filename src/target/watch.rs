//! The watchdog of blocking waits: a timer of this thread's own, whose signal makes `waitid` return with
//! `EINTR`. So we can block, which on the target's own CPU is the only way to let it get to its stop, and
//! still never hang.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, compiler_fence};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

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
}

thread_local! {
    /// Constant at first and without a destructor, so that a handler may touch it at any time. (A pointer in
    /// the signal's value would do as well, if others could not send us signals with values of theirs.)
    static SHARED: Shared = const {
        Shared {
            timer: AtomicPtr::new(std::ptr::null_mut()),
            owners: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            running: AtomicBool::new(false),
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

/// The handler: nothing while somebody waits, for then the interruption is all; else it stops the timer.
extern "C" fn tick(_: libc::c_int) {
    SHARED.with(|shared| {
        let ours = shared.owners.load(Ordering::Relaxed) > 0;
        if ours && !shared.waiting.load(Ordering::Relaxed) {
            shared.running.store(false, Ordering::Relaxed);
            let before = Errno::last_raw();
            wind_up(shared.timer.load(Ordering::Relaxed), Duration::ZERO, Duration::ZERO);
            Errno::set_raw(before);
        }
    });
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
