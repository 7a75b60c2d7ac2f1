//! Memory as a test writes it down: structures at addresses, field by field, so that a test of a frame walk
//! is a page of numbers with the structures drawn above it. What was not written is not mapped.

pub(crate) mod eras;

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::target::memory::{Address, Memory, Range, ReadError};

/// A map of literals, see the head of this file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Literal {
    /// Start → bytes. Segments do not overlap; a read may go across adjacent ones.
    segments: BTreeMap<u64, Vec<u8>>,
    /// Start of the structure being written.
    base: u64,
    /// Calls of `read` and `read_scattered`, as the kernel would see them.
    calls: Cell<u64>,
    /// Ranges in those of `read_scattered`.
    ranges: Cell<u64>,
}

impl Literal {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A structure of `size` bytes, all zero; the fields that follow are written into it.
    pub(crate) fn at(mut self, base: u64, size: usize) -> Self {
        let clash = self.segments.range(..base.saturating_add(size as u64)).next_back();
        if let Some((start, bytes)) = clash {
            assert!(start + bytes.len() as u64 <= base, "{base:#x} overlaps what stands at {start:#x}");
        }
        self.segments.insert(base, vec![0; size]);
        self.base = base;
        self
    }

    /// Goes back to the structure at `base`, to write over it.
    pub(crate) fn again(mut self, base: u64) -> Self {
        assert!(self.segments.contains_key(&base), "nothing begins at {base:#x}");
        self.base = base;
        self
    }

    /// Takes the structure at `base` away.
    pub(crate) fn without(mut self, base: u64) -> Self {
        assert!(self.segments.remove(&base).is_some(), "nothing begins at {base:#x}");
        self
    }

    /// Bytes at `offset` of the structure.
    pub(crate) fn bytes(mut self, offset: u32, bytes: &[u8]) -> Self {
        let segment = self.segments.get_mut(&self.base).expect("a structure to write into");
        let start = offset as usize;
        segment
            .get_mut(start..start + bytes.len())
            .expect("a field within its structure")
            .copy_from_slice(bytes);
        self
    }

    /// A pointer or another word of 8 bytes.
    pub(crate) fn word(self, offset: u32, value: u64) -> Self {
        self.bytes(offset, &value.to_le_bytes())
    }

    pub(crate) fn i32(self, offset: u32, value: i32) -> Self {
        self.bytes(offset, &value.to_le_bytes())
    }

    pub(crate) fn u8(self, offset: u32, value: u8) -> Self {
        self.bytes(offset, &[value])
    }

    /// How often the kernel would have been asked.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// How many ranges it would have been asked for together.
    pub(crate) fn ranges(&self) -> u64 {
        self.ranges.get()
    }

    fn copy(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let (mut address, mut rest) = (from.0, to);
        while !rest.is_empty() {
            let found = self.segments.range(..=address).next_back();
            let bytes = found.and_then(|(start, bytes)| bytes.get(usize::try_from(address - start).ok()?..));
            let bytes =
                bytes.filter(|bytes| !bytes.is_empty()).ok_or(ReadError::Unmapped(Address(address)))?;
            let length = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(&bytes[..length]);
            rest = later;
            address = address.wrapping_add(length as u64);
        }
        Ok(())
    }
}

impl Memory for Literal {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.calls.set(self.calls.get() + 1);
        self.copy(from, to)
    }

    fn read_scattered(&self, ranges: &mut [Range<'_>]) -> Result<usize, ReadError> {
        self.calls.set(self.calls.get() + 1);
        self.ranges.set(self.ranges.get() + ranges.len() as u64);
        let unmapped = ranges.iter_mut().position(|range| self.copy(range.from, range.to).is_err());
        Ok(unmapped.unwrap_or(ranges.len()))
    }
}
