//! When did things change? The auto window: it grows to 15 s while what the target does stays the same,
//! and lets the past go when the last second differs from it. A pure function of a timeline.

use std::ops::Range;

use super::contrast::{Table, dispersion};
use super::selection::Span;
use super::store::Profile;
use super::timeline::{Bucket, Timeline};
use crate::sample::Micros;

/// Buckets in the second that is compared.
pub(super) const RECENT: usize = 4;
/// Buckets that the past must have before anything is compared with it.
const PAST: usize = 2;
/// What is new may have begun so many buckets ago, and is looked for so far back.
const REACH: usize = 8;
/// What was there less than this many buckets before has not changed but come back: a burst, a job that is done
/// every five seconds. So has what came and went since the first bucket. A phase of ten seconds does neither.
const RETURN: usize = 32;
/// How many standard deviations tell that something changed, and that a second is not like another one.
const CHANGED: f64 = 5.0;
const UNLIKE: f64 = 3.0;

/// A moment at which the target began to do something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When it began: a bucket's edge.
    pub at: Micros,
}

/// The window that shows what the target does *now*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AutoWindow {
    /// The bucket with which the present begins.
    begun: u64,
    /// Buckets before this one were looked at.
    seen: u64,
    since: Option<Micros>,
}

impl AutoWindow {
    /// It never grows longer than this.
    pub const LONGEST: Micros = Micros(15_000_000);

    /// A window that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the buckets that were completed since; tells the newest change among them. The timeline
    /// must keep [`AutoWindow::LONGEST`] at least. Put the mark into the profile yourself.
    pub fn follow(&mut self, profile: &Profile, timeline: &Timeline) -> Option<Change> {
        let origin = profile.first_at()?;
        let first = timeline.first_number();
        // The newest bucket is still filling.
        let done = first + timeline.buckets().len().saturating_sub(1) as u64;
        let longest = Self::LONGEST.0 / Timeline::STEP.0;
        let mut newest = None;
        for end in self.seen.max(first) + 1..=done {
            let start = first.max(end.saturating_sub(longest)).min(end);
            let span = (start - first) as usize..(end - first) as usize;
            let buckets: Vec<&Bucket> = timeline.buckets().range(span).collect();
            let begun = self.begun.saturating_sub(start) as usize;
            if let Some(split) = find_change(&buckets, begun) {
                // From the first second of a change it is not seen well where it began.
                let is_same = self.since.is_some() && split < begun + RECENT;
                self.begun = start + split as u64;
                let at = Micros(origin.0 + self.begun * Timeline::STEP.0);
                self.since = Some(at);
                newest = if is_same { newest } else { Some(Change { at }) };
            }
        }
        self.seen = self.seen.max(done);
        newest
    }

    /// Forgets the past: the window begins anew at this moment.
    pub fn restart(&mut self, profile: &Profile, at: Micros) {
        let origin = profile.first_at().unwrap_or(at);
        self.begun = at.0.saturating_sub(origin.0).div_ceil(Timeline::STEP.0);
        self.since = Some(at);
    }

    /// The span to look at, as of the newest look.
    pub fn span(&self, profile: &Profile) -> Span {
        let newest = profile.last_at().unwrap_or_default();
        match self.since {
            Some(since) if newest.0.saturating_sub(since.0) < Self::LONGEST.0 => Span::Since(since),
            _ => Span::Last(Self::LONGEST),
        }
    }
}

/// Where the newest of these buckets begin to differ from those since `begun`, if they do: the number of the
/// first bucket that is new. What was before `begun` tells how much this target varies, and what comes back.
pub fn find_change(buckets: &[&Bucket], begun: usize) -> Option<usize> {
    let end = buckets.len();
    let past = end.checked_sub(RECENT).filter(|past| *past >= begun + PAST)?;
    let dispersion = dispersion(buckets, past)?;
    let table = Table::new(buckets, begun)?.without_rare(begun, dispersion)?;
    let strongest = |splits: Range<usize>| {
        let differences = splits.map(|split| (split, table.difference(begun..split, split..end).0));
        differences.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(split, _)| split)
    };
    let before = strongest(end.saturating_sub(REACH).max(begun + PAST)..past + 1)?;
    let differ = |one, other, deviations| table.differ(one, other, dispersion, deviations);
    if !differ(begun..before, before..end, CHANGED) || !differ(begun..before, past..end, CHANGED) {
        return None;
    }
    let second = RECENT.min(before);
    let mut seconds = (0..=before - second)
        .map(|from| (from, differ(from..from + second, past..end, UNLIKE)))
        .skip_while(|(from, is_unlike)| !is_unlike && from + RETURN < before);
    if !seconds.all(|(_, is_unlike)| is_unlike) {
        return None;
    }
    strongest(end.saturating_sub(REACH).max(begun + 1)..end)
}
