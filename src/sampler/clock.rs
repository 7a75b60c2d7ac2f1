//! When to look: evenly on average, never in step with a program that does things periodically.

use std::time::{Duration, Instant};

/// Divides time into slots of one interval and picks a random moment in each: the mean is exact, nothing drifts, and
/// two looks are between nothing and two intervals apart.
#[derive(Debug)]
pub struct Clock {
    /// When the next slot begins.
    slot: Instant,
    interval: Duration,
    /// How far in it the look will be.
    wait: Duration,
    random: fastrand::Rng,
}

/// When the next look is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The moment.
    pub at: Instant,
    /// When the one after that will be, unless slots go by.
    pub then: Instant,
    /// Slots that went by without a look since the last one.
    pub missed: u64,
}

impl Clock {
    /// A clock that begins now. `seed` chooses the jitter.
    pub fn new(now: Instant, interval: Duration, seed: u64) -> Self {
        let interval = interval.max(Duration::from_micros(1));
        let mut random = fastrand::Rng::with_seed(seed);
        Self { slot: now, interval, wait: part(interval, &mut random), random }
    }

    /// The same, but the first look is due at once.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { wait: Duration::ZERO, ..self }
    }

    /// The mean time between two looks.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// The next look. Slots that are over by `now` are given up and counted: looks are never made up in a burst, not
    /// after a sleep of the whole machine either.
    pub fn next(&mut self, now: Instant) -> Due {
        let mut missed = 0;
        let end = self.slot + self.interval;
        if end <= now {
            let (over, interval) = (now.duration_since(end).as_nanos(), self.interval.as_nanos());
            missed = whole(over / interval + 1);
            self.slot = end + Duration::from_nanos(whole(over - over % interval));
        }
        let at = self.slot + self.wait;
        self.slot += self.interval;
        self.wait = part(self.interval, &mut self.random);
        Due { at, then: self.slot + self.wait, missed }
    }
}

/// A random part of this.
fn part(interval: Duration, random: &mut fastrand::Rng) -> Duration {
    Duration::from_nanos(random.u64(..whole(interval.as_nanos())))
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_mean_is_exact_and_each_slot_has_one() {
        let start = Instant::now();
        let mut clock = Clock::new(start, MS, 7);
        let mut now = start;
        let mut told = None;
        for slot in 0..10_000 {
            let due = clock.next(now);
            assert_eq!(due.missed, 0);
            assert!(told.replace(due.then).is_none_or(|told| told == due.at));
            assert!(due.at >= start + MS * slot && due.at < start + MS * (slot + 1));
            now = due.at;
        }
    }

    #[test]
    fn the_first_may_be_due_at_once() {
        let start = Instant::now();
        let mut clock = Clock::new(start, MS, 7).at_once();
        assert_eq!(clock.next(start).at, start);
        assert!(clock.next(start).at > start + MS);
    }

    #[test]
    fn looks_are_not_in_step_with_anything() {
        let start = Instant::now();
        let mut clock = Clock::new(start, MS, 7);
        // The share of looks in the first tenth of each interval.
        let early = (0..10_000)
            .filter(|_| {
                let due = clock.next(start);
                due.at.duration_since(start).as_nanos() % 1_000_000 < 100_000
            })
            .count();
        assert!((900..1100).contains(&early), "{early}");
    }

    #[test]
    fn what_is_over_is_counted_and_not_made_up() {
        let start = Instant::now();
        let mut clock = Clock::new(start, MS, 7);
        clock.next(start);
        let due = clock.next(start + MS * 5 + MS / 2);
        assert_eq!(due.missed, 4);
        assert!(due.at >= start + MS * 5);
        let due = clock.next(start + Duration::from_secs(3600 * 24));
        assert!(due.missed > 86_000_000);
        assert_eq!(clock.next(due.at).missed, 0);
    }
}
