//! The memory of a live process with some words replaced: what a target that is broken, or hostile, would show.

use std::cell::Cell;

use pyflame_tui::target::ProcessMemory;
use pyflame_tui::target::memory::{Address, Memory, ReadError};

use crate::{Numbers, mix};

/// Such a memory. The process is not touched.
pub(crate) struct Mutant<'a> {
    live: &'a ProcessMemory,
    /// Words that lead to something, to be put in the place of others.
    leads: &'a [u64],
    seed: u64,
    /// One word in so many is replaced.
    one_in: u64,
    /// Each time by something else, as in a process that runs.
    fickle: bool,
    /// How many reads there may be.
    left: Cell<u64>,
}

impl<'a> Mutant<'a> {
    pub(crate) fn new(live: &'a ProcessMemory, leads: &'a [u64], numbers: &mut Numbers, most: u64) -> Self {
        Self {
            live,
            leads,
            seed: numbers.next(),
            // Or none: then all must be found, whatever luck the others have.
            one_in: numbers.of(&[3, 10, 50, 300, 2000, 10_000, u64::MAX]),
            fickle: numbers.one_in(4),
            left: Cell::new(most),
        }
    }

    /// What stands for the word at an address, if it is replaced.
    fn replaced(&self, address: u64, word: u64) -> Option<u64> {
        let turn = if self.fickle { self.left.get() } else { 0 };
        let noise = mix(self.seed ^ mix(address) ^ mix(turn));
        if !noise.is_multiple_of(self.one_in) {
            return None;
        }
        let mut numbers = Numbers(noise);
        let lead =
            |numbers: &mut Numbers| self.leads.get(numbers.below(self.leads.len())).copied().unwrap_or(0);
        Some(match numbers.below(10) {
            0 => numbers.odd(),
            1 => word ^ 1 << numbers.below(64),
            2 => word.wrapping_add(numbers.odd()),
            3 => address,
            4 => address.wrapping_sub(numbers.next() % 64 * 8),
            // Two numbers of 32 bits.
            5 => u64::from(numbers.odd() as u32) << 32 | word & 0xFFFF_FFFF,
            6 => numbers.odd() & 0xFFFF_FFFF | word >> 32 << 32,
            _ => lead(&mut numbers),
        })
    }
}

impl Memory for Mutant<'_> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let left = self.left.get().checked_sub(1).expect("more reads than a look may take");
        self.left.set(left);
        self.live.read(from, to)?;
        let Some(end) = from.0.checked_add(to.len() as u64) else { return Err(ReadError::Unmapped(from)) };
        let mut address = from.0 & !7;
        while address < end {
            // The part of this word that was read.
            let (first, last) = (address.max(from.0), address.saturating_add(8).min(end));
            let part = &mut to[(first - from.0) as usize..(last - from.0) as usize];
            let mut word = [0; 8];
            let inside = (first - address) as usize..(last - address) as usize;
            word[inside.clone()].copy_from_slice(part);
            if let Some(other) = self.replaced(address, u64::from_le_bytes(word)) {
                part.copy_from_slice(&other.to_le_bytes()[inside]);
            }
            let Some(next) = address.checked_add(8) else { break };
            address = next;
        }
        Ok(())
    }
}
