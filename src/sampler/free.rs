//! Looking at an interpreter without a GIL, where each thread runs by itself: those that run Python are stopped, one
//! at a time and each for one consistent moment; the others are read as they are, twice, and not disturbed.

use crate::python::capture::{attached, identity_of};
use crate::python::threads::{self, Interpreter};
use crate::sample::{Flags, ThreadSample};
use crate::sampler::look::{Looker, Scope};
use crate::sampler::miss::Miss;
use crate::target::Target;
use crate::target::memory::Address;

impl Looker {
    /// An interpreter without a GIL: each thread that runs is stopped for itself; the others are read as they are.
    pub(super) fn take_free(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        scope: Scope,
        taken: &mut Vec<ThreadSample>,
    ) -> Result<(), Miss> {
        let mut list = Vec::new();
        self.persist(target, |looker| {
            list.clear();
            Ok(threads::threads(&looker.python.layout, target.memory(), interpreter.address, &mut list)?)
        })?;
        for thread in list {
            let one = self.persist(target, |looker| {
                if attached(&looker.python.layout, target.memory(), thread)? {
                    looker.take_running(target, interpreter, thread)?;
                } else if scope == Scope::All {
                    looker.take_detached(target, interpreter, thread)?;
                } else {
                    return Ok(());
                }
                looker.decode(target, taken)
            });
            match one {
                // It has ended since it was listed.
                Err(Miss::Fled) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn take_running(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        thread: Address,
    ) -> Result<(), Miss> {
        let (tid, identity) = self.tids.of(&self.python, target, thread).ok_or(Miss::Fled)?;
        let stopped = target.stop(tid).inspect_err(|_| self.tids.forget(identity))?;
        let copied = self.copy_one(target, interpreter, thread, identity);
        let waited = stopped.waited();
        self.cost.stop(stopped.release(), waited);
        copied
    }

    fn copy_one(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        thread: Address,
        identity: u64,
    ) -> Result<(), Miss> {
        let snapshot = self.snapshots.entry(thread).or_default();
        snapshot.take(target.memory())?;
        let moment = snapshot.of(target.memory());
        if identity_of(&self.python.layout, &moment, thread)? != identity {
            return Err(Miss::Fled);
        }
        let runs = attached(&self.python.layout, &moment, thread)?;
        let flags = if runs { Flags::HOLDS_GIL } else { Flags::default() };
        self.capture.clear();
        self.capture.add(&self.python, &moment, interpreter, thread, flags)?;
        self.cost.read(snapshot.take_reads());
        if !self.codes.know(&self.capture) {
            self.codes.learn(target.memory(), &self.capture)?;
        }
        Ok(())
    }

    fn take_detached(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        thread: Address,
    ) -> Result<(), Miss> {
        let memory = target.memory();
        let snapshot = self.snapshots.entry(thread).or_default();
        for capture in [&mut self.again, &mut self.capture] {
            snapshot.take(memory)?;
            let moment = snapshot.of(memory);
            capture.clear();
            capture.add(&self.python, &moment, interpreter, thread, Flags::default())?;
            if attached(&self.python.layout, &moment, thread)? {
                return Err(Miss::Fled);
            }
            if !self.codes.know(capture) {
                self.codes.learn(memory, capture)?;
            }
        }
        self.cost.read(snapshot.take_reads());
        if self.capture == self.again { Ok(()) } else { Err(Miss::Fled) }
    }
}
