//! The target's memory as it was at one moment: blocks copied once and read from many times.
//!
//! While a thread stands still every call to the kernel costs it a microsecond. So a sample begins with one
//! scattered read of the blocks that the samples before it used, which is nearly always all of them. What is
//! missing is fetched as it is asked for, together with what was asked for after it when it was last used: a frame
//! is mostly called by the frame that called it before. Nothing of Python is known here: the same tricks serve a
//! 2.7 frame on the heap and a 3.15 frame on the data stack.

use std::cell::RefCell;

use arrayvec::ArrayVec;
use rustc_hash::FxHashMap;

use crate::target::memory::{Address, Memory, Range, ReadError};

mod choice;
mod fetch;
mod place;

use choice::Block;

/// Bytes in a block; a power of two that divides a page, so that a block is mapped as a whole.
const BLOCK: u64 = 512;
/// The number of no block.
const NOWHERE: u64 = u64::MAX;
/// Bytes copied in one sample at the most: 100,000 frames of 3.8 take some 50 MB.
const LARGEST: usize = 128 << 20;

/// A copy-on-demand view of `memory`, see the head of this file.
#[derive(Debug)]
pub struct Snapshot {
    copied: RefCell<Copied>,
}

#[derive(Debug, Default)]
struct Copied {
    /// Block number (address / [`BLOCK`]) → its place in `blocks`.
    places: FxHashMap<u64, u32>,
    blocks: Vec<Block>,
    /// How many neighbours there are in each range of those that were chosen.
    runs: Vec<usize>,
    data: Vec<u8>,
    /// The same, copied a second time, if it was.
    second: Vec<u8>,
    /// The last block that was looked up, since words are asked for in runs.
    last: Option<(u64, u32)>,
    /// Which block was asked for after which, of those that are copied no more.
    next: FxHashMap<u64, u64>,
    /// The number of this moment.
    moment: u32,
    /// The blocks for the next moment are chosen.
    prepared: bool,
    /// How many blocks were chosen for this moment, and for how many more moments they may be.
    chosen: usize,
    stands: u8,
    /// Blocks that were asked for in this moment and were not there.
    missed: usize,
    reads: Reads,
}

/// What the copying took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Calls of the memory's read functions.
    pub calls: u64,
    /// Ranges of memory in them.
    pub ranges: u64,
    /// Blocks that had not been predicted.
    pub missed: u64,
    /// Blocks that were asked for.
    pub used: u64,
}

impl Snapshot {
    /// An empty one: the first sample is all misses.
    pub fn new() -> Self {
        Self { copied: RefCell::default() }
    }

    /// Chooses what the next moment is to begin with; to be called while nobody has to stand still for it.
    pub fn prepare(&mut self) {
        let copied = self.copied.get_mut();
        if !std::mem::replace(&mut copied.prepared, true) {
            copied.choose();
        }
    }

    /// Begins a new moment: copies the blocks that the last ones used, in one scattered read.
    pub fn take(&mut self, memory: &impl Memory) -> Result<(), ReadError> {
        self.take_and(memory, None).map(drop)
    }

    /// The same, and after all of them, in the same call, the number at `last`; `None` if there is none.
    pub fn take_and(
        &mut self,
        memory: &impl Memory,
        last: Option<Address>,
    ) -> Result<Option<u32>, ReadError> {
        self.prepare();
        let copied = self.copied.get_mut();
        copied.prepared = false;
        copied.fill(memory, last)
    }

    /// Begins a new moment of memory that goes on meanwhile: copies the blocks twice, the second time in the opposite
    /// order, with those in the middle that were seen to change. What both copies agree on was so in between.
    pub fn take_twice(&mut self, memory: &impl Memory) -> Result<(), ReadError> {
        self.prepare();
        let copied = self.copied.get_mut();
        copied.prepared = false;
        let filled = copied.fill_twice(memory);
        if !matches!(filled, Ok(true)) {
            copied.forget();
        }
        filled.map(drop)
    }

    /// This moment's memory; what was not copied yet is read from `live`.
    pub fn of<'a, M: Memory>(&'a self, live: &'a M) -> Moment<'a, M> {
        Moment { snapshot: self, live, second: false }
    }

    /// The same, of which nothing more is read: what was not copied is not there.
    pub const fn sealed(&self) -> Moment<'_, Sealed> {
        Moment { snapshot: self, live: &Sealed, second: false }
    }

    /// The second copy that [`Snapshot::take_twice`] has made.
    pub const fn sealed_again(&self) -> Moment<'_, Sealed> {
        Moment { snapshot: self, live: &Sealed, second: true }
    }

    /// What the copying took since this was last asked.
    pub fn take_reads(&mut self) -> Reads {
        std::mem::take(&mut self.copied.get_mut().reads)
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

impl Copied {
    /// Reads all blocks. After an error nothing is kept, lest bytes of the last moment pass for this one's.
    fn fill(&mut self, memory: &impl Memory, last: Option<Address>) -> Result<Option<u32>, ReadError> {
        let filled = self.read_all(memory, last);
        if filled.is_err() {
            self.forget();
        }
        filled
    }

    fn forget(&mut self) {
        self.blocks.clear();
        self.runs.clear();
        self.places.clear();
        self.data.clear();
        self.second.clear();
        self.last = None;
        self.stands = 0;
    }

    /// Reads all blocks, neighbours together. What has been unmapped since is not there in this moment: 3.11 and later
    /// give a chunk of the data stack back as soon as the last frame has left it. After them the number at `last`.
    fn read_all(&mut self, memory: &impl Memory, last: Option<Address>) -> Result<Option<u32>, ReadError> {
        let (mut at, mut number, mut run) = (0, None, 0);
        while run < self.runs.len() {
            let mut bytes = [0; 4];
            let mut ranges = ArrayVec::<Range<'_>, RANGES>::new();
            // Where each begins.
            let mut starts = ArrayVec::<usize, RANGES>::new();
            let mut data = self.data.get_mut(at * BLOCK as usize..).unwrap_or_default();
            while ranges.len() < RANGES - 1
                && let Some((first, blocks)) = self.blocks.get(at).zip(self.runs.get(run))
            {
                let to = data.split_off_mut(..blocks * BLOCK as usize).unwrap_or_default();
                ranges.push(Range { from: Address(first.number * BLOCK), to });
                starts.push(at);
                at += blocks;
                run += 1;
            }
            let count = ranges.len();
            self.reads.calls += 1;
            self.reads.ranges += count as u64;
            if let Some(last) = last.filter(|_| run == self.runs.len()) {
                ranges.push(Range { from: last, to: &mut bytes });
            }
            let filled = memory.read_scattered(&mut ranges)?;
            drop(ranges);
            if filled > count {
                number = Some(u32::from_le_bytes(bytes));
            }
            if filled < count {
                self.stands = 0;
                run -= count - filled - 1;
                at = starts.get(filled + 1).copied().unwrap_or(at);
                for block in self.blocks.get_mut(starts[filled]..at).unwrap_or_default() {
                    self.places.remove(&block.number);
                    block.lose();
                }
            }
        }
        Ok(number)
    }

    /// Reads all blocks twice, and says whether all are still mapped.
    fn fill_twice(&mut self, memory: &impl Memory) -> Result<bool, ReadError> {
        self.second.clear();
        self.second.resize(self.data.len(), 0);
        let mut ranges = runs(&self.blocks, &mut self.data);
        let mut second = runs(&self.blocks, &mut self.second);
        second.reverse();
        ranges.extend(second);
        self.reads.calls += 1;
        self.reads.ranges += ranges.len() as u64;
        let count = ranges.len();
        if memory.read_scattered(&mut ranges)? < count {
            return Ok(false);
        }
        let copies = self.data.chunks_exact(BLOCK as usize).zip(self.second.chunks_exact(BLOCK as usize));
        for (block, (one, other)) in self.blocks.iter_mut().zip(copies) {
            block.restless = one != other;
        }
        Ok(true)
    }
}

/// Neighbours together, each with its part of `data`; those that change come last.
fn runs<'a>(blocks: &[Block], data: &'a mut [u8]) -> Vec<Range<'a>> {
    let mut runs = Vec::new();
    let mut data = data;
    for run in blocks.chunk_by(Block::precedes) {
        let to = data.split_off_mut(..run.len() * BLOCK as usize).unwrap_or_default();
        let from = Address(run.first().map_or(0, |block| block.number).wrapping_mul(BLOCK));
        runs.push((run.iter().any(|block| block.restless), Range { from, to }));
    }
    runs.sort_by_key(|(restless, _)| *restless);
    runs.into_iter().map(|(_, range)| range).collect()
}

/// Ranges filled in one call, the last word included. They live on our stack; the kernel would take 1,024.
const RANGES: usize = 64;

/// Memory that has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed;

impl Memory for Sealed {
    fn read(&self, from: Address, _: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::NotCopied(from))
    }
}

/// A snapshot together with the memory that it is of.
#[derive(Debug)]
pub struct Moment<'a, M> {
    snapshot: &'a Snapshot,
    live: &'a M,
    second: bool,
}

impl<M: Memory> Memory for Moment<'_, M> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let mut copied = self.snapshot.copied.borrow_mut();
        let mut address = from.0;
        let mut rest = to;
        while !rest.is_empty() {
            let skip = (address % BLOCK) as usize;
            let length = rest.len().min(BLOCK as usize - skip);
            let (now, later) = rest.split_at_mut(length);
            let part = copied.part(Address(address), length, self.live)?.ok_or(ReadError::Unmapped(from))?;
            now.copy_from_slice(self.bytes(&copied, part).ok_or(ReadError::Unmapped(from))?);
            rest = later;
            address = address.wrapping_add(length as u64);
        }
        Ok(())
    }

    #[inline]
    fn view<R>(&self, from: Address, to: &mut [u8], see: impl FnOnce(&[u8]) -> R) -> Result<R, ReadError> {
        let mut copied = self.snapshot.copied.borrow_mut();
        if let Some(part) = copied.part(from, to.len(), self.live)?
            && let Some(bytes) = self.bytes(&copied, part)
        {
            return Ok(see(bytes));
        }
        drop(copied);
        self.read(from, to)?;
        Ok(see(to))
    }

    #[inline]
    fn stretch<R>(
        &self,
        from: Address,
        to: &mut [u8],
        see: impl FnOnce(&[u8], Address) -> (Address, R),
    ) -> Result<R, ReadError> {
        let mut copied = self.snapshot.copied.borrow_mut();
        if let Some(part) = copied.part(from, to.len(), self.live)? {
            let below = copied.below(part.start);
            if let Some(bytes) = self.bytes(&copied, part.start - below..part.end) {
                let start = Address(from.0.wrapping_sub(below as u64));
                let (lowest, seen) = see(bytes, start);
                for number in (lowest.max(start).0 / BLOCK..from.0 / BLOCK).rev() {
                    copied.place(number, &Sealed)?;
                }
                return Ok(seen);
            }
        }
        drop(copied);
        self.read(from, to)?;
        Ok(see(to, from).1)
    }
}

impl<M> Moment<'_, M> {
    fn bytes<'c>(&self, copied: &'c Copied, part: std::ops::Range<usize>) -> Option<&'c [u8]> {
        let data = if self.second { &copied.second } else { &copied.data };
        data.get(part)
    }
}

#[cfg(test)]
mod tests;
