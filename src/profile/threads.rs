//! The target's threads: who they are, what each is doing now, and how it spent a window.

use std::cmp::Reverse;

use super::columns::Look;
use super::selection::Selection;
use super::stacks::NodeId;
use super::store::Profile;
use super::window::Window;
use crate::sample::{Flags, Micros, ThreadId};

/// The n-th thread that was ever seen; valid as long as its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadNo(pub(super) u32);

impl ThreadNo {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a thread was doing in a look. Five words for what the flags and the stack tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Holds the GIL or is on a CPU.
    Running,
    /// Wants the GIL, as far as the version of Python lets us see that.
    GilWait,
    /// Waits for something: a lock, a file, an answer.
    Waiting,
    /// Waits for work: it stands where the standard library waits for something to do (a queue's
    /// `get`, a selector, `accept`, a server's read of the next request).
    Idle,
    /// It does not hold the GIL and stands where a thread may run or wait; the kernel was not asked which, or
    /// said that it does neither (a process that was stopped). Counted apart: it is no work, and no waiting.
    Unknown,
}

impl State {
    /// All of them, in the order in which counts are kept.
    pub const ALL: [Self; 5] = [Self::Running, Self::GilWait, Self::Waiting, Self::Idle, Self::Unknown];

    /// Those of a thread that has something to do.
    pub const BUSY: [Self; 3] = [Self::Running, Self::GilWait, Self::Waiting];

    /// Its place in [`State::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A thread of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Who it is.
    pub id: ThreadId,
    /// Its name, as the target has it; empty where nobody told.
    pub name: String,
    /// Its stack when it was last seen.
    pub node: NodeId,
    /// What was seen of it then.
    pub flags: Flags,
    /// When it was last seen.
    pub seen: Micros,
    /// Since when it has stood in this stack (lines count: another line is another stack).
    pub since: Micros,
    /// The look in which it was last seen.
    pub(super) look: Look,
}

/// A row of the thread list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRow {
    /// Whose row; [`Profile::thread`] tells name, stack and flags.
    pub thread: ThreadNo,
    /// What it does now; nothing if the newest look did not see it.
    pub now: Option<State>,
    /// How long it has stood in the same stack.
    pub standing: Micros,
    /// In how many looks of the window it was seen in each state, by [`State::ALL`].
    pub states: [u64; 5],
    /// The stack in which it was seen most often in each state, and how often.
    pub places: [(u64, NodeId); 5],
}

impl ThreadRow {
    /// Looks of the window in which it was seen.
    pub fn looks(&self) -> u64 {
        self.states.iter().sum()
    }

    /// In how many of them it had something to do, whether it got on with that or not.
    pub fn busy(&self) -> u64 {
        State::BUSY.iter().map(|doing| self.states[doing.index()]).sum()
    }

    /// What it did most of the time, and the stack in which it mostly did that.
    pub fn mostly(&self) -> (State, NodeId) {
        self.most_of(&State::ALL)
    }

    /// The same, of the time in which it had something to do.
    pub fn mostly_busy(&self) -> (State, NodeId) {
        self.most_of(&State::BUSY)
    }

    fn most_of(&self, states: &[State]) -> (State, NodeId) {
        let doing = states.iter().rev().max_by_key(|doing| self.states[doing.index()]);
        let doing = *doing.unwrap_or(&State::Idle);
        (doing, self.places[doing.index()].1)
    }
}

/// The threads that were seen in this window and that the selection takes, in the order in which
/// they were first seen.
pub fn thread_rows(profile: &Profile, window: &Window, selection: &Selection) -> Vec<ThreadRow> {
    let mut rows: Vec<Option<ThreadRow>> = vec![None; profile.thread_count()];
    for (thread, node, flags, count) in window.counts() {
        if !selection.has(thread, flags) {
            continue;
        }
        let row = rows[thread.index()].get_or_insert_with(|| row_of(profile, thread));
        let state = profile.state(node, flags).index();
        row.states[state] += count;
        // Flags make several counts of one stack: the largest of them will do.
        let place = &mut row.places[state];
        if (count, Reverse(node)) > (place.0, Reverse(place.1)) {
            *place = (count, node);
        }
    }
    rows.into_iter().flatten().collect()
}

fn row_of(profile: &Profile, thread: ThreadNo) -> ThreadRow {
    let known = profile.thread(thread);
    let now = profile.is_present(thread).then(|| profile.state(known.node, known.flags));
    let standing = Micros(known.seen.0.saturating_sub(known.since.0));
    ThreadRow { thread, now, standing, states: [0; 5], places: [(0, NodeId::ROOT); 5] }
}
