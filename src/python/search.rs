//! Looking for things in memory that have no name: a mark, a version, a runtime. Slow, and for builds that
//! were stripped of everything.

use std::cell::Cell;

use crate::python::layout::{Field, Gil, Layout};
use crate::python::threads::{self, Roots};
use crate::python::version::Version;
use crate::target::maps::{Maps, Module};
use crate::target::memory::{Address, Memory, ReadError};

/// How much of a mapping is looked through.
const MOST: u64 = 64 << 20;
/// How much is looked through of all mappings together: a tenth of a second's worth. A hostile target has 65,530 of
/// them, and what is read becomes resident in it.
const MOST_IN_ALL: u64 = 256 << 20;
/// Reads by which words are tried that may be a runtime: some seconds' worth. Each of them may lead to lists as long
/// as they may be, and a hostile target has as many of them as it has words.
const MOST_READS: u64 = 1 << 22;
/// How much is read at once.
const PIECE: u64 = 64 << 10;

/// Calls `look` with each piece of the range that can be read, and with its address; pieces overlap by `overlap`
/// bytes so that nothing is missed at their edges.
fn pieces<T>(
    memory: &impl Memory,
    start: Address,
    size: u64,
    overlap: u64,
    mut look: impl FnMut(Address, &[u8]) -> Option<T>,
) -> Option<T> {
    let mut bytes = vec![0; (PIECE + overlap) as usize];
    let size = size.min(MOST);
    let mut at = 0;
    while at < size {
        let length = (PIECE + overlap).min(size - at) as usize;
        let piece = bytes.get_mut(..length)?;
        if memory.read(start + at, piece).is_ok()
            && let Some(found) = look(start + at, piece)
        {
            return Some(found);
        }
        at += PIECE;
    }
    None
}

/// Where `mark` stands at an address that is a multiple of eight.
pub fn aligned(memory: &impl Memory, start: Address, size: u64, mark: &[u8; 8]) -> Option<Address> {
    pieces(memory, start, size, 0, |base, bytes| {
        let index = bytes.chunks_exact(8).position(|word| word == mark)?;
        Some(base + 8 * index as u64)
    })
}

/// What `Py_GetVersion()` has written into its static buffer: `3.9.18 (main, …`. It stands exactly once in the
/// zeroed data of every build from 2.7 to 3.15, stripped ones too.
pub fn version(memory: &impl Memory, start: Address, size: u64) -> Option<Version> {
    /// Longer than `3.15.0rc2+ (`.
    const LONGEST: usize = 16;
    pieces(memory, start, size, LONGEST as u64, |_, bytes| {
        bytes.windows(3).enumerate().find_map(|(index, head)| {
            if !matches!(head, [b'2' | b'3', b'.', b'0'..=b'9']) {
                return None;
            }
            let text = bytes.get(index..(index + LONGEST).min(bytes.len()))?;
            let end = text.windows(2).position(|pair| pair == b" (")?;
            Version::from_text(std::str::from_utf8(text.get(..end)?).ok()?)
        })
    })
}

/// `_PyRuntime` by its shape: a word in the module's data that points to an interpreter whose first thread points
/// back to it. Any self-linked list may look so (3.11's head and back pointer stand at the same offset), so all
/// lists must hold.
pub fn runtime(memory: &impl Memory, maps: &Maps, module: &Module, layout: &Layout) -> Option<Address> {
    if layout.gil == Gil::Current {
        return None;
    }
    let data = module.mappings.iter().filter(|mapping| mapping.access.write);
    // `.bss` begins in the last of the module's pages and goes on in the anonymous mapping behind it.
    let ranges = data.flat_map(|mapping| {
        let behind = maps.containing(mapping.end).filter(|next| next.access.write);
        std::iter::once((mapping.start, mapping.size())).chain(behind.map(|next| (next.start, next.size())))
    });
    for (start, size) in ranges {
        let found = pieces(memory, start, size, 0, |base, bytes| {
            bytes.chunks_exact(8).enumerate().find_map(|(index, word)| {
                let interpreter = Address(u64::from_le_bytes(word.try_into().ok()?));
                let head = base + 8 * index as u64;
                let runtime = Address(head.0.checked_sub(u64::from(layout.interpreters.offset()))?);
                (is_mapped(maps, interpreter) && is_runtime(memory, layout, runtime, interpreter))
                    .then_some(runtime)
            })
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Memory of which only so much can be read, and only so often: for looking until something is found.
pub struct Bounded<'a, M> {
    memory: &'a M,
    reads: Cell<u64>,
    bytes: Cell<u64>,
}

impl<'a, M: Memory> Bounded<'a, M> {
    /// For one search, through however many files.
    pub fn new(memory: &'a M) -> Self {
        Self { memory, reads: Cell::new(MOST_READS), bytes: Cell::new(MOST_IN_ALL) }
    }

    /// Has something been asked for that was too much?
    pub fn is_spent(&self) -> bool {
        self.reads.get() == 0 || self.bytes.get() == 0
    }

    fn spend(budget: &Cell<u64>, amount: u64) -> Option<()> {
        let left = budget.get().checked_sub(amount);
        budget.set(left.unwrap_or(0));
        left.map(drop)
    }
}

impl<M: Memory> Memory for Bounded<'_, M> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let paid = Self::spend(&self.reads, 1).and_then(|()| Self::spend(&self.bytes, to.len() as u64));
        paid.ok_or(ReadError::Unmapped(from))?;
        self.memory.read(from, to)
    }
}

fn is_mapped(maps: &Maps, address: Address) -> bool {
    address.0.is_multiple_of(8) && maps.containing(address).is_some_and(|mapping| mapping.access.write)
}

fn is_runtime(memory: &impl Memory, layout: &Layout, runtime: Address, interpreter: Address) -> bool {
    // The cheap question first: it is asked for every pointer of the module's data.
    let back = |thread: Address, field: Field<Address>| field.of(memory, thread) == Ok(interpreter);
    let Ok(first) = layout.interpreter.threads.of(memory, interpreter) else { return false };
    if first.is_null() || !first.0.is_multiple_of(8) || !back(first, layout.thread.interpreter) {
        return false;
    }
    let mut interpreters = Vec::new();
    let mut found = Vec::new();
    let roots = Roots { runtime, current: None };
    threads::interpreters(layout, memory, roots, &mut interpreters).is_ok()
        && interpreters.iter().all(|one| threads::threads(layout, memory, one.address, &mut found).is_ok())
        && interpreters.last().is_some_and(|main| main.id == 0)
        && found
            .iter()
            .all(|thread| layout.thread.pthread.of(memory, *thread).is_ok_and(|pthread| pthread != 0))
}
