//! Looking at an interpreter without a GIL, where each thread runs by itself: of those that run Python each is read in a
//! moment of its own in which it does not run, because it was stopped, or we are on its CPU, or it has none; the others
//! are read as they are, twice, and not disturbed.

use std::time::Instant;

use crate::python::capture::{attached, identity_of};
use crate::python::threads::{self, Interpreter};
use crate::sample::{Failure, Flags, ThreadSample};
use crate::sampler::look::{Compare, LET_RUN, Looker, Scope};
use crate::sampler::miss::Miss;
use crate::sampler::unstopped::ATTEMPTS;
use crate::target::memory::Address;
use crate::target::{Beside, StopError, Target, Tid, cpu};

/// How often a thread is followed to another CPU, where it may not be stopped.
const MOVES: u32 = 4;

/// A thread that runs Python.
#[derive(Debug, Clone, Copy)]
struct Running {
    /// Its thread state.
    thread: Address,
    tid: Tid,
    /// What is to be found again in its thread state.
    identity: u64,
}

impl Looker {
    /// An interpreter without a GIL.
    pub(super) fn take_free(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        scope: Scope,
        taken: &mut Vec<ThreadSample>,
    ) -> Result<(), Miss> {
        let (mut running, mut detached) = (Vec::new(), Vec::new());
        self.persist(target, |looker| {
            let mut list = Vec::new();
            threads::threads(&looker.python.layout, target.memory(), interpreter.address, &mut list)?;
            running = looker.attached(target, &list, &mut detached)?;
            Ok(())
        })?;
        if self.never_stops() {
            self.put_nearest_first(target, &mut running);
        }
        for one in running {
            let before = taken.len();
            self.persist(target, |looker| {
                taken.truncate(before);
                let read = if looker.never_stops() {
                    looker.take_running(target, interpreter, one)
                } else {
                    looker.take_attached(target, interpreter, one)
                };
                match read {
                    Ok(()) => looker.decode(target, taken),
                    // It has ended, or runs no longer.
                    Err(Miss::Fled) => Ok(()),
                    Err(miss) => Err(miss),
                }
            })?;
        }
        self.in_place.leave();
        for thread in detached.into_iter().filter(|_| scope.is_all()) {
            let one = self.persist(target, |looker| {
                let mut read = |looker: &mut Self| looker.read_detached(target, interpreter, thread);
                looker.prove_still(target, None, &mut read)?;
                looker.decode(target, taken)
            });
            match one {
                // It has ended since it was listed, or runs Python now.
                Err(Miss::Fled) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The threads that run Python. `detached` becomes the others.
    fn attached(
        &mut self,
        target: &Target,
        list: &[Address],
        detached: &mut Vec<Address>,
    ) -> Result<Vec<Running>, Miss> {
        detached.clear();
        let mut running = Vec::new();
        for thread in list {
            if !attached(&self.python.layout, target.memory(), *thread)? {
                detached.push(*thread);
            } else if let Some((tid, identity)) = self.tids.of(&self.python, target, *thread) {
                running.push(Running { thread: *thread, tid, identity });
            }
        }
        Ok(running)
    }

    /// Copies a thread that runs Python while it does not run.
    fn take_attached(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        one: Running,
    ) -> Result<(), Miss> {
        let copy = |looker: &mut Self| looker.copy_one(target, interpreter, one);
        if let Some(stood) = self.copy_standing(target, one.tid, copy)? {
            return if stood { Ok(()) } else { Err(Miss::Again(Failure::NotStopped)) };
        }
        self.memories.of(one.thread).snapshot.prepare();
        if self.take_here(target, interpreter, one)?
            || self.take_off_cpu(target, one.tid, |looker, _| looker.copy_one(target, interpreter, one))?
        {
            return Ok(());
        }
        let stopped = match target.stop(one.tid) {
            Ok(stopped) => stopped,
            // Job control has stopped it, and until that lets it go on it stands as it is.
            Err(StopError::GroupStopped) => {
                self.standing = true;
                return Err(Miss::Again(Failure::NotStopped));
            }
            Err(error) => {
                let miss = Miss::from(error);
                if matches!(miss, Miss::Fled) {
                    self.tids.forget(one.identity);
                }
                return Err(miss);
            }
        };
        self.standing = false;
        let copied = self.copy_one(target, interpreter, one);
        self.let_go(stopped);
        copied
    }

    /// Those on our CPU first, then those on another one, so that we move once for each.
    fn put_nearest_first(&self, target: &Target, running: &mut [Running]) {
        let ours = cpu::here();
        running.sort_by_cached_key(|one| {
            let theirs = self.beside(target, *one).ok().flatten().map(|beside| beside.theirs());
            (theirs != ours, theirs)
        });
    }

    /// Copies a thread that runs Python and may not be stopped: from where we are, if that is its CPU or what we see
    /// proves itself at once, else from its CPU.
    fn take_running(&mut self, target: &Target, interpreter: &Interpreter, one: Running) -> Result<(), Miss> {
        if self.take_here(target, interpreter, one)? {
            return Ok(());
        }
        let attempt = |looker: &mut Self, attempts| {
            looker.take_unstopped(target, interpreter.lock, one.thread, Scope::Running, attempts)
        };
        match attempt(self, 1) {
            Err(Miss::Failed(_)) => {}
            result => return result,
        }
        for _ in 0..MOVES {
            if !self.follow(target, one)? {
                break;
            }
            if self.take_here(target, interpreter, one)? {
                return Ok(());
            }
        }
        attempt(self, ATTEMPTS)
    }

    /// Goes where a thread is, and says whether we may be there. One that is there already is let run for a moment.
    fn follow(&self, target: &Target, one: Running) -> Result<bool, Miss> {
        let Some(beside) = self.beside(target, one)? else { return Ok(false) };
        if beside.is_here() {
            std::thread::sleep(LET_RUN);
            return Ok(true);
        }
        // Where a real-time thread runs we would not.
        let placement = self.means.placement.as_ref().filter(|_| !cpu::goes_first(one.tid));
        Ok(placement.is_some_and(|placement| placement.run_on(beside.theirs()).is_ok()))
    }

    /// Where it is, and where we are.
    fn beside(&self, target: &Target, one: Running) -> Result<Option<Beside>, Miss> {
        let pthread = self.python.layout.thread.pthread.of(target.memory(), one.thread)?;
        Ok(target.beside(one.tid, pthread, self.in_place.rseq()))
    }

    /// Does so where that is our own CPU, and says whether it is.
    fn take_here(&mut self, target: &Target, interpreter: &Interpreter, one: Running) -> Result<bool, Miss> {
        let begin = Instant::now();
        let Some(beside) = self.beside(target, one)? else { return Ok(false) };
        target.tracer().set_apart(!beside.is_here());
        if !beside.is_here() || !self.in_place.is_new(beside.ours()) {
            return Ok(false);
        }
        let copied = self.copy_one(target, interpreter, one);
        if !target.stood(&beside) {
            // What was copied is of no moment in particular.
            self.compare = Compare::Before;
            return Ok(false);
        }
        self.note_stay(begin.elapsed());
        copied.map(|()| true)
    }

    fn copy_one(&mut self, target: &Target, interpreter: &Interpreter, one: Running) -> Result<(), Miss> {
        self.capture.clear();
        let snapshot = &mut self.memories.of(one.thread).snapshot;
        snapshot.take(target.memory())?;
        let moment = snapshot.of(target.memory());
        // Another one has its place by now.
        if identity_of(&self.python.layout, &moment, one.thread)? == one.identity {
            let runs = attached(&self.python.layout, &moment, one.thread)?;
            let flags = if runs { Flags::HOLDS_GIL } else { Flags::default() };
            self.capture.add(&self.python, &moment, interpreter, one.thread, flags)?;
        }
        self.cost.read(snapshot.take_reads());
        self.know(target.memory())
    }

    fn read_detached(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        thread: Address,
    ) -> Result<(), Miss> {
        let memory = target.memory();
        let snapshot = &mut self.memories.of(thread).snapshot;
        snapshot.take(memory)?;
        let moment = snapshot.of(memory);
        self.capture.clear();
        self.capture.add(&self.python, &moment, interpreter, thread, Flags::default())?;
        self.cost.read(snapshot.take_reads());
        if attached(&self.python.layout, &snapshot.of(memory), thread)? {
            return Err(Miss::Fled);
        }
        self.know(memory)
    }
}
