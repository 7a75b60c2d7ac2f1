//! The profile: takes in what the sampler says, and answers questions about it. What is asked often
//! stands elsewhere and is built from what is public here.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::columns::{Columns, Look, LookSeen};
use super::places::Origin;
use super::selection::Span;
use super::stacks::{FunctionId, NodeId, Stacks};
use super::threads::{Roster, State, Thread, ThreadNo};
use crate::sample::{
    About, Ending, Event, Flags, Function, Micros, Outcome, Sample, Stack, ThreadSample, Totals,
};

/// What [`Profile::new`] allows itself, in bytes.
const DEFAULT_CAP: usize = 64 << 20;
/// A silence longer than this, and than twenty intervals, was a pause.
const GAP: Micros = Micros(1_000_000);

/// Something that happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Micros,
    /// What.
    pub kind: MarkKind,
}

/// What a mark marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkKind {
    /// The process became another program.
    Exec,
    /// What the target does changed.
    Change,
    /// Nobody looked until then.
    Gap(Micros),
}

/// The stack that a thread stood in last, and the node of each of its frames, so that only what
/// differs from it must be looked up.
#[derive(Debug, Default)]
pub(super) struct Last {
    stack: Stack,
    pub(super) path: Vec<NodeId>,
}

/// All that was seen of a target, within a bound of memory.
#[derive(Debug)]
pub struct Profile {
    pub(super) cap: usize,
    /// Nobody will ask what was when.
    pub(super) sums_only: bool,
    pub(super) columns: Columns,
    pub(super) stacks: Stacks,
    pub(super) threads: Roster,
    pub(super) last: HashMap<ThreadNo, Last>,
    row: Vec<(ThreadNo, NodeId, Flags)>,
    about: Option<About>,
    totals: Totals,
    ending: Option<Ending>,
    marks: Vec<Mark>,
    pub(super) revision: u64,
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

impl Profile {
    /// An empty profile that keeps within 64 MiB.
    pub fn new() -> Self {
        Self::with_cap(DEFAULT_CAP)
    }

    /// An empty profile that keeps within so many bytes: past them the oldest minutes are thinned.
    pub fn with_cap(cap: usize) -> Self {
        Self {
            cap,
            sums_only: false,
            columns: Columns::new(),
            stacks: Stacks::new(),
            threads: Roster::new(),
            last: HashMap::new(),
            row: Vec::new(),
            about: None,
            totals: Totals::default(),
            ending: None,
            marks: Vec::new(),
            revision: 0,
        }
    }

    /// Takes in what the sampler said.
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::About(about) => {
                if self.about.replace(about.clone()).is_some() {
                    let at = self.last_at().unwrap_or_default();
                    self.mark(at, MarkKind::Exec);
                }
            }
            Event::Thread(id, name) => {
                let thread = self.threads.number(*id);
                self.threads.set_name(thread, name);
            }
            Event::Process(id, process) => {
                let thread = self.threads.number(*id);
                self.threads.get_mut(thread).process = Some(process.clone());
            }
            Event::Sample(sample) => self.push(sample),
            Event::Interval(interval) => {
                let wanted = self.about.as_ref().map_or(interval.0, |about| about.interval.0).max(1);
                let weight = (interval.0 + wanted / 2) / wanted;
                if self.columns.set_weight(u32::try_from(weight).unwrap_or(u32::MAX).max(1)) {
                    self.tidy();
                }
            }
            Event::Totals(totals) => self.totals = totals.clone(),
            Event::Ended(ending) => self.ending = Some(ending.clone()),
        }
    }

    /// Takes in a look at the target.
    pub fn push(&mut self, sample: &Sample) {
        if let Some(last) = self.last_at() {
            let interval = self.about.as_ref().map_or(0, |about| about.interval.0);
            if sample.at.0.saturating_sub(last.0) > GAP.0.max(interval.saturating_mul(20)) {
                self.mark(last, MarkKind::Gap(sample.at));
            }
        }
        let full = match &sample.outcome {
            Outcome::Failed(failure) => self.columns.push_failed(sample.at, *failure),
            Outcome::Taken(threads) => self.push_taken(sample.at, threads),
        };
        if full {
            self.tidy();
        }
    }

    fn push_taken(&mut self, at: Micros, threads: &[ThreadSample]) -> bool {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        let (look, before) = (self.columns.end(), self.columns.last_taken());
        for part in threads {
            let thread = self.threads.number(part.thread);
            let node = self.node_of(thread, &part.stack);
            let known = self.threads.get_mut(thread);
            if known.look == look {
                continue; // A thread is in a look once.
            }
            if known.node != node || Some(known.look) != before {
                known.since = at;
            }
            (known.node, known.flags, known.seen, known.look) = (node, part.flags, at, look);
            row.push((thread, node, part.flags));
        }
        let full = self.columns.push(at, &row);
        self.row = row;
        full
    }

    fn node_of(&mut self, thread: ThreadNo, stack: &Stack) -> NodeId {
        let stacks = &mut self.stacks;
        let Last { stack: before, path } = self.last.entry(thread).or_default();
        if !stack.is(before) {
            let common = stack.common(before);
            path.truncate(common);
            for frame in stack.iter().skip(common) {
                let parent = path.last().copied().unwrap_or(NodeId::ROOT);
                path.push(stacks.child(parent, frame));
            }
            before.clone_from(stack);
        }
        path.last().copied().unwrap_or(NodeId::ROOT)
    }

    /// Puts a mark at a moment.
    pub fn mark(&mut self, at: Micros, kind: MarkKind) {
        let place = self.marks.partition_point(|mark| mark.at <= at);
        self.marks.insert(place, Mark { at, kind });
    }

    /// The marks, oldest first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Who is watched.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// The sampler's running totals.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How the sampling ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// When the first look was.
    pub fn first_at(&self) -> Option<Micros> {
        self.columns.first_at()
    }

    /// When the newest look was.
    pub fn last_at(&self) -> Option<Micros> {
        self.columns.last_at()
    }

    /// When this look was (a thinned one: when its stretch began); nothing past the end.
    pub fn at(&self, look: Look) -> Option<Micros> {
        self.columns.at(look)
    }

    /// The looks kept, failed ones among them.
    pub fn looks(&self) -> Range<Look> {
        Look(0)..self.columns.end()
    }

    /// The first look at or after a moment; the end if there is none.
    pub fn look_at(&self, at: Micros) -> Look {
        self.columns.look_at(at)
    }

    /// The looks in a span.
    pub fn range(&self, span: Span) -> Range<Look> {
        let all = self.looks();
        match span {
            Span::All => all,
            Span::Last(length) => {
                let newest = self.last_at().unwrap_or_default();
                newest
                    .0
                    .checked_sub(length.0)
                    .map_or(all.start, |from| self.columns.look_at(Micros(from + 1)))..all.end
            }
            Span::Since(from) => self.columns.look_at(from)..all.end,
            Span::Between(from, to) => {
                let start = self.columns.look_at(from);
                start..self.columns.look_at(to).max(start)
            }
        }
    }

    /// Looks before this moment were thinned: their counts are exact, their times are not.
    pub fn thinned_before(&self) -> Option<Micros> {
        self.columns.thinned_before()
    }

    /// Changes when nodes got new numbers or looks were thinned: what was derived must be derived anew.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What the store occupies, in bytes.
    pub fn memory(&self) -> usize {
        let last = self
            .last
            .values()
            .map(|last| size_of::<Last>() + last.path.capacity() * size_of::<NodeId>() + last.stack.memory());
        self.columns.memory() + self.stacks.memory() + self.threads.memory() + last.sum::<usize>()
    }

    /// What it allows itself, in bytes.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// A thread. One that is forgotten is no longer told from others that ended.
    pub fn thread(&self, thread: ThreadNo) -> &Thread {
        self.threads.get(thread)
    }

    /// All threads that were seen and are not forgotten, oldest first.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadNo, &Thread)> {
        self.threads.iter()
    }

    /// Did the newest look that was taken see this thread?
    pub fn is_present(&self, thread: ThreadNo) -> bool {
        self.columns.last_taken().is_some_and(|look| self.threads.get(thread).look == look)
    }

    /// A function.
    pub fn function(&self, id: FunctionId) -> &Arc<Function> {
        self.stacks.function(id)
    }

    /// Whose code a function is. As [`origin`](super::origin), found once.
    pub fn origin(&self, id: FunctionId) -> Origin {
        self.stacks.origin(id)
    }

    /// Does this function only start others? As [`is_plumbing`](super::is_plumbing), found once.
    pub fn is_plumbing(&self, id: FunctionId) -> bool {
        self.stacks.is_plumbing(id)
    }

    /// All functions that were seen, oldest first.
    pub fn function_ids(&self) -> impl DoubleEndedIterator<Item = FunctionId> + use<> {
        (0..u32::try_from(self.function_count()).unwrap_or(u32::MAX)).map(FunctionId)
    }

    /// How many functions were seen; their ids count up from 0.
    pub fn function_count(&self) -> usize {
        self.stacks.function_count()
    }

    /// One more than the largest node number.
    pub fn node_count(&self) -> usize {
        self.stacks.node_count()
    }

    /// The stack below this frame's.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.stacks.node(node).parent
    }

    /// The frame at the top of a stack: function and line; nothing for [`NodeId::ROOT`].
    pub fn frame(&self, node: NodeId) -> Option<(FunctionId, u32)> {
        (node != NodeId::ROOT).then(|| {
            let node = self.stacks.node(node);
            (node.function, node.line)
        })
    }

    /// A stack's nodes, leaf first, without the root.
    pub fn path(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let own = (node != NodeId::ROOT).then_some(node);
        std::iter::successors(own, |node| Some(self.parent(*node)).filter(|parent| *parent != NodeId::ROOT))
    }

    /// What a thread with this stack and these flags is doing. Where threads wait for work the stack tells that it
    /// does; anywhere else it does not wait unless the kernel said so. Who sleeps in no Python code at all waits for some.
    pub fn state(&self, node: NodeId, flags: Flags) -> State {
        if flags.has(Flags::HOLDS_GIL) || flags.has(Flags::ON_CPU) {
            State::Running
        } else if flags.has(Flags::WANTS_GIL) {
            State::GilWait
        } else if self.stacks.rests(node) || node == NodeId::ROOT && flags.has(Flags::WAITING) {
            State::Idle
        } else if flags.has(Flags::WAITING) {
            State::Waiting
        } else {
            State::Unknown
        }
    }

    /// Walks looks one by one, oldest first: the moment, how it went, and its threads in the order in
    /// which they were first seen. A thinned stretch comes as looks evenly spaced, each with one of
    /// the stacks counted in it. `visit` stops the walk by an error.
    pub fn visit<E>(
        &self,
        range: Range<Look>,
        visit: impl FnMut(LookSeen<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.columns.visit(range, visit)
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }
}
