//! Is what stands at an address the code object that was read there?
//!
//! - From 3.14 on it is if no code object has died since, in 3.12 and 3.13 if none was made: the interpreter counts them.
//! - Otherwise from 3.12 on it is if its head is the same: no two of an interpreter have the same version.
//! - Up to 3.11 the head holds pointers to its strings and its line table, and its first line. A code object that is made
//!   again and again by `exec` can find its own strings, the next one's by now, where they were. So what they point to has
//!   to be the same, too. That takes two more calls and is done until the code object has shown that it lives on, and now
//!   and then. And it is done where another interpreter is seen to have the code object: from 3.13 on each counts its own
//!   versions, and one that is made where another was comes to all the same numbers and addresses.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::{COMPARED, Code, Codes, HEAD, codes_of, once_each};
use crate::python::capture::Capture;
use crate::python::quiet::Period;
use crate::target::memory::{Address, Memory, Range, ReadError};

/// After so many comparisons of all of it only the head is compared,
const PASSED: u8 = 4;
/// for so long,
const AGAIN: Duration = Duration::from_secs(1);
/// but not for so long after it was read in a program in which so recently an address was used again.
const YOUNG: Duration = Duration::from_secs(10);

/// A code object as it was met in a look: what stands at its address has to be read, or compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub(super) code: Address,
    /// The period that the look was in, and the interpreter's number.
    pub(super) period: Option<Period>,
    pub(super) home: u32,
}

/// What a code object without a version has gone through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    began: Instant,
    last: Instant,
    passed: u8,
}

impl Trial {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, last: now, passed: 0 }
    }

    /// Is all of it to be compared, in a program that uses addresses again, or does not?
    fn is_due(&self, now: Instant, take_turns: bool) -> bool {
        let age = |then: Instant| now.saturating_duration_since(then);
        self.passed < PASSED || age(self.last) >= AGAIN || take_turns && age(self.began) < YOUNG
    }

    const fn pass(&mut self, now: Instant) {
        self.last = now;
        self.passed = self.passed.saturating_add(1);
    }
}

impl Codes {
    /// Have code objects been seen to use addresses again, a short time ago, that cannot be told apart by a version? Then
    /// one that has run can be there again, by the time that the target runs on.
    pub fn take_turns(&self, now: Instant) -> bool {
        let is_recent = |then: Instant| now.saturating_duration_since(then) < YOUNG;
        !self.layout.code.has_version && self.replaced.is_some_and(is_recent)
    }

    /// Compares the entries of `capture` with what stands in memory now, forgets those that differ and says
    /// whether all agreed. What is remembered in it is certain: its frames, which have not run since they were read,
    /// keep their code objects alive.
    ///
    /// This may happen after the target went on. An entry that agrees *now* was right then, too: otherwise
    /// the code object that ran would have had to die since, and one with the very strings and line table
    /// (and, from 3.12 on, the version) of the one that had died before it to take its place. Where that is to be expected,
    /// see [`Codes::take_turns`], it must not have gone on.
    pub fn confirm(&mut self, memory: &impl Memory, capture: &Capture) -> Result<bool, ReadError> {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.clear();
        let now = Instant::now();
        for seen in capture.fresh() {
            let period = self.period(seen, now);
            let certain = |code: &Code| code.period == period;
            let is_doubtful = |code: &Address| period.is_none() || !self.known.get(code).is_some_and(certain);
            let some = codes_of(capture.frames(seen)).filter(is_doubtful);
            doubtful.extend(some.map(|code| Doubt { code, period, home: seen.interpreter }));
        }
        once_each(&mut doubtful);
        let mut agreed = Ok(true);
        for some in doubtful.chunks(COMPARED) {
            agreed = self.compare(memory, some, now).and_then(|same| agreed.map(|agreed| agreed && same));
        }
        self.doubtful = doubtful;
        agreed
    }

    fn compare(&mut self, memory: &impl Memory, some: &[Doubt], now: Instant) -> Result<bool, ReadError> {
        let (skip, length) = self.head;
        let mut heads = std::mem::take(&mut self.heads);
        heads.resize(some.len(), [0; HEAD]);
        let mut ranges = ArrayVec::<_, COMPARED>::new();
        for (doubt, head) in some.iter().zip(&mut heads) {
            let to = head.get_mut(..length).unwrap_or_default();
            ranges.push(Range { from: doubt.code + u64::from(skip), to });
        }
        let read = memory.read_scattered(&mut ranges)?;
        drop(ranges);
        let (mut agreed, mut due) = (true, Vec::new());
        let take_turns = self.take_turns(now);
        for (index, (doubt, head)) in some.iter().zip(&heads).enumerate() {
            match self.known.get_mut(&doubt.code) {
                Some(code) if index < read && code.head == *head => {
                    code.period = doubt.period;
                    let is_due = !self.layout.code.has_version && code.trial.is_due(now, take_turns);
                    if is_due || code.home != doubt.home {
                        due.push(*doubt);
                    }
                }
                _ => {
                    self.replace(doubt.code, now);
                    agreed = false;
                }
            }
        }
        self.heads = heads;
        Ok((due.is_empty() || self.compare_all(memory, &due, now)) && agreed)
    }

    /// Compares all that is known of these.
    fn compare_all(&mut self, memory: &impl Memory, some: &[Doubt], now: Instant) -> bool {
        let ahead = self.ahead(memory, some);
        let mut agreed = true;
        for doubt in some {
            let read = self.read(&ahead, *doubt);
            match (self.known.get_mut(&doubt.code), read) {
                (Some(code), Ok(read)) if code.function == read.function && code.lines == read.lines => {
                    code.home = doubt.home;
                    code.trial.pass(now);
                }
                _ => {
                    self.replace(doubt.code, now);
                    agreed = false;
                }
            }
        }
        agreed
    }

    /// Another one is there now.
    fn replace(&mut self, address: Address, now: Instant) {
        self.forget(address);
        self.counts.replaced += 1;
        self.replaced = Some(now);
    }
}
