//! What lies in a span of time, counted: the number of looks for each thread, stack and flags. It
//! follows a moving span by adding what came in and taking away what fell out.

use std::ops::Range;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::columns::Look;
use super::selection::Span;
use super::stacks::NodeId;
use super::store::Profile;
use super::threads::ThreadNo;
use super::verdicts::Verdicts;
use crate::sample::{Flags, Micros};

type Key = (ThreadNo, NodeId, Flags);

/// The counts of a span of time. Filters of a selection are applied when views are read off it, so
/// that one window serves all panes and a filter can change without counting again.
#[derive(Debug, Clone, Default)]
pub struct Window {
    range: Range<Look>,
    counts: HashMap<Key, u64>,
    verdicts: Verdicts,
    revision: u64,
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts && self.verdicts == other.verdicts
    }
}

impl Window {
    /// An empty window.
    pub fn new() -> Self {
        Self::default()
    }

    /// The window of this span.
    pub fn of(profile: &Profile, span: Span) -> Self {
        let mut window = Self::new();
        window.advance(profile, span);
        window
    }

    /// Makes this the window of `span` (of the same profile as before), at the cost of the
    /// difference. The result equals [`Window::of`]. Tells whether anything changed.
    pub fn advance(&mut self, profile: &Profile, span: Span) -> bool {
        let wanted = profile.range(span);
        if self.revision == profile.revision() && self.range == wanted {
            return false;
        }
        let apart = wanted.start >= self.range.end || wanted.end <= self.range.start;
        let shared = wanted.end.min(self.range.end).0.saturating_sub(wanted.start.max(self.range.start).0);
        let moved = (self.range.end.0 - self.range.start.0) + (wanted.end.0 - wanted.start.0) - 2 * shared;
        // Nodes may have new numbers, or it is cheaper to begin anew than to walk the difference.
        if self.revision != profile.revision() || apart || moved > wanted.end.0 - wanted.start.0 {
            self.counts.clear();
            self.verdicts = Verdicts::default();
            self.range = wanted.start..wanted.start;
            self.revision = profile.revision();
        }
        let old = self.range.clone();
        self.count(profile, wanted.start..old.start, true);
        self.count(profile, old.end..wanted.end, true);
        self.count(profile, old.start..wanted.start, false);
        self.count(profile, wanted.end..old.end, false);
        self.range = wanted;
        true
    }

    fn count(&mut self, profile: &Profile, range: Range<Look>, add: bool) {
        if range.start >= range.end {
            return;
        }
        let counts = &mut self.counts;
        let verdicts = profile.columns().count(range, |thread, node, flags, looks| {
            match counts.entry((thread, node, flags)) {
                Entry::Occupied(mut entry) if add => *entry.get_mut() += looks,
                Entry::Vacant(entry) if add => drop(entry.insert(looks)),
                Entry::Occupied(mut entry) if *entry.get() > looks => *entry.get_mut() -= looks,
                Entry::Occupied(entry) => drop(entry.remove()),
                Entry::Vacant(_) => {}
            }
        });
        if add {
            self.verdicts.add(&verdicts);
        } else {
            self.verdicts.take(&verdicts);
        }
    }

    /// In how many looks each thread stood in each stack with these flags, in no order.
    pub fn counts(&self) -> impl Iterator<Item = (ThreadNo, NodeId, Flags, u64)> + '_ {
        self.counts.iter().map(|(&(thread, node, flags), &count)| (thread, node, flags, count))
    }

    /// How the looks of this window went.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Looks that were taken: what a weight is divided by to be "in threads".
    pub fn looks(&self) -> u64 {
        self.verdicts.taken()
    }

    /// When its last look was.
    pub fn last_at(&self, profile: &Profile) -> Option<Micros> {
        profile.at(Look(self.range.end.0.checked_sub(1)?))
    }

    /// For how many looks each of them stands, on average.
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    pub fn mean_weight(&self) -> f64 {
        let counted = self.verdicts.taken() + self.verdicts.failed();
        (counted as f64 / (self.range.end.0 - self.range.start.0).max(1) as f64).max(1.0)
    }
}

/// The standard error of a share (`part` of `whole`), as a share, where each look was counted as `weight` on average.
/// Agresti and Coull's: half a sample short of nothing is still not certain.
pub fn share_error(part: u64, whole: u64, weight: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate of an error")]
    let (part, whole) = (part as f64 / weight + 2.0, whole as f64 / weight + 4.0);
    let share = part / whole;
    (share * (1.0 - share).max(0.0) / whole).sqrt()
}
