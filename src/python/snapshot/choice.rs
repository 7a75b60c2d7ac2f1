//! Which blocks the next moment is to begin with.

use super::{BLOCK, Copied, NOWHERE};
use crate::target::memory::GAP;

#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) number: u64,
    /// The moment in which it was used last,
    used: u32,
    /// and for how many it is copied after that.
    life: u8,
    /// How many blocks lie before it in the data that do in memory, too, if it is known of so many.
    pub(super) below: u8,
    /// Its two copies differed the last time that there were two.
    pub(super) restless: bool,
    /// The block that was asked for after it since it is copied, or none.
    pub(super) next: u64,
}

impl Block {
    /// One that was used last `ago` moments before this one.
    pub(super) const fn new(number: u64, moment: u32, ago: u8) -> Self {
        Self {
            number,
            used: moment.wrapping_sub(ago as u32),
            life: ONCE,
            below: 0,
            restless: false,
            next: NOWHERE,
        }
    }

    /// Is the other one its upper neighbour?
    pub(super) const fn precedes(&self, next: &Self) -> bool {
        self.number.wrapping_add(1) == next.number
    }

    /// Is it still to be copied in the moment after this one?
    const fn lives(&self, moment: u32) -> bool {
        moment.wrapping_sub(self.used) < self.life as u32
    }

    /// It is used in this moment; says whether that is news.
    pub(super) const fn touch(&mut self, moment: u32) -> bool {
        let is_first = self.used != moment;
        if is_first {
            self.used = moment;
            self.life = if self.life < KEPT / 4 { self.life * 4 } else { KEPT };
        }
        is_first
    }

    /// These lie one after the other.
    pub(super) fn link(run: &mut [Self]) {
        for (before, block) in run.iter_mut().enumerate() {
            block.below = u8::try_from(before).unwrap_or(u8::MAX);
        }
    }

    /// It is not there any more.
    pub(super) const fn lose(&mut self) {
        (self.number, self.life, self.next) = (NOWHERE, 0, NOWHERE);
    }
}

/// A block that one moment has used is copied for four times as many more, since most frames of coroutines and generators
/// are not met again; each moment that uses it again makes that four times as many,
const ONCE: u8 = 2;
/// up to so many,
pub(super) const KEPT: u8 = 128;
/// give or take so many, since to choose takes time,
pub(super) const STANDS: u8 = 32;
/// if there are no more than so many ranges of them; otherwise only those that the last one used. A range costs 0.4 µs,
/// 4 KiB 0.3 µs, and a call 1.4 µs.
const MOST_RANGES: usize = 60;
/// Sequels remembered.
const MOST_SEQUELS: usize = 1 << 14;

impl Copied {
    /// Chooses the blocks that the next moment is to begin with.
    pub(super) fn choose(&mut self) {
        self.last = None;
        self.missed = 0;
        if self.stands == 0 || self.blocks.len() != self.chosen {
            self.choose_anew();
        }
        self.stands = self.stands.saturating_sub(1);
        self.moment = self.moment.wrapping_add(1);
    }

    fn choose_anew(&mut self) {
        let moment = self.moment;
        self.keep(|block| block.lives(moment));
        self.bridge();
        self.stands = STANDS;
        if self.runs.len() > MOST_RANGES {
            self.keep(|block| block.used == moment);
            self.bridge();
            self.stands = 0;
        }
        self.chosen = self.blocks.len();
        self.places.clear();
        self.places.extend(self.blocks.iter().map(|block| block.number).zip(0..));
        self.data.resize(self.blocks.len() * BLOCK as usize, 0);
    }

    /// Lets the others go, of which only the sequels are remembered.
    fn keep(&mut self, is_kept: impl Fn(&Block) -> bool) {
        if self.next.len() > MOST_SEQUELS {
            self.next.clear();
        }
        for block in self.blocks.extract_if(.., |block| !is_kept(block)) {
            if block.next != NOWHERE {
                self.next.insert(block.number, block.next);
            }
        }
    }

    /// Sorts them, makes one range of those that have but a small gap between them, and counts what is in each.
    fn bridge(&mut self) {
        // Mostly they are sorted, but for a few at the end: this is the sort that makes use of it.
        self.blocks.sort_by_key(|block| block.number);
        let sorted = self.blocks.len();
        for place in 1..sorted {
            let Some([before, after]) = self.blocks.get(place - 1..=place) else { break };
            let gap = before.number + 1..after.number;
            if (gap.end - gap.start) * BLOCK < GAP as u64 {
                self.blocks.extend(gap.map(|number| Block::new(number, self.moment, KEPT)));
            }
        }
        if self.blocks.len() > sorted {
            self.blocks.sort_by_key(|block| block.number);
        }
        self.runs.clear();
        for run in self.blocks.chunk_by_mut(Block::precedes) {
            self.runs.push(run.len());
            Block::link(run);
        }
    }
}
