//! How looks went, and how many of them which way.

use crate::sample::Failure;

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

/// How many looks went which way; one that stands for several is counted as so many.
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

    pub(super) fn count(&mut self, went: Went, looks: u64) {
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
