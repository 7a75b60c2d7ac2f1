//! Stopping a thread, and letting it go whatever happens. Between two stops nothing is traced: see [`super`]
//! for why. Rooms above use [`Tracer::stop`] and the guard that it gives; nothing here knows what is read
//! while it holds.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;

use super::launch::Child;
use super::memory::Address;
use super::process::{self, Pid, RunState, Tid};
use super::ptrace::{self, Event, Patience};
use super::watch::Watchdog;

/// How long we wait for a thread to stop before we look elsewhere.
pub const PATIENCE: Duration = Duration::from_millis(100);
/// So many times longer if it is ready to run and waits for a CPU.
const MORE: u32 = 10;
/// How long we stay awake for a thread that stops on another CPU. It takes some 10 µs; to be woken by it takes longer.
const AWAKE: Duration = Duration::from_micros(40);
/// How long we wait for a thread that was killed while we held it.
const DYING: Duration = Duration::from_millis(20);
/// `PTRACE_EVENT_STOP`
const EVENT_STOP: i32 = 128;

/// Why a thread was not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopError {
    /// There is no such thread (any more), or it has ended while we waited, or has become another program.
    Gone,
    /// It did not come to its stop in time: it is frozen, in an uninterruptible wait, or the machine is busy.
    /// It will be let go as soon as it does stop; see [`Tracer::settle`].
    NotInTime,
    /// Stopped by job control (SIGSTOP, SIGTSTP, …): it was let be, and runs on when it is continued. To ask
    /// again does not touch it until then.
    GroupStopped,
    /// We hold this thread already.
    Held,
    /// Traced by this process. (It may be our own, by another thread than this one.)
    TracedBy(Pid),
    /// The kernel says no; an `errno`.
    Refused(i32),
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the thread is gone"),
            Self::NotInTime => f.write_str("the thread did not stop in time"),
            Self::GroupStopped => f.write_str("the process is stopped by job control"),
            Self::Held => f.write_str("the thread is already held"),
            Self::TracedBy(pid) => write!(f, "the thread is traced by process {pid}"),
            Self::Refused(errno) => write!(f, "refused: {}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

impl std::error::Error for StopError {}

/// What stops the threads of one process.
#[derive(Debug)]
pub struct Tracer {
    pid: Pid,
    watchdog: Watchdog,
    /// Threads that are traced and not held by a guard: they have not stopped in time, or are dying.
    strays: RefCell<Vec<Tid>>,
    /// The process as our child, if it is one: then its end is told to us alone.
    child: Option<Child>,
    stopped: Cell<Duration>,
    patience: Cell<Duration>,
    /// The thread to be stopped was last seen on another CPU than ours.
    apart: Cell<bool>,
    /// The last that was known of the process: stopped by job control.
    by_job_control: Cell<bool>,
}

/// A thread stands still as long as this lives.
#[must_use = "the thread runs on as soon as this is dropped"]
#[derive(Debug)]
pub struct Stopped<'a> {
    tracer: &'a Tracer,
    tid: Tid,
    /// A signal that was about to be delivered, or 0.
    signal: i32,
    since: Instant,
    waited: Duration,
    held: bool,
}

impl Tracer {
    pub(super) fn new(pid: Pid, child: Option<Child>) -> Result<Self, Errno> {
        Ok(Self {
            pid,
            watchdog: Watchdog::new()?,
            strays: RefCell::new(Vec::with_capacity(64)),
            child,
            stopped: Cell::new(Duration::ZERO),
            patience: Cell::new(PATIENCE),
            apart: Cell::new(false),
            by_job_control: Cell::new(false),
        })
    }

    /// Stops a thread. Costs it some 10 µs when we are on its CPU, 30 to 60 µs on another; waits for at most
    /// the patience (plus 40 ms: see `watch.rs`), or ten times that if it only waits for a CPU.
    ///
    /// A thread that waits in a system call is taken out of it and put back, which all calls survive that
    /// restart after a handled signal; `epoll_wait`, `semop` and a few more (`man 7 signal`) give their
    /// caller `EINTR` instead. So only stop threads that run.
    pub fn stop(&self, tid: Tid) -> Result<Stopped<'_>, StopError> {
        self.seize(tid)?;
        let since = self.interrupt(tid)?;
        self.wait(tid, since)
    }

    /// Stops several threads: all are told before the first is waited for, so that they stop at the same
    /// time. A result for each, in their order.
    pub fn stop_all(&self, tids: &[Tid]) -> Vec<Result<Stopped<'_>, StopError>> {
        let mut told: Vec<_> = tids.iter().map(|&tid| self.seize(tid).map(|()| Instant::now())).collect();
        for (&tid, told) in tids.iter().zip(&mut told) {
            *told = told.and_then(|_| self.interrupt(tid));
        }
        tids.iter().zip(told).map(|(&tid, told)| self.wait(tid, told?)).collect()
    }

    /// How long threads have stood still for us, all together, at most: the sum of what [`Stopped::release`]
    /// gave.
    pub fn stopped(&self) -> Duration {
        self.stopped.get()
    }

    /// Says whether threads run on another CPU than we: then we stay awake while they come to their stop. (On ours
    /// they could not.)
    pub fn set_apart(&self, apart: bool) {
        self.apart.set(apart);
    }

    /// Do they, as far as is known?
    pub fn is_apart(&self) -> bool {
        self.apart.get()
    }

    /// How long to wait for a thread to stop from now on.
    pub fn set_patience(&self, patience: Duration) {
        self.patience.set(patience);
    }

    /// Lets go the threads that did not stop in time and have stopped since, and buries those that died while
    /// we held them; how many are still to come. Each stop begins with it; whoever does not stop anything
    /// while there are some must call it often (every millisecond), for until then they stand still.
    pub fn settle(&self) -> usize {
        let mut strays = self.strays.borrow_mut();
        strays.retain(|&tid| {
            let remains = match ptrace::look(tid, Patience::Now) {
                Ok(None) | Err(Errno::EINTR) => true,
                Ok(Some(event @ Event::Stopped { .. })) => ptrace::detach(tid, signal_of(event)).is_err(),
                Ok(Some(_)) => {
                    self.bury(tid);
                    false
                }
                Err(_) => false,
            };
            if !remains {
                Watchdog::forget(tid);
            }
            remains
        });
        strays.len()
    }

    /// The process as our child, if it is one.
    pub(super) fn child(&self) -> Option<&Child> {
        self.child.as_ref()
    }

    fn seize(&self, tid: Tid) -> Result<(), StopError> {
        if !self.strays.borrow().is_empty() {
            self.settle();
            if self.strays.borrow().contains(&tid) {
                return Err(StopError::NotInTime);
            }
        }
        if self.by_job_control.get()
            && process::moment(self.pid, tid).is_some_and(|now| now.state == RunState::Stopped)
        {
            return Err(StopError::GroupStopped);
        }
        if Watchdog::is_full() {
            return Err(StopError::Refused(Errno::EAGAIN as i32));
        }
        let seized = if Watchdog::has_tracees() {
            let _waiting = self.watchdog.waiting(Instant::now());
            ptrace::seize(tid)
        } else {
            ptrace::seize(tid)
        };
        seized.map_err(|errno| self.refusal(tid, errno))?;
        if tid != self.pid.leader() {
            Watchdog::note(tid);
        }
        Ok(())
    }

    /// EPERM has many causes; and of a thread that is just dying it is said too.
    pub(super) fn refusal(&self, tid: Tid, errno: Errno) -> StopError {
        if errno == Errno::ESRCH {
            return StopError::Gone;
        }
        let tracer = process::status(tid).ok().and_then(|status| status.tracer);
        match tracer {
            Some(tracer) if tracer == Tid::ours() => StopError::Held,
            Some(tracer) => StopError::TracedBy(process::process_of(tracer).unwrap_or(Pid(tracer.0))),
            None => match process::moment(self.pid, tid) {
                None => StopError::Gone,
                Some(moment) if moment.state.is_dead() => StopError::Gone,
                Some(_) => StopError::Refused(errno as i32),
            },
        }
    }

    fn interrupt(&self, tid: Tid) -> Result<Instant, StopError> {
        let since = Instant::now();
        if ptrace::interrupt(tid).is_ok() {
            return Ok(since);
        }
        // It died since it was seized: nobody but us can bury it.
        self.lose(tid);
        Err(StopError::Gone)
    }

    /// Waits without sleeping, for a moment, for a thread that stops on another CPU: were we woken from sleep by its
    /// stop, it would stand still that much longer.
    fn look_awake(&self, tid: Tid, since: Instant) -> Option<Result<Event, Errno>> {
        while self.apart.get() {
            match ptrace::look(tid, Patience::Now) {
                Ok(None) if since.elapsed() < AWAKE => std::hint::spin_loop(),
                // It is where we are after all, or has other things to do.
                Ok(None) => self.apart.set(false),
                Ok(Some(event)) => return Some(Ok(event)),
                Err(errno) => return Some(Err(errno)),
            }
        }
        None
    }

    /// Waits for what becomes of a traced thread, until it is told or patience is over; the watchdog breaks
    /// the wait.
    fn look_patiently(&self, tid: Tid, since: Instant, patience: Duration) -> Option<Result<Event, Errno>> {
        let _waiting = self.watchdog.waiting(since);
        loop {
            match ptrace::look(tid, Patience::Wait) {
                Err(Errno::EINTR) if self.is_hopeless(tid, since.elapsed(), patience) => return None,
                Ok(None) | Err(Errno::EINTR) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(errno) => return Some(Err(errno)),
            }
        }
    }

    /// Is a wait over? A thread that only waits for its turn on a busy CPU will stop as soon as it gets it,
    /// and to give it up would make it stand until we come back to it: it is given more time.
    fn is_hopeless(&self, tid: Tid, elapsed: Duration, patience: Duration) -> bool {
        let is_queued = || process::moment(self.pid, tid).is_some_and(|now| now.state == RunState::Running);
        elapsed >= patience && (elapsed >= patience * MORE || !is_queued())
    }

    fn wait(&self, tid: Tid, since: Instant) -> Result<Stopped<'_>, StopError> {
        let looked = self.look_awake(tid, since);
        let looked = looked.or_else(|| self.look_patiently(tid, since, self.patience.get()));
        match looked {
            Some(Ok(event @ Event::Stopped { signal, event: kind })) => {
                let waited = since.elapsed();
                let stopped =
                    Stopped { tracer: self, tid, signal: signal_of(event), since, waited, held: true };
                let by_job_control = kind == EVENT_STOP && signal != libc::SIGTRAP;
                self.by_job_control.set(by_job_control);
                // Dropping the guard puts it back: the kernel remembers that its group is stopped.
                if by_job_control { Err(StopError::GroupStopped) } else { Ok(stopped) }
            }
            Some(Ok(_)) => {
                self.bury(tid);
                Err(StopError::Gone)
            }
            None => {
                self.strays.borrow_mut().push(tid);
                Err(StopError::NotInTime)
            }
            // ECHILD: it is ours no more. Another thread's exec has made an end of it, or it has itself
            // become the program's first thread by exec and has, with that, changed its number.
            Some(_) => {
                self.follow_exec(tid);
                Err(StopError::Gone)
            }
        }
    }

    /// A thread that we trace may have taken the number of the process: it would stand still for ever.
    fn follow_exec(&self, tid: Tid) {
        Watchdog::forget(tid);
        let leader = self.pid.leader();
        let traced = || process::status(leader).is_ok_and(|status| status.tracer == Some(Tid::ours()));
        if tid != leader && traced() {
            self.strays.borrow_mut().push(leader);
            self.settle();
        }
    }

    /// Fetches the end of a thread that has ended while traced.
    fn bury(&self, tid: Tid) {
        Watchdog::forget(tid);
        let end = ptrace::reap(tid);
        if let (Some(child), Ok(Some(event)), true) = (&self.child, end, tid == self.pid.leader()) {
            child.note(event);
        }
    }

    /// A thread that was killed while we held it: its end is near, and is kept from its parent until we fetch
    /// it.
    fn lose(&self, tid: Tid) {
        let begin = Instant::now();
        let seen = self.look_patiently(tid, begin, DYING);
        match seen {
            Some(Ok(event)) if event.is_end() => self.bury(tid),
            Some(Err(_)) => self.follow_exec(tid),
            _ => self.strays.borrow_mut().push(tid),
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.settle() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        // What is left is let go by the kernel when this thread ends.
    }
}

/// The signal that is to be delivered when the thread is let go: the one that it stopped for.
const fn signal_of(event: Event) -> i32 {
    match event {
        Event::Stopped { signal, event: 0 } => signal,
        _ => 0,
    }
}

impl Stopped<'_> {
    /// Which thread.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// How long it took from when the thread was told to stop until we knew that it stands. On a CPU that
    /// others want too most of this is the thread waiting for its turn, as it would have without us: it can
    /// stop only when it runs.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Where it stands in its program, if that can be told. Costs half a microsecond.
    pub fn instruction(&self) -> Option<Address> {
        ptrace::instruction(self.tid).map(Address)
    }

    /// Lets the thread go; how long it stood still, from when it was told to stop until it was told to run
    /// (wall clock).
    pub fn release(mut self) -> Duration {
        self.let_go()
    }

    fn let_go(&mut self) -> Duration {
        if !std::mem::take(&mut self.held) {
            return Duration::ZERO;
        }
        match ptrace::detach(self.tid, self.signal) {
            Ok(()) => Watchdog::forget(self.tid),
            Err(_) => self.tracer.lose(self.tid),
        }
        let duration = self.since.elapsed();
        self.tracer.stopped.set(self.tracer.stopped.get() + duration);
        duration
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}
