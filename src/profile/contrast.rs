//! Do two stretches of the timeline differ, in what is at the top of stacks? A G-test, and what makes it honest:
//! how much more a target varies than independent samples would.

use std::ops::Range;

use super::change::RECENT;
use super::stacks::FunctionId;
use super::timeline::Bucket;

/// Leaves expected less often than this on either side, and seen less than twice as often in the last second, are
/// put together. Counted in independent samples: a function that is entered twice a second and stays for 60 ms
/// is seen 120 times, and that is two.
const RARE: f64 = 5.0;
/// How far a dispersion may be off that a few steps tell.
const DOUBT: f64 = 9.0;

/// How much more these buckets vary from one to the next than independent samples would: 1 if they were, more if
/// the target does things in spells. The larger of what quarters of a second and seconds say, and larger still
/// where there are few of them. Neither the change at `past` counts nor one that was before.
pub(super) fn dispersion(buckets: &[&Bucket], past: usize) -> Option<f64> {
    let all = Table::new(buckets, 0)?;
    let dispersion = all.dispersion(past);
    let table = all.without_rare(0, dispersion)?;
    Some(if table.columns() > 1 { table.dispersion(past) } else { dispersion })
}

/// What chi-squared exceeds so many standard deviations of a normal distribution seldom (Wilson and
/// Hilferty's approximation). With few leaves its tail is long: its mean and five of its own deviations,
/// once tried, gave a false alarm in every tenth 45 s of steady load.
fn limit(freedom: f64, deviations: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + deviations * spread.sqrt()).powi(3)
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
    if recent < 10.0 || whole <= recent {
        return None;
    }
    let (rare, smaller) = (RARE * dispersion, recent.min(whole - recent));
    let usual = |(all, late): (f64, f64)| all * smaller / whole >= rare || late >= 2.0 * rare;
    let has_own = |place: usize| place < first && usual(sums[place]);
    let count = (0..sums.len()).filter(|place| has_own(*place)).count();
    let mut next = 0..count;
    let column = |place| if has_own(place) { next.next() } else { None }.unwrap_or(count);
    Some(((0..sums.len()).map(column).collect(), count))
}

/// Weights of leaves: a row for each bucket, a column for each leaf that is not rare.
pub(super) struct Table {
    rows: Vec<Vec<f64>>,
}

impl Table {
    /// Leaves that are rare since `begun` even if all samples are independent have no columns of their own.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    pub(super) fn new(buckets: &[&Bucket], begun: usize) -> Option<Self> {
        let past = buckets.len().checked_sub(RECENT)?;
        // Plain numbers for every function up to the last of them: clearing them takes less time than hashing.
        let leaves = || buckets.iter().flat_map(|bucket| bucket.leaves.keys());
        let mut sums = vec![(0.0, 0.0); leaves().map(|leaf| place_of(*leaf) + 1).max().unwrap_or(0)];
        for (place, bucket) in buckets.iter().enumerate().skip(begun) {
            // Looks that stand for many are no more samples for that.
            let scale = bucket.scale();
            for (leaf, weight) in &bucket.leaves {
                let (sum, weight) = (&mut sums[place_of(*leaf)], *weight as f64 * scale);
                sum.0 += weight;
                sum.1 += if place >= past { weight } else { 0.0 };
            }
        }
        let (columns, rare) = columns(&sums, sums.len(), 1.0)?;
        let rows = buckets.iter().map(|bucket| {
            let mut row = vec![0.0; rare + 1];
            let scale = bucket.scale();
            for (leaf, weight) in &bucket.leaves {
                row[columns[place_of(*leaf)]] += *weight as f64 * scale;
            }
            row
        });
        Some(Self { rows: rows.collect() })
    }

    /// The same where so many samples count as one.
    pub(super) fn without_rare(&self, begun: usize, dispersion: f64) -> Option<Self> {
        let (end, past) = (self.rows.len(), self.rows.len() - RECENT);
        let (all, late) = (self.sum(begun..end), self.sum(past..end));
        let sums: Vec<(f64, f64)> = all.into_iter().zip(late).collect();
        let (columns, rare) = columns(&sums, sums.len() - 1, dispersion)?;
        let rows = self.rows.iter().map(|old| {
            let mut row = vec![0.0; rare + 1];
            for (column, weight) in columns.iter().zip(old) {
                row[*column] += weight;
            }
            row
        });
        Some(Self { rows: rows.collect() })
    }

    fn sum(&self, rows: Range<usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows[0].len()];
        for row in &self.rows[rows] {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += weight;
            }
        }
        sums
    }

    /// Columns that are not empty.
    fn columns(&self) -> usize {
        self.sum(0..self.rows.len()).iter().filter(|sum| **sum > 0.0).count()
    }

    /// Do two stretches differ by so many standard deviations?
    pub(super) fn differ(
        &self,
        one: Range<usize>,
        other: Range<usize>,
        dispersion: f64,
        deviations: f64,
    ) -> bool {
        let (difference, freedom) = self.difference(one, other);
        freedom >= 1.0 && difference / dispersion > limit(freedom, deviations)
    }

    /// The G statistic of two stretches, and its degrees of freedom.
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    pub(super) fn difference(&self, one: Range<usize>, other: Range<usize>) -> (f64, f64) {
        let (before, after) = (self.sum(one), self.sum(other));
        let (all_before, all_after): (f64, f64) = (before.iter().sum(), after.iter().sum());
        let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
        let columns = before.iter().zip(&after).map(|(b, a)| {
            let share = (b + a) / (all_before + all_after);
            part(*b, share * all_before) + part(*a, share * all_after)
        });
        let used = before.iter().zip(&after).filter(|(b, a)| **b + **a > 0.0).count();
        (2.0 * columns.sum::<f64>(), used as f64 - 1.0)
    }

    fn dispersion(&self, past: usize) -> f64 {
        let step = |middle: usize, length: usize| (middle - length..middle, middle..middle + length);
        let buckets = (1..past).chain(past + 1..self.rows.len()).map(|middle| step(middle, 1));
        // Aligned to the newest, as the second is that they will be compared with.
        let seconds = (1..past / RECENT).map(|second| step(past - second * RECENT, RECENT));
        let (quarters, freedom) = self.spread(buckets);
        let (seconds, _) = self.spread(seconds);
        quarters.max(seconds).max(1.0) * (DOUBT / freedom.max(1.0)).exp()
    }

    /// How much neighbours differ, and from how many degrees of freedom that is known. As each is compared with the
    /// next one only, a change counts but once or twice; and the largest differences are left away for it.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    fn spread(&self, neighbours: impl Iterator<Item = (Range<usize>, Range<usize>)>) -> (f64, f64) {
        let pooled = self.sum(0..self.rows.len());
        let whole: f64 = pooled.iter().sum();
        let difference = |(one, other)| {
            let (one, other) = (self.sum(one), self.sum(other));
            let (weight, next): (f64, f64) = (one.iter().sum(), other.iter().sum());
            let variance = 1.0 / weight + 1.0 / next;
            let columns = one.iter().zip(&other).zip(&pooled).filter(|(_, sum)| **sum > 0.0);
            let columns =
                columns.map(|((a, b), sum)| (a / weight - b / next).powi(2) / (sum / whole * variance));
            (weight > 0.0 && next > 0.0).then(|| columns.sum::<f64>())
        };
        let mut differences: Vec<f64> = neighbours.filter_map(difference).collect();
        differences.sort_unstable_by(f64::total_cmp);
        let changes = match differences.len() {
            0..3 => 0,
            3..8 => 1,
            8..31 => 2,
            _ => 4,
        };
        differences.truncate(differences.len() - changes);
        let freedom = (differences.len() * self.columns().saturating_sub(1)) as f64;
        if freedom < 1.0 {
            return (1.0, freedom);
        }
        // An estimate from few steps may be too low by chance: rather one standard error too high.
        (differences.iter().sum::<f64>() / freedom * (1.0 + (2.0 / freedom).sqrt()), freedom)
    }
}
