//! Looking at an interpreter without a GIL, where each thread runs by itself: those that run Python are all stopped at
//! the same time, for one consistent moment; the others are read as they are, twice, and not disturbed.

use crate::python::capture::{attached, identity_of};
use crate::python::threads::{self, Interpreter};
use crate::sample::{Flags, ThreadSample};
use crate::sampler::look::{Looker, Scope};
use crate::sampler::miss::Miss;
use crate::target::memory::Address;
use crate::target::{Target, Tid};

/// A thread that runs Python: its thread state, which thread it is, and its identity.
type Running = (Address, Tid, u64);

impl Looker {
    /// An interpreter without a GIL.
    pub(super) fn take_free(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        scope: Scope,
        taken: &mut Vec<ThreadSample>,
    ) -> Result<(), Miss> {
        let mut list = Vec::new();
        let mut detached = Vec::new();
        let before = taken.len();
        self.persist(target, |looker| {
            list.clear();
            taken.truncate(before);
            threads::threads(&looker.python.layout, target.memory(), interpreter.address, &mut list)?;
            let running = looker.attached(target, &list, &mut detached)?;
            if looker.never_stops() {
                return looker.take_each(target, interpreter, &running, taken);
            }
            looker.take_attached(target, interpreter, &running)?;
            looker.decode(target, taken)
        })?;
        for thread in detached.into_iter().filter(|_| scope == Scope::All) {
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
                running.push((*thread, tid, identity));
            }
        }
        Ok(running)
    }

    /// Looks at each as it runs.
    fn take_each(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        running: &[Running],
        taken: &mut Vec<ThreadSample>,
    ) -> Result<(), Miss> {
        for (thread, ..) in running {
            match self.take_unstopped(target, interpreter.lock, *thread, Scope::Running) {
                Ok(()) => self.decode(target, taken)?,
                // It runs no longer.
                Err(Miss::Fled) => {}
                Err(miss) => return Err(miss),
            }
        }
        Ok(())
    }

    /// Stops the threads that run Python, copies them, lets them go.
    fn take_attached(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        running: &[Running],
    ) -> Result<(), Miss> {
        for (thread, ..) in running {
            self.memories.of(*thread).snapshot.prepare();
        }
        let tids: Vec<_> = running.iter().map(|(_, tid, _)| *tid).collect();
        let told = target.stop_all(&tids);
        self.capture.clear();
        let mut copied = Ok(());
        let mut stopped = Vec::with_capacity(told.len());
        for (one, told) in running.iter().zip(told) {
            match told {
                Ok(guard) => {
                    stopped.push(guard);
                    copied = copied.and_then(|()| self.copy_one(target, interpreter, *one));
                }
                Err(error) => match Miss::from(error) {
                    // It has ended.
                    Miss::Fled => self.tids.forget(one.2),
                    miss => copied = Err(miss),
                },
            }
        }
        let known = copied.and_then(|()| self.know(target.memory()));
        self.release(stopped);
        known
    }

    fn copy_one(
        &mut self,
        target: &Target,
        interpreter: &Interpreter,
        (thread, _, identity): Running,
    ) -> Result<(), Miss> {
        let snapshot = &mut self.memories.of(thread).snapshot;
        snapshot.take(target.memory())?;
        let moment = snapshot.of(target.memory());
        // Another one has its place by now.
        if identity_of(&self.python.layout, &moment, thread)? == identity {
            let runs = attached(&self.python.layout, &moment, thread)?;
            let flags = if runs { Flags::HOLDS_GIL } else { Flags::default() };
            self.capture.add(&self.python, &moment, interpreter, thread, flags)?;
        }
        self.cost.read(snapshot.take_reads());
        Ok(())
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
