//! Looking at all threads while nobody holds the GIL. Nothing of Python changes until somebody takes it; but between
//! two words that we read somebody may take it, change its frames, and let it go again.

use crate::python::capture::Seen;
use crate::python::threads::Lock;
use crate::sample::Flags;
use crate::sampler::held::{copy_all, home, key_of};
use crate::sampler::look::Looker;
use crate::sampler::miss::Miss;
use crate::sampler::others::{Rest, Turn};
use crate::target::{Target, Tid};

impl Looker {
    /// All threads, while nobody holds the GIL.
    pub(super) fn take_idle(&mut self, target: &Target, lock: Lock) -> Result<(), Miss> {
        // What is in the way of that is found again below.
        if self.recall_idle(target, lock).unwrap_or(false) {
            return Ok(());
        }
        let turn =
            |looker: &Self| Turn::of(&looker.python.layout, target.memory(), &looker.interpreters, lock);
        let before = turn(self)?;
        self.prove_still(target, &mut |looker| looker.read_idle(target, lock))?;
        if lock.holder(target.memory())?.is_some() {
            return Err(Miss::Fled);
        }
        // Only what nobody had in hand while it was read may be remembered.
        let after = turn(self)?;
        self.rest = Rest::ToRead(lock, after.filter(|after| Some(*after) == before));
        Ok(())
    }

    /// Finds out that nobody has had the GIL since the last picture but the one that had it then, and that this one is
    /// where it was: then all are.
    fn recall_idle(&mut self, target: &Target, lock: Lock) -> Result<bool, Miss> {
        let memory = target.memory();
        let Some(others) = self.others.get(&key_of(lock)) else { return Ok(false) };
        let Some(holder) = others.holder() else { return Ok(false) };
        let snapshot = self.snapshots.entry(holder).or_default();
        snapshot.take(memory)?;
        let moment = snapshot.of(memory);
        if lock.holder(&moment)?.is_some() {
            return Ok(false);
        }
        let interpreter = home(&self.python, &self.interpreters, &moment, lock, holder)?;
        let edition = self.codes.edition();
        self.rest = others.rest(&self.python, &moment, &self.interpreters, interpreter, holder, edition)?;
        if !matches!(self.rest, Rest::Remembered(..)) {
            return Ok(false);
        }
        self.capture.clear();
        let trail = self.trails.entry(holder).or_default();
        trail.begin();
        let (flags, mut goes_on) = (Flags::default(), |frame| trail.pass(frame));
        self.capture.add_while(&self.python, &moment, &interpreter, holder, flags, &mut goes_on)?;
        self.cost.read(snapshot.take_reads());
        Ok(self.codes.know(&self.capture) && self.is_as_before())
    }

    /// Reads, and believes it if it is what was seen last: of that there is proof. Otherwise it reads twice, and believes
    /// it if nothing has changed and every thread whose stack is not the one that was seen last slept meanwhile, or stood
    /// still for us: one that runs (in C, without the GIL) is stopped. Reading twice alone is not enough: on 2.7 a thread
    /// was read in the middle of a return, twice at the same one, and gave a stack without its root.
    pub(super) fn prove_still(
        &mut self,
        target: &Target,
        read: &mut dyn FnMut(&mut Self) -> Result<(), Miss>,
    ) -> Result<(), Miss> {
        read(self)?;
        if self.is_as_before() {
            return Ok(());
        }
        let running = self.runs(target);
        let stopped = target.stop_all(&running).into_iter().collect::<Result<Vec<_>, _>>()?;
        let first = if stopped.is_empty() { Ok(()) } else { read(self) };
        let second = first.and_then(|()| {
            std::mem::swap(&mut self.capture, &mut self.again);
            read(self)
        });
        self.release(stopped);
        second?;
        let still = self.runs(target).iter().all(|tid| running.contains(tid));
        if self.capture == self.again && still { Ok(()) } else { Err(Miss::Fled) }
    }

    /// Does the capture show what was seen last?
    fn is_as_before(&self) -> bool {
        let same =
            |seen: &Seen| self.last.get(&seen.thread).is_some_and(|last| last.is(self.capture.frames(seen)));
        self.capture.threads().iter().all(same)
    }

    /// All threads as they are at this moment, into the capture.
    fn read_idle(&mut self, target: &Target, lock: Lock) -> Result<(), Miss> {
        let (Lock::Holder(key) | Lock::Runtime(key) | Lock::Current(key)) = lock else { return Ok(()) };
        let memory = target.memory();
        let snapshot = self.snapshots.entry(key).or_default();
        snapshot.take(memory)?;
        self.capture.clear();
        let moment = snapshot.of(memory);
        let copied = copy_all(&self.python, &self.interpreters, &moment, lock, None, &mut self.capture);
        self.cost.read(snapshot.take_reads());
        // What contradicts itself is being changed, so somebody has taken the GIL.
        let changing = |miss| if matches!(miss, Miss::Again(_)) { Miss::Fled } else { miss };
        copied.map_err(changing)?;
        if !self.codes.know(&self.capture) {
            self.codes.learn(memory, &self.capture).map_err(|error| changing(error.into()))?;
        }
        Ok(())
    }

    /// The threads that have to stand still. None where nothing is ever stopped: there it has to do that both readings
    /// were the same, and nobody held the GIL after either.
    fn runs(&mut self, target: &Target) -> Vec<Tid> {
        if self.never_stops() { Vec::new() } else { self.running(target) }
    }

    /// The threads of the capture that run, of those whose stacks are not the ones that were seen last.
    fn running(&mut self, target: &Target) -> Vec<Tid> {
        let mut running = Vec::new();
        for seen in self.capture.threads() {
            let frames = self.capture.frames(seen);
            if self.last.get(&seen.thread).is_some_and(|last| last.is(frames)) {
                continue;
            }
            let Some(tid) = self.tids.of_identity(&self.python, target, seen.identity) else { continue };
            if self.states.runs(target, tid) {
                running.push(tid);
            }
        }
        running
    }
}
