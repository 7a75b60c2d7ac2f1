//! Reading ahead: where many objects are to be read and a thread waits meanwhile, the beginnings of all of them are
//! fetched in one call. What lies beyond them is read as it is asked for.

use crate::target::memory::{Address, Memory, Range, ReadError};

/// A range does not go beyond its page: what begins there is mapped, what follows may not be.
const PAGE: u64 = 4096;

/// Memory of which some parts have been fetched already.
#[derive(Debug)]
pub struct Ahead<'a, M> {
    memory: &'a M,
    data: Vec<u8>,
    /// From where, and where that is in `data`; sorted.
    parts: Vec<(Address, std::ops::Range<usize>)>,
}

impl<'a, M: Memory> Ahead<'a, M> {
    /// Nothing yet.
    pub fn of(memory: &'a M) -> Self {
        Self { memory, data: Vec::new(), parts: Vec::new() }
    }

    /// Fetches so many bytes from each place on, or what there is of them up to the end of the page. What cannot be
    /// fetched is left out: to whoever asks for it, it will be said why.
    pub fn fetch(&mut self, mut places: Vec<Address>, length: usize) {
        places.sort_unstable();
        places.dedup();
        let start = self.data.len();
        let mut end = start;
        let parts: Vec<_> = places
            .into_iter()
            .map(|from| {
                let start = end;
                end += length.min((PAGE - from.0 % PAGE) as usize);
                (from, start..end)
            })
            .collect();
        self.data.resize(end, 0);
        let mut free = self.data.get_mut(start..).unwrap_or_default();
        let mut ranges = Vec::with_capacity(parts.len());
        for (from, place) in &parts {
            let to = free.split_off_mut(..place.len()).unwrap_or_default();
            ranges.push(Range { from: *from, to });
        }
        let filled = self.memory.read_scattered(&mut ranges).unwrap_or(0);
        self.parts.extend(parts.into_iter().take(filled));
        self.parts.sort_unstable_by_key(|(from, _)| *from);
    }

    /// What was fetched of a range, if it is all there.
    fn find(&self, from: Address, length: usize) -> Option<&[u8]> {
        let after = self.parts.partition_point(|(start, _)| *start <= from);
        let (start, place) = self.parts.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(from - *start).ok()?;
        self.data.get(place.clone())?.get(skip..skip.checked_add(length)?)
    }
}

impl<M: Memory> Memory for Ahead<'_, M> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        match self.find(from, to.len()) {
            Some(bytes) => {
                to.copy_from_slice(bytes);
                Ok(())
            }
            None => self.memory.read(from, to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::literal::Literal;

    const START: u64 = 0x10_000;

    #[test]
    fn what_was_fetched_is_not_read_again_and_what_was_not_is() {
        let bytes: Vec<u8> = (0..PAGE).map(|n| (n * 7 % 251) as u8).collect();
        let memory = Literal::new().at(START, PAGE as usize).bytes(0, &bytes);
        let mut ahead = Ahead::of(&memory);
        let last = START + PAGE - 10;
        // In any order, twice, up to the end of what is mapped; what comes after a gap is not fetched.
        ahead.fetch([last, START + 64, START + 64, START + 3 * PAGE].map(Address).to_vec(), 32);
        ahead.fetch(vec![Address(START + 1000)], 8);
        let asked = memory.calls();
        let read = |from: u64, length: usize| {
            let mut to = vec![0; length];
            ahead.read(Address(from), &mut to).map(|()| to)
        };
        let here = |from: u64, length: usize| Ok(bytes[(from - START) as usize..][..length].to_vec());
        for (from, length) in
            [(START + 64, 32), (START + 70, 8), (last, 10), (START + 1000, 8), (last + 10, 0)]
        {
            assert_eq!(read(from, length), here(from, length));
        }
        assert_eq!(memory.calls(), asked);
        for (from, length) in [(START + 63, 8), (START + 90, 8), (START, 4096)] {
            assert_eq!(read(from, length), here(from, length));
        }
        assert_eq!(memory.calls(), asked + 3);
        let nowhere = START + 3 * PAGE;
        assert_eq!(read(nowhere, 8), Err(ReadError::Unmapped(Address(nowhere))));
        assert!(read(last, 32).is_err());
        assert!(read(u64::MAX, 8).is_err());
    }
}
