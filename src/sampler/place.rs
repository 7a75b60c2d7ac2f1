//! Whether to run on the CPU of the thread that is looked at. Pure: what was measured goes in, where to run comes out.
//!
//! On its CPU it need not be stopped, or stops at once, because no other CPU has to be woken by an interrupt; but
//! everything that we do is done at its cost. On another CPU it loses the stop and the way back, and nothing else. Which
//! is less differs from machine to machine and from hour to hour, so both are tried, in turn, and again some time later.

use std::time::Duration;

/// Where to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where the kernel likes.
    Anywhere,
    /// On this CPU, which is the target's.
    With(u32),
    /// On any but this: the kernel likes to put us where the target is, and then nothing is tried.
    Apart(u32),
}

/// What some looks in a row have cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// Looks that kept a thread from running.
    pub(super) looks: u32,
    /// Looks that were due and not taken.
    pub(super) late: u32,
    /// How long a thread stood still for a look, and how long the way there took: the mean, since the few long ones are
    /// what hurts.
    pub(super) stop: Duration,
    pub(super) waited: Duration,
    /// CPU time of ours, per look.
    pub(super) own: Duration,
    /// How often it was asked where the thread is, and how often it was on our CPU.
    pub(super) asked: u32,
    pub(super) together: u32,
    /// Where it was last.
    pub(super) cpu: Option<u32>,
    /// Looks without a stop at a thread elsewhere, and how many of them succeeded at once.
    pub(super) unstopped: u32,
    pub(super) at_once: u32,
}

impl Window {
    /// What a look costs the target.
    pub(super) fn loss(&self) -> Duration {
        let together = f64::from(self.together) / f64::from(self.asked.max(1));
        // On its CPU all that we do is done at its cost. From elsewhere the way back takes as long as the way there, and
        // our own time is somebody's too.
        let (with, apart) = (self.own.max(self.stop), self.stop + self.waited + self.own / 2);
        with.mul_f64(together) + apart.mul_f64(1.0 - together)
    }

    /// Does the thread stay where it is when we come?
    const fn is_followed(&self) -> bool {
        self.together * 4 >= self.asked * 3
    }

    /// Can its stacks be proven from another CPU, nearly always and at once? To try again and again costs it more than
    /// our being on its CPU does, and shows more of what stays than of what is soon over.
    const fn is_proven_from_afar(&self) -> bool {
        self.at_once * 10 >= self.unstopped * 9
    }

    /// The share of the looks that were taken, of those that were due. A single late one tells nothing.
    fn punctuality(&self) -> f64 {
        f64::from(self.looks) / f64::from((self.late.saturating_sub(1) + self.looks).max(1))
    }
}

/// Windows of each place before it is decided,
const TRIALS: usize = 2;
/// unless looks from elsewhere cost so many times as much: those of another window would only cost it again.
const PLAIN: u32 = 2;
/// So much cheaper the target's CPU has to be: to be bound to one is a disadvantage when others want it.
const CHEAPER: f64 = 0.85;
/// And at least this part of the looks have to be taken there that are taken elsewhere; or this, where it is far dearer
/// elsewhere.
const PUNCTUAL: f64 = 0.95;
const PATIENT: f64 = 0.8;
/// Windows for which a decision holds: first, and when the next trial comes to the same.
const HELD: (u32, u32) = (50, 400);
/// A loss a look that is not worth a trial of the other place at once: many runs are short, and in the trial 20 to 40
/// looks may cost three times as much.
const LITTLE: Duration = Duration::from_micros(60);

/// What is to be gained on the target's CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Perhaps time.
    Cost,
    /// Looks that succeed: from elsewhere nothing may be stopped. Where they do there, too, that costs the target nothing.
    Success,
}

/// Decides, window by window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    /// CPUs that we may use.
    cpus: usize,
    why: Why,
    place: Place,
    /// What was measured in this trial: anywhere, and with the target.
    tried: [Vec<Window>; 2],
    /// Windows until the next trial.
    left: u32,
    hold: u32,
    /// What the last trial came to.
    chose: Option<bool>,
    /// The first window, in which everything was new to us, is over.
    warm: bool,
}

impl Policy {
    /// Begins anywhere.
    pub(super) fn new(cpus: usize, why: Why) -> Self {
        Self {
            cpus,
            why,
            place: Place::Anywhere,
            tried: [vec![], vec![]],
            left: 0,
            hold: HELD.0,
            chose: None,
            warm: false,
        }
    }

    /// What is to be gained.
    pub(super) const fn why(&self) -> Why {
        self.why
    }

    /// The thread was found on this CPU, where it is looked at without a stop if we are there too: begins there, or
    /// follows it.
    pub(super) fn meet(&mut self, cpu: u32) -> Place {
        let begins = self.cpus > 1 && self.chose.is_none() && self.tried.iter().all(Vec::is_empty);
        if begins || self.is_with() { self.stay(Place::With(cpu)) } else { self.place }
    }

    /// Are we elsewhere only, or for this window, to compare?
    pub(super) fn is_trying_elsewhere(&self) -> bool {
        self.why == Why::Cost && self.warm && self.left == 0 && !self.is_with()
    }

    /// Is it on the target's CPU?
    pub(super) const fn is_with(&self) -> bool {
        matches!(self.place, Place::With(_))
    }

    /// After this window: where to run in the next.
    pub(super) fn judge(&mut self, window: &Window) -> Place {
        let Some(cpu) = window.cpu.filter(|_| self.cpus > 1) else { return self.stay(Place::Anywhere) };
        // One that hops is lost now and then; but from afar, where nothing may be stopped, nearly always.
        let is_worth_it = window.is_followed() || self.why == Why::Success && !window.is_proven_from_afar();
        if self.is_with() && !is_worth_it {
            return self.decide(false, cpu);
        }
        if !std::mem::replace(&mut self.warm, true) {
            return self.place;
        }
        if self.left > 0 {
            self.left -= 1;
            return if self.is_with() { self.stay(Place::With(cpu)) } else { self.place };
        }
        if self.why == Why::Success {
            return match self.place {
                // A trial.
                Place::With(_) if self.chose.is_some() => self.stay(Place::Apart(cpu)),
                Place::Apart(_) if window.is_proven_from_afar() => self.stay(Place::Apart(cpu)),
                _ => self.decide(true, cpu),
            };
        }
        let is_with = self.is_with();
        let [apart, with] = &mut self.tried;
        let tried = if is_with { &mut *with } else { &mut *apart };
        tried.push(*window);
        let good = window.loss() <= LITTLE && window.punctuality() > PUNCTUAL;
        if good && self.chose.is_none() && apart.is_empty() {
            return self.decide(true, cpu);
        }
        let (apart, with) = (apart.len(), with.len());
        let better_with = self.is_better_with();
        if apart >= TRIALS && with >= TRIALS || better_with && self.is_plain() {
            return self.decide(better_with, cpu);
        }
        self.stay(if apart > with { Place::With(cpu) } else { Place::Apart(cpu) })
    }

    /// Have both places been tried, and is it far dearer elsewhere?
    fn is_plain(&self) -> bool {
        let [Some(apart), Some(with)] = self.losses() else { return false };
        apart > with * PLAIN
    }

    fn stay(&mut self, place: Place) -> Place {
        self.place = place;
        place
    }

    fn decide(&mut self, with: bool, cpu: u32) -> Place {
        self.hold = if self.chose == Some(with) { (self.hold * 2).min(HELD.1) } else { HELD.0 };
        self.chose = Some(with);
        self.left = self.hold;
        self.tried.iter_mut().for_each(Vec::clear);
        self.stay(if with { Place::With(cpu) } else { Place::Anywhere })
    }

    fn is_better_with(&self) -> bool {
        let [Some(apart), Some(with)] = self.losses() else { return false };
        let taken = |windows: &Vec<Window>| windows.iter().map(Window::punctuality).fold(0.0, f64::max);
        let [taken_apart, taken_with] = self.tried.each_ref().map(taken);
        let least = if self.is_plain() { PATIENT } else { PUNCTUAL };
        with < apart.mul_f64(CHEAPER) && taken_with > taken_apart * least
    }

    /// The least that a window's looks have cost in each place, if it was tried.
    fn losses(&self) -> [Option<Duration>; 2] {
        self.tried.each_ref().map(|windows| windows.iter().map(Window::loss).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn window(stop: u64, own: u64, together: u32, cpu: u32) -> Window {
        Window {
            looks: 100,
            stop: micros(stop),
            waited: micros(stop / 2),
            own: micros(own),
            asked: 12,
            together,
            cpu: Some(cpu),
            ..Window::default()
        }
    }

    /// Runs for so many windows on a machine where a look with the target and one apart measure so; how many were
    /// spent with it.
    fn run(policy: &mut Policy, windows: u32, with: Window, apart: Window) -> u32 {
        let mut together = 0;
        for _ in 0..windows {
            together += u32::from(policy.is_with());
            policy.judge(if policy.is_with() { &with } else { &apart });
        }
        together
    }

    #[test]
    fn goes_where_the_target_is_when_another_cpu_is_far() {
        let mut policy = Policy::new(2, Why::Cost);
        let together = run(&mut policy, 1000, window(12, 25, 12, 1), window(55, 30, 0, 1));
        assert!(together > 900, "{together}");
        assert_eq!(policy.place, Place::With(1));
    }

    #[test]
    fn what_is_plainly_dearer_is_tried_for_one_window() {
        // The first window tells nothing. There are trials after 0, 50, 150, 350 and 750 more.
        let mut policy = Policy::new(2, Why::Cost);
        policy.meet(1);
        let together = run(&mut policy, 1000, window(12, 70, 12, 1), window(120, 60, 0, 1));
        assert_eq!(1000 - together, 5);
        let mut policy = Policy::new(2, Why::Cost);
        policy.meet(1);
        let together = run(&mut policy, 1000, window(12, 70, 12, 1), window(70, 60, 0, 1));
        assert!(1000 - together > 8, "{together}");
        // The other way round a burst of noise must not decide: every window on its CPU is followed by another one.
        let mut policy = Policy::new(2, Why::Cost);
        assert_eq!(run(&mut policy, 1000, window(12, 70, 12, 1), window(6, 20, 0, 1)), 10);
        let mut policy = Policy::new(2, Why::Cost);
        policy.meet(1);
        run(&mut policy, 1, window(12, 70, 12, 1), window(120, 60, 0, 1));
        policy.judge(&Window { late: 30, ..window(300, 600, 12, 1) });
        assert!(policy.is_trying_elsewhere());
        run(&mut policy, 2, window(12, 70, 12, 1), window(120, 60, 0, 1));
        assert_eq!((policy.place, policy.is_trying_elsewhere()), (Place::With(1), false));
        assert_eq!(run(&mut policy, 40, window(12, 70, 12, 1), window(120, 60, 0, 1)), 40);
        // Cheaper, but late.
        let late = |late, apart| {
            let mut policy = Policy::new(2, Why::Cost);
            let with = Window { late, ..window(12, 25, 12, 0) };
            run(&mut policy, 1000, with, window(apart, 30, 0, 0))
        };
        assert_eq!((late(30, 90), late(15, 20)), (10, 10));
        assert!(late(15, 90) > 900);
    }

    #[test]
    fn stays_away_where_the_way_is_short() {
        let mut policy = Policy::new(64, Why::Cost);
        let together = run(&mut policy, 1000, window(6, 20, 12, 3), window(8, 20, 0, 3));
        assert!(together < 20, "{together}");
        assert_eq!(policy.place, Place::Anywhere);
    }

    #[test]
    fn follows_a_target_that_moves_and_gives_way_to_one_that_hops() {
        let mut policy = Policy::new(2, Why::Cost);
        run(&mut policy, 20, window(12, 25, 12, 0), window(55, 30, 0, 0));
        assert_eq!(policy.place, Place::With(0));
        // It went to another CPU at the end of a window.
        assert_eq!(policy.judge(&window(12, 25, 11, 1)), Place::With(1));
        // It is elsewhere every other time.
        assert_eq!(policy.judge(&window(40, 25, 6, 0)), Place::Anywhere);
        let together = run(&mut policy, 1000, window(40, 25, 6, 0), window(55, 30, 0, 1));
        assert!(together < 20, "{together}");
    }

    #[test]
    fn comes_back_when_the_machine_has_changed() {
        let mut policy = Policy::new(2, Why::Cost);
        run(&mut policy, 600, window(6, 20, 12, 0), window(8, 20, 0, 0));
        assert_eq!(policy.place, Place::Anywhere);
        run(&mut policy, 600, window(12, 25, 12, 0), window(55, 30, 0, 0));
        assert_eq!(policy.place, Place::With(0));
    }

    #[test]
    fn gives_way_where_looks_would_be_late() {
        let mut policy = Policy::new(2, Why::Cost);
        let late = Window { late: 30, ..window(12, 25, 12, 0) };
        run(&mut policy, 20, late, window(55, 30, 0, 0));
        assert_eq!(policy.place, Place::Anywhere);
    }

    #[test]
    fn begins_with_the_target_and_tries_the_rest_later_if_that_is_cheap() {
        let mut policy = Policy::new(2, Why::Cost);
        assert_eq!(policy.meet(1), Place::With(1));
        assert_eq!(policy.meet(0), Place::With(0));
        let places: Vec<_> = (0..120).map(|_| policy.judge(&window(6, 20, 12, 0))).collect();
        assert!(places[..50].iter().all(|place| *place == Place::With(0)));
        assert!(places.contains(&Place::Apart(0)));
        let mut dear = Policy::new(2, Why::Cost);
        dear.meet(1);
        run(&mut dear, 20, window(6, 90, 12, 1), window(30, 30, 0, 1));
        assert_eq!(dear.place, Place::Anywhere);
        assert_eq!(dear.meet(0), Place::Anywhere);
        assert_eq!(Policy::new(1, Why::Cost).meet(0), Place::Anywhere);
    }

    #[test]
    fn stays_at_any_cost_where_nothing_may_be_stopped_and_little_is_proven() {
        let mut policy = Policy::new(2, Why::Success);
        policy.meet(1);
        let elsewhere = Window { unstopped: 100, at_once: 60, ..window(0, 30, 0, 1) };
        let together = run(&mut policy, 1000, window(6, 90, 12, 1), elsewhere);
        assert!((990..1000).contains(&together), "{together}");
        // It goes on after one that hops, unless that need not be.
        let hops = window(6, 90, 6, 0);
        let looks = |at_once| Window { unstopped: 50, at_once, ..hops };
        assert_eq!(policy.judge(&looks(5)), Place::With(0));
        assert_eq!(policy.judge(&looks(49)), Place::Anywhere);
    }

    #[test]
    fn leaves_the_target_alone_where_its_stacks_are_proven_from_afar() {
        let mut policy = Policy::new(2, Why::Success);
        policy.meet(1);
        let elsewhere = Window { unstopped: 100, at_once: 95, ..window(0, 30, 0, 1) };
        assert!(run(&mut policy, 1000, window(6, 90, 12, 1), elsewhere) < 60);
        // Until they no longer are.
        policy.judge(&Window { at_once: 80, ..elsewhere });
        assert_eq!(policy.place, Place::With(1));
    }

    #[test]
    fn has_no_choice_with_one_cpu_or_without_knowing() {
        let mut policy = Policy::new(1, Why::Cost);
        assert_eq!(run(&mut policy, 100, window(1, 1, 12, 0), window(55, 30, 0, 0)), 0);
        let mut policy = Policy::new(2, Why::Cost);
        let blind = Window { cpu: None, ..window(55, 30, 0, 0) };
        assert_eq!(run(&mut policy, 100, blind, blind), 0);
    }
}
