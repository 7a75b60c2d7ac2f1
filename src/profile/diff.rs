//! Two call trees beside each other: what became heavier, and by how much.

use hashbrown::HashMap;

use super::tree::{Call, CallTree};

/// What the calls of one tree weighed, to compare another with: as shares, so that spans of different
/// length compare.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    before: HashMap<u64, u64>,
    total: u64,
}

impl Diff {
    /// Remembers a tree.
    pub fn against(before: &CallTree) -> Self {
        Self {
            before: before.calls().map(|(_, call)| (call.key, call.total)).collect(),
            total: before.total(),
        }
    }

    /// By how much a call's share of its tree grew since, from −1 to 1: +0.4 is the `▲+40` of a picture.
    /// Nothing where there was nothing to compare with.
    pub fn growth(&self, now: &CallTree, call: &Call) -> Option<f64> {
        let before = self.before.get(&call.key).copied().unwrap_or(0);
        Some(share(call.total, now.total())? - share(before, self.total)?)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
