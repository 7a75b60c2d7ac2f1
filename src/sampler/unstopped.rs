//! Looking without ever stopping a thread, for those who may not. All that is needed is copied twice, in opposite orders,
//! so that there is a moment between the two copies of everything. What both copies show was so at that moment, unless
//! it changed and changed back within a microsecond. What they do not agree on is not shown; it is counted, by reason.
//! So a program is seen where it stays for a microsecond, and what is over sooner is seen less often than it should be.
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
use crate::sampler::remembered::Memories;
use crate::target::Target;
use crate::target::memory::{Address, Memory};

/// How often a look is attempted, some 5 µs each.
const ATTEMPTS: u32 = 32;

/// So many looks more than others have to show a root before it is believed, and so many can be had at the most: as many
/// have to show another one before that is believed instead.
const VOTES: (u32, u32) = (3, 12);

/// The function that a thread begins with. It hardly ever changes, so a stack that begins elsewhere is one that has lost
/// its root: a frame of 2.7 that was being given back was seen twice with no caller. The first that is seen may be such a
/// one, too.
#[derive(Debug, Default)]
pub(super) struct Root {
    /// The one that most looks have shown, and in how many more of them than others.
    code: Option<Address>,
    votes: u32,
    /// The last that has voted.
    look: Option<u64>,
}

impl Root {
    /// A stack begins with this one; is it to be believed?
    fn is(&mut self, code: Address, look: u64) -> bool {
        if self.look.replace(look) != Some(look) {
            if self.code == Some(code) {
                self.votes = VOTES.1.min(self.votes + 1);
            } else if self.votes > 0 {
                self.votes -= 1;
            } else {
                (self.code, self.votes) = (Some(code), 1);
            }
        }
        self.code == Some(code) && self.votes >= VOTES.0
    }
}

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
    /// A stack did not begin where its thread begins.
    rootless: u64,
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
        self.rootless += other.rootless;
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
        let Self { all, looks, at_once, there, moved, broken, missing, rootless, unknown } = self;
        write!(
            f,
            "attempts without a stop {all}: from the thread's own CPU {there}, of {looks} looks from another {at_once} at once, \
             changed meanwhile {moved}, contradicted themselves {broken}, lacked a part {missing}, began elsewhere \
             {rootless}, met unknown code {unknown}"
        )
    }
}

impl Looker {
    /// Looks at the holder, or at all threads, as they run.
    pub(super) fn take_unstopped(
        &mut self,
        target: &Target,
        lock: Lock,
        holder: Address,
        scope: Scope,
    ) -> Result<(), Miss> {
        let memory = target.memory();
        let identity = identity_of(&self.python.layout, memory, holder)?;
        let wanted = Wanted { lock, holder, identity, scope };
        let mut last = Miss::Fled;
        self.turn += 1;
        self.cost.attempts.looks += 1;
        for attempt in 0..ATTEMPTS {
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
        let snapshot = &mut self.memories.of(wanted.holder).snapshot;
        snapshot.take_twice(memory)?;
        let (python, interpreters) = (&self.python, &self.interpreters);
        let first = copy(python, interpreters, &snapshot.sealed(), wanted, &mut self.capture);
        let both = first
            .and_then(|()| copy(python, interpreters, &snapshot.sealed_again(), wanted, &mut self.again));
        let counts = &mut self.cost.attempts;
        let result = match both {
            Err(Miss::Again(Failure::Unreadable)) => {
                counts.missing += 1;
                // So that it is there the next time. What this gives is of no moment in particular.
                let _ = copy(python, interpreters, &snapshot.of(memory), wanted, &mut self.again);
                Err(Miss::Again(Failure::Unreadable))
            }
            Err(Miss::Again(failure)) => {
                counts.broken += 1;
                Err(Miss::Again(failure))
            }
            Err(miss) => Err(miss),
            Ok(()) if !self.capture.agrees(&self.again) => {
                counts.moved += 1;
                Err(Miss::Again(Failure::Broken))
            }
            Ok(()) if !self.codes.know(&self.capture) => {
                counts.unknown += 1;
                let learned = self.codes.learn(memory, &self.capture);
                Err(learned.err().map_or(Miss::Again(Failure::Broken), Miss::from))
            }
            Ok(()) if !begin_where_they_do(&self.capture, &mut self.memories, self.turn) => {
                counts.rootless += 1;
                Err(Miss::Again(Failure::Broken))
            }
            Ok(()) => Ok(()),
        };
        self.cost.read(self.memories.of(wanted.holder).snapshot.take_reads());
        result
    }
}

/// Does every stack begin where its thread does?
fn begin_where_they_do(capture: &Capture, memories: &mut Memories, look: u64) -> bool {
    let mut all = true;
    for seen in capture.threads() {
        if let Some(root) = capture.frames(seen).last() {
            all &= memories.of(seen.thread).root.is(root.code, look);
        }
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_begins_where_most_looks_say() {
        let (one, other) = (Address(8), Address(16));
        let mut root = Root::default();
        let mut looks = 0..;
        let mut is = |code| root.is(code, looks.next().expect("numbers"));
        // The first that is seen may be the wrong one.
        assert!(!is(other) && (0..3).all(|_| !is(one)) && (0..20).all(|_| is(one)));
        assert!((0..8).all(|_| !is(other)) && is(one));
        // It has become another one for good.
        assert!((0..7).all(|_| !is(other)) && (0..20).all(|_| is(other)));
        // However often in one look.
        let mut root = Root::default();
        assert!((0..9).all(|_| !root.is(other, 4)));
    }
}
