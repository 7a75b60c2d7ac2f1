//! Looking at a GIL that somebody holds: stop the holder, copy, let it go.

use crate::fault;
use crate::python::capture::{Capture, identity_of};
use crate::python::locate::Python;
use crate::python::tasks::TaskReader;
use crate::python::threads::{self, Interpreter, Lock};
use crate::sample::{Failure, Flags};
use crate::sampler::look::{Compare, Latest, Looker, Scope, Wanted};
use crate::sampler::miss::Miss;
use crate::sampler::others::Rest;
use crate::sampler::remembered::Remembered;
use crate::target::memory::{Address, Memory};
use crate::target::{RunState, StopError, Stopped, Target, Tid};

/// How a holder is kept from running while it is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Still {
    /// By a stop.
    Stopped,
    /// By our being on its CPU, the number of which stands here in its memory, if it does.
    InPlace(Option<Address>),
    /// The same, supposed that it is there and has the GIL.
    Supposed(Option<Address>),
}

impl Still {
    const fn number(self) -> Option<Address> {
        match self {
            Self::Stopped => None,
            Self::InPlace(number) | Self::Supposed(number) => number,
        }
    }

    /// Had it the GIL when it was last asked?
    const fn held(self) -> bool {
        !matches!(self, Self::Supposed(_))
    }
}

impl Looker {
    /// Stops the holder, copies what is asked for, lets it go.
    pub(super) fn take_held(
        &mut self,
        target: &Target,
        lock: Lock,
        holder: Address,
        scope: Scope,
    ) -> Result<(), Miss> {
        let Latest { tid, identity, .. } = self.thread_of(target, holder)?;
        let what = Wanted { lock, holder, identity, scope };
        let copy = |looker: &mut Self| looker.copy(target, what, Still::Stopped).map(drop);
        if let Some(stood) = self.copy_standing(target, tid, copy)? {
            return if stood { Ok(()) } else { Err(Miss::Fled) };
        }
        self.standing = false;
        self.memories.of(holder).snapshot.prepare();
        let copy = |looker: &mut Self, sleeps: bool| {
            let still = if sleeps { Still::Supposed(None) } else { Still::InPlace(None) };
            looker.copy(target, what, still).map(drop)
        };
        if !self.is_lent(target, holder)? && self.take_off_cpu(target, tid, copy)? {
            if self.met.tidy {
                return Ok(());
            }
            self.cost.entering += 1;
        }
        let stopped = match target.stop(tid) {
            Ok(stopped) => stopped,
            Err(error) => {
                self.standing = error == StopError::GroupStopped;
                self.forget_thread(identity);
                return Err(error.into());
            }
        };
        fault::point("held");
        let company = self.stop_company(target, holder, tid);
        let copied = company.and_then(|company| {
            let copied = self.copy(target, what, Still::Stopped);
            self.release(company);
            if copied.is_ok() && self.is_entering(holder, &stopped) {
                self.cost.entering += 1;
                return Err(Miss::Again(Failure::Broken));
            }
            copied.map(drop)
        });
        self.let_go(stopped);
        self.apart.note(lock, holder, target.tracer().is_apart());
        copied
    }

    /// Is the holder only just entering a frame? To ask for its instruction costs it 1 µs; mostly its frames tell.
    fn is_entering(&mut self, holder: Address, stopped: &Stopped<'_>) -> bool {
        let was_cut = self.memories.of(holder).trail.is_cut();
        self.python.evaluation.is_some()
            && (was_cut || !self.met.tidy)
            && self.python.is_entering(stopped.instruction())
    }

    /// Copies something of a thread that job control has stopped, and says whether it stood all the time; nothing if it does
    /// not stand.
    pub(super) fn copy_standing(
        &mut self,
        target: &Target,
        tid: Tid,
        copy: impl FnOnce(&mut Self) -> Result<(), Miss>,
    ) -> Result<Option<bool>, Miss> {
        let stands = || target.tasks().is_in(tid, RunState::Stopped);
        if !self.standing || !stands() {
            return Ok(None);
        }
        copy(self)?;
        Ok(Some(stands()))
    }

    /// The thread behind a thread state. Of the one that held the GIL last it is known, and found to be so still by
    /// what is copied.
    pub(super) fn thread_of(&mut self, target: &Target, holder: Address) -> Result<Latest, Miss> {
        let latest = match self.latest {
            Some(latest) if latest.thread == holder => latest,
            _ => {
                let (tid, identity) = self.tids.of(&self.python, target, holder).ok_or(Miss::Fled)?;
                let pthread = self.python.layout.thread.pthread.of(target.memory(), holder)?;
                Latest { thread: holder, tid, identity, pthread }
            }
        };
        self.latest = Some(latest);
        self.holders.note(latest.tid, self.now);
        Ok(latest)
    }

    fn forget_thread(&mut self, identity: u64) {
        self.tids.forget(identity);
        self.latest = None;
    }

    /// Lets a thread go, and notes what that has cost it.
    pub(super) fn let_go(&mut self, stopped: Stopped<'_>) {
        let waited = stopped.waited();
        self.cost.stop(stopped.release(), waited);
        self.crowd.note(waited);
    }

    /// Lets threads go that stood still beside the holder.
    pub(super) fn release(&mut self, stopped: Vec<Stopped<'_>>) {
        for one in stopped {
            self.let_go(one);
        }
    }

    /// What happens while the holder stands still; in place, the number of its CPU, if that was read last of all.
    pub(super) fn copy(
        &mut self,
        target: &Target,
        wanted: Wanted,
        still: Still,
    ) -> Result<Option<u32>, Miss> {
        let Wanted { lock, holder, identity, scope } = wanted;
        let memory = target.memory();
        let Remembered { snapshot, trail, .. } = self.memories.of(holder);
        // Where more is read below it is read with that.
        let last = still.number();
        let mut number = snapshot.take_and(memory, last.filter(|_| self.compare == Compare::After))?;
        let moment = snapshot.of(memory);
        match lock.holder(&moment)? {
            Some(now) if now == holder => {}
            // It let go of the GIL on its way to the stop, as 2.7 does thousands of times a second, and nobody has
            // taken it: it is the one that ran, and its own frames stand still. The other threads' may not.
            None if scope == Scope::Running && still.held() => {}
            _ => return Err(Miss::Fled),
        }
        if identity_of(&self.python.layout, &moment, holder)? != identity {
            self.forget_thread(identity);
            return Err(Miss::Fled);
        }
        self.capture.clear();
        let interpreter = home(&self.python, &self.interpreters, &moment, lock, holder)?;
        self.rest = match scope {
            Scope::Running => Rest::NotAsked(interpreter, holder),
            Scope::All | Scope::Tasks => {
                let others = self.others.entry(key_of(lock)).or_default();
                let edition = self.codes.edition();
                others.rest(&self.python, &moment, &self.interpreters, interpreter, holder, edition)?
            }
        };
        if let Rest::ToRead(..) = self.rest {
            number = None;
            self.cost.read(snapshot.take_reads());
            self.copy_under(target, lock, holder)?;
        } else {
            trail.begin();
            let (python, capture, flags) = (&self.python, &mut self.capture, Flags::HOLDS_GIL);
            match still {
                // What is left of a stack is followed when the thread runs on.
                Still::Stopped => {
                    let whole = self.whole;
                    let goes_on = |frame| if whole { trail.pass(frame) } else { trail.pass_if_new(frame) };
                    capture.add_while(python, &moment, &interpreter, holder, flags, goes_on)?;
                }
                // In place it runs no sooner for that.
                _ => capture.add(python, &moment, &interpreter, holder, flags)?,
            }
            capture.add_tasks(&python.layout, &moment, self.tasks.reader())?;
            let reads = snapshot.take_reads();
            number = number.filter(|_| reads.calls == 1);
            self.cost.read(reads);
        }
        self.know_and(memory, last, number)
    }

    /// Every thread under a lock that is held by this one.
    fn copy_under(&mut self, target: &Target, lock: Lock, holder: Address) -> Result<(), Miss> {
        let memory = target.memory();
        let snapshot = &mut self.memories.of(key_of(lock)).snapshot;
        snapshot.take(memory)?;
        let (python, all) = (&self.python, &self.interpreters);
        let (moment, tasks) = (snapshot.of(memory), self.tasks.reader());
        copy_all(python, all, &moment, lock, Some(holder), &mut self.capture, tasks)?;
        self.cost.read(snapshot.take_reads());
        // Whoever takes the lock has it for a moment in which the words still name the one before. If the CPU was
        // taken from it in just that moment, this one did not hold the lock, and that one may have gone on meanwhile.
        if self.glance(target, lock)?.0 == Some(holder) { Ok(()) } else { Err(Miss::Fled) }
    }

    /// Reads the code objects that are not known, and compares those that are unless that can wait, while no thread of the
    /// capture can run.
    pub(super) fn know(&mut self, memory: &impl Memory) -> Result<(), Miss> {
        self.know_and(memory, None, None).map(drop)
    }

    /// The same, and says the number at `last`, if it was read after all else; `number` is what it was before.
    fn know_and(
        &mut self,
        memory: &impl Memory,
        last: Option<Address>,
        mut number: Option<u32>,
    ) -> Result<Option<u32>, Miss> {
        self.met = self.codes.meet(&self.capture);
        if self.compare != Compare::After {
            // What differs is forgotten, and learned anew below.
            let (agreed, read) = self.codes.confirm_and(memory, last)?;
            (self.compare, number) = (Compare::Done, read);
            self.met.known &= agreed;
        }
        if !self.met.known {
            self.codes.learn(memory, &self.capture)?;
            self.met = self.codes.meet(&self.capture);
            number = None;
        }
        Ok(number)
    }
}

/// By what the memory of all threads under a lock is remembered.
pub(super) const fn key_of(lock: Lock) -> Address {
    match lock {
        Lock::Holder(word) | Lock::Runtime(word) | Lock::Current(word) => word,
        Lock::Attached => Address::NULL,
    }
}

/// The interpreter that a holder belongs to. One that is not in the list is new.
pub(super) fn home(
    python: &Python,
    interpreters: &[Interpreter],
    memory: &impl Memory,
    lock: Lock,
    holder: Address,
) -> Result<Interpreter, Miss> {
    let address = python.layout.thread.interpreter.of(memory, holder)?;
    let home = interpreters.iter().find(|one| one.lock == lock && one.address == address);
    home.copied().ok_or(Miss::Again(Failure::Broken))
}

/// Every thread of the interpreters that share a GIL, and their tasks, if there is somebody who reads them.
pub(super) fn copy_all(
    python: &Python,
    interpreters: &[Interpreter],
    memory: &impl Memory,
    lock: Lock,
    holder: Option<Address>,
    capture: &mut Capture,
    mut tasks: Option<&mut TaskReader>,
) -> Result<(), Miss> {
    let mut list = Vec::new();
    for interpreter in interpreters.iter().filter(|interpreter| interpreter.lock == lock) {
        list.clear();
        threads::threads(&python.layout, memory, interpreter.address, &mut list)?;
        for thread in &list {
            let flags = if holder == Some(*thread) { Flags::HOLDS_GIL } else { Flags::default() };
            capture.add(python, memory, interpreter, *thread, flags)?;
            capture.add_tasks(&python.layout, memory, tasks.as_deref_mut())?;
        }
    }
    let seen = |holder| capture.threads().iter().any(|seen| seen.thread == holder);
    if holder.is_none_or(seen) { Ok(()) } else { Err(Miss::Again(Failure::Broken)) }
}
