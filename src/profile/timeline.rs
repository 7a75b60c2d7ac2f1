//! The strip of time: looks counted in steps of 250 ms, how many threads were in which state, and
//! where those that count stood. It follows the profile at the cost of the new looks only.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;
use std::ops::Range;

use hashbrown::HashMap;

use super::columns::Look;
use super::selection::{Idle, Selection, Who};
use super::stacks::FunctionId;
use super::store::Profile;
use super::threads::ThreadNo;
use crate::sample::Micros;

/// A step of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Looks that were taken.
    pub looks: u64,
    /// Looks that failed.
    pub failed: u64,
    /// Both, whatever each of them stands for.
    pub made: u64,
    /// Threads in each state summed over the looks, by [`State::ALL`](super::State::ALL): divide by
    /// `looks` for a mean number of threads.
    pub states: [u64; 5],
    /// Weight of the function at the top of each stack that the selection takes; nothing for one without a frame, and for
    /// `(idle)`. Only in the newest [`Timeline::DETAILED`].
    pub leaves: HashMap<Option<FunctionId>, u64>,
    /// The states of each thread, as in `states`; likewise.
    pub threads: HashMap<ThreadNo, [u32; 5]>,
}

impl Bucket {
    /// Adds another bucket's counts: wider steps are sums.
    pub fn add(&mut self, other: &Self) {
        self.looks += other.looks;
        self.failed += other.failed;
        self.made += other.made;
        for (own, more) in self.states.iter_mut().zip(other.states) {
            *own += more;
        }
        for (leaf, weight) in &other.leaves {
            *self.leaves.entry(*leaf).or_default() += weight;
        }
        for (thread, states) in &other.threads {
            for (own, more) in self.threads.entry(*thread).or_default().iter_mut().zip(states) {
                *own += more;
            }
        }
    }

    /// What a weight is multiplied by to be in looks as they were made.
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    pub(super) fn scale(&self) -> f64 {
        self.made as f64 / (self.looks + self.failed).max(1) as f64
    }

    /// Keeps only what the strip shows.
    fn forget_details(&mut self) {
        self.leaves = HashMap::new();
        self.threads = HashMap::new();
    }

    /// The `step`-th of so many parts; together they are the whole.
    fn part(&self, step: u64, steps: u64) -> Self {
        let cut = |count: u64| {
            let until = |step: u64| (u128::from(count) * u128::from(step) / u128::from(steps.max(1))) as u64;
            until(step + 1) - until(step)
        };
        Self {
            looks: cut(self.looks),
            failed: cut(self.failed),
            made: cut(self.made),
            states: self.states.map(cut),
            leaves: self.leaves.iter().map(|(leaf, weight)| (*leaf, cut(*weight))).collect(),
            threads: self
                .threads
                .iter()
                .map(|(thread, states)| (*thread, states.map(|n| cut(u64::from(n)) as u32)))
                .collect(),
        }
    }
}

/// [`Timeline::DETAILED`] in buckets.
const DETAILED: usize = (Timeline::DETAILED.0 / Timeline::STEP.0) as usize;

/// Buckets of [`Timeline::STEP`] each, counted from the profile's first look.
#[derive(Debug, Clone)]
pub struct Timeline {
    selection: Selection,
    keep: usize,
    buckets: VecDeque<Bucket>,
    /// The number of the first bucket kept.
    first: u64,
    /// Looks before this one are counted.
    counted: Look,
}

impl Timeline {
    /// The length of a bucket.
    pub const STEP: Micros = Micros(250_000);
    /// For so long it is known who did what in a bucket: with hundreds of threads that is most of its memory.
    pub const DETAILED: Micros = Micros(60_000_000);

    /// A timeline of the newest `keep` of time, for the threads of a selection; what counts as a leaf
    /// follows its `who` and `idle`. The span, root and folds are not looked at.
    pub fn new(selection: &Selection, keep: Micros) -> Self {
        let keep = usize::try_from(keep.0.div_ceil(Self::STEP.0)).unwrap_or(usize::MAX).max(1);
        Self { selection: selection.clone(), keep, buckets: VecDeque::new(), first: 0, counted: Look(0) }
    }

    /// Counts the looks that came since.
    pub fn advance(&mut self, profile: &Profile) {
        let (Some(origin), Some(newest)) = (profile.first_at(), profile.last_at()) else { return };
        let number = |at: Micros| at.0.saturating_sub(origin.0) / Self::STEP.0;
        let last = number(newest);
        self.make_room(last);
        // What is older than the oldest bucket is never counted: attaching a view late costs no hour.
        let oldest = profile.look_at(Micros(origin.0 + self.first * Self::STEP.0));
        self.counted = self.counted.max(oldest);
        let end = profile.looks().end;
        while self.counted < end {
            if let Some((looks, time)) = profile.columns().stretch(self.counted) {
                let steps = (number(time.start).max(self.first), number(time.end).clamp(self.first, last));
                self.spread(&counted(profile, &self.selection, looks.clone()), steps.0, steps.1);
                self.counted = looks.end;
                continue;
            }
            let at = profile.at(self.counted).unwrap_or(newest);
            let bucket = number(at).clamp(self.first, last);
            let next = profile.look_at(Micros(origin.0 + (bucket + 1) * Self::STEP.0));
            // Never stand still, not even if the clock of the samples went backwards.
            let next = next.clamp(Look(self.counted.0 + 1), end);
            let more = counted(profile, &self.selection, self.counted..next);
            self.add(bucket, &more);
            self.counted = next;
        }
    }

    /// Lays the sums of a thinned stretch evenly over its time.
    fn spread(&mut self, sums: &Bucket, from: u64, to: u64) {
        let steps = to - from + 1;
        for step in 0..steps {
            self.add(from + step, &sums.part(step, steps));
        }
    }

    fn add(&mut self, number: u64, more: &Bucket) {
        let place = (number - self.first) as usize;
        let is_old = place + DETAILED < self.buckets.len();
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.add(more);
            if is_old {
                bucket.forget_details();
            }
        }
    }

    fn make_room(&mut self, last: u64) {
        let keep = self.keep as u64;
        if last >= self.first + self.buckets.len() as u64 + keep {
            self.buckets.clear();
            self.first = (last + 1).saturating_sub(keep);
        }
        while self.first + (self.buckets.len() as u64) <= last {
            self.buckets.push_back(Bucket::default());
            let old = self.buckets.len().checked_sub(DETAILED + 1);
            if let Some(bucket) = old.and_then(|old| self.buckets.get_mut(old)) {
                bucket.forget_details();
            }
        }
        while self.buckets.len() > self.keep {
            self.buckets.pop_front();
            self.first += 1;
        }
    }

    /// The buckets kept, oldest first. The newest one is still filling.
    pub fn buckets(&self) -> &VecDeque<Bucket> {
        &self.buckets
    }

    /// Those of them that began before this moment.
    pub fn until(&self, profile: &Profile, at: Micros) -> Iter<'_, Bucket> {
        let start = self.start(profile).unwrap_or_default();
        let count = at.0.saturating_sub(start.0).div_ceil(Self::STEP.0) as usize;
        self.buckets.range(..count.min(self.buckets.len()))
    }

    /// When the oldest bucket kept began; nothing before the first look.
    pub fn start(&self, profile: &Profile) -> Option<Micros> {
        profile.first_at().map(|origin| Micros(origin.0 + self.first * Self::STEP.0))
    }

    /// The number of the oldest bucket kept, counted from the profile's first look: number `n` began
    /// `n` steps after it. Round positions on a strip by it, and nothing wobbles.
    pub fn first_number(&self) -> u64 {
        self.first
    }
}

/// What a range of looks saw, as a bucket.
fn counted(profile: &Profile, selection: &Selection, range: Range<Look>) -> Bucket {
    let mut bucket = Bucket { made: range.end.0 - range.start.0, ..Bucket::default() };
    let verdicts = profile.columns().count(range, |thread, node, flags, count| {
        if !selection.has(thread, flags) {
            return;
        }
        let state = profile.state(node, flags).index();
        bucket.states[state] += count;
        let states = bucket.threads.entry(thread).or_default();
        states[state] = states[state].saturating_add(count as u32);
        if selection.takes(profile, thread, node, flags) {
            *bucket.leaves.entry(profile.frame(node).map(|(function, _)| function)).or_default() += count;
        }
    });
    bucket.looks += verdicts.taken();
    bucket.failed += verdicts.failed();
    let idle = match (selection.who, selection.idle) {
        (Who::Tasks, _) => 0,
        (Who::AllThreads, Idle::Shown) => verdicts.nobody,
        // Nothing at work is something to notice, also where it is not shown.
        _ => verdicts.unheld + verdicts.nobody,
    };
    if idle > 0 {
        *bucket.leaves.entry(None).or_default() += idle;
    }
    bucket
}
