//! Looking at all threads while nobody holds the GIL. Nothing of Python changes until somebody takes it; but between
//! two words that we read somebody may take it, change its frames, and let it go again.

use crate::python::capture::Seen;
use crate::python::threads::Lock;
use crate::sample::Flags;
use crate::sampler::held::{copy_all, home, key_of};
use crate::sampler::look::Looker;
use crate::sampler::miss::Miss;
use crate::sampler::others::{Others, Rest, Turn};
use crate::sampler::remembered::Remembered;
use crate::target::memory::{Address, ReadError};
use crate::target::{Beside, RunState, Stay, Target, Tasks, Tid};

impl Looker {
    /// All threads, while nobody holds the GIL; it was this `turn` when that was seen.
    pub(super) fn take_idle(&mut self, target: &Target, lock: Lock, turn: Option<Turn>) -> Result<(), Miss> {
        let last = self.others.get(&key_of(lock)).and_then(Others::turn);
        // What is in the way of recalling is found again below.
        if let Some(turn) = turn.filter(|_| turn == last)
            && (self.is_asleep(target, turn) || self.recall_idle(target, lock, turn).is_ok())
        {
            return Ok(());
        }
        self.asleep.wake();
        let holder = turn.map(Turn::holder);
        self.prove_still(target, holder, &mut |looker| looker.read_idle(target, lock))?;
        if self.glance(target, lock)? != (None, turn) {
            return Err(Miss::Fled);
        }
        self.rest = Rest::ToRead(lock, turn);
        Ok(())
    }

    /// Who has the GIL, and whose turn it is or was last, if that can be told.
    pub(super) fn glance(
        &mut self,
        target: &Target,
        lock: Lock,
    ) -> Result<(Option<Address>, Option<Turn>), ReadError> {
        let memory = target.memory();
        self.words.take(memory)?;
        let words = self.words.of(memory);
        let holder = lock.holder(&words)?;
        let turn = Turn::of(&self.python.layout, &words, &self.interpreters, lock)?;
        self.cost.read(self.words.take_reads());
        Ok((holder, turn))
    }

    /// Finds out that nobody has had the GIL since the last picture, of this `turn`, but the one that had it then: then
    /// only that one can have moved.
    fn recall_idle(&mut self, target: &Target, lock: Lock, turn: Turn) -> Result<(), Miss> {
        let holder = turn.holder();
        let mut read = |looker: &mut Self| looker.read_last_holder(target, lock, holder);
        let moved = self.prove_still(target, None, &mut read)?;
        let seen = self.capture.threads().first().map_or(0, |seen| seen.identity);
        match self.tids.of_identity(target, seen) {
            Some(tid) if !moved => self.asleep.unmoved(tid, turn, self.codes.edition()),
            _ => self.asleep.wake(),
        }
        Ok(())
    }

    /// The one that had the GIL last, while nobody has it.
    fn read_last_holder(&mut self, target: &Target, lock: Lock, holder: Address) -> Result<(), Miss> {
        let memory = target.memory();
        let Some(others) = self.others.get(&key_of(lock)) else { return Err(Miss::Fled) };
        let Remembered { snapshot, trail, .. } = self.memories.of(holder);
        snapshot.take(memory)?;
        let moment = snapshot.of(memory);
        if lock.holder(&moment)?.is_some() {
            return Err(Miss::Fled);
        }
        let interpreter = home(&self.python, &self.interpreters, &moment, lock, holder)?;
        let edition = self.codes.edition();
        self.rest = others.rest(&self.python, &moment, &self.interpreters, interpreter, holder, edition)?;
        if !matches!(self.rest, Rest::Remembered(..)) {
            return Err(Miss::Fled);
        }
        self.capture.clear();
        trail.begin();
        let (flags, goes_on) = (Flags::default(), |frame| trail.pass(frame));
        self.capture.add_while(&self.python, &moment, &interpreter, holder, flags, goes_on)?;
        self.capture.add_tasks(&self.python.layout, &moment, self.tasks.reader())?;
        self.cost.read(snapshot.take_reads());
        self.know(memory)
    }

    /// Reads, and believes it if it is what was seen last: of that there is proof. Otherwise it reads twice, and believes
    /// it if nothing has changed and every thread whose stack is not the one that was seen last slept meanwhile, or stood
    /// still for us: one that runs (in C, without the GIL) is stopped, unless we are on its CPU. Reading twice alone is not
    /// enough: on 2.7 a thread was read in the middle of a return, twice at the same one, and gave a stack without its
    /// root. Says whether anything has moved that had to be proven.
    ///
    /// If the turn is the same before and after, it is enough that the thread `only`, whose it was, has not moved.
    pub(super) fn prove_still(
        &mut self,
        target: &Target,
        only: Option<Address>,
        read: &mut dyn FnMut(&mut Self) -> Result<(), Miss>,
    ) -> Result<bool, Miss> {
        let stay = Stay::begin();
        read(self)?;
        match *self.moved(only) {
            [] => return Ok(false),
            [(thread, _)] if self.stood(target, thread, stay)? => return Ok(true),
            _ => {}
        }
        let watched = self.watch_moved(target, only);
        let running: Vec<_> = watched.iter().filter(|one| one.runs).map(|one| one.tid).collect();
        let stopped = self.stop_all(target, &running)?;
        let first = if stopped.is_empty() { Ok(()) } else { read(self) };
        let second = first.and_then(|()| {
            std::mem::swap(&mut self.capture, &mut self.again);
            read(self)
        });
        self.release(stopped);
        second?;
        let still = self.moved_tids(only, target).into_iter().all(|tid| {
            self.never_stops() || watched.iter().any(|one| one.tid == tid && one.stood(&mut target.tasks()))
        });
        if self.capture == self.again && still { Ok(true) } else { Err(Miss::Fled) }
    }

    /// The threads of the capture (or one of them only), and their identities, whose stacks, or whose tasks' stacks, are not
    /// the ones that were seen last.
    fn moved(&self, only: Option<Address>) -> Vec<(Address, u64)> {
        let edition = self.codes.edition();
        let same = move |seen: &Seen| {
            // A task that does not wait shows nothing.
            let shows = seen.label.is_none() || !self.capture.frames(seen).is_empty();
            !shows
                || self
                    .memories
                    .last(seen.thread)
                    .is_some_and(|last| last.is(self.capture.frames(seen), edition))
        };
        let has_moved = |seen: &&Seen| only.is_none_or(|only| seen.owner == only) && !same(seen);
        let all = self.capture.threads().iter().filter(has_moved);
        let mut moved: Vec<_> = all.map(|seen| (seen.owner, seen.identity)).collect();
        // Tasks follow their thread.
        moved.dedup();
        moved
    }

    /// Has a thread not run since we came to stay on its CPU?
    fn stood(&self, target: &Target, thread: Address, stay: Option<Stay>) -> Result<bool, Miss> {
        let pthread = self.python.layout.thread.pthread.of(target.memory(), thread)?;
        let beside = stay.zip(self.in_place.rseq()).map(|(stay, rseq)| Beside::supposed(stay, pthread, rseq));
        Ok(beside.is_some_and(|beside| target.stood(&beside)))
    }

    /// All threads as they are at this moment, into the capture.
    fn read_idle(&mut self, target: &Target, lock: Lock) -> Result<(), Miss> {
        let (Lock::Holder(key) | Lock::Runtime(key) | Lock::Current(key)) = lock else { return Ok(()) };
        let memory = target.memory();
        let snapshot = &mut self.memories.of(key).snapshot;
        snapshot.take(memory)?;
        self.capture.clear();
        let moment = snapshot.of(memory);
        // Whoever has taken it since may be shown to stand, but in the middle of something.
        if lock.holder(&moment)?.is_some() {
            return Err(Miss::Fled);
        }
        let (python, interpreters, tasks) = (&self.python, &self.interpreters, self.tasks.reader());
        let copied = copy_all(python, interpreters, &moment, lock, None, &mut self.capture, tasks);
        self.cost.read(snapshot.take_reads());
        // What contradicts itself is being changed, so somebody has taken the GIL.
        let changing = |miss| if matches!(miss, Miss::Again(_)) { Miss::Fled } else { miss };
        copied.map_err(changing)?;
        self.know(memory).map_err(changing)
    }

    /// The threads of the capture that have moved, which have to stand still from now on. None where nothing is ever
    /// stopped: there it has to do that both readings were the same, and nobody held the GIL after either.
    fn watch_moved(&mut self, target: &Target, only: Option<Address>) -> Vec<Watched> {
        let tids = if self.never_stops() { Vec::new() } else { self.moved_tids(only, target) };
        let watch = |tid| {
            // In this order: whoever sleeps now has not run since it was counted, if the count stays as it is.
            let slices = target.tasks().slices(tid);
            // The same goes for who has no CPU now.
            let runs = self.states.runs(target, tid) && self.off_cpu(target, tid).is_none();
            Watched { tid, slices, runs }
        };
        tids.into_iter().map(watch).collect()
    }

    fn moved_tids(&mut self, only: Option<Address>, target: &Target) -> Vec<Tid> {
        let moved = self.moved(only);
        moved.iter().filter_map(|(_, identity)| self.tids.of_identity(target, *identity)).collect()
    }
}

/// A thread that must not run.
#[derive(Debug, Clone, Copy)]
struct Watched {
    tid: Tid,
    /// How often it had got a CPU, if the kernel tells.
    slices: Option<u64>,
    /// It did, and was stopped for that.
    runs: bool,
}

impl Watched {
    /// Has it not run since? To find it asleep again is not enough: of 2.7, whose threads let go of the GIL all the time,
    /// one woke up, called and slept again between two questions, and gave the same stack without its root in both of
    /// two readings.
    fn stood(self, tasks: &mut Tasks) -> bool {
        self.runs
            || match self.slices {
                Some(slices) => tasks.slices(self.tid) == Some(slices),
                None => tasks.is_in(self.tid, RunState::Sleeping),
            }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::target::Pid;

    /// Waits until a thread sleeps.
    fn asleep(tasks: &mut Tasks, tid: Tid) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !tasks.is_in(tid, RunState::Sleeping) {
            assert!(Instant::now() < deadline, "it does not sleep");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// It sleeps when it is looked at, and when it is looked at again.
    #[test]
    fn who_has_slept_twice_has_not_stood() {
        let mut tasks = Tasks::of(Pid::ours());
        let (say, said) = channel();
        let (wake, woken) = channel::<()>();
        let work = move || {
            say.send(Tid::ours()).expect("somebody listens");
            while woken.recv().is_ok() {}
        };
        let sleeper = std::thread::Builder::new().name("sleeper".to_owned()).spawn(work).expect("a thread");
        let tid = said.recv().expect("it runs");
        asleep(&mut tasks, tid);
        let watched = Watched { tid, slices: tasks.slices(tid), runs: false };
        assert!(watched.slices.is_some() && watched.stood(&mut tasks));
        wake.send(()).expect("it listens");
        let deadline = Instant::now() + Duration::from_secs(20);
        while watched.stood(&mut tasks) {
            assert!(Instant::now() < deadline, "it has not run");
        }
        asleep(&mut tasks, tid);
        assert!(!watched.stood(&mut tasks));
        // Of one that was stopped nothing has to be asked.
        assert!(Watched { runs: true, ..watched }.stood(&mut tasks));
        drop(wake);
        sleeper.join().expect("it ends");
    }
}
