//! The columns of looks: when, how it went, and each thread's stack and flags. Looks are numbered from
//! the first on and keep their number. The oldest may be thinned: of these only sums are left.
//!
//! A look stands for the interval that was asked for, or for a number of them where looks were fewer: it is
//! counted as so many, for else what happened while looking was dear would seem to have taken less time.

use std::collections::VecDeque;
use std::ops::Range;

use super::segment::{Doing, Open, Runs, Segment, View};
use super::stacks::NodeId;
use super::thinned::{Sums, Thinned};
use super::threads::ThreadNo;
use super::verdicts::{Verdicts, Went};
use crate::sample::{Failure, Flags, Micros};

/// The n-th look at the target, counted from 0 and over failed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Look(pub u64);

/// A look as it was: see [`Profile::visit`](super::Profile::visit).
#[derive(Debug, Clone, Copy)]
pub struct LookSeen<'a> {
    /// When.
    pub at: Micros,
    /// How it went.
    pub went: Went,
    /// The threads it saw.
    pub threads: &'a [(ThreadNo, NodeId, Flags)],
}

/// A segment is sealed when it has this many looks: about a second of them.
const SEGMENT: u32 = 1024;
/// Bytes of full segments that are kept as they are where only sums are asked for.
const EXACT: usize = 1 << 20;
/// Looks are thinned by the minute.
const MINUTE: u64 = 60_000_000;

/// All looks: stretches of which only sums are left, full segments, and the one that is being filled.
#[derive(Debug)]
pub(super) struct Columns {
    thinned: VecDeque<Thinned>,
    sealed: VecDeque<Segment>,
    open: Open,
    thinned_bytes: usize,
    sealed_bytes: usize,
    first_at: Option<Micros>,
    last_at: Option<Micros>,
    last_taken: Option<Look>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
            thinned: VecDeque::new(),
            sealed: VecDeque::new(),
            open: Open::new(Look(0), 1),
            thinned_bytes: 0,
            sealed_bytes: 0,
            first_at: None,
            last_at: None,
            last_taken: None,
        }
    }

    /// Takes in a look; tells whether it filled a segment.
    pub(super) fn push(&mut self, at: Micros, threads: &[(ThreadNo, NodeId, Flags)]) -> bool {
        let framed = || threads.iter().filter(|(_, node, _)| *node != NodeId::ROOT);
        let went = if framed().any(|(_, _, flags)| flags.has(Flags::HOLDS_GIL)) {
            Went::Held
        } else if framed().next().is_some() {
            Went::Unheld
        } else {
            Went::Nobody
        };
        self.last_taken = Some(self.end());
        self.push_look(at, went, threads)
    }

    pub(super) fn push_failed(&mut self, at: Micros, failure: Failure) -> bool {
        self.push_look(at, Went::Failed(failure), &[])
    }

    fn push_look(&mut self, at: Micros, went: Went, threads: &[(ThreadNo, NodeId, Flags)]) -> bool {
        self.open.push(at, went, threads);
        self.first_at = self.first_at.or(Some(at));
        self.last_at = Some(at);
        if self.open.looks() < SEGMENT {
            return false;
        }
        self.seal();
        true
    }

    pub(super) fn seal(&mut self) {
        if self.open.looks() > 0 {
            let (end, weight) = (self.end(), self.open.view().weight);
            let segment = std::mem::replace(&mut self.open, Open::new(end, weight)).seal();
            self.sealed_bytes += segment.memory();
            self.sealed.push_back(segment);
        }
    }

    /// Each look from here on stands for so many; tells whether that ended a segment.
    pub(super) fn set_weight(&mut self, weight: u32) -> bool {
        if weight == self.open.view().weight {
            return false;
        }
        let sealed = self.open.looks() > 0;
        self.seal();
        self.open = Open::new(self.end(), weight);
        sealed
    }

    /// One past the newest look.
    pub(super) fn end(&self) -> Look {
        let open = self.open.view();
        Look(open.first.0 + u64::from(open.looks))
    }

    pub(super) fn first_at(&self) -> Option<Micros> {
        self.first_at
    }

    pub(super) fn last_at(&self) -> Option<Micros> {
        self.last_at
    }

    pub(super) fn last_taken(&self) -> Option<Look> {
        self.last_taken
    }

    /// Where the stretches of which only sums are left end.
    pub(super) fn thinned_before(&self) -> Option<Micros> {
        self.thinned.back().map(|stretch| stretch.last_at)
    }

    pub(super) fn memory(&self) -> usize {
        self.thinned_bytes + self.sealed_bytes + self.open.memory()
    }

    /// The stretch of sums in which a look was: its looks and its time.
    pub(super) fn stretch(&self, look: Look) -> Option<(Range<Look>, Range<Micros>)> {
        let place = self.thinned.partition_point(|stretch| stretch.first <= look).checked_sub(1)?;
        let stretch = &self.thinned[place];
        let end = Look(stretch.first.0 + stretch.looks);
        (look < end).then_some((stretch.first..end, stretch.first_at..stretch.last_at))
    }

    /// Segments that overlap a range, with the part that does.
    fn views(&self, range: Range<Look>) -> impl Iterator<Item = (View<'_>, Range<u32>)> {
        let begin = self.sealed.partition_point(|segment| {
            let view = segment.view();
            view.first.0 + u64::from(view.looks) <= range.start.0
        });
        let sealed = self.sealed.range(begin..).map(Segment::view);
        let all = sealed.chain(std::iter::once(self.open.view()));
        all.take_while(move |view| view.first < range.end).filter_map(move |view| {
            let end = view.first.0 + u64::from(view.looks);
            let (from, to) = (range.start.max(view.first).0, range.end.0.min(end));
            (from < to).then(|| {
                let part = (from - view.first.0) as u32..(to - view.first.0) as u32;
                (view, part)
            })
        })
    }

    /// The stretches that begin in a range: they are in it whole.
    fn stretches(&self, range: &Range<Look>) -> impl Iterator<Item = &Thinned> {
        let begin = self.thinned.partition_point(|stretch| stretch.first < range.start);
        let end = self.thinned.partition_point(|stretch| stretch.first < range.end);
        self.thinned.range(begin..end.max(begin))
    }

    /// The moment of a look.
    pub(super) fn at(&self, look: Look) -> Option<Micros> {
        if let Some((_, time)) = self.stretch(look) {
            return Some(time.start);
        }
        let (view, part) = self.views(look..Look(look.0 + 1)).next()?;
        view.times().nth(part.start as usize)
    }

    /// The first look at or after a moment. Of a thinned stretch that is its first look or the one
    /// past it.
    pub(super) fn look_at(&self, at: Micros) -> Look {
        let stretch = self.thinned.partition_point(|stretch| stretch.first_at < at);
        if let Some(stretch) = self.thinned.get(stretch) {
            return stretch.first;
        }
        let segment = self.sealed.partition_point(|segment| segment.view().last_at < at);
        let view = self.sealed.get(segment).map_or_else(|| self.open.view(), Segment::view);
        let before = view.times().take_while(|time| *time < at).count();
        Look(view.first.0 + before as u64)
    }

    /// Counts what the looks of a range saw.
    pub(super) fn count(
        &self,
        range: Range<Look>,
        mut count: impl FnMut(ThreadNo, NodeId, Flags, u64),
    ) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for stretch in self.stretches(&range) {
            verdicts.add(&stretch.verdicts);
            for ((thread, node, flags), looks) in stretch.counts() {
                count(thread, node, flags, looks);
            }
        }
        for (view, part) in self.views(range) {
            view.count(part.start, part.end, &mut verdicts, &mut count);
        }
        verdicts
    }

    pub(super) fn visit<E>(
        &self,
        range: Range<Look>,
        mut visit: impl FnMut(LookSeen<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for stretch in self.stretches(&range) {
            stretch.visit(&mut visit)?;
        }
        for (view, part) in self.views(range) {
            visit_segment(&view, &part, &mut visit)?;
        }
        Ok(())
    }

    /// Thins the oldest looks, and then the thinned ones further, until all fits into so many bytes or
    /// nothing more can be given up. Tells whether anything changed.
    pub(super) fn shrink(&mut self, bytes: usize) -> bool {
        let before = self.memory();
        while self.memory() > bytes {
            if self.thinned.len() > 1 && (self.thinned_bytes > bytes / 2 || self.sealed.is_empty()) {
                self.merge_stretches();
            } else if !self.thin_oldest() {
                break;
            }
        }
        self.memory() != before
    }

    /// Makes the oldest minute of full segments a stretch of sums.
    pub(super) fn thin_oldest(&mut self) -> bool {
        let Some(oldest) = self.sealed.front() else { return false };
        let (first, first_at) = (oldest.view().first, oldest.view().first_at);
        let (mut sums, mut last_at) = (Sums::default(), first_at);
        while let Some(segment) = self.sealed.pop_front() {
            let view = segment.view();
            sums.add(&view);
            last_at = view.last_at;
            self.sealed_bytes -= segment.memory();
            if last_at.0.saturating_sub(first_at.0) >= MINUTE {
                break;
            }
        }
        let stretch = sums.stretch(first, first_at, last_at);
        self.thinned_bytes += stretch.memory();
        self.thinned.push_back(stretch);
        true
    }

    /// Makes sums of all full segments but some hundred thousand looks. Each stretch is more than twice as long as the
    /// one after it, so that there are few, and no look is counted often. Tells whether anything changed.
    pub(super) fn sum_up(&mut self) -> bool {
        let mut changed = false;
        while self.sealed_bytes > EXACT && self.thin_oldest() {
            changed = true;
            while let [.., before, last] = &*self.thinned.make_contiguous()
                && before.looks <= 2 * last.looks
            {
                let merged = before.merge(last);
                self.thinned.truncate(self.thinned.len() - 2);
                self.thinned.push_back(merged);
            }
            self.thinned_bytes = self.thinned.iter().map(Thinned::memory).sum();
        }
        changed
    }

    /// Half as many stretches, each of twice the length.
    fn merge_stretches(&mut self) {
        let mut merged = VecDeque::with_capacity(self.thinned.len().div_ceil(2));
        while let Some(stretch) = self.thinned.pop_front() {
            let next = self.thinned.pop_front();
            merged.push_back(match next {
                Some(next) => stretch.merge(&next),
                None => stretch,
            });
        }
        self.thinned = merged;
        self.thinned_bytes = self.thinned.iter().map(Thinned::memory).sum();
    }

    pub(super) fn sealed_count(&self) -> usize {
        self.sealed.len()
    }

    /// Gives nodes new numbers; `sealed` for looks that are kept as they were (none may be open).
    pub(super) fn renumber(&mut self, sealed: impl Fn(NodeId) -> NodeId, thinned: impl Fn(NodeId) -> NodeId) {
        self.sealed.iter_mut().for_each(|segment| segment.renumber(&sealed));
        self.thinned.iter_mut().for_each(|stretch| stretch.renumber(|thread| thread, &thinned));
        self.sealed_bytes = self.sealed.iter().map(Segment::memory).sum();
        self.thinned_bytes = self.thinned.iter().map(Thinned::memory).sum();
    }

    /// Gives threads new numbers in thinned looks; different ones may get the same.
    pub(super) fn renumber_threads(&mut self, number: impl Fn(ThreadNo) -> ThreadNo) {
        self.thinned.iter_mut().for_each(|stretch| stretch.renumber(&number, |node| node));
        self.thinned_bytes = self.thinned.iter().map(Thinned::memory).sum();
    }

    /// The threads of looks that are kept as they were.
    pub(super) fn threads(&self) -> impl Iterator<Item = ThreadNo> {
        self.sealed.iter().flat_map(|segment| segment.view().threads).map(|(thread, _)| thread)
    }

    /// The nodes of looks that are kept as they were.
    pub(super) fn each_sealed(&self, mut each: impl FnMut(NodeId)) {
        for (_, runs) in self.sealed.iter().flat_map(|segment| segment.view().threads) {
            runs.filter_map(|(doing, _)| doing).for_each(|(node, _)| each(node));
        }
    }

    /// The nodes of thinned looks, with their weights.
    pub(super) fn each_thinned(&self, mut each: impl FnMut(NodeId, u64)) {
        for ((_, node, _), looks) in self.thinned.iter().flat_map(Thinned::counts) {
            each(node, looks);
        }
    }
}

/// A thread's runs while looks are walked: what it does, and for how many looks more.
struct Cursor<'a> {
    thread: ThreadNo,
    runs: Runs<'a>,
    doing: Doing,
    left: u32,
}

impl Cursor<'_> {
    fn step(&mut self) -> Doing {
        while self.left == 0 {
            // Past its last run a thread was not seen.
            (self.doing, self.left) = self.runs.next().unwrap_or((None, u32::MAX));
        }
        self.left -= 1;
        self.doing
    }
}

fn visit_segment<E>(
    view: &View<'_>,
    part: &Range<u32>,
    visit: &mut impl FnMut(LookSeen<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let threads = view.threads.clone();
    let mut cursors: Vec<Cursor<'_>> =
        threads.map(|(thread, runs)| Cursor { thread, runs, doing: None, left: 0 }).collect();
    cursors.sort_unstable_by_key(|cursor| cursor.thread);
    let went = view.went.clone().flat_map(|(went, looks)| std::iter::repeat_n(went, looks as usize));
    let mut seen = Vec::with_capacity(cursors.len());
    for (look, (at, went)) in view.times().zip(went).enumerate().take(part.end as usize) {
        seen.clear();
        for cursor in &mut cursors {
            seen.extend(cursor.step().map(|(node, flags)| (cursor.thread, node, flags)));
        }
        if look >= part.start as usize {
            visit(LookSeen { at, went, threads: &seen })?;
        }
    }
    Ok(())
}
