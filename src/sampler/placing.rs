//! The sampler's own place among the CPUs: measures what looks cost, asks the policy, moves.

use std::time::{Duration, Instant};

use crate::sampler::look::Looker;
use crate::sampler::place::{Place, Policy, Window};
use crate::target::{Placement, Target, Tid};

/// A window lasts so long,
const WINDOW: Duration = Duration::from_millis(100);
/// and no fewer looks than this.
const LOOKS: u32 = 20;
/// Where the thread is costs a file read of 4 µs, if no look has told: it is asked once in so many looks.
const ASK: u32 = 8;

/// Where we sit, and what has been measured there since we last thought of it.
#[derive(Debug)]
pub(super) struct Placing {
    placement: Placement,
    policy: Policy,
    began: Instant,
    /// What the costs were after the look before, and when the window began.
    stops: u64,
    before: Spent,
    late: u64,
    window: Window,
}

/// What has been taken from the target.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    /// How long threads stood still, and waited to be let run by us.
    stopped: Duration,
    stayed: Duration,
    /// How long the thread that held the GIL last was ready to run and did not.
    delay: Option<(Tid, Duration)>,
}

impl Placing {
    /// Of the calling thread; `None` if the kernel does not say where it may run.
    pub(super) fn new() -> Option<Self> {
        let placement = Placement::new().ok()?;
        Some(Self {
            policy: Policy::new(placement.count()),
            placement,
            began: Instant::now(),
            stops: 0,
            before: Spent::default(),
            late: 0,
            window: Window::default(),
        })
    }

    /// After a look; `late` is how many were not taken so far.
    pub(super) fn after(&mut self, target: &Target, looker: &mut Looker, late: u64) {
        let seen = looker.seen_on();
        if let Some((theirs, ours)) = seen {
            self.note(target, theirs, Some(ours));
            let place = self.policy.meet(theirs);
            self.go(place);
        }
        let stops = looker.cost().stops();
        if stops > self.stops {
            if seen.is_none() && self.window.looks.is_multiple_of(ASK) {
                self.ask(target, looker);
            }
            self.window.looks += 1;
        }
        self.stops = stops;
        let elapsed = self.began.elapsed();
        if elapsed < WINDOW || self.window.looks < LOOKS {
            return;
        }
        self.close(target, looker, late);
    }

    /// Where is the thread that held the GIL last, and where are we?
    fn ask(&mut self, target: &Target, looker: &Looker) {
        let Some(moment) = looker.latest().and_then(|tid| target.tasks().moment(tid)) else { return };
        let ours = nix::sched::sched_getcpu().ok().and_then(|cpu| u32::try_from(cpu).ok());
        self.note(target, moment.cpu, ours);
    }

    fn note(&mut self, target: &Target, theirs: u32, ours: Option<u32>) {
        self.window.asked += 1;
        self.window.together += u32::from(ours == Some(theirs));
        target.tracer().set_apart(ours.is_some_and(|ours| ours != theirs));
        self.window.cpu = Some(theirs);
    }

    fn go(&mut self, place: Place) {
        // Where we may not run we do not: that is seen in the next window.
        let _ = match place {
            Place::Anywhere => self.placement.run_anywhere(),
            Place::With(cpu) => self.placement.run_on(cpu),
        };
    }

    /// Ends the window, and moves if that is better.
    fn close(&mut self, target: &Target, looker: &mut Looker, late: u64) {
        let spent = Spent::of(target, looker);
        let window = Window {
            late: u32::try_from(late - self.late).unwrap_or(u32::MAX),
            loss: spent.since(&self.before) / self.window.looks,
            ..self.window
        };
        if self.before.delay.is_some() || spent.delay.is_none() {
            looker.cost_mut().spot(self.policy.place() != Place::Anywhere, window.loss);
            let place = self.policy.judge(&window);
            self.go(place);
        }
        self.began = Instant::now();
        self.before = spent;
        self.late = late;
        self.window = Window::default();
    }
}

impl Spent {
    fn of(target: &Target, looker: &Looker) -> Self {
        let delay = |tid| target.tasks().delay(tid).map(|delay| (tid, delay));
        let cost = looker.cost();
        Self { stopped: cost.stopped, stayed: cost.stayed, delay: looker.latest().and_then(delay) }
    }

    /// What was taken since `before`. A thread that is ready and does not run is delayed: by us, when we are on its CPU
    /// or have to wake another one for it, and by whoever else works there, which is the same wherever we are.
    fn since(&self, before: &Self) -> Duration {
        let stopped = self.stopped.saturating_sub(before.stopped);
        let stayed = self.stayed.saturating_sub(before.stayed);
        match (self.delay, before.delay) {
            (Some((tid, delay)), Some((same, earlier))) if tid == same => {
                stopped.saturating_sub(stayed) + delay.saturating_sub(earlier)
            }
            // The holders change: only what we have measured ourselves.
            _ => stopped,
        }
    }
}
