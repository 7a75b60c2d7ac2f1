//! One look at the target: stop the thread that holds the GIL, copy, let it go, and only then find out what was
//! copied.
//!
//! With a GIL no frame of *any* thread changes while its holder stands still, so one stopped thread gives a true
//! picture of all. It need not even be stopped if we are on its CPU, see `in_place.rs`. When nobody holds the GIL,
//! nothing changes until somebody takes it: read, then check that nothing has changed. Without a GIL each thread that
//! runs is stopped for itself.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::python::capture::Capture;
use crate::python::code::{Codes, Met};
use crate::python::locate::Python;
use crate::python::snapshot::Snapshot;
use crate::python::threads::{self, Interpreter, Lock};
use crate::sample::{Failure, Flags, Frame, Outcome, ThreadId, ThreadSample};
use crate::sampler::Stopping;
use crate::sampler::apart::Apart;
use crate::sampler::asleep::Asleep;
use crate::sampler::cost::Cost;
use crate::sampler::crowd::Crowd;
use crate::sampler::decode;
use crate::sampler::holders::Holders;
use crate::sampler::in_place::InPlace;
use crate::sampler::miss::Miss;
use crate::sampler::names::Names;
use crate::sampler::others::{Others, Rest};
use crate::sampler::placing::Means;
use crate::sampler::remembered::Memories;
use crate::sampler::states::States;
use crate::sampler::tasks::Tasks;
use crate::sampler::tids::{self, Tids};
use crate::sampler::unstopped::ATTEMPTS;
use crate::target::memory::Address;
use crate::target::{Rseq, Target, Tid};

/// How often a look starts over when the GIL has changed hands meanwhile. 2.7 lets go of it a thousand times a second
/// and more, and often takes it again at once.
const CHASES: u32 = 24;
/// After so many changes of hands everybody who runs is stopped, if all threads are to be read.
const CONTESTED: u32 = 4;
/// How often it starts over when what was copied contradicts itself.
const RETRIES: u32 = 3;
/// Before it starts over the thread must have run, or it will be found where it was: on our own CPU it does only if we
/// sleep.
pub(super) const LET_RUN: Duration = Duration::from_micros(20);
/// But where what was copied contradicts itself as long as we have been awake, up to this: who sleeps for less waits for
/// the next tick of a CPU that is the thread's, too, and that can take 4 ms.
const LET_END: Duration = Duration::from_micros(200);
/// The list of interpreters is read anew after this long. (They come and go with a lock held and a new one is found
/// a little later; the ones that go are noticed because their threads no longer point to them.)
const INTERPRETERS_AGE: Duration = Duration::from_millis(100);
/// Which threads are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only those that run Python: one for each GIL.
    Running,
    /// All.
    All,
    /// All, and asyncio's tasks that wait in them.
    Tasks,
}

impl Scope {
    /// Are all threads read?
    pub const fn is_all(self) -> bool {
        matches!(self, Self::All | Self::Tasks)
    }
}

/// When code objects that are known already are compared with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// When the target runs again, which costs it nothing.
    After,
    /// While it stands still: what it executes has died before we could compare it, or what was there before it may be back.
    Before,
    /// It has been done.
    Done,
}

/// The address space is gone: the process has ended, or become another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The holder of a GIL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latest {
    /// Its thread state.
    pub(super) thread: Address,
    /// Its thread.
    pub(super) tid: Tid,
    /// What is to be found again in its thread state after it has stopped.
    pub(super) identity: u64,
    /// What it calls itself.
    pub(super) pthread: u64,
}

/// What is to be read of a GIL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) lock: Lock,
    /// The thread state that has it.
    pub(super) holder: Address,
    /// Which thread that was.
    pub(super) identity: u64,
    pub(super) scope: Scope,
}

/// Is it known where the numbers of threads stand?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Unknown,
    Known,
}

/// Looks at one Python.
#[derive(Debug)]
pub struct Looker {
    pub(super) python: Python,
    pub(super) codes: Codes,
    pub(super) interpreters: Vec<Interpreter>,
    listed: Option<Instant>,
    numbers: Numbers,
    pub(super) memories: Memories,
    pub(super) capture: Capture,
    /// What is still to be added to it.
    pub(super) rest: Rest,
    pub(super) met: Met,
    /// By the GIL, what is remembered of threads that do not hold it.
    pub(super) others: FxHashMap<Address, Others>,
    /// A second one to compare with, for what is read without a stop.
    pub(super) again: Capture,
    pub(super) tids: Tids,
    /// Who held a GIL last.
    pub(super) latest: Option<Latest>,
    pub(super) states: States,
    pub(super) frames: Vec<Frame>,
    names: Names,
    pub(super) cost: Cost,
    /// When this look began.
    pub(super) now: Instant,
    pub(super) in_place: InPlace,
    pub(super) apart: Apart,
    pub(super) asleep: Asleep,
    pub(super) crowd: Crowd,
    pub(super) tasks: Tasks,
    /// The words of a lock.
    pub(super) words: Snapshot,
    /// The process was found stopped by job control.
    pub(super) standing: bool,
    pub(super) means: Means,
    pub(super) holders: Holders,
    pub(super) compare: Compare,
    /// Stacks are followed to their ends while threads stand still, so that all their code objects can be compared then.
    pub(super) whole: bool,
    /// The GIL has changed hands too often to be followed on.
    contested: bool,
}

impl Looker {
    /// Looks at `python`; costs are added to what `cost` holds. With `rseq` it is cheaper to tell that a thread is on our
    /// own CPU.
    pub(super) fn new(python: Python, means: &Means, rseq: Option<Rseq>, cost: Cost) -> Self {
        Self {
            codes: Codes::new(python.layout.clone(), python.code_type),
            interpreters: Vec::new(),
            listed: None,
            numbers: Numbers::Unknown,
            memories: Memories::default(),
            capture: Capture::default(),
            rest: Rest::Nothing,
            met: Met::default(),
            others: FxHashMap::default(),
            again: Capture::default(),
            tids: Tids::default(),
            latest: None,
            states: States::default(),
            frames: Vec::new(),
            names: Names::new(&python),
            cost,
            now: Instant::now(),
            in_place: InPlace::new(rseq),
            apart: Apart::default(),
            asleep: Asleep::default(),
            crowd: Crowd::default(),
            tasks: Tasks::default(),
            words: Snapshot::new(),
            standing: false,
            means: means.clone(),
            holders: Holders::default(),
            compare: Compare::After,
            whole: false,
            contested: false,
            python,
        }
    }

    /// The Python that is looked at.
    pub const fn python(&self) -> &Python {
        &self.python
    }

    /// What it has cost so far.
    pub const fn cost(&self) -> &Cost {
        &self.cost
    }

    /// The same, at the end.
    pub fn into_cost(mut self) -> Cost {
        let counts = self.codes.counts();
        self.cost.codes.new += counts.new;
        self.cost.codes.replaced += counts.replaced;
        self.cost.tasks_cut += self.tasks.cut();
        self.cost
    }

    /// The same, to be added to.
    pub(super) const fn cost_mut(&mut self) -> &mut Cost {
        &mut self.cost
    }

    /// Did somebody hold a GIL in the last look?
    pub(super) fn has_holder(&self) -> bool {
        self.capture.threads().iter().any(|seen| seen.flags.has(Flags::HOLDS_GIL))
    }

    /// The thread that held a GIL when one was last looked at.
    pub(super) fn latest(&self) -> Option<Tid> {
        self.latest.map(|latest| latest.tid)
    }

    /// The names that have to be told after a look has taken these threads.
    pub fn names(&mut self, target: &Target, taken: &[ThreadSample]) -> Vec<(ThreadId, String)> {
        let mut news = Vec::new();
        if self.memories.take_moved() || self.names.are_due(false, self.now) {
            let whose = (&self.python, &*self.interpreters);
            news = self.names.news(target, whose, self.memories.addresses(), taken, self.now);
        }
        news.extend(self.tasks.end());
        news
    }

    /// One look, begun at `now`.
    pub fn look(&mut self, target: &Target, scope: Scope, now: Instant) -> Result<Outcome, Gone> {
        let mut taken = Vec::new();
        self.now = now;
        self.codes.begin(now);
        let with_tasks = scope == Scope::Tasks && !self.never_stops();
        let changed = self.tasks.begin(target, &self.python, with_tasks, now);
        let listed = self.list_interpreters(target, now);
        if self.tasks.follow(target, &self.python, &self.interpreters, now) || changed {
            // What is remembered of threads is with them, or without.
            self.others.clear();
            self.asleep.wake();
        }
        match listed.and_then(|()| self.take(target, scope, &mut taken)) {
            Ok(()) => {
                self.memories.keep(64 + 4 * self.capture.threads().len().max(taken.len()));
                Ok(Outcome::Taken(taken))
            }
            Err(Miss::Gone) => Err(Gone),
            Err(Miss::Fled) => Ok(Outcome::Failed(Failure::HolderFled)),
            Err(Miss::Again(failure) | Miss::Failed(failure)) => Ok(Outcome::Failed(failure)),
        }
    }

    fn take(&mut self, target: &Target, scope: Scope, taken: &mut Vec<ThreadSample>) -> Result<(), Miss> {
        for index in 0..self.interpreters.len() {
            let Some(interpreter) = self.interpreters.get(index).copied() else { break };
            if interpreter.lock == Lock::Attached {
                self.take_free(target, &interpreter, scope, taken)?;
            } else if self.interpreters.iter().position(|other| other.lock == interpreter.lock) == Some(index)
            {
                self.persist(target, |looker| looker.take_locked(target, interpreter.lock, scope, taken))?;
            }
        }
        decode::show_once(taken);
        if scope.is_all() {
            self.ask_what_they_do(target, taken);
        }
        Ok(())
    }

    /// Attempts something until it succeeds, or until it is clear that it will not.
    pub(super) fn persist(
        &mut self,
        target: &Target,
        mut attempt: impl FnMut(&mut Self) -> Result<(), Miss>,
    ) -> Result<(), Miss> {
        let (mut chases, mut retries) = (0, 0);
        self.whole = !self.codes.have_versions();
        self.compare = if self.whole { Compare::Before } else { Compare::After };
        loop {
            if self.compare == Compare::Done {
                self.compare = Compare::Before;
            }
            self.contested = chases >= CONTESTED;
            self.rest = Rest::Nothing;
            self.states.begin();
            match attempt(self) {
                Err(Miss::Fled) if chases < CHASES => {
                    chases += 1;
                    if chases > 2 {
                        std::thread::sleep(LET_RUN);
                    }
                }
                Err(Miss::Again(_)) if retries < RETRIES => {
                    retries += 1;
                    self.asleep.wake();
                    self.cost.retried += 1;
                    (self.compare, self.whole) = (Compare::Before, true);
                    std::thread::sleep((LET_RUN + self.now.elapsed()).min(LET_END));
                    self.listed = None;
                    self.list_interpreters(target, Instant::now())?;
                }
                result => return result,
            }
        }
    }

    fn list_interpreters(&mut self, target: &Target, now: Instant) -> Result<(), Miss> {
        if self.listed.is_some_and(|listed| now.duration_since(listed) < INTERPRETERS_AGE) {
            return Ok(());
        }
        let Python { layout, roots, .. } = &self.python;
        threads::interpreters(layout, target.memory(), *roots, &mut self.interpreters)?;
        self.listed = Some(now);
        if self.numbers == Numbers::Unknown
            && let Some(main) = self.interpreters.last()
        {
            let mut list = Vec::new();
            threads::threads(layout, target.memory(), main.address, &mut list)?;
            self.find_numbers(target, &list);
        }
        Ok(())
    }

    /// Finds out where the numbers of threads are to be read.
    fn find_numbers(&mut self, target: &Target, list: &[Address]) {
        let layout = &self.python.layout;
        let known = if layout.thread.native_id.is_none() {
            let found = tids::in_pthread(target, layout, list);
            self.python.layout.thread.in_pthread = found;
            found.is_some()
        } else {
            if let Some(found) = tids::after_unknown_fork(target, layout, list) {
                let thread = &mut self.python.layout.thread;
                (thread.native_id, thread.in_pthread) = (None, Some(found));
            }
            !list.is_empty()
        };
        if known {
            self.numbers = Numbers::Known;
        }
    }

    /// Is nothing to be stopped?
    pub(super) fn never_stops(&self) -> bool {
        self.means.stopping == Stopping::Never
    }

    fn take_locked(
        &mut self,
        target: &Target,
        lock: Lock,
        scope: Scope,
        taken: &mut Vec<ThreadSample>,
    ) -> Result<(), Miss> {
        if let Some(holder) = self.in_place.supposed(lock)
            && self.take_in_place(target, (lock, holder, scope), true, taken)?
        {
            return Ok(());
        }
        let contested = self.contested && scope.is_all();
        // Where all are shown it need not be waited for the next one when nobody holds it at this moment.
        let (holder, turn) = match scope {
            Scope::Running => (self.holders.wait(target, &self.python.layout, lock)?, None),
            Scope::All | Scope::Tasks => self.glance(target, lock)?,
        };
        if let Some(holder) = holder
            && !self.apart.is_likely(lock, holder)
            && self.take_in_place(target, (lock, holder, scope), false, taken)?
        {
            return Ok(());
        }
        match holder {
            Some(holder) if self.never_stops() => {
                self.take_unstopped(target, lock, holder, scope, ATTEMPTS)?;
            }
            _ if contested && !self.never_stops() => self.take_contested(target, lock)?,
            Some(holder) => self.take_held(target, lock, holder, scope)?,
            None if scope == Scope::Running => return Ok(()),
            None => self.take_idle(target, lock, turn)?,
        }
        self.decode(target, taken)
    }
}
