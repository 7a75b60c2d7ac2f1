//! A stretch of looks of which only the sums are left: exact in number, no longer in time.

use std::collections::BTreeMap;

use super::columns::{Look, LookSeen};
use super::segment::View;
use super::stacks::NodeId;
use super::threads::ThreadNo;
use super::varint;
use super::verdicts::{Verdicts, Went};
use crate::sample::{Failure, Flags, Micros};

type Seen = (ThreadNo, NodeId, Flags);

/// Sums on their way to become a stretch.
#[derive(Debug, Default)]
pub(super) struct Sums {
    looks: u64,
    verdicts: Verdicts,
    counts: BTreeMap<(u32, u32, u8), u64>,
}

impl Sums {
    pub(super) fn add(&mut self, view: &View<'_>) {
        self.looks += u64::from(view.looks);
        let counts = &mut self.counts;
        view.count(0, view.looks, &mut self.verdicts, &mut |thread, node, flags, looks| {
            *counts.entry((thread.0, node.0, flags.bits())).or_default() += looks;
        });
    }

    fn add_stretch(&mut self, stretch: &Thinned) {
        self.looks += stretch.looks;
        self.verdicts.add(&stretch.verdicts);
        for ((thread, node, flags), looks) in stretch.counts() {
            *self.counts.entry((thread.0, node.0, flags.bits())).or_default() += looks;
        }
    }

    pub(super) fn stretch(&self, first: Look, first_at: Micros, last_at: Micros) -> Thinned {
        let mut bytes = Vec::new();
        let (mut last_thread, mut last_node) = (0, 0);
        for ((thread, node, flags), looks) in &self.counts {
            if *thread != last_thread {
                last_node = 0;
            }
            varint::put(&mut bytes, u64::from(thread - last_thread));
            varint::put(&mut bytes, u64::from(node - last_node));
            bytes.push(*flags);
            varint::put(&mut bytes, *looks);
            (last_thread, last_node) = (*thread, *node);
        }
        let (looks, verdicts) = (self.looks, self.verdicts);
        Thinned { first, looks, first_at, last_at, verdicts, bytes: bytes.into() }
    }
}

/// The sums of a stretch of looks, sorted by thread, node and flags, as differences.
#[derive(Debug)]
pub(super) struct Thinned {
    pub(super) first: Look,
    /// How many there were, whatever each stood for.
    pub(super) looks: u64,
    pub(super) first_at: Micros,
    pub(super) last_at: Micros,
    pub(super) verdicts: Verdicts,
    bytes: Box<[u8]>,
}

impl Thinned {
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (Seen, u64)> + '_ {
        let mut bytes = &*self.bytes;
        let (mut thread, mut node) = (0, 0);
        std::iter::from_fn(move || {
            let more = varint::take(&mut bytes)? as u32;
            if more > 0 {
                node = 0;
            }
            thread += more;
            node += varint::take(&mut bytes)? as u32;
            let (flags, rest) = bytes.split_first()?;
            bytes = rest;
            let looks = varint::take(&mut bytes)?;
            Some(((ThreadNo(thread), NodeId(node), Flags::from_bits(*flags)), looks))
        })
    }

    /// This stretch and the one that follows it as one.
    pub(super) fn merge(&self, next: &Self) -> Self {
        let mut sums = Sums::default();
        sums.add_stretch(self);
        sums.add_stretch(next);
        sums.stretch(self.first, self.first_at, next.last_at)
    }

    /// Gives threads and nodes new numbers; different ones may get the same.
    pub(super) fn renumber(
        &mut self,
        number: impl Fn(ThreadNo) -> ThreadNo,
        number_node: impl Fn(NodeId) -> NodeId,
    ) {
        let (looks, verdicts) = (self.looks, self.verdicts);
        let mut sums = Sums { looks, verdicts, counts: BTreeMap::new() };
        for ((thread, node, flags), looks) in self.counts() {
            *sums.counts.entry((number(thread).0, number_node(node).0, flags.bits())).or_default() += looks;
        }
        *self = sums.stretch(self.first, self.first_at, self.last_at);
    }

    /// Looks that *could* have been: as many as were counted, evenly spaced, every count in one of them.
    /// Who held the GIL stands in looks in which it was held; more is not known.
    pub(super) fn visit<E>(&self, mut visit: impl FnMut(LookSeen<'_>) -> Result<(), E>) -> Result<(), E> {
        let counts: Vec<(Seen, u64)> = self.counts().collect();
        let holds = |seen: &Seen| seen.1 != NodeId::ROOT && seen.2.has(Flags::HOLDS_GIL);
        let (holders, others): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(seen, _)| holds(seen));
        let v = &self.verdicts;
        let mut holders = Dealer::new(holders, v.held);
        let mut others = Dealer::new(others, v.taken());
        let failures =
            Failure::ALL.into_iter().zip(v.failed).map(|(failure, looks)| (Went::Failed(failure), looks));
        let kinds = [(Went::Held, v.held), (Went::Unheld, v.unheld), (Went::Nobody, v.nobody)];
        let all = kinds.into_iter().chain(failures);
        let looks_counted = u128::from(v.taken() + v.failed());
        let (mut number, length) = (0_u128, u128::from(self.last_at.0.saturating_sub(self.first_at.0)));
        let mut threads = Vec::new();
        for (went, looks) in all {
            for _ in 0..looks {
                threads.clear();
                if went == Went::Held {
                    holders.deal(&mut threads);
                }
                if !matches!(went, Went::Failed(_)) {
                    others.deal(&mut threads);
                }
                let at = Micros(self.first_at.0 + (length * number / looks_counted) as u64);
                number += 1;
                visit(LookSeen { at, went, threads: &threads })?;
            }
        }
        Ok(())
    }
}

/// Deals counts out over looks, as evenly as whole numbers allow.
struct Dealer {
    counts: std::vec::IntoIter<(Seen, u64)>,
    current: Option<(Seen, u64)>,
    total: u128,
    looks: u128,
    dealt: u128,
    turn: u128,
}

impl Dealer {
    fn new(counts: Vec<(Seen, u64)>, looks: u64) -> Self {
        let total = counts.iter().map(|(_, count)| u128::from(*count)).sum();
        Self { counts: counts.into_iter(), current: None, total, looks: u128::from(looks), dealt: 0, turn: 0 }
    }

    fn deal(&mut self, threads: &mut Vec<Seen>) {
        self.turn += 1;
        let due = self.total * self.turn / self.looks.max(1);
        while self.dealt < due {
            if self.current.is_none_or(|(_, left)| left == 0) {
                self.current = self.counts.next();
            }
            let Some((seen, left)) = &mut self.current else { return };
            threads.push(*seen);
            *left -= 1;
            self.dealt += 1;
        }
    }
}
