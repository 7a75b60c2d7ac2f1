//! Looking without ever stopping a thread, for those who may not. All that is needed is copied twice, in opposite orders,
//! so that there is a moment between the two copies of everything. What both copies show was so at that moment, unless
//! it changed and changed back meanwhile. That is no rarity: of a program that does nothing but call, hardly anything else
//! agrees, and 2 to 11 in a hundred of the stacks that did had never been (2.7 to 3.13, from another CPU). So all of it is
//! copied twice once more a few microseconds later, and has to be the same again: then none had been invented.
//! What does not agree is not shown; it is counted, by reason. So a program is seen where it stays for some microseconds,
//! and what is over sooner is seen less often than it should be.
//!
//! All this is for threads on other CPUs than ours. On our own there is a better way, see `in_place.rs`.

use std::fmt;

use crate::python::capture::{Capture, attached, identity_of};
use crate::python::locate::Python;
use crate::python::threads::{Interpreter, Lock};
use crate::sample::{Failure, Flags};
use crate::sampler::held::{copy_all, home};
use crate::sampler::look::{Looker, Scope, Wanted};
use crate::sampler::miss::Miss;
use crate::target::Target;
use crate::target::memory::{Address, Memory};

/// How often a look is attempted, some 5 µs each, and 10 if it succeeds.
pub(super) const ATTEMPTS: u32 = 32;

/// What became of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    all: u64,
    /// Looks at a thread elsewhere, and how many of them needed no second attempt.
    pub(super) looks: u64,
    pub(super) at_once: u64,
    /// Made from the thread's own CPU, where they succeed.
    there: u64,
    /// The two copies did not agree.
    moved: u64,
    /// A copy contradicted itself.
    broken: u64,
    /// Something had not been copied.
    missing: u64,
    /// A code object had to be read first: another one may have been at its address before.
    unknown: u64,
}

impl Attempts {
    /// Those at another process.
    pub(super) const fn add(&mut self, other: Self) {
        self.all += other.all;
        self.looks += other.looks;
        self.at_once += other.at_once;
        self.there += other.there;
        self.moved += other.moved;
        self.broken += other.broken;
        self.missing += other.missing;
        self.unknown += other.unknown;
    }

    /// One more, with success.
    pub(super) const fn succeed_there(&mut self) {
        self.all += 1;
        self.there += 1;
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, looks, at_once, there, moved, broken, missing, unknown } = self;
        write!(
            f,
            "attempts without a stop {all}: from the thread's own CPU {there}, of {looks} looks from another {at_once} at once, \
             changed meanwhile {moved}, contradicted themselves {broken}, lacked a part {missing}, met unknown \
             code {unknown}"
        )
    }
}

impl Looker {
    /// Looks at the holder, or at all threads, as they run, in so many attempts.
    pub(super) fn take_unstopped(
        &mut self,
        target: &Target,
        lock: Lock,
        holder: Address,
        scope: Scope,
        attempts: u32,
    ) -> Result<(), Miss> {
        let memory = target.memory();
        let identity = identity_of(&self.python.layout, memory, holder)?;
        let wanted = Wanted { lock, holder, identity, scope };
        let mut last = Miss::Fled;
        self.cost.attempts.looks += 1;
        for attempt in 0..attempts {
            self.cost.attempts.all += 1;
            match self.attempt(memory, wanted) {
                Err(Miss::Again(failure)) => last = Miss::Failed(failure),
                // Somebody else has the GIL by now: begin with that one.
                result => {
                    self.cost.attempts.at_once += u64::from(attempt == 0 && result.is_ok());
                    return result;
                }
            }
        }
        Err(last)
    }

    fn attempt(&mut self, memory: &impl Memory, wanted: Wanted) -> Result<(), Miss> {
        let seen = match self.copy_twice(memory, wanted, true) {
            Ok(true) => self.copy_twice(memory, wanted, false),
            seen => seen,
        };
        let counts = &mut self.cost.attempts;
        let result = match seen {
            Err(Miss::Again(Failure::Unreadable)) => {
                counts.missing += 1;
                // So that it is there the next time. What this gives is of no moment in particular.
                let snapshot = &self.memories.of(wanted.holder).snapshot;
                let _ = copy(&self.python, &self.interpreters, &snapshot.of(memory), wanted, &mut self.again);
                Err(Miss::Again(Failure::Unreadable))
            }
            Err(Miss::Again(failure)) => {
                counts.broken += 1;
                Err(Miss::Again(failure))
            }
            Err(miss) => Err(miss),
            Ok(false) => {
                counts.moved += 1;
                Err(Miss::Again(Failure::Broken))
            }
            Ok(true) if !self.codes.meet(&self.capture).known => {
                counts.unknown += 1;
                let learned = self.codes.learn(memory, &self.capture);
                Err(learned.err().map_or(Miss::Again(Failure::Broken), Miss::from))
            }
            Ok(true) => Ok(()),
        };
        self.cost.read(self.memories.of(wanted.holder).snapshot.take_reads());
        result
    }

    /// Copies all of it twice. Do both copies say the same, and the same as those before, if there were any?
    fn copy_twice(&mut self, memory: &impl Memory, wanted: Wanted, begins: bool) -> Result<bool, Miss> {
        let snapshot = &mut self.memories.of(wanted.holder).snapshot;
        snapshot.take_twice(memory)?;
        let (python, interpreters) = (&self.python, &self.interpreters);
        let first = if begins { &mut self.capture } else { &mut self.again };
        copy(python, interpreters, &snapshot.sealed(), wanted, first)?;
        if !begins && !self.capture.agrees(&self.again) {
            return Ok(false);
        }
        copy(python, interpreters, &snapshot.sealed_again(), wanted, &mut self.again)?;
        Ok(self.capture.agrees(&self.again))
    }
}

/// What is wanted, from one copy.
fn copy(
    python: &Python,
    interpreters: &[Interpreter],
    memory: &impl Memory,
    wanted: Wanted,
    capture: &mut Capture,
) -> Result<(), Miss> {
    let Wanted { lock, holder, identity, scope } = wanted;
    capture.clear();
    let runs = match lock {
        Lock::Attached => attached(&python.layout, memory, holder)?,
        lock => lock.holder(memory)? == Some(holder),
    };
    if !runs || identity_of(&python.layout, memory, holder)? != identity {
        return Err(Miss::Fled);
    }
    match scope {
        Scope::All | Scope::Tasks => {
            copy_all(python, interpreters, memory, lock, Some(holder), capture, None)
        }
        Scope::Running => {
            let interpreter = home(python, interpreters, memory, lock, holder)?;
            Ok(capture.add(python, memory, &interpreter, holder, Flags::HOLDS_GIL)?)
        }
    }
}
