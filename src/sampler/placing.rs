//! The sampler's own place among the CPUs: measures what looks cost, asks the policy, moves.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::sampler::Stopping;
use crate::sampler::look::Looker;
use crate::sampler::place::{Place, Policy, Why, Window};
use crate::target::{Placement, Target, cpu};

/// A window lasts so long,
const WINDOW: Duration = Duration::from_millis(100);
/// and no fewer looks than this.
const LOOKS: u32 = 20;
/// The median is of no more stops than this.
const MOST: usize = 256;
/// Where the thread is costs a file read of 4 µs, if no look has told: it is asked once in so many looks.
const ASK: u32 = 8;

/// Where we sit, and what has been measured there since we last thought of it.
#[derive(Debug)]
pub(super) struct Placing {
    placement: Placement,
    policy: Policy,
    began: Instant,
    /// Our own CPU time at that moment.
    used: Duration,
    /// Each stop and the way to it.
    stops: Vec<(Duration, Duration)>,
    /// What the costs were after the look before.
    before: (u64, Duration, Duration),
    late: u64,
    window: Window,
}

impl Placing {
    /// Of the calling thread; `None` if the kernel does not say where it may run.
    pub(super) fn new(stopping: Stopping) -> Option<Self> {
        let placement = Placement::new().ok()?;
        let why = if stopping == Stopping::Never { Why::Success } else { Why::Cost };
        Some(Self {
            policy: Policy::new(placement.count(), why),
            placement,
            began: Instant::now(),
            used: used(),
            stops: Vec::with_capacity(MOST),
            before: Default::default(),
            late: 0,
            window: Window::default(),
        })
    }

    /// After a look; `late` is how many were not taken so far.
    pub(super) fn after(&mut self, target: &Target, looker: &mut Looker, late: u64) {
        let seen = looker.in_place.seen();
        if let Some((theirs, ours)) = seen {
            self.note(target, theirs, Some(ours));
            let place = self.policy.meet(theirs);
            self.go(place);
        }
        let cost = looker.cost();
        let now = (cost.stops(), cost.stopped, cost.waited);
        let (stops, stopped, waited) = self.before;
        if now.0 == stops + 1 && self.stops.len() < self.stops.capacity() {
            self.stops.push((now.1.saturating_sub(stopped), now.2.saturating_sub(waited)));
        }
        if now.0 > stops || seen.is_some() {
            if seen.is_none() && self.window.looks.is_multiple_of(ASK) {
                self.ask(target, looker);
            }
            self.window.looks += 1;
        }
        self.before = now;
        if self.began.elapsed() >= WINDOW && self.window.looks >= LOOKS {
            self.close(looker, late);
        }
    }

    /// Where is the thread that held the GIL last, and where are we?
    fn ask(&mut self, target: &Target, looker: &Looker) {
        let Some(moment) = looker.latest().and_then(|tid| target.tasks().moment(tid)) else { return };
        self.note(target, moment.cpu, cpu::here());
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
    fn close(&mut self, looker: &mut Looker, late: u64) {
        let window = Window {
            late: u32::try_from(late - self.late).unwrap_or(u32::MAX),
            stop: median(self.stops.iter().map(|(stop, _)| *stop)),
            waited: median(self.stops.iter().map(|(_, waited)| *waited)),
            own: used().saturating_sub(self.used) / self.window.looks.max(1),
            ..self.window
        };
        looker.cost_mut().spot(self.policy.place() != Place::Anywhere, window.loss());
        let place = self.policy.judge(&window);
        self.go(place);
        self.began = Instant::now();
        self.used = used();
        self.late = late;
        self.stops.clear();
        self.window = Window::default();
    }
}

fn median(durations: impl Iterator<Item = Duration>) -> Duration {
    let mut all: Vec<_> = durations.collect();
    let middle = all.len() / 2;
    if all.is_empty() { Duration::ZERO } else { *all.select_nth_unstable(middle).1 }
}

/// The calling thread's CPU time.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
