//! The cost governor: when nobody asked for a certain rate, looking must not take more than a small share of the
//! target's time. Pure: what was measured goes in, the next interval comes out.

use std::time::Duration;

/// The share of time during which threads may stand still for us.
const MOST: f64 = 0.02;
/// Below this share the rate rises again: well below, so that it does not swing.
const LITTLE: f64 = 0.01;
/// How much the interval may grow at once, and how much it shrinks.
const STEPS: (f64, f64) = (4.0, 0.8);
/// Slower than this it is no picture any more.
const LONGEST: Duration = Duration::from_millis(100);

/// What may be dear is looked at no more often than this: to tell it costs us, too.
pub const CAREFUL: Duration = Duration::from_millis(20);

/// Chooses the interval between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Governor {
    wanted: Duration,
    /// So many times longer than wanted, and at least so many.
    factor: u32,
    least: u32,
}

impl Governor {
    /// Begins with the interval that is wanted, and never goes below it.
    pub(super) const fn new(wanted: Duration) -> Self {
        Self { wanted, factor: 1, least: 1 }
    }

    /// The interval now: a whole number of those that are wanted, so that each look stands for as many.
    fn interval(&self) -> Duration {
        self.wanted * self.factor
    }

    /// What follows may be dear, or is no longer: the interval from now on, if it is another.
    pub(super) fn expect(&mut self, dear: bool) -> Option<Duration> {
        #[expect(clippy::cast_sign_loss, reason = "not negative")]
        let careful = CAREFUL.div_duration_f64(self.wanted).ceil() as u32;
        self.least = if dear { careful.max(1) } else { 1 };
        let changed = self.least > self.factor;
        self.factor = self.factor.max(self.least);
        changed.then(|| self.interval())
    }

    /// After threads stood still for `stopped` of the last `elapsed`: the interval from now on, if it is another.
    pub(super) fn judge(&mut self, stopped: Duration, elapsed: Duration) -> Option<Duration> {
        if elapsed.is_zero() {
            return None;
        }
        let share = stopped.as_secs_f64() / elapsed.as_secs_f64();
        let factor = f64::from(self.factor);
        let next = match share {
            share if share > MOST => (factor * (share / MOST).min(STEPS.0)).ceil(),
            share if share < LITTLE => (factor * STEPS.1).floor(),
            _ => return None,
        };
        let most = (LONGEST.as_secs_f64() / self.wanted.as_secs_f64()).floor().max(1.0);
        #[expect(clippy::cast_sign_loss, reason = "at least 1")]
        let next = next.clamp(f64::from(self.least), most.max(f64::from(self.least))) as u32;
        let changed = next != self.factor;
        self.factor = next;
        changed.then(|| self.interval())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A target whose looks cost `stop` each: the interval after a minute of tenths of a second.
    fn settled(governor: &mut Governor, stop: Duration) -> Duration {
        let mut interval = governor.interval();
        for _ in 0..600 {
            let looks = (100.0 / (interval.as_secs_f64() * 1e3)).round();
            interval = governor.judge(stop.mul_f64(looks), MS * 100).unwrap_or(interval);
        }
        interval
    }

    #[test]
    fn a_cheap_target_is_looked_at_as_often_as_wanted() {
        let mut governor = Governor::new(MS);
        assert_eq!(settled(&mut governor, Duration::from_micros(15)), MS);
    }

    #[test]
    fn a_dear_one_less_often_until_it_is_cheap_again() {
        let mut governor = Governor::new(MS);
        let interval = settled(&mut governor, Duration::from_micros(200));
        // 200 µs every 10 ms are 2 %, every 20 ms 1 %.
        assert!((MS * 10..=MS * 21).contains(&interval), "{interval:?}");
        assert_eq!(settled(&mut governor, Duration::from_micros(5)), MS);
    }

    #[test]
    fn what_may_be_dear_is_looked_at_less_often() {
        let mut governor = Governor::new(MS);
        assert_eq!(governor.expect(true), Some(MS * 20));
        assert_eq!(governor.expect(true), None);
        assert_eq!(settled(&mut governor, Duration::from_micros(15)), MS * 20);
        assert!(settled(&mut governor, Duration::from_millis(1)) > MS * 40);
        assert_eq!(governor.expect(false), None);
        assert_eq!(settled(&mut governor, Duration::from_micros(15)), MS);
        assert_eq!(Governor::new(MS * 50).expect(true), None);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut governor = Governor::new(MS);
        assert_eq!(settled(&mut governor, MS * 50), LONGEST);
        // Nobody is governed to look more often than was wanted.
        let mut slow = Governor::new(MS * 500);
        assert_eq!(settled(&mut slow, MS * 400), MS * 500);
        assert_eq!(slow.judge(MS, Duration::ZERO), None);
    }
}
