//! The target's threads: who they are, what each is doing now, and how it spent a window.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::columns::Look;
use super::places::Origin;
use super::selection::Selection;
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
use super::window::Window;
use crate::sample::{Flags, Micros, Process, ThreadId};

/// A thread of a profile, counted in the order in which they were first seen; valid as long as its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadNo(pub(super) u32);

impl ThreadNo {
    /// All that ended so long ago that they are told apart no more.
    pub(super) const ENDED: Self = Self(0);
}

/// What a thread was doing in a look. Five words for what the flags and the stack tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Holds the GIL or is on a CPU.
    Running,
    /// Wants the GIL (3.7 and later).
    GilWait,
    /// Waits for something: a lock, a file, an answer.
    Waiting,
    /// Waits for work: it stands where the standard library waits for something to do (a queue's
    /// `get`, a selector, `accept`, a server's read of the next request), or sleeps and is in no Python code.
    Idle,
    /// It does not hold the GIL and stands where a thread may run or wait; the kernel was not asked which, or
    /// said that it does neither (a process that was stopped). Counted apart: it is no work, and no waiting.
    Unknown,
}

impl State {
    /// All of them, in the order in which counts are kept.
    pub const ALL: [Self; 5] = [Self::Running, Self::GilWait, Self::Waiting, Self::Idle, Self::Unknown];

    /// Those of a thread that has something to do.
    pub const BUSY: [Self; 3] = [Self::Running, Self::GilWait, Self::Waiting];

    /// Its place in [`State::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A thread of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Who it is.
    pub id: ThreadId,
    /// Its name, as the target has it; empty where nobody told.
    pub name: String,
    /// Whose it is; nothing where there is only one process.
    pub process: Option<Process>,
    /// Its stack when it was last seen.
    pub node: NodeId,
    /// What was seen of it then.
    pub flags: Flags,
    /// When it was last seen.
    pub seen: Micros,
    /// Since when it has stood in this stack (lines count: another line is another stack).
    pub since: Micros,
    /// The look in which it was last seen.
    pub(super) look: Look,
}

/// Where a stack stands, for people. Unlike a [`NodeId`] it outlives a change of [`Profile::revision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Function and line of the innermost frame in the program's own code; of the leaf, if there is none.
    pub own: (FunctionId, u32),
    /// The same of the frame at the top of the stack.
    pub leaf: (FunctionId, u32),
}

impl Spot {
    /// That of a stack; nothing for [`NodeId::ROOT`].
    pub fn of(profile: &Profile, node: NodeId) -> Option<Self> {
        let leaf = profile.frame(node)?;
        let mut frames = profile.path(node).filter_map(|node| profile.frame(node));
        let own = frames.find(|(function, _)| profile.origin(*function) == Origin::Own);
        Some(Self { own: own.unwrap_or(leaf), leaf })
    }
}

impl Thread {
    fn new(id: ThreadId, name: String) -> Self {
        let never = Look(u64::MAX - 1);
        let (node, flags, seen, since) = (NodeId::ROOT, Flags::default(), Micros(0), Micros(0));
        Self { id, name, process: None, node, flags, seen, since, look: never }
    }
}

/// The threads by their numbers. A number is never given twice, as a selection may still name it.
#[derive(Debug)]
pub(super) struct Roster {
    threads: BTreeMap<ThreadNo, Thread>,
    numbers: HashMap<ThreadId, ThreadNo>,
    newest: ThreadNo,
    ended: Thread,
    name_bytes: usize,
}

impl Roster {
    pub(super) fn new() -> Self {
        let nobody = ThreadId { tid: 0, interpreter: 0, seat: 0 };
        Self {
            threads: BTreeMap::new(),
            numbers: HashMap::new(),
            newest: ThreadNo::ENDED,
            ended: Thread::new(nobody, "(ended threads)".to_owned()),
            name_bytes: 0,
        }
    }

    /// The number of this thread, a new one if need be.
    pub(super) fn number(&mut self, id: ThreadId) -> ThreadNo {
        *self.numbers.entry(id).or_insert_with(|| {
            self.newest.0 = self.newest.0.saturating_add(1);
            self.threads.insert(self.newest, Thread::new(id, String::new()));
            self.newest
        })
    }

    pub(super) fn set_name(&mut self, thread: ThreadNo, name: &str) {
        let Some(known) = self.threads.get_mut(&thread) else { return };
        self.name_bytes = self.name_bytes + name.len() - known.name.len();
        name.clone_into(&mut known.name);
    }

    pub(super) fn get(&self, thread: ThreadNo) -> &Thread {
        self.threads.get(&thread).unwrap_or(&self.ended)
    }

    pub(super) fn get_mut(&mut self, thread: ThreadNo) -> &mut Thread {
        self.threads.get_mut(&thread).unwrap_or(&mut self.ended)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ThreadNo, &Thread)> {
        self.threads.iter().map(|(number, thread)| (*number, thread))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Thread> {
        self.threads.values_mut()
    }

    /// Those that came last: they may have a name and no look yet.
    pub(super) fn newest(&self) -> impl Iterator<Item = ThreadNo> {
        self.threads.keys().rev().take(1024).copied()
    }

    /// Forgets all others.
    pub(super) fn keep(&mut self, is_kept: impl Fn(ThreadNo) -> bool) {
        self.threads.retain(|thread, _| is_kept(*thread));
        self.numbers.retain(|_, thread| is_kept(*thread));
        self.numbers.shrink_to_fit();
        self.name_bytes = self.threads.values().map(|thread| thread.name.len()).sum();
    }

    pub(super) fn memory(&self) -> usize {
        // The nodes of a tree that grows at its end are little more than half full.
        self.threads.len() * 2 * size_of::<(ThreadNo, Thread)>()
            + self.numbers.allocation_size()
            + self.name_bytes
    }
}

impl Profile {
    /// What a thread is called among those of all processes.
    pub fn full_name_of<'a>(&self, thread: &'a Thread) -> Cow<'a, str> {
        self.with_process(thread, self.name_of(thread))
    }

    /// The same of a name that it has: with the number of its process, if that is below the one that is watched.
    pub fn with_process<'a>(&self, thread: &Thread, name: Cow<'a, str>) -> Cow<'a, str> {
        let first = self.about().map(|about| about.pid);
        match &thread.process {
            None => name,
            Some(process) if Some(process.pid) == first => name,
            Some(process) if thread.id.seat == 0 => format!("{name} {}", process.pid).into(),
            // Tasks of a function make a pool in each process.
            Some(process) => format!("{} {name}", process.pid).into(),
        }
    }

    /// What a thread is called: as its program says; where nobody has named it, by its number.
    pub fn name_of<'a>(&self, thread: &'a Thread) -> Cow<'a, str> {
        if self.is_unnamed_main(thread) {
            "MainThread".into()
        } else if thread.name.is_empty() {
            format!("thread {}", thread.id.tid).into()
        } else {
            (&thread.name).into()
        }
    }

    /// A program that does not know `threading` has named no thread: the kernel calls its first one by the executable.
    pub fn is_unnamed_main(&self, thread: &Thread) -> bool {
        self.about().is_some_and(|about| {
            let executable = about.command.split(' ').next().unwrap_or_default();
            let executable = executable.rsplit('/').next().unwrap_or_default();
            thread.id.tid == about.pid && executable.starts_with(&*thread.name)
        })
    }
}

/// A row of the thread list. It may be shown for longer than node numbers are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRow {
    /// Whose row; [`Profile::thread`] tells name, stack and flags.
    pub thread: ThreadNo,
    /// What it does now; nothing if the newest look did not see it, or is not part of the window.
    pub now: Option<State>,
    /// How long it has stood in the same stack; nothing in a window of the past.
    pub standing: Micros,
    /// Where it stood when it was last seen; nowhere in a window of the past.
    pub here: Option<Spot>,
    /// How long it had not been seen when the window ended.
    pub unseen: Micros,
    /// In how many looks of the window it was seen in each state, by [`State::ALL`].
    pub states: [u64; 5],
    /// In how many of them it was collecting garbage.
    pub collecting: u64,
    /// Where it was seen most often in each state.
    pub places: [Option<Spot>; 5],
}

impl ThreadRow {
    /// Looks of the window in which it was seen.
    pub fn looks(&self) -> u64 {
        self.states.iter().sum()
    }

    /// In how many of them it had something to do, whether it got on with that or not.
    pub fn busy(&self) -> u64 {
        State::BUSY.iter().map(|doing| self.states[doing.index()]).sum()
    }

    /// What it did most of the time, and where it mostly did that.
    pub fn mostly(&self) -> (State, Option<Spot>) {
        self.most_of(&State::ALL)
    }

    /// The same, of the time in which it had something to do.
    pub fn mostly_busy(&self) -> (State, Option<Spot>) {
        self.most_of(&State::BUSY)
    }

    fn most_of(&self, states: &[State]) -> (State, Option<Spot>) {
        let doing = states.iter().rev().max_by_key(|doing| self.states[doing.index()]);
        let doing = *doing.unwrap_or(&State::Idle);
        (doing, self.places[doing.index()])
    }
}

/// The stack in which a thread was seen most often in each state, and how often.
type Places = [(u64, NodeId); 5];

/// The threads that were seen in this window and that the selection takes, in the order in which
/// they were first seen.
pub fn thread_rows(profile: &Profile, window: &Window, selection: &Selection) -> Vec<ThreadRow> {
    let end = window.last_at(profile);
    let mut rows = BTreeMap::<ThreadNo, (ThreadRow, Places)>::new();
    for (thread, node, flags, count) in window.counts() {
        if !selection.has(thread, flags) {
            continue;
        }
        let nowhere = [(0, NodeId::ROOT); 5];
        let (row, places) = rows.entry(thread).or_insert_with(|| (row_of(profile, thread, end), nowhere));
        let state = profile.state(node, flags).index();
        row.states[state] += count;
        row.collecting += if flags.has(Flags::GC) { count } else { 0 };
        // Flags make several counts of one stack: the largest of them will do.
        let place = &mut places[state];
        if (count, Reverse(node)) > (place.0, Reverse(place.1)) {
            *place = (count, node);
        }
    }
    let spots = |places: Places| places.map(|(_, node)| Spot::of(profile, node));
    rows.into_values().map(|(row, places)| ThreadRow { places: spots(places), ..row }).collect()
}

/// What the newest look knows of a thread is true of a window that ended then, and of no other.
fn row_of(profile: &Profile, thread: ThreadNo, end: Option<Micros>) -> ThreadRow {
    let known = profile.thread(thread);
    let unseen = Micros(end.unwrap_or_default().0.saturating_sub(known.seen.0));
    let (now, standing, here) = if end == profile.last_at() {
        let now = profile.is_present(thread).then(|| profile.state(known.node, known.flags));
        let standing = Micros(known.seen.0.saturating_sub(known.since.0));
        (now, standing, Spot::of(profile, known.node))
    } else {
        (None, Micros(0), None)
    };
    ThreadRow { thread, now, standing, here, unseen, states: [0; 5], collecting: 0, places: [None; 5] }
}
