//! The columns of looks: when, how it went, and each thread's stack and flags.

use std::ops::Range;

use super::stacks::NodeId;
use super::threads::ThreadNo;
use crate::sample::{Failure, Flags, Micros};

/// The n-th look at the target, counted from 0 and over failed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Look(pub u64);

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// At least one thread with frames held the GIL.
    Held,
    /// Threads with frames were there, but none held the GIL.
    Unheld,
    /// No thread with frames was there.
    Nobody,
    /// It failed.
    Failed(Failure),
}

/// A look as it was: see [`Profile::visit`](super::Profile::visit).
#[derive(Debug, Clone, Copy)]
pub struct LookSeen<'a> {
    /// When.
    pub at: Micros,
    /// How it went.
    pub went: Went,
    /// The threads it saw.
    pub threads: &'a [(ThreadNo, NodeId, Flags)],
}

/// How many looks went which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// At least one thread with frames held the GIL.
    pub held: u64,
    /// Threads with frames were there, but none held the GIL.
    pub unheld: u64,
    /// No thread with frames was there.
    pub nobody: u64,
    /// Looks that failed, by [`Failure::ALL`].
    pub failed: [u64; 4],
}

impl Verdicts {
    /// Looks that did not fail.
    pub fn taken(&self) -> u64 {
        self.held + self.unheld + self.nobody
    }

    /// Looks that failed.
    pub fn failed(&self) -> u64 {
        self.failed.iter().sum()
    }

    fn count(&mut self, went: Went, looks: u64) {
        match went {
            Went::Held => self.held += looks,
            Went::Unheld => self.unheld += looks,
            Went::Nobody => self.nobody += looks,
            Went::Failed(failure) => self.failed[failure as usize] += looks,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.held += other.held;
        self.unheld += other.unheld;
        self.nobody += other.nobody;
        for (own, more) in self.failed.iter_mut().zip(other.failed) {
            *own += more;
        }
    }

    pub(super) fn take(&mut self, other: &Self) {
        self.held -= other.held;
        self.unheld -= other.unheld;
        self.nobody -= other.nobody;
        for (own, less) in self.failed.iter_mut().zip(other.failed) {
            *own -= less;
        }
    }
}

#[derive(Debug)]
struct Row {
    at: Micros,
    went: Went,
    threads: Vec<(ThreadNo, NodeId, Flags)>,
}

/// All looks.
#[derive(Debug)]
pub(super) struct Columns {
    rows: Vec<Row>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(super) fn push(&mut self, at: Micros, threads: &[(ThreadNo, NodeId, Flags)]) {
        let framed = || threads.iter().filter(|(_, node, _)| *node != NodeId::ROOT);
        let went = if framed().any(|(_, _, flags)| flags.has(Flags::HOLDS_GIL)) {
            Went::Held
        } else if framed().next().is_some() {
            Went::Unheld
        } else {
            Went::Nobody
        };
        self.rows.push(Row { at, went, threads: threads.to_vec() });
    }

    pub(super) fn push_failed(&mut self, at: Micros, failure: Failure) {
        self.rows.push(Row { at, went: Went::Failed(failure), threads: Vec::new() });
    }

    pub(super) fn end(&self) -> Look {
        Look(self.rows.len() as u64)
    }

    pub(super) fn first_at(&self) -> Option<Micros> {
        self.rows.first().map(|row| row.at)
    }

    pub(super) fn last_at(&self) -> Option<Micros> {
        self.rows.last().map(|row| row.at)
    }

    pub(super) fn at(&self, look: Look) -> Option<Micros> {
        self.rows.get(look.0 as usize).map(|row| row.at)
    }

    pub(super) fn last_taken(&self) -> Option<Look> {
        self.rows.iter().rposition(|row| !matches!(row.went, Went::Failed(_))).map(|place| Look(place as u64))
    }

    /// The first look at or after a moment.
    pub(super) fn look_at(&self, at: Micros) -> Look {
        Look(self.rows.partition_point(|row| row.at < at) as u64)
    }

    fn rows(&self, range: &Range<Look>) -> &[Row] {
        &self.rows[range.start.0 as usize..range.end.0 as usize]
    }

    /// Counts what the looks of a range saw.
    pub(super) fn count(
        &self,
        range: Range<Look>,
        mut count: impl FnMut(ThreadNo, NodeId, Flags, u64),
    ) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for row in self.rows(&range) {
            verdicts.count(row.went, 1);
            for (thread, node, flags) in &row.threads {
                count(*thread, *node, *flags, 1);
            }
        }
        verdicts
    }

    pub(super) fn visit<E>(
        &self,
        range: Range<Look>,
        mut visit: impl FnMut(LookSeen<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows(&range)
            .iter()
            .try_for_each(|row| visit(LookSeen { at: row.at, went: row.went, threads: &row.threads }))
    }
}
