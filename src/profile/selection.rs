//! What part of the profile is meant, and how it is to be looked at. A selection is plain data:
//! every pane and every export is a function of it and the profile.

use std::collections::BTreeSet;

use super::frames::Frames;
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
use super::threads::{State, ThreadNo};
use crate::sample::{Flags, Micros};

/// Which part of the profile counts, and how it is folded into views.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The time that is looked at.
    pub span: Span,
    /// The threads that are looked at.
    pub threads: Threads,
    /// Which stacks of a look count.
    pub who: Who,
    /// What becomes of threads that do nothing.
    pub idle: Idle,
    /// Whether a function's lines are told apart.
    pub lines: Lines,
    /// Views only: which frames of a stack are shown.
    pub frames: Frames,
    /// Views only: a function that calls itself is one call.
    pub fold_recursion: bool,
    /// Only stacks that pass through this path of a [`CallTree`](super::CallTree) built with the same
    /// rules (but for lines: the path shows whether it tells them apart); empty for all. They stay whole: what leads to
    /// the path is kept.
    pub root: Vec<Step>,
    /// Only stacks that have one of these functions anywhere. They stay whole.
    pub through: Option<BTreeSet<FunctionId>>,
    /// Views only: from callers to callees, or the other way round.
    pub direction: Direction,
    /// Exports only: whether threads that stood in one stack are told apart.
    pub grouping: Grouping,
}

/// A span of time. Its beginning is part of it, its end is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Span {
    /// Everything since the start.
    #[default]
    All,
    /// The last so much, counted back from the newest look: those with `at > newest − length`.
    Last(Micros),
    /// Since a moment (a mark, a change, "forget the past").
    Since(Micros),
    /// From a moment up to, not including, another.
    Between(Micros, Micros),
}

impl Span {
    /// The same time, nailed down: later samples no longer move it. What a frozen screen shows.
    #[must_use]
    pub fn pinned(self, profile: &Profile) -> Self {
        let end = Micros(profile.last_at().map_or(0, |at| at.0 + 1));
        match self {
            Self::All => Self::Between(Micros(0), end),
            Self::Last(length) => Self::Between(Micros(end.0.saturating_sub(length.0)), end),
            Self::Since(from) => Self::Between(from, end),
            Self::Between(..) => self,
        }
    }
}

/// A choice of threads. `(idle)` and failed looks are the process's, and count whatever the choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Threads {
    /// Every one.
    #[default]
    All,
    /// Only these.
    Only(BTreeSet<ThreadNo>),
}

impl Threads {
    /// Is this one of them?
    pub fn has(&self, thread: ThreadNo) -> bool {
        match self {
            Self::All => true,
            Self::Only(set) => set.contains(&thread),
        }
    }
}

/// Which stacks of a look count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    /// Those of threads that hold the GIL (one per interpreter that has its own; without a GIL every
    /// thread that runs Python). A look in which nobody with a frame does is one `(idle)`.
    #[default]
    GilHolder,
    /// Those of all threads. A look in which no thread has a frame is one `(idle)`.
    AllThreads,
    /// Those of asyncio's tasks that wait, and of no thread. No look is `(idle)`.
    Tasks,
}

/// What becomes of threads that do nothing, and of looks that found nobody at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Idle {
    /// They count.
    #[default]
    Shown,
    /// Threads that wait for work ([`State::Idle`]) and `(idle)` looks are left away; those that
    /// wait for a lock, a file or an answer stay, and those of which that is not known.
    RestingHidden,
    /// pyflame's `-x`: `(idle)` looks are left away, and threads that neither hold the GIL nor were
    /// seen on a CPU.
    Excluded,
}

/// Whether a function's lines are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lines {
    /// A row for each line that was seen.
    #[default]
    Apart,
    /// A row for each function (`-n`).
    Merged,
}

impl Lines {
    /// The line, where it is told.
    pub fn told(self, line: u32) -> Option<u32> {
        (self == Self::Apart).then_some(line)
    }
}

/// Whether threads that stood in one stack are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// A stack is one, whose it may be.
    #[default]
    Merged,
    /// Each thread has its own.
    ByThread,
}

/// Which way a call tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the root to what it calls.
    #[default]
    Callees,
    /// From each function that was executing to what called it.
    Callers,
}

/// A step on a path through a call tree: a function, and its line where lines are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// The function.
    pub function: FunctionId,
    /// The line, with [`Lines::Apart`].
    pub line: Option<u32>,
}

impl Selection {
    /// Is this a thread, or a task, if that is what is looked at?
    pub fn is_kind(&self, flags: Flags) -> bool {
        flags.has(Flags::TASK) == (self.who == Who::Tasks)
    }

    /// Is this one of the threads, or tasks, that are looked at?
    pub fn has(&self, thread: ThreadNo, flags: Flags) -> bool {
        self.threads.has(thread) && self.is_kind(flags)
    }

    /// Does this stack of this thread count? One without a frame does as others do: in a tree it is a part of the root that
    /// is in none of the calls.
    pub fn takes(&self, profile: &Profile, thread: ThreadNo, node: NodeId, flags: Flags) -> bool {
        if !self.has(thread, flags) {
            return false;
        }
        match (self.who, self.idle) {
            (Who::GilHolder, _) => flags.has(Flags::HOLDS_GIL),
            (Who::AllThreads | Who::Tasks, Idle::Shown) => true,
            (Who::AllThreads, Idle::RestingHidden) | (Who::Tasks, _) => {
                profile.state(node, flags) != State::Idle
            }
            (Who::AllThreads, Idle::Excluded) => flags.has(Flags::HOLDS_GIL) || flags.has(Flags::ON_CPU),
        }
    }
}
