//! Which blocks the next moment is to begin with.

use super::{BLOCK, Copied};
use crate::target::memory::GAP;

#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) number: u64,
    /// Moments since it was used,
    pub(super) age: u8,
    /// and for how many it is copied after that.
    life: u8,
    /// Its two copies differed the last time that there were two.
    pub(super) restless: bool,
    /// The block that was asked for after it, as far as `next` knows.
    pub(super) next: u64,
}

impl Block {
    pub(super) const fn new(number: u64, age: u8) -> Self {
        Self { number, age, life: ONCE, restless: false, next: 0 }
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
        self.reads.used += self.blocks.iter().filter(|block| block.age == 0).count() as u64;
        self.last = None;
        self.missed = 0;
        if self.stands == 0 || self.blocks.len() != self.chosen {
            self.choose_anew();
        }
        self.stands = self.stands.saturating_sub(1);
        for block in &mut self.blocks {
            if block.age == 0 {
                block.life = block.life.saturating_mul(4).min(KEPT);
            }
            block.age = block.age.saturating_add(1);
        }
    }

    fn choose_anew(&mut self) {
        self.blocks.retain(|block| block.age < block.life);
        self.bridge();
        self.stands = STANDS;
        if self.ranges() > MOST_RANGES {
            self.blocks.retain(|block| block.age == 0);
            self.bridge();
            self.stands = 0;
        }
        self.chosen = self.blocks.len();
        self.places.clear();
        self.places.extend(self.blocks.iter().map(|block| block.number).zip(0..));
        self.data.resize(self.blocks.len() * BLOCK as usize, 0);
        if self.next.len() > MOST_SEQUELS {
            self.next.clear();
            self.blocks.iter_mut().for_each(|block| block.next = 0);
        }
    }

    /// Sorts them, and makes one range of those that have but a small gap between them.
    fn bridge(&mut self) {
        // Mostly they are sorted, but for a few at the end: this is the sort that makes use of it.
        self.blocks.sort_by_key(|block| block.number);
        let sorted = self.blocks.len();
        for place in 1..sorted {
            let Some([before, after]) = self.blocks.get(place - 1..=place) else { break };
            let gap = before.number + 1..after.number;
            if (gap.end - gap.start) * BLOCK < GAP as u64 {
                self.blocks.extend(gap.map(|number| Block::new(number, KEPT)));
            }
        }
        if self.blocks.len() > sorted {
            self.blocks.sort_by_key(|block| block.number);
        }
    }

    /// How many runs of neighbours there are.
    fn ranges(&self) -> usize {
        let neighbours = self.blocks.windows(2).filter(|pair| pair[0].number + 1 == pair[1].number).count();
        self.blocks.len() - neighbours
    }
}
