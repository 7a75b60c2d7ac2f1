//! Where in what was copied the bytes are that are asked for.

use super::{BLOCK, Copied};
use crate::target::memory::{Address, Memory, ReadError};

impl Copied {
    /// The place of a block, which is copied first if it is not there.
    #[inline]
    pub(super) fn place(&mut self, number: u64, live: &impl Memory) -> Result<usize, ReadError> {
        match self.last {
            Some((last, place)) if last == number => Ok(place as usize),
            _ => self.another_place(number, live),
        }
    }

    fn another_place(&mut self, number: u64, live: &impl Memory) -> Result<usize, ReadError> {
        if let Some((_, place)) = self.last
            && let Some(block) = self.blocks.get_mut(place as usize)
        {
            block.next = number;
        }
        let place = match self.beside_last(number).or_else(|| self.places.get(&number).copied()) {
            Some(place) => place,
            None => self.copy(number, live)?,
        };
        self.last = Some((number, place));
        self.touch(place as usize, number);
        Ok(place as usize)
    }

    /// Uses the block at this place, if it is that one.
    fn touch(&mut self, place: usize, number: u64) -> bool {
        let moment = self.moment;
        let block = self.blocks.get_mut(place).filter(|block| block.number == number);
        let used = block.map(|block| block.touch(moment));
        self.reads.used += u64::from(used == Some(true));
        used.is_some()
    }

    /// Where in the data these bytes lie; `None` if their blocks do not lie one after the other.
    #[inline]
    pub(super) fn part(
        &mut self,
        from: Address,
        length: usize,
        live: &impl Memory,
    ) -> Result<Option<std::ops::Range<usize>>, ReadError> {
        let (number, skip) = (from.0 / BLOCK, (from.0 % BLOCK) as usize);
        let place = self.place(number, live)?;
        let end = skip + length;
        if end > BLOCK as usize {
            let mut beyond = (place + 1..place + end.div_ceil(BLOCK as usize)).zip(number + 1..);
            if !beyond.all(|(place, number)| self.touch(place, number)) {
                return Ok(None);
            }
        }
        let start = place * BLOCK as usize + skip;
        Ok(Some(start..start + length))
    }

    /// How many bytes come without a gap before this place in the data.
    pub(super) fn below(&self, start: usize) -> usize {
        let blocks = self.blocks.get(start / BLOCK as usize).map_or(0, |block| block.below);
        usize::from(blocks) * BLOCK as usize + start % BLOCK as usize
    }

    /// Its place, if that is beside the last one's, as in a deep stack most are.
    fn beside_last(&self, number: u64) -> Option<u32> {
        let (_, place) = self.last?;
        let is_it =
            |place: &u32| self.blocks.get(*place as usize).is_some_and(|block| block.number == number);
        [place.wrapping_sub(1), place + 1].into_iter().find(is_it)
    }
}
