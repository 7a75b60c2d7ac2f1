//! The sampler's own place among the CPUs: measures what looks cost, asks the policy, moves.

use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::sampler::Stopping;
use crate::sampler::cost::Cost;
use crate::sampler::look::Looker;
use crate::sampler::place::{Place, Policy, Why, Window};
use crate::target::{Placement, Target, Tid, cpu};

/// A window lasts so long,
const WINDOW: Duration = Duration::from_millis(100);
/// and no fewer looks than this, which are enough away from the target's CPU to compare: mostly they cost it too much there;
const LOOKS: u32 = 20;
/// if they took so long: in less the kernel's count of the time on a CPU tells little.
const TRIAL: Duration = Duration::from_millis(20);
/// What we have of a CPU before we are awake and when we go to sleep: the interrupt, the switches and the clock that is set
/// take up to 30 µs in a virtual machine, 3 elsewhere.
const COMING_AND_GOING: Duration = Duration::from_micros(30);
/// Where the thread is costs a file read of 4 µs, if no look has told: it is asked once in so many looks.
const ASK: u32 = 8;
/// Threads that are asked at first whether they are real-time ones.
const MOST_ASKED: usize = 64;

/// How threads are kept still by the thread that looks at them.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) stopping: Stopping,
    /// Its own place among the CPUs; `None` if the kernel does not say where it may run.
    pub(super) placement: Option<Rc<Placement>>,
}

impl Means {
    /// Of the calling thread.
    pub(super) fn new(stopping: Stopping) -> Self {
        Self { stopping, placement: Placement::new().ok().map(Rc::new) }
    }
}

/// How long a thread has had a CPU, and when that was so.
#[derive(Debug, Clone, Copy)]
struct Ran {
    tid: Tid,
    had: Duration,
    at: Instant,
}

impl Ran {
    /// For how long it has had none since then, if it is the same thread.
    fn lost_since(&self, then: &Self) -> Option<Duration> {
        let had = self.had.saturating_sub(then.had);
        (self.tid == then.tid).then(|| self.at.duration_since(then.at).saturating_sub(had))
    }
}

/// Where we sit, and what has been measured there since we last thought of it.
#[derive(Debug)]
pub(super) struct Placing {
    placement: Rc<Placement>,
    policy: Policy,
    began: Instant,
    /// Our own CPU time at that moment.
    used: Duration,
    /// How long threads had stood still by then, and waited to.
    held: (Duration, Duration),
    /// How many stops there had been before the last look.
    stops: u64,
    late: u64,
    /// When the last look was over, and how many had not been taken by then.
    last: (Instant, u64),
    /// Looks without a stop by then, and how many succeeded at once.
    unstopped: (u64, u64),
    window: Window,
    /// The thread was where we are when that was asked last: also where we may run nowhere else.
    together: bool,
    /// How long the thread had had a CPU when that was asked last.
    ran: Option<Ran>,
    /// For how long CPUs had had nothing to do by then; `None` if not all of them are ours to use.
    idle: Option<Duration>,
    /// The thread is a real-time one: on its CPU we would run when it pleases. That is free while we hold it, and the kernel
    /// likes to put us there.
    goes_first: bool,
}

impl Placing {
    /// Of the calling thread; `None` if the kernel does not say where it may run.
    pub(super) fn new(means: &Means) -> Option<Self> {
        let placement = means.placement.clone()?;
        // Where that cannot be had some looks are late.
        let _ = placement.take_short_turns();
        let why = if means.stopping == Stopping::Never { Why::Success } else { Why::Cost };
        Some(Self {
            policy: Policy::new(placement.count(), why),
            placement,
            began: Instant::now(),
            used: used(),
            held: Default::default(),
            stops: 0,
            late: 0,
            last: (Instant::now(), 0),
            unstopped: (0, 0),
            window: Window::default(),
            together: false,
            ran: None,
            idle: cpu::are_all_ours().then(cpu::idle).flatten(),
            goes_first: false,
        })
    }

    /// Before the first look: from where a real-time thread runs we go at once, and not after a second without a CPU.
    pub(super) fn begin(&mut self, target: &Target) {
        let all = target.tasks().list().unwrap_or_default();
        let first = all.into_iter().take(MOST_ASKED).find(|tid| cpu::goes_first(*tid));
        if let Some(moment) = first.and_then(|tid| target.tasks().moment(tid)) {
            self.go(Place::Apart(moment.cpu));
        }
    }

    /// From now on another process is meant, which has cost so much already.
    pub(super) fn turn_to(&mut self, cost: &Cost, late: u64) {
        let why = self.policy.why();
        self.policy = Policy::new(self.placement.count(), why);
        self.go(Place::Anywhere);
        self.stops = cost.stops();
        self.start(cost, late, None, self.idle_by_now());
    }

    /// For how long we have to sleep now, having been `awake` for so long. On the target's CPU that is as long as we have
    /// had it: who has had more than half of a CPU has to wait for its turn, up to a tick of the kernel's (4 ms), when it
    /// wakes.
    pub(super) fn rest(&self, awake: Duration) -> Duration {
        if self.together { awake + COMING_AND_GOING } else { Duration::ZERO }
    }

    /// Our CPU time for a look, in this window.
    fn own(&self) -> Duration {
        used().saturating_sub(self.used) / self.window.looks.max(1)
    }

    /// After a look, for which we were `woken`, and which was over by `now`; `late` is how many were not taken so far. When
    /// this is over is returned.
    pub(super) fn after(
        &mut self,
        target: &Target,
        looker: &mut Looker,
        late: u64,
        (woken, now): (Instant, Instant),
    ) -> Instant {
        let (last, late_then) = std::mem::replace(&mut self.last, (now, late));
        self.window.stood |= late > late_then && woken.saturating_duration_since(last) > WINDOW;
        let seen = looker.in_place.seen();
        if let Some((theirs, ours)) = seen {
            self.note(theirs, Some(ours));
            if self.window.looks == 0 {
                self.goes_first = looker.latest().is_some_and(cpu::goes_first);
            }
            let place = if self.goes_first { Place::Apart(theirs) } else { self.policy.meet(theirs) };
            self.go(place);
        }
        let stops = looker.cost().stops();
        if std::mem::replace(&mut self.stops, stops) < stops || seen.is_some() {
            if seen.is_none() && self.window.looks.is_multiple_of(ASK) {
                self.ask(target, looker);
            }
            self.window.looks += 1;
        }
        let length = if self.policy.is_trying_elsewhere() { TRIAL } else { WINDOW };
        if self.window.looks >= LOOKS && now.saturating_duration_since(self.began) >= length {
            self.close(target, looker, late);
            return self.began;
        }
        now
    }

    /// Where is the thread that held the GIL last, and where are we?
    fn ask(&mut self, target: &Target, looker: &Looker) {
        let Some(moment) = looker.latest().and_then(|tid| target.tasks().moment(tid)) else { return };
        let ours = cpu::here();
        target.tracer().set_apart(ours.is_some_and(|ours| ours != moment.cpu));
        self.note(moment.cpu, ours);
    }

    fn note(&mut self, theirs: u32, ours: Option<u32>) {
        self.together = ours == Some(theirs);
        self.window.asked += 1;
        self.window.together += u32::from(self.together);
        self.window.cpu = Some(theirs);
    }

    fn go(&mut self, place: Place) {
        // Where we may not run we do not: that is seen in the next window.
        let _ = match place {
            Place::Anywhere => self.placement.run_anywhere(),
            Place::With(cpu) => self.placement.run_on(cpu),
            Place::Apart(cpu) => self.placement.run_off(cpu),
        };
    }

    /// Ends the window, and moves if that is better.
    fn close(&mut self, target: &Target, looker: &mut Looker, late: u64) {
        let lasted = self.began.elapsed();
        let thread = looker.latest();
        let had = |tid| Some(Ran { tid, had: target.tasks().time_on_cpu(tid)?, at: Instant::now() });
        let ran = thread.and_then(had);
        let lost = ran.zip(self.ran).and_then(|(now, then)| now.lost_since(&then));
        let idle = self.idle_by_now();
        let Cost { stopped, waited, attempts, .. } = *looker.cost();
        let ((stopped_then, waited_then), (looks, at_once)) = (self.held, self.unstopped);
        let since = |now: u64, then| u32::try_from(now - then).unwrap_or(u32::MAX);
        let mean = |now: Duration, then| now.saturating_sub(then) / self.window.looks.max(1);
        let window = Window {
            late: since(late, self.late),
            stop: mean(stopped, stopped_then),
            waited: mean(waited, waited_then),
            own: self.own(),
            lost: lost.map(|lost| lost / self.window.looks.max(1)),
            lasted,
            idle: idle.zip(self.idle).map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then)),
            unstopped: since(attempts.looks, looks),
            at_once: since(attempts.at_once, at_once),
            cpu: self.window.cpu.filter(|_| !self.goes_first),
            ..self.window
        };
        looker.cost_mut().spot(window.was_together(), window.loss());
        let place = self.policy.judge(&window);
        self.go(self.window.cpu.filter(|_| self.goes_first).map_or(place, Place::Apart));
        self.start(looker.cost(), late, ran, idle);
    }

    /// For how long CPUs have had nothing to do, if that is of use.
    fn idle_by_now(&self) -> Option<Duration> {
        self.idle.and_then(|_| cpu::idle())
    }

    /// Begins a window.
    fn start(&mut self, cost: &Cost, late: u64, ran: Option<Ran>, idle: Option<Duration>) {
        self.held = (cost.stopped, cost.waited);
        self.unstopped = (cost.attempts.looks, cost.attempts.at_once);
        self.began = Instant::now();
        self.used = used();
        self.late = late;
        self.window = Window::default();
        (self.ran, self.idle) = (ran, idle);
    }
}

/// The calling thread's CPU time.
pub(super) fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
