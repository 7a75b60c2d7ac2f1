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
    /// Time in which the thread was not on a CPU, per look, if that is known.
    pub(super) lost: Option<Duration>,
    /// How long it was, and for how long CPUs had nothing to do meanwhile, if all of them are ours to use.
    pub(super) lasted: Duration,
    pub(super) idle: Duration,
    /// For a while nobody let us run: we were stopped, or the machine slept. What was measured is of no place.
    pub(super) stood: bool,
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
        self.price(Duration::ZERO, 1.0)
    }

    /// The same, and somebody else so much of our own time. Elsewhere the target loses so many times what is counted.
    fn price(&self, own: Duration, times: f64) -> Duration {
        let together = f64::from(self.together) / f64::from(self.asked.max(1));
        // On its CPU all that we do is done at its cost. From elsewhere the way back takes as long as the way there, unless
        // the kernel has counted less; who sleeps for reasons of his own makes it count more.
        let away = self.stop + self.waited;
        let (with, apart) =
            (self.own.max(self.stop), self.lost.map_or(away, |lost| lost.mul_f64(times).min(away)) + own);
        with.mul_f64(together) + apart.mul_f64(1.0 - together)
    }

    /// Does the target lose as much as can be noticed?
    fn is_dear(&self) -> bool {
        self.loss() * self.looks > self.lasted.mul_f64(NOTICED)
    }

    /// Is there a CPU that nobody else wants?
    fn has_room(&self) -> bool {
        self.idle > self.lasted.mul_f64(ROOM)
    }

    /// Were we where it was, mostly? The kernel may have put us there, and who started us may allow no other CPU.
    pub(super) const fn was_together(&self) -> bool {
        self.together * 2 > self.asked
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
/// Where what we take elsewhere is nobody's, it need not be cheaper, but what is counted on another CPU is taken so many
/// times: beyond the time in which it ran nowhere, the kernel does not count what the thread itself has to do for
/// a stop, nor that it must fetch again what another core has read of its cache. (At 10,000 looks a second it lost 23 µs a
/// look where 10 were counted, and 18 on its CPU, where 11 were; on an older machine 21 where 16 were, and 31 where 22.)
const UNCOUNTED: f64 = 1.3;
/// And at least this part of the looks have to be taken there that are taken elsewhere; or this, where it is far dearer
/// elsewhere.
const PUNCTUAL: f64 = 0.95;
const PATIENT: f64 = 0.8;
/// Windows for which a decision holds: first, and when the next trial comes to the same.
const HELD: (u32, u32) = (50, 400);
/// A loss a look that is not worth a trial of the other place at once: many runs are short, and in the trial 20 to 40
/// looks may cost three times as much.
const LITTLE: Duration = Duration::from_micros(60);
/// A part of the target's time that is noticed when it is missing. Below that we are thrifty: of what we take elsewhere half
/// counts as if it were the target's.
const NOTICED: f64 = 0.1;
/// So much of a CPU has to be idle beside us on the target's; then what we take there is nobody's.
const ROOM: f64 = 0.75;

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
        if window.stood {
            return self.place;
        }
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
        let good = window.loss() <= LITTLE && !window.is_dear() && window.punctuality() > PUNCTUAL;
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
        let [Some(apart), Some(with)] = self.prices() else { return false };
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
        let [Some(apart), Some(with)] = self.prices() else { return false };
        let taken = |windows: &Vec<Window>| windows.iter().map(Window::punctuality).fold(0.0, f64::max);
        let [taken_apart, taken_with] = self.tried.each_ref().map(taken);
        let least = if self.is_plain() { PATIENT } else { PUNCTUAL };
        let enough = if self.is_thrifty() { CHEAPER } else { 1.0 };
        with < apart.mul_f64(enough) && taken_with > taken_apart * least
    }

    /// Is what we take elsewhere somebody's, or what the target loses less than is noticed?
    fn is_thrifty(&self) -> bool {
        let [_, with] = &self.tried;
        !with.iter().all(|window| window.is_dear() && window.has_room())
    }

    /// The least that a window's looks have cost in each place, if it was tried.
    fn prices(&self) -> [Option<Duration>; 2] {
        let is_thrifty = self.is_thrifty();
        let price = |window: &Window| {
            let (own, times) = if is_thrifty { (window.own / 2, 1.0) } else { (Duration::ZERO, UNCOUNTED) };
            window.price(own, times)
        };
        self.tried.each_ref().map(|windows| windows.iter().map(price).min())
    }
}

#[cfg(test)]
mod tests;
