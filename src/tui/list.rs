//! The cursor of a list. Rows come, go and change places several times a second: it stays on what it stands on, so that
//! a key means what was read.

use super::keys::Pane;
use super::layout;
use super::pools::Line;
use super::state::State;
use crate::profile::{ThreadRow, TopRow};

/// How far a list is scrolled, and where its cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List {
    /// The row of the cursor.
    pub cursor: usize,
    /// The first row on the screen, when the cursor was last moved.
    pub top: usize,
    /// Somebody has pressed a key there.
    pub touched: bool,
}

impl List {
    /// The first row on a screen of so many: scrolled as little as shows the cursor.
    pub fn first(self, length: usize, height: usize) -> usize {
        let height = height.max(1);
        let cursor = self.cursor.min(length.saturating_sub(1));
        self.top.min(length.saturating_sub(height)).clamp((cursor + 1).saturating_sub(height), cursor)
    }
}

/// Puts the cursor on the function on which it stood, if that is still listed.
pub(super) fn stay_in_top(state: &mut State, before: &[TopRow], rows: &[TopRow]) {
    // On the smallest screens this list is all there is, and nobody went there: it begins with the hottest.
    let went_there = state.pane == Pane::Top && !layout::is_small(state.size);
    let Some(stood) = before.get(state.top_list.cursor) else { return };
    if went_there || state.top_list.touched {
        let same = rows.iter().position(|row| row.step == stood.step);
        // Lines were told apart, or are so no more.
        let function = || rows.iter().position(|row| row.step.function == stood.step.function);
        state.top_list.cursor = same.or_else(function).unwrap_or(state.top_list.cursor);
    }
}

/// Lines of the thread list, and the rows that they stand for.
type Listed<'a> = (&'a [Line], &'a [ThreadRow]);

/// The same of the thread or the pool; on the pool, if that was folded and the thread is in it.
pub(super) fn stay_in_threads(
    state: &mut State,
    (before, rows_before): Listed<'_>,
    (lines, rows): Listed<'_>,
) {
    let list = &mut state.thread_list;
    if state.pane != Pane::Threads && !list.touched {
        return;
    }
    let place = before.get(list.cursor).and_then(|stood| match stood {
        Line::Pool { stem: stood, .. } => {
            lines.iter().position(|line| matches!(line, Line::Pool { stem, .. } if stem == stood))
        }
        Line::Thread { row, .. } => {
            let thread = rows_before.get(*row)?.thread;
            let stands_for = |line: &Line| rows[line.rows()].iter().any(|row| row.thread == thread);
            // A pool stands before its threads.
            lines.iter().rposition(stands_for)
        }
    });
    list.cursor = place.unwrap_or(list.cursor);
}
