//! A program with two threads as any version and build keeps it. The numbers are written here a second time,
//! from the headers of each version, so that they can differ from those of the reader.
//!
//! ```text
//! interpreter ── modules ──▶ {"sys": …, "traceback": …, "threading": module}
//!                                            module ── md_dict ──▶ {"_limbo": …, "_active": active, …}
//! active = {0x7F12_3456_7700: MAIN, 0x7F12_3456_7800: WORKER}
//! MAIN     keeps its attributes as an instance does that was never asked for its __dict__
//! WORKER   has a dict
//! ```

use std::cell::Cell;

use crate::python::layout::Layout;
use crate::python::literal::Literal;
use crate::python::names::{NameError, NameLayout, thread_names};
use crate::python::version::Build;
use crate::target::memory::{Address, Memory, Range, ReadError};

pub(super) const INTERPRETER: u64 = 0x1_0000;
pub(super) const MODULES: u64 = 0x2_0000;
pub(super) const MODULE_DICT: u64 = 0x2_1000;
pub(super) const ACTIVE: u64 = 0x2_2000;
pub(super) const WORKER_DICT: u64 = 0x2_3000;
pub(super) const SPLIT_DICT: u64 = 0x2_4000;
pub(super) const SHARED: u64 = 0x2_5000;
pub(super) const VALUES: u64 = 0x2_6000;

pub(super) const DICT: u64 = 0x3_0000;
pub(super) const INT: u64 = 0x3_1000;
pub(super) const STR: u64 = 0x3_2000;
pub(super) const MODULE: u64 = 0x3_3000;
pub(super) const THREAD: u64 = 0x3_4000;
/// A type that is none of these.
pub(super) const OTHER: u64 = 0x3_5000;

pub(super) const SYS: u64 = 0x4_0000;
pub(super) const THREADING: u64 = 0x4_1000;
pub(super) const MAIN: u64 = 0x4_2000;
pub(super) const WORKER: u64 = 0x4_3000;
pub(super) const SOMETHING: u64 = 0x4_4000;

/// Strings and integers begin here.
pub(super) const KEY: u64 = 0x5_0000;
pub(super) const MAIN_KEY: u64 = KEY + 0x800;
pub(super) const WORKER_KEY: u64 = KEY + 0x900;
pub(super) const MAIN_NAME: u64 = KEY + 0xA00;
pub(super) const WORKER_NAME: u64 = KEY + 0xB00;

pub(super) const MAIN_ID: u64 = 0x7F12_3456_7700;
pub(super) const WORKER_ID: u64 = 0x7F12_3456_7800;

/// A program of one version and build, being drawn.
pub(super) struct Picture<'a> {
    layout: &'a Layout,
    /// Bytes in front of every object.
    header: u32,
    pub(super) memory: Literal,
}

impl<'a> Picture<'a> {
    /// The whole program.
    pub(super) fn of(layout: &'a Layout) -> Self {
        let header = if layout.build == Build::Ordinary { 0 } else { 16 };
        let memory =
            Literal::new().at(INTERPRETER, 0x2000).word(layout.interpreter.modules.offset(), MODULES);
        let mut picture = Self { layout, header, memory };
        picture.types();
        for (address, text) in [(KEY, "sys"), (KEY + 0x100, "threading"), (KEY + 0x200, "traceback")] {
            picture.string(address, text);
        }
        for (address, text) in [(KEY + 0x300, "_limbo"), (KEY + 0x400, "_active"), (KEY + 0x500, "RLock")] {
            picture.string(address, text);
        }
        picture.string(KEY + 0x600, "_target");
        picture.string(KEY + 0x700, if layout.version.major == 2 { "_Thread__name" } else { "_name" });
        picture.number(MAIN_KEY, MAIN_ID);
        picture.number(WORKER_KEY, WORKER_ID);
        picture.string(MAIN_NAME, "MainThread");
        picture.string(WORKER_NAME, "Täglich ✓");
        for address in [SYS, SOMETHING] {
            picture.object(address, 0x40, OTHER);
        }
        picture.object(THREADING, 0x40, MODULE);
        picture.word(16, MODULE_DICT);
        picture.dict(MODULES, &[(KEY, SYS), (KEY + 0x200, SOMETHING), (KEY + 0x100, THREADING)], 0);
        picture.dict(
            MODULE_DICT,
            &[(KEY + 0x300, SOMETHING), (KEY + 0x400, ACTIVE), (KEY + 0x500, SOMETHING)],
            0,
        );
        picture.dict(ACTIVE, &[(MAIN_KEY, MAIN), (WORKER_KEY, WORKER)], 0);
        picture.dict(WORKER_DICT, &[(KEY + 0x600, SOMETHING), (KEY + 0x700, WORKER_NAME)], 0);
        picture.keys(SHARED, &[(KEY + 0x600, 0), (KEY + 0x700, 0)]);
        picture.main();
        picture.thread(WORKER, WORKER_DICT);
        picture
    }

    fn since(&self, minor: u8) -> bool {
        self.layout.version.minor() >= (3, minor)
    }

    /// A field of an object, whatever stands in front of it.
    pub(super) fn word(&mut self, offset: u32, value: u64) {
        self.memory = std::mem::take(&mut self.memory).word(offset + self.header, value);
    }

    pub(super) fn bytes(&mut self, offset: u32, bytes: &[u8]) {
        self.memory = std::mem::take(&mut self.memory).bytes(offset + self.header, bytes);
    }

    /// A structure that is no object.
    pub(super) fn plain(&mut self, at: u64, size: usize, words: &[(u32, u64)]) {
        self.memory = std::mem::take(&mut self.memory).at(at, size);
        for (offset, value) in words {
            self.memory = std::mem::take(&mut self.memory).word(*offset, *value);
        }
    }

    /// Goes back to something that was drawn.
    pub(super) fn again(&mut self, at: u64) -> &mut Self {
        self.memory = std::mem::take(&mut self.memory).again(at);
        self
    }

    fn object(&mut self, at: u64, size: usize, kind: u64) {
        self.plain(at, size, &[]);
        self.word(8, kind);
    }

    /// `tp_basicsize` 32, `tp_flags` 168, `tp_dictoffset` 288, `ht_cached_keys` 872–888.
    fn types(&mut self) {
        let module_flags = if self.layout.version.major == 2 { 0 } else { 1 << 9 };
        let managed = self.since(11);
        let thread_flags =
            1 << 9 | if managed { 1 << 4 } else { 0 } | if self.since(13) { 1 << 2 } else { 0 };
        let beside = 16 + u64::from(self.header);
        for (at, flags, dict_offset) in [
            (DICT, 1 << 29, 0),
            (INT, if self.layout.version.major == 2 { 1 << 23 } else { 1 << 24 }, 0),
            (STR, if self.layout.version.major == 2 { 1 << 27 } else { 1 << 28 }, 0),
            (MODULE, module_flags, beside),
            (THREAD, thread_flags, if managed { u64::MAX } else { beside }),
            (OTHER, 0, 0),
        ] {
            self.object(at, 0x400, DICT);
            self.word(32, 32 + u64::from(self.header));
            self.word(168, flags);
            self.word(288, dict_offset);
        }
        let cached = match self.layout.version.minor() {
            (3, 11) => 872,
            (3, 12..=14) => 880,
            (3, 15) => 888,
            _ => return,
        };
        self.again(THREAD).word(cached, SHARED);
    }

    /// 2.7: length 16, bytes 36. 3.3: length 16, state 32, ASCII 48, others 72. 3.12: ASCII 40, others 56.
    pub(super) fn string(&mut self, at: u64, text: &str) {
        self.object(at, 0x100, STR);
        if self.layout.version.major == 2 {
            self.word(16, text.len() as u64);
            return self.bytes(36, text.as_bytes());
        }
        self.word(16, text.chars().count() as u64);
        let (ascii, wide) = if self.since(12) { (40, 56) } else { (48, 72) };
        let shift = if self.since(14) && self.layout.build == Build::FreeThreaded { 8 } else { 2 };
        let (kind, at) = if text.is_ascii() { (0b11_001_u32, ascii) } else { (0b01_010, wide) };
        self.bytes(32, &(kind << shift | 1).to_le_bytes());
        let units: Vec<u8> = if text.is_ascii() {
            text.into()
        } else {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        };
        self.bytes(at, &units);
    }

    /// 2.7: a C long at 16. `ob_size` 16 (3.12: × 8, sign in the low bits), digits of 30 bits at 24.
    fn number(&mut self, at: u64, number: u64) {
        self.object(at, 0x40, INT);
        match self.layout.version.minor() {
            (2, _) => return self.word(16, number),
            (3, ..=11) => self.word(16, 2),
            _ => self.word(16, 2 << 3),
        }
        let mask = (1 << 30) - 1;
        self.bytes(24, &((number & mask) as u32).to_le_bytes());
        self.bytes(28, &((number >> 30 & mask) as u32).to_le_bytes());
    }

    /// 2.7: mask 32, table 40. 3.3: keys 24, values 32. 3.6: keys 32, values 40.
    pub(super) fn dict(&mut self, at: u64, pairs: &[(u64, u64)], values: u64) {
        self.object(at, 0x80, DICT);
        let (keys, second) = match self.layout.version.minor() {
            (2, _) => (40, (32, 7)),
            (3, ..=5) => (24, (32, values)),
            _ => (32, (40, values)),
        };
        self.word(second.0, second.1);
        if values == 0 {
            self.word(keys, at + 0x100);
            self.keys(at + 0x100, pairs);
        } else {
            self.word(keys, SHARED);
        }
    }

    /// What a dict points to, of 8 places.
    fn keys(&mut self, at: u64, pairs: &[(u64, u64)]) {
        let number = pairs.iter().any(|(key, _)| *key >= MAIN_KEY);
        let count = pairs.len() as u64;
        let (words, start, stride): (&[_], _, u32) = match self.layout.version.minor() {
            (2, _) => (&[], 0, 24),
            // dk_size
            (3, ..=5) => (&[(8, 8)], 32, 24),
            // dk_size, dk_nentries; 8 indices of a byte
            (3, ..=10) => (&[(8, 8), (32, count)], 40 + 8, 24),
            // dk_log2_size, dk_log2_index_bytes, dk_kind; dk_nentries
            _ if number => (&[(8, 0x03_03), (24, count)], 32 + 8, 24),
            _ => (&[(8, 0x01_03_03), (24, count)], 32 + 8, 16),
        };
        self.plain(at, 0x200, words);
        // Up to 3.5 a hash table, with an empty place between the others and a deleted one at the end.
        let step = if self.since(6) { 1 } else { 2 };
        for (index, (key, value)) in pairs.iter().enumerate() {
            let at = start + (index * step) as u32 * stride + stride - 16;
            self.memory = std::mem::take(&mut self.memory).word(at, *key).word(at + 8, *value);
        }
        if !self.since(6) {
            self.memory = std::mem::take(&mut self.memory).word(start + 7 * stride + 8, SOMETHING);
        }
    }

    /// A thread that has only values, where there is such a thing. Up to 3.5 they stand as the keys do.
    fn main(&mut self) {
        let index = if self.since(6) { 1 } else { 2 };
        match self.layout.version.minor() {
            (2, _) => {
                self.dict(SPLIT_DICT, &[(KEY + 0x700, MAIN_NAME)], 0);
                self.thread(MAIN, SPLIT_DICT);
            }
            (3, ..=10) => {
                self.plain(VALUES, 0x40, &[(8 * index, MAIN_NAME)]);
                self.dict(SPLIT_DICT, &[], VALUES);
                self.thread(MAIN, SPLIT_DICT);
            }
            (3, 11 | 12) => {
                self.plain(VALUES, 0x40, &[(8 * index, MAIN_NAME)]);
                let word = if self.since(12) { (8, VALUES - 1) } else { (0, VALUES) };
                self.plain(MAIN - 32, 32, &[word]);
                self.object(MAIN, 0x80, THREAD);
            }
            _ => {
                self.plain(MAIN - 32, 32, &[]);
                self.object(MAIN, 0x80, THREAD);
                // capacity, size, embedded, valid
                self.bytes(32, &[30, 2, 1, 1]);
                self.word(32 + 8 + 8, MAIN_NAME);
            }
        }
    }

    /// A thread that has a dict.
    fn thread(&mut self, at: u64, dict: u64) {
        if !self.since(11) {
            self.object(at, 0x80, THREAD);
            return self.word(16, dict);
        }
        // 24 bytes before, or 8 in a free-threaded build.
        self.plain(at - 32, 32, &[(if self.layout.build == Build::FreeThreaded { 24 } else { 8 }, dict)]);
        self.object(at, 0x80, THREAD);
    }

    pub(super) fn names(&self) -> Result<Vec<(u64, String)>, NameError> {
        self.names_and_reads().0
    }

    pub(super) fn names_and_reads(&self) -> (Result<Vec<(u64, String)>, NameError>, u32) {
        let names = NameLayout::of(self.layout).expect("a layout");
        let memory = Blocks { literal: &self.memory, reads: Cell::new(0) };
        (thread_names(self.layout, &names, &memory, Address(INTERPRETER), |_| true), memory.reads.get())
    }
}

/// Memory is mapped by the page: around what was drawn there is something else, here zeros.
struct Blocks<'a> {
    literal: &'a Literal,
    reads: Cell<u32>,
}

impl Blocks<'_> {
    fn fill(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        if !to.len().is_multiple_of(512) {
            return self.literal.read(from, to);
        }
        let words = to.chunks_exact_mut(8).zip((from.0..).step_by(8));
        let drawn = words.filter_map(|(word, at)| self.literal.read(Address(at), word).ok()).count();
        if drawn > 0 { Ok(()) } else { Err(ReadError::Unmapped(from)) }
    }
}

impl Memory for Blocks<'_> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.fill(from, to)
    }

    fn read_scattered(&self, ranges: &mut [Range<'_>]) -> Result<usize, ReadError> {
        self.reads.set(self.reads.get() + 1);
        let unmapped = ranges.iter_mut().position(|range| self.fill(range.from, range.to).is_err());
        Ok(unmapped.unwrap_or(ranges.len()))
    }
}
