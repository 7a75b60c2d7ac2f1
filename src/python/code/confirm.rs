//! Is what stands at an address the code object that was read there?
//!
//! - From 3.14 on it is if no code object has died since, in 3.12 and 3.13 if none was made: the interpreter counts them.
//! - Otherwise from 3.12 on it is if its head is the same: no two have the same version.
//! - Up to 3.11 the head holds pointers to its strings and its line table, and its first line.

use std::time::Instant;

use super::{COMPARED, Code, Codes, HEAD, codes_of, once_each};
use crate::python::capture::Capture;
use crate::python::quiet::Period;
use crate::target::memory::{Address, Memory, Range, ReadError};

impl Codes {
    /// Compares the entries of `capture` with what stands in memory now, forgets those that differ and says
    /// whether all agreed. What is remembered in it is certain: its frames, which have not run since they were read,
    /// keep their code objects alive.
    ///
    /// This may happen after the target went on. An entry that agrees *now* was right then, too: otherwise
    /// the code object that ran would have had to die since, and one with the very strings and line table
    /// (and, from 3.12 on, the version) of the one that had died before it to take its place.
    pub fn confirm(&mut self, memory: &impl Memory, capture: &Capture) -> Result<bool, ReadError> {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.clear();
        let now = Instant::now();
        for seen in capture.fresh() {
            let period = seen.stamp.map(|stamp| self.quiet.period(stamp, self.begun, now));
            let certain = |code: &Code| period.is_some() && code.period == period;
            let is_doubtful = |code: &Address| !self.known.get(code).is_some_and(certain);
            let some = codes_of(capture.frames(seen)).filter(is_doubtful);
            doubtful.extend(some.map(|code| (code, period)));
        }
        once_each(&mut doubtful);
        let mut agreed = Ok(true);
        for some in doubtful.chunks(COMPARED) {
            agreed = self.compare(memory, some).and_then(|same| agreed.map(|agreed| agreed && same));
        }
        self.doubtful = doubtful;
        agreed
    }

    fn compare(
        &mut self,
        memory: &impl Memory,
        some: &[(Address, Option<Period>)],
    ) -> Result<bool, ReadError> {
        let (skip, length) = self.head;
        let mut heads = [[0_u8; HEAD]; COMPARED];
        let mut ranges: [Range<'_>; COMPARED] = heads
            .each_mut()
            .map(|head| Range { from: Address::NULL, to: head.get_mut(..length).unwrap_or_default() });
        for (range, (address, _)) in ranges.iter_mut().zip(some) {
            range.from = *address + u64::from(skip);
        }
        let read = memory.read_scattered(ranges.get_mut(..some.len()).unwrap_or_default())?;
        let mut agreed = true;
        for (index, ((address, period), head)) in some.iter().zip(heads).enumerate() {
            match self.known.get_mut(address) {
                Some(code) if index < read && code.head == head => code.period = *period,
                _ => {
                    self.forget(*address);
                    self.counts.replaced += 1;
                    agreed = false;
                }
            }
        }
        Ok(agreed)
    }
}
