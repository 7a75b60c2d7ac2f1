//! The target's memory as it was at one moment: blocks copied once and read from many times.
//!
//! While a thread stands still every call to the kernel costs it a microsecond. So a sample begins with one
//! scattered read of the blocks that the sample before it used, which is nearly always all of them; what is
//! missing is fetched as it is asked for, and belongs to the prediction from then on. Nothing of Python is
//! known here: the same trick serves a 2.7 frame on the heap and a 3.15 frame on the data stack.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use crate::target::memory::{Address, Memory, Range, ReadError};

/// Bytes in a block; a power of two that divides a page, so that a block is mapped as a whole.
const BLOCK: u64 = 512;
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
    data: Vec<u8>,
    /// The last block that was looked up, since words are asked for in runs.
    last: Option<(u64, u32)>,
    reads: Reads,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    number: u64,
    used: bool,
}

/// What the copying took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Calls of the memory's read functions.
    pub calls: u64,
    /// Blocks that had not been predicted.
    pub missed: u64,
}

impl Snapshot {
    /// An empty one: the first sample is all misses.
    pub fn new() -> Self {
        Self { copied: RefCell::default() }
    }

    /// Begins a new moment: copies the blocks that were used in the last one, in one scattered read.
    pub fn take(&mut self, memory: &impl Memory) -> Result<(), ReadError> {
        let copied = self.copied.get_mut();
        copied.forget_unused();
        copied.fill(memory)
    }

    /// Forgets everything: the target became another program.
    pub fn clear(&mut self) {
        self.copied.get_mut().forget();
    }

    /// This moment's memory; what was not copied yet is read from `live`.
    pub fn of<'a, M: Memory>(&'a self, live: &'a M) -> Moment<'a, M> {
        Moment { snapshot: self, live }
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
    fn forget_unused(&mut self) {
        self.last = None;
        self.blocks.retain(|block| block.used);
        self.blocks.sort_unstable_by_key(|block| block.number);
        self.places.clear();
        for (place, block) in self.blocks.iter_mut().enumerate() {
            block.used = false;
            self.places.insert(block.number, place as u32);
        }
        self.data.resize(self.blocks.len() * BLOCK as usize, 0);
    }

    /// Reads all blocks. If something has been unmapped since, begins again from nothing: the sample is
    /// only slower. After an error nothing is kept either, lest bytes of the last moment pass for this one's.
    fn fill(&mut self, memory: &impl Memory) -> Result<(), ReadError> {
        let filled = self.read_all(memory);
        if !matches!(filled, Ok(true)) {
            self.forget();
        }
        filled.map(drop)
    }

    fn forget(&mut self) {
        self.blocks.clear();
        self.places.clear();
        self.data.clear();
        self.last = None;
    }

    /// Reads all blocks, neighbours together, and says whether all are still mapped.
    fn read_all(&mut self, memory: &impl Memory) -> Result<bool, ReadError> {
        let mut at = 0;
        let mut data = self.data.as_mut_slice();
        while at < self.blocks.len() {
            let mut ranges: [Range<'_>; RANGES] =
                std::array::from_fn(|_| Range { from: Address::NULL, to: &mut [] });
            let mut count = 0;
            for range in &mut ranges {
                let Some(first) = self.blocks.get(at) else { break };
                let rest = self.blocks.get(at..).unwrap_or_default();
                let run = rest.iter().zip(first.number..).take_while(|(b, n)| b.number == *n).count();
                let (to, later) = std::mem::take(&mut data).split_at_mut(run * BLOCK as usize);
                data = later;
                *range = Range { from: Address(first.number * BLOCK), to };
                count += 1;
                at += run;
            }
            self.reads.calls += 1;
            if memory.read_scattered(&mut ranges[..count])? < count {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn place(&mut self, number: u64, live: &impl Memory) -> Result<usize, ReadError> {
        if let Some((last, place)) = self.last
            && last == number
        {
            return Ok(place as usize);
        }
        let place = match self.places.get(&number) {
            Some(place) => *place,
            None => self.copy(number, live)?,
        };
        self.last = Some((number, place));
        if let Some(block) = self.blocks.get_mut(place as usize) {
            block.used = true;
        }
        Ok(place as usize)
    }

    fn copy(&mut self, number: u64, live: &impl Memory) -> Result<u32, ReadError> {
        let from = Address(number.wrapping_mul(BLOCK));
        let start = self.data.len();
        if start >= LARGEST {
            return Err(ReadError::Unmapped(from));
        }
        self.reads.calls += 1;
        self.reads.missed += 1;
        self.data.resize(start + BLOCK as usize, 0);
        if let Err(error) = live.read(from, &mut self.data[start..]) {
            self.data.truncate(start);
            return Err(error);
        }
        let place = self.blocks.len() as u32;
        self.blocks.push(Block { number, used: true });
        self.places.insert(number, place);
        Ok(place)
    }
}

/// Ranges filled in one call. They live on our stack; the kernel would take 1,024.
const RANGES: usize = 64;

/// A snapshot together with the memory that it is of.
#[derive(Debug)]
pub struct Moment<'a, M> {
    snapshot: &'a Snapshot,
    live: &'a M,
}

impl<M: Memory> Memory for Moment<'_, M> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let mut copied = self.snapshot.copied.borrow_mut();
        let mut address = from.0;
        let mut rest = to;
        while !rest.is_empty() {
            let place = copied.place(address / BLOCK, self.live)?;
            let skip = (address % BLOCK) as usize;
            let length = rest.len().min(BLOCK as usize - skip);
            let (now, later) = rest.split_at_mut(length);
            let start = place * BLOCK as usize + skip;
            let bytes = copied.data.get(start..start + length).ok_or(ReadError::Unmapped(from))?;
            now.copy_from_slice(bytes);
            rest = later;
            address = address.wrapping_add(length as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
