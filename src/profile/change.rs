//! When did things change? The auto window: it grows to 15 s while what the target does stays the same,
//! and lets the past go when the last second differs from it. A pure function of a timeline.

use super::selection::Span;
use super::stacks::FunctionId;
use super::store::Profile;
use super::timeline::{Bucket, Timeline};
use crate::sample::Micros;

/// Buckets in the second that is compared.
const RECENT: usize = 4;
/// Buckets that the past must have before anything is compared with it: from fewer, the dispersion
/// between seconds is not known. It also keeps the end of a burst from counting as a second change.
const PAST: usize = 16;
/// A change is looked for this far back once it is known that there was one.
const REACH: usize = 8;
/// Leaves expected less often than this in the last second, and seen less than twice as often, are put
/// together. Counted in independent samples: a function that is entered twice a second and stays for 60 ms
/// is seen 120 times, and that is two.
const RARE: f64 = 5.0;

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
            // A present that was declared just now may begin with the bucket after this one.
            let start = self.begun.max(first).max(end.saturating_sub(longest)).min(end);
            let span = (start - first) as usize..(end - first) as usize;
            let buckets: Vec<&Bucket> = timeline.buckets().range(span).collect();
            if let Some(split) = find_change(&buckets) {
                self.begun = start + split as u64;
                let at = Micros(origin.0 + self.begun * Timeline::STEP.0);
                self.since = Some(at);
                newest = Some(Change { at });
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

/// Where the newest of these buckets begin to differ from the older ones, if they do: the number of the
/// first bucket that is new.
pub fn find_change(buckets: &[&Bucket]) -> Option<usize> {
    let past = buckets.len().checked_sub(RECENT).filter(|past| *past >= PAST)?;
    let all = Table::new(buckets, past)?;
    let table = all.without_rare(past, all.dispersion(past))?;
    if table.difference(past) / table.dispersion(past) <= limit(table.freedom()) {
        return None;
    }
    let from = buckets.len() - REACH;
    let differences = (from..buckets.len()).map(|split| (split, table.difference(split)));
    differences.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(split, _)| split)
}

/// What chi-squared exceeds five standard deviations of a normal distribution seldom (Wilson and
/// Hilferty's approximation). With few leaves its tail is long: its mean and five of its own deviations,
/// once tried, gave a false alarm in every tenth 45 s of steady load.
fn limit(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 5.0 * spread.sqrt()).powi(3)
}

/// In the order of functions, before them nothing.
fn place_of(leaf: Option<FunctionId>) -> usize {
    leaf.map_or(0, |function| function.index() + 1)
}

/// The column of each leaf, given its weight in all and in the last second, and the last column, which those share that
/// are rare; those behind the `first` ones do in any case. Nothing if there is too little to compare.
fn columns(sums: &[(f64, f64)], first: usize, dispersion: f64) -> Option<(Vec<usize>, usize)> {
    let (whole, recent) =
        sums.iter().fold((0.0, 0.0), |(whole, recent), (all, late)| (whole + all, recent + late));
    if recent < 20.0 || whole <= recent {
        return None;
    }
    let rare = RARE * dispersion;
    let usual = |(all, late): (f64, f64)| all * recent / whole >= rare || late >= 2.0 * rare;
    let has_own = |place: usize| place < first && usual(sums[place]);
    let count = (0..sums.len()).filter(|place| has_own(*place)).count();
    let mut next = 0..count;
    let column = |place| if has_own(place) { next.next() } else { None }.unwrap_or(count);
    Some(((0..sums.len()).map(column).collect(), count))
}

/// Weights of leaves: a row for each bucket, a column for each leaf that is not rare.
struct Table {
    rows: Vec<Vec<f64>>,
}

impl Table {
    /// Leaves that are rare even if all samples are independent have no columns of their own.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    fn new(buckets: &[&Bucket], past: usize) -> Option<Self> {
        // Plain numbers for every function up to the last of them: clearing them takes less time than hashing.
        let leaves = || buckets.iter().flat_map(|bucket| bucket.leaves.keys());
        let mut sums = vec![(0.0, 0.0); leaves().map(|leaf| place_of(*leaf) + 1).max().unwrap_or(0)];
        for (place, bucket) in buckets.iter().enumerate() {
            for (leaf, weight) in &bucket.leaves {
                let sum = &mut sums[place_of(*leaf)];
                sum.0 += *weight as f64;
                sum.1 += if place >= past { *weight as f64 } else { 0.0 };
            }
        }
        let (columns, rare) = columns(&sums, sums.len(), 1.0)?;
        let rows = buckets.iter().map(|bucket| {
            let mut row = vec![0.0; rare + 1];
            for (leaf, weight) in &bucket.leaves {
                row[columns[place_of(*leaf)]] += *weight as f64;
            }
            row
        });
        Some(Self { rows: rows.collect() }).filter(|table| table.freedom() >= 1.0)
    }

    /// The same where so many samples count as one.
    fn without_rare(&self, past: usize, dispersion: f64) -> Option<Self> {
        let (all, late) = (self.sum(0..self.rows.len()), self.sum(past..self.rows.len()));
        let sums: Vec<(f64, f64)> = all.into_iter().zip(late).collect();
        let (columns, rare) = columns(&sums, sums.len() - 1, dispersion)?;
        let rows = self.rows.iter().map(|old| {
            let mut row = vec![0.0; rare + 1];
            for (column, weight) in columns.iter().zip(old) {
                row[*column] += weight;
            }
            row
        });
        Some(Self { rows: rows.collect() }).filter(|table| table.freedom() >= 1.0)
    }

    fn sum(&self, rows: std::ops::Range<usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows[0].len()];
        for row in &self.rows[rows] {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += weight;
            }
        }
        sums
    }

    /// Columns that can differ, less one.
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    fn freedom(&self) -> f64 {
        self.sum(0..self.rows.len()).iter().filter(|sum| **sum > 0.0).count() as f64 - 1.0
    }

    /// The G statistic of the buckets before `split` against those from it on.
    fn difference(&self, split: usize) -> f64 {
        let (before, after) = (self.sum(0..split), self.sum(split..self.rows.len()));
        let (all_before, all_after): (f64, f64) = (before.iter().sum(), after.iter().sum());
        let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
        let columns = before.iter().zip(&after).map(|(b, a)| {
            let share = (b + a) / (all_before + all_after);
            part(*b, share * all_before) + part(*a, share * all_after)
        });
        2.0 * columns.sum::<f64>()
    }

    /// How much more the past varies from step to step than independent samples would: 1 if they were,
    /// more if the target does things in spells. The larger of what quarters of a second and seconds say.
    fn dispersion(&self, past: usize) -> f64 {
        let blocks = |length: usize| {
            // Aligned to the newest, as the second is that they will be compared with.
            (0..past / length).map(move |block| past - (block + 1) * length..past - block * length)
        };
        let pooled = self.sum(0..past);
        let spread = |length| self.spread(&pooled, blocks(length));
        spread(1).max(spread(RECENT)).max(1.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    fn spread(&self, pooled: &[f64], blocks: impl Iterator<Item = std::ops::Range<usize>>) -> f64 {
        let whole: f64 = pooled.iter().sum();
        let columns = pooled.iter().filter(|sum| **sum > 0.0).count();
        let (mut pearson, mut rows) = (0.0, 0_usize);
        for block in blocks {
            let seen = self.sum(block);
            let weight: f64 = seen.iter().sum();
            if weight == 0.0 {
                continue;
            }
            rows += 1;
            for (seen, sum) in seen.iter().zip(pooled).filter(|(_, sum)| **sum > 0.0) {
                let expected = weight * sum / whole;
                pearson += (seen - expected).powi(2) / expected;
            }
        }
        let freedom = rows.saturating_sub(1) * columns.saturating_sub(1);
        let freedom = freedom as f64;
        // An estimate from few steps may be too low by chance: rather one standard error too high.
        if freedom < 1.0 { 1.0 } else { pearson / freedom * (1.0 + (2.0 / freedom).sqrt()) }
    }
}
