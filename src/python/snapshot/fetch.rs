//! What is fetched when a block is missing: with it those that will be asked for next.

use arrayvec::ArrayVec;

use super::choice::Block;
use super::{BLOCK, Copied, LARGEST, NOWHERE, RANGES};
use crate::target::memory::{Address, Memory, Range, ReadError};

/// Blocks that are fetched together when the first is missing in a moment. When two more are, twice as many, and so on:
/// it is a deep stack, of which much is new.
const TOGETHER: usize = 8;
/// Blocks in a page.
const PAGE: u64 = 4096 / BLOCK;

impl Copied {
    /// Copies a block, and those of its sequel that are missing too.
    #[cold]
    #[inline(never)]
    pub(super) fn copy(&mut self, number: u64, live: &impl Memory) -> Result<u32, ReadError> {
        let unmapped = ReadError::Unmapped(Address(number.wrapping_mul(BLOCK)));
        let start = self.blocks.len();
        let wanted = self.sequel(number);
        self.data.resize((start + wanted.len()) * BLOCK as usize, 0);
        let mut data = self.data.get_mut(start * BLOCK as usize..).unwrap_or_default();
        let mut ranges = ArrayVec::<Range<'_>, RANGES>::new();
        // Neighbours in a page, in either direction, are one range: they are mapped or not as a whole.
        for run in wanted.chunk_by(|one, next| one / PAGE == next / PAGE && one.abs_diff(*next) == 1) {
            let first = run.iter().min().copied().unwrap_or_default();
            for number in first..first + run.len() as u64 {
                self.places.insert(number, self.blocks.len() as u32);
                self.blocks.push(Block::new(number, self.moment, 1));
            }
            let before = self.blocks.len() - run.len();
            Block::link(self.blocks.get_mut(before..).unwrap_or_default());
            let to = data.split_off_mut(..run.len() * BLOCK as usize).unwrap_or_default();
            ranges.push(Range { from: Address(first.wrapping_mul(BLOCK)), to });
        }
        self.missed += 1;
        self.reads.calls += 1;
        self.reads.ranges += ranges.len() as u64;
        self.reads.missed += 1;
        let filled = live.read_scattered(&mut ranges);
        // What has been unmapped since, or lies behind it, was only a guess; the block that was asked for was not.
        let there: usize =
            ranges.iter().take(*filled.as_ref().unwrap_or(&0)).map(|range| range.to.len()).sum();
        drop(ranges);
        for block in self.blocks.drain(start + there / BLOCK as usize..) {
            self.places.remove(&block.number);
        }
        self.data.truncate(self.blocks.len() * BLOCK as usize);
        filled?;
        self.places.get(&number).copied().ok_or(unmapped)
    }

    /// This block, and those that are missing of what was asked for after it when it was last asked for; where that is not
    /// known, and it is the last one's neighbour, those that follow in that direction.
    fn sequel(&self, number: u64) -> ArrayVec<u64, { RANGES - 1 }> {
        let mut wanted = ArrayVec::new();
        let room = (LARGEST - self.data.len().min(LARGEST)) / BLOCK as usize;
        let most = (TOGETHER << (self.missed / 2).min(3)).min(room).min(wanted.capacity());
        let (mut before, mut next) = (self.last.map_or(number, |(last, _)| last), Some(number));
        for _ in 0..most {
            let Some(number) = next else { break };
            if !self.places.contains_key(&number) && !wanted.contains(&number) {
                wanted.push(number);
            }
            let neighbour = match number.wrapping_sub(before) {
                1 => number.checked_add(1),
                u64::MAX => number.checked_sub(1),
                _ => None,
            };
            before = number;
            next = self.after(number).or(neighbour);
        }
        wanted
    }

    /// The block that was asked for after this one the last time.
    fn after(&self, number: u64) -> Option<u64> {
        let block = self.places.get(&number).and_then(|place| self.blocks.get(*place as usize));
        let next = block.map(|block| block.next).filter(|next| *next != NOWHERE);
        next.or_else(|| self.next.get(&number).copied())
    }
}
