//! Is what stands at an address the code object that was read there?
//!
//! - From 3.14 on it is if no code object has died since, in 3.12 and 3.13 if none was made: the interpreter counts them.
//! - Otherwise from 3.12 on it is if its head is the same: no two of an interpreter have the same version.
//! - Up to 3.11, and when an interpreter has used up its four billion versions, the head holds pointers to its strings and
//!   its line table, and its first line. A code object that is made again and again by `exec` can find its own strings, the
//!   next one's by now, where they were. So what they point to has to be the same, too, which is asked in the same call:
//!   always of those near the leaf, for whoever looks at heads only takes the next one for the last one as long as it
//!   runs; of those far from it, to which all that they have called would have to come back, in turn.
//! - Where another interpreter is seen to have the code object, all of it is read again: from 3.13 on each counts its own
//!   versions, and one that is made where another was comes to all the same numbers and addresses.

use std::ops::Range;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::meet::Doubt;
use super::{COMPARED, Codes, HEAD, once_each};
use crate::target::memory::{self, Address, GAP, Memory, ReadError};

/// Code objects far from the leaf are compared wholly when their turn comes, which so many have in each look, or when it
/// has not come for so long.
const FEW: usize = 4;
pub(super) const LONG: Duration = Duration::from_millis(20);
/// File, name and lines.
const STRINGS: usize = 3;
/// Bytes of a string that is compared as it stands in memory; longer ones are read anew.
const LONGEST: u32 = 1 << 20;

/// The file, the name and the lines of a code object, as they stand in memory.
#[derive(Debug)]
pub(super) struct Strings {
    lengths: [u32; STRINGS],
    bytes: Box<[u8]>,
}

impl Strings {
    /// Bytes of memory.
    pub(super) const fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// Each of them.
    fn each(&self) -> [&[u8]; STRINGS] {
        let mut rest = &*self.bytes;
        self.lengths.map(|length| {
            let (one, later) = rest.split_at_checked(length as usize).unwrap_or_default();
            rest = later;
            one
        })
    }
}

/// What of a code object is compared with what is known, beside its head.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// Nothing: that is enough, or its turn has not come.
    Head,
    /// Its strings, which are these parts of what is read.
    Strings([usize; STRINGS]),
    /// All of it, which is read anew.
    All,
}

/// Parts of memory that are read in one call at the most.
const PARTS: usize = COMPARED * (1 + STRINGS);

/// A part of memory that is read in one call with others.
#[derive(Debug)]
struct Part {
    length: usize,
    /// Where it is among the bytes that were read, which end before it if it could not be.
    place: Range<usize>,
}

/// Parts of memory that are read in one call; kept, since to move them about would cost more than to read them.
#[derive(Debug, Default)]
pub(super) struct Parts {
    all: Vec<Part>,
    /// Where each begins and its number, in this order.
    sorted: Vec<(Address, usize)>,
    /// Of each run of those that lie close together, where it begins and how long it is.
    runs: Vec<(Address, usize)>,
    bytes: Vec<u8>,
}

impl Parts {
    fn clear(&mut self) {
        self.all.clear();
        self.sorted.clear();
    }

    /// Adds one, if it is not there yet (functions of a file have the file's name in common), and says which it is. It is
    /// put in its place at once: while a thread stands still, a sort of thirty is dear for the code that it is.
    fn add(&mut self, from: Address, length: usize) -> usize {
        let at = self.sorted.partition_point(|(start, _)| *start < from);
        if let Some((_, number)) = self.sorted.get(at).filter(|(start, _)| *start == from)
            && self.all.get(*number).is_some_and(|part| part.length == length)
        {
            return *number;
        }
        self.sorted.insert(at, (from, self.all.len()));
        self.all.push(Part { length, place: 0..0 });
        self.all.len() - 1
    }

    /// What stands there.
    fn get(&self, part: usize) -> &[u8] {
        self.all.get(part).and_then(|part| self.bytes.get(part.place.clone())).unwrap_or_default()
    }

    /// Reads all of them in one call, and then the number at `last`. Those that lie close together make one range, with
    /// what is between them.
    fn read(&mut self, memory: &impl Memory, last: Option<Address>) -> Result<Option<u32>, ReadError> {
        let Self { all, sorted, runs, bytes } = self;
        runs.clear();
        let mut end = 0;
        for (from, part) in &*sorted {
            let part = &mut all[*part];
            if runs.last().is_none_or(|(start, held)| *from - *start >= (held + GAP) as u64) {
                runs.push((*from, 0));
            }
            if let Some((start, held)) = runs.last_mut() {
                let skip = (*from - *start) as usize;
                let begin = end - *held + skip;
                part.place = begin..begin + part.length;
                *held = (*held).max(skip + part.length);
                end = end.max(part.place.end);
            }
        }
        bytes.resize(end, 0);
        let mut number = [0; 4];
        let mut free = bytes.as_mut_slice();
        let mut ranges = ArrayVec::<_, { PARTS + 1 }>::new();
        for (from, length) in &*runs {
            let to = free.split_off_mut(..*length).unwrap_or_default();
            ranges.push(memory::Range { from: *from, to });
        }
        if let Some(from) = last {
            ranges.push(memory::Range { from, to: &mut number });
        }
        let filled = memory.read_scattered(&mut ranges)?;
        drop(ranges);
        bytes.truncate(runs.iter().take(filled).map(|(_, length)| length).sum());
        Ok((last.is_some() && filled > runs.len()).then(|| u32::from_le_bytes(number)))
    }
}

impl Codes {
    /// Can every code object that was met be told from all that have been and will be at its address?
    pub const fn have_versions(&self) -> bool {
        self.have_versions
    }

    /// Can one with this head?
    pub(super) fn has_version(&self, head: &[u8; HEAD]) -> bool {
        let version = self.layout.code.version.and_then(|field| field.from(head, self.head.0));
        version.is_some_and(|version| version != 0)
    }

    /// Compares the entries that were met last with what stands in memory now, forgets those that differ and says whether all
    /// agreed.
    ///
    /// Where code objects have versions this may happen after the target went on. An entry that agrees *now* was right
    /// then, too: otherwise the code object that ran would have had to die since, and the one that had died before it to
    /// come back. Up to 3.11 that can be: of ten that took turns at one address one in 1,578 was taken for another on a busy
    /// machine. So the target must not have gone on.
    pub fn confirm(&mut self, memory: &impl Memory) -> Result<bool, ReadError> {
        Ok(self.confirm_and(memory, None)?.0)
    }

    /// The same, and after all else, in the same call, the number at `last`, if it was a single call.
    pub fn confirm_and(
        &mut self,
        memory: &impl Memory,
        last: Option<Address>,
    ) -> Result<(bool, Option<u32>), ReadError> {
        if self.doubtful.is_empty() {
            return Ok((true, None));
        }
        let mut doubtful = std::mem::take(&mut self.doubtful);
        once_each(&mut doubtful);
        let last = last.filter(|_| doubtful.len() <= COMPARED);
        let now = Instant::now();
        let mut compared = Ok((true, None));
        for some in doubtful.chunks(COMPARED) {
            let one = self.compare(memory, some, now, last);
            compared = one.and_then(|(same, number)| compared.map(|(agreed, _)| (agreed && same, number)));
        }
        doubtful.clear();
        self.doubtful = doubtful;
        compared
    }

    /// The strings of a code object with this head as they stand in memory, if no version stands for them. Long ones, and
    /// those that are not part of their objects, are read anew where they are to be compared.
    pub(super) fn strings(&self, memory: &impl Memory, head: &[u8; HEAD]) -> Option<Strings> {
        if self.has_version(head) {
            return None;
        }
        let text = &self.layout.text;
        let places @ [file, name, lines] = self.places(head)?;
        let extents = [
            text.extent_of_name(memory, file),
            text.extent_of_name(memory, name),
            text.extent_of_bytes(memory, lines),
        ];
        let (mut lengths, mut bytes) = ([0; STRINGS], Vec::new());
        for ((length, extent), place) in lengths.iter_mut().zip(extents).zip(self.starts(places)) {
            let extent = extent?;
            *length = u32::try_from(extent).ok().filter(|length| *length <= LONGEST)?;
            let start = bytes.len();
            bytes.resize(start + extent, 0);
            memory.read(place, bytes.get_mut(start..)?).ok()?;
        }
        Some(Strings { lengths, bytes: bytes.into() })
    }

    /// The objects that are the file, the name and the lines.
    pub(super) fn places(&self, head: &[u8; HEAD]) -> Option<[Address; STRINGS]> {
        let [file, name, lines] = self.layout.code.strings().map(|field| field.from(head, self.head.0));
        Some([file?, name?, lines?])
    }

    /// Where in them is what is compared.
    fn starts(&self, [file, name, lines]: [Address; STRINGS]) -> [Address; STRINGS] {
        let text = &self.layout.text;
        [text.start_of_name(file), text.start_of_name(name), text.start_of_bytes(lines)]
    }

    /// What of this one is to be compared; its strings are added to what is read.
    fn due(&self, doubt: &Doubt, its_turn: bool, now: Instant, parts: &mut Parts) -> Due {
        if self.have_versions {
            return Due::Head;
        }
        let Some(image) = self.known.get(&doubt.code).map(|code| &code.image) else { return Due::Head };
        let is_due = doubt.near || its_turn || now.saturating_duration_since(image.compared) >= LONG;
        if !is_due || self.has_version(&image.head) {
            return Due::Head;
        }
        let Some((places, strings)) = self.places(&image.head).zip(image.strings.as_ref()) else {
            return Due::All;
        };
        let [file, name, lines] = self.starts(places);
        let [of_file, of_name, of_lines] = strings.lengths.map(|length| length as usize);
        Due::Strings([parts.add(file, of_file), parts.add(name, of_name), parts.add(lines, of_lines)])
    }

    fn compare(
        &mut self,
        memory: &impl Memory,
        some: &[Doubt],
        now: Instant,
        last: Option<Address>,
    ) -> Result<(bool, Option<u32>), ReadError> {
        let (skip, length) = self.head;
        let mut parts = std::mem::take(&mut self.parts);
        // The heads, which are in order, and then the strings of those that are due.
        parts.clear();
        for doubt in some {
            parts.add(doubt.code + u64::from(skip), length);
        }
        let mut due = ArrayVec::<_, COMPARED>::new();
        let first = self.turn % some.len().max(1);
        if !self.have_versions {
            self.turn = first + FEW;
        }
        for (index, doubt) in some.iter().enumerate() {
            let its_turn = (index + some.len() - first) % some.len() < FEW;
            due.push(self.due(doubt, its_turn, now, &mut parts));
        }
        let number = parts.read(memory, last)?;
        let (mut agreed, mut doubtful) = (true, Vec::new());
        for ((index, doubt), due) in some.iter().enumerate().zip(due) {
            let head = parts.get(index);
            let known = self.known.get_mut(&doubt.code);
            let agreeing = known.filter(|code| code.image.head.starts_with(head) && !head.is_empty());
            let Some(code) = agreeing else {
                self.replace(doubt.code);
                agreed = false;
                continue;
            };
            code.period = doubt.period;
            let strings = code.image.strings.as_ref();
            let as_known = match due {
                Due::Head => true,
                Due::Strings(those) => strings.is_some_and(|known| {
                    known.each().into_iter().zip(those).all(|(one, part)| parts.get(part) == one)
                }),
                Due::All => false,
            };
            if as_known && !matches!(due, Due::Head) {
                code.image.compared = now;
            }
            if !as_known || code.home != doubt.home {
                doubtful.push(*doubt);
            }
        }
        self.parts = parts;
        let number = number.filter(|_| doubtful.is_empty());
        Ok(((doubtful.is_empty() || self.compare_all(memory, &doubtful, now)) && agreed, number))
    }

    /// Compares all that is known of these.
    fn compare_all(&mut self, memory: &impl Memory, some: &[Doubt], now: Instant) -> bool {
        let ahead = self.ahead(memory, some);
        let mut agreed = true;
        for doubt in some {
            let read = self.read(&ahead, *doubt);
            match (self.known.get_mut(&doubt.code), read) {
                (Some(code), Ok(read)) if code.function == read.function && code.lines == read.lines => {
                    code.home = doubt.home;
                    code.image.strings = read.image.strings;
                    code.image.compared = now;
                }
                _ => {
                    self.replace(doubt.code);
                    agreed = false;
                }
            }
        }
        agreed
    }

    /// Another one is there now.
    fn replace(&mut self, address: Address) {
        self.forget(address);
        self.counts.replaced += 1;
    }
}
