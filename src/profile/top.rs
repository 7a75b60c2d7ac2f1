//! The top list: each function's (or line's) own and total weight. A stack counts once for a function
//! however often it is in it.

use std::cmp::Reverse;

use hashbrown::HashMap;

use super::frames::{Ends, Frames};
use super::selection::{Selection, Step};
use super::store::Profile;
use super::tree::idle_looks;
use super::weights::{Weights, step_of};
use super::window::Window;

/// A row of the top list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopRow {
    /// The function, and the line where lines are told apart.
    pub step: Step,
    /// Weight of the stacks at whose top it stands.
    pub own: u64,
    /// Weight of the stacks that it is in.
    pub total: u64,
}

/// The functions that a selection takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Top {
    /// By own weight, then total, heaviest first; equals in the order of their ids.
    pub rows: Vec<TopRow>,
    /// The weight of all stacks.
    pub total: u64,
    /// Looks taken in the span.
    pub looks: u64,
    /// `(idle)` looks, if the selection shows them.
    pub idle: u64,
}

impl Top {
    /// Counts anew and builds.
    pub fn of(profile: &Profile, selection: &Selection) -> Self {
        Self::build(profile, &Window::of(profile, selection.span), selection)
    }

    /// Builds from a window that was counted already; `selection.span` is not looked at, and plumbing is listed in any
    /// case. Where only frames of one's own are shown, time that ends in others is that of the first of them.
    pub fn build(profile: &Profile, window: &Window, selection: &Selection) -> Self {
        let weights = Weights::of(profile, window, selection);
        let mut rows: Vec<TopRow> = Vec::new();
        let mut known: HashMap<Step, usize> = HashMap::new();
        // The row of each place: the walk below passes each twice.
        let frames = if selection.frames == Frames::Own { Frames::Own } else { Frames::All };
        let mut row_of = |rows: &mut Vec<TopRow>, node| {
            let (function, line) = profile.frame(node)?;
            let step = step_of(function, line, selection.lines);
            Some(*known.entry(step).or_insert_with(|| {
                rows.push(TopRow { step, own: 0, total: 0 });
                rows.len() - 1
            }))
        };
        let is_shown =
            |node| profile.frame(node).is_some_and(|(function, _)| frames.shows(profile, function));
        let shown = weights.nodes.iter().map(|node| Some(*node).filter(|node| is_shown(*node)));
        let places: Vec<Option<usize>> = shown.map(|node| row_of(&mut rows, node?)).collect();
        let mut inside = vec![0_u32; rows.len()];
        weights.walk(|place, entering| {
            let Some(row) = places[place] else { return };
            if !entering {
                inside[row] -= 1;
                return;
            }
            rows[row].own += weights.own[place];
            if inside[row] == 0 {
                rows[row].total += weights.total[place];
            }
            inside[row] += 1;
        });
        let mut ends = Ends::new(profile, frames);
        for (node, own) in weights.nodes.iter().zip(&weights.own).filter(|(_, own)| **own > 0) {
            if let Some(row) = ends.of(*node).and_then(|end| row_of(&mut rows, end)) {
                rows[row].own += own;
                rows[row].total += own;
            }
        }
        rows.sort_unstable_by_key(|row| (Reverse(row.own), Reverse(row.total), row.step));
        let (total, looks) = (weights.total[0], window.looks());
        Self { rows, total, looks, idle: idle_looks(window, selection) }
    }

    /// Sorts by total weight instead.
    pub fn sort_by_total(&mut self) {
        self.rows.sort_unstable_by_key(|row| (Reverse(row.total), Reverse(row.own), row.step));
    }
}
