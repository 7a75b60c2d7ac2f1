//! Memory that answers anything, for property tests of whatever reads memory: no panic, and an end within
//! bounds, in every layout.

mod lists;
mod tasks;

use std::cell::Cell;

use proptest::prelude::*;

use crate::python::capture::{Capture, attached};
use crate::python::code::Codes;
use crate::python::frames::{DEEPEST, Instruction, RawFrame, walk};
use crate::python::layout::Layout;
use crate::python::literal::{Literal, eras};
use crate::python::locate::Python;
use crate::python::names::{NameLayout, thread_names};
use crate::python::published;
use crate::python::snapshot::Snapshot;
use crate::python::threads::{Interpreter, Lock, Roots, interpreters, threads};
use crate::python::version::Build;
use crate::sample::Flags;
use crate::target::memory::{Address, Memory, ReadError};

/// Every read is paid for by so many steps of a list at the most, each of a few reads.
const MOST_READS: u64 = 8 * DEEPEST as u64;

/// What the words of a memory are.
#[derive(Debug, Clone, Copy)]
enum Words {
    /// Anything.
    Noise,
    /// Mostly pointers to this many structures of 64 words, small numbers between them.
    Tangle(u64),
    /// Each word points to the next structure, without end.
    Endless,
    /// The same word everywhere.
    Same(u64),
}

/// Memory that answers every address, or all but some pages.
#[derive(Debug)]
struct Hostile {
    words: Words,
    seed: u64,
    /// Answers differ each time, as those of a process that was not stopped.
    fickle: bool,
    /// One page in this many is not mapped; 0 for none.
    holes: u64,
    /// What stands where an object's type is looked for.
    kind: Option<(u64, u64)>,
    reads: Cell<u64>,
    bytes: Cell<u64>,
}

/// Where the structures of a tangle stand; no pointer to them passes for a length.
const BASE: u64 = 0x7F00_0000_0000;
const STRUCTURE: u64 = 512;

impl Hostile {
    fn new(words: Words, seed: u64) -> Self {
        Self { words, seed, fickle: false, holes: 0, kind: None, reads: Cell::new(0), bytes: Cell::new(0) }
    }

    fn word(&self, address: u64) -> u64 {
        if let Some((offset, kind)) = self.kind
            && address % STRUCTURE == offset
        {
            return kind;
        }
        let turn = if self.fickle { self.reads.get() } else { 0 };
        let noise = mix(self.seed ^ mix(address) ^ mix(turn));
        match self.words {
            Words::Noise => noise,
            Words::Tangle(structures) => match noise % 8 {
                0 => 0,
                1 => noise >> 8 & 0xFF,
                2 => noise,
                // Two 32-bit words.
                3 => noise >> 8 & 0x7F_0000_007F,
                _ => BASE + (noise >> 8) % structures * STRUCTURE,
            },
            Words::Endless => (address & !(STRUCTURE - 1)).wrapping_add(STRUCTURE),
            Words::Same(word) => word,
        }
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

impl Memory for Hostile {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get() + to.len() as u64);
        if self.holes != 0 && mix(self.seed ^ (from.0 >> 12)).is_multiple_of(self.holes) {
            return Err(ReadError::Unmapped(from));
        }
        fill(from, to, |address| self.word(address));
        Ok(())
    }
}

/// Fills `to` from words at multiples of eight.
fn fill(from: Address, to: &mut [u8], word: impl Fn(u64) -> u64) {
    let mut address = from.0;
    let mut rest = to;
    while !rest.is_empty() {
        let skip = (address & 7) as usize;
        let length = rest.len().min(8 - skip);
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&word(address & !7).to_le_bytes()[skip..skip + length]);
        rest = later;
        address = address.wrapping_add(length as u64);
    }
}

fn words() -> impl Strategy<Value = Words> {
    prop_oneof![
        Just(Words::Noise),
        (1_u64..2000).prop_map(Words::Tangle),
        prop_oneof![Just(0), Just(BASE), Just(1), Just(u64::MAX), any::<u64>()].prop_map(Words::Same),
    ]
}

fn hostile() -> impl Strategy<Value = Hostile> {
    (words(), any::<u64>(), proptest::bool::weighted(0.3), prop_oneof![Just(0), 2..50_u64])
        .prop_map(|(words, seed, fickle, holes)| Hostile { fickle, holes, ..Hostile::new(words, seed) })
}

fn layout() -> impl Strategy<Value = Layout> {
    proptest::sample::select(eras::all())
}

fn start() -> impl Strategy<Value = Address> {
    prop_oneof![Just(BASE), any::<u64>()].prop_map(Address)
}

/// Reads everything that a sample reads, starting at `start`.
fn sample(layout: &Layout, memory: &impl Memory, start: Address) {
    let roots = Roots { runtime: start, current: Some(start) };
    let mut found = Vec::new();
    let _ = interpreters(layout, memory, roots, &mut found);
    for interpreter in found.iter().take(3) {
        let _ = interpreter.lock.holder(memory);
        let mut states = Vec::new();
        let _ = threads(layout, memory, interpreter.address, &mut states);
        for thread in states.iter().take(3) {
            let _ = attached(layout, memory, *thread);
        }
    }
    let mut frames = Vec::new();
    let _ = walk(layout, memory, start, &mut frames);
    assert!(frames.len() <= DEEPEST as usize);
}

/// Learns, confirms and decodes what `frames` name.
fn decode(layout: &Layout, memory: &impl Memory, kind: Address, frames: &[RawFrame]) {
    let mut codes = Codes::new(layout.clone(), kind);
    let capture = Capture::of(frames);
    let mut stack = Vec::new();
    for _ in 0..2 {
        let _ = codes.learn(memory, &capture);
        codes.decode(&capture, &capture.threads()[0], &mut stack);
        assert!(stack.len() <= frames.len());
        assert!(stack.iter().all(|frame| frame.function.name.len() < 30_000));
        codes.meet(&capture);
        let _ = codes.confirm(memory);
    }
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let near = prop_oneof![any::<u64>(), BASE..BASE + 0x1000].prop_map(Address);
    prop_oneof![any::<i64>().prop_map(Instruction::Position), near.prop_map(Instruction::Address),]
}

fn frame() -> impl Strategy<Value = RawFrame> {
    let code = prop_oneof![(0..50_u64).prop_map(|n| BASE + n * STRUCTURE), any::<u64>()];
    (code, instruction(), any::<bool>()).prop_map(|(code, instruction, generator)| RawFrame {
        code: Address(code),
        instruction,
        generator,
        place: None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lists_and_frames(layout in layout(), memory in hostile(), start in start()) {
        sample(&layout, &memory, start);
        prop_assert!(memory.reads.get() < MOST_READS, "{:?}", layout.version);
    }

    /// Through a snapshot, moment after moment.
    #[test]
    fn lists_and_frames_in_a_snapshot(layout in layout(), memory in hostile(), start in start()) {
        let mut snapshot = Snapshot::new();
        for _ in 0..3 {
            let _ = snapshot.take(&memory);
            sample(&layout, &snapshot.of(&memory), start);
        }
    }

    #[test]
    fn code_objects(
        layout in layout(),
        memory in hostile(),
        frames in proptest::collection::vec(frame(), 0..80),
    ) {
        let kind = Some((layout.object_type.offset().into(), BASE));
        let memory = Hostile { kind, ..memory };
        decode(&layout, &memory, Address(BASE), &frames);
        prop_assert!(memory.reads.get() < 64 * frames.len() as u64 + 64);
        prop_assert!(memory.bytes.get() < 512 << 20);
    }

    /// Threads as they are copied while one stands still.
    #[test]
    fn captures(layout in layout(), memory in hostile(), start in start()) {
        let roots = Roots { runtime: start, current: Some(start) };
        // A thread belongs to its interpreter where every word is the same.
        let address = layout.thread.interpreter.of(&memory, start).unwrap_or_default();
        let python = Python { layout, roots, code_type: Address(BASE), evaluation: None };
        let interpreter = Interpreter { address, id: 0, lock: Lock::Attached };
        let mut capture = Capture::default();
        for flags in [Flags::HOLDS_GIL, Flags::default()] {
            let before = capture.all_frames().len();
            let added = capture.add(&python, &memory, &interpreter, start, flags);
            prop_assert!(added.is_ok() || capture.all_frames().len() == before);
        }
        prop_assert!(memory.reads.get() < MOST_READS);
    }

    /// Dicts, attributes and numbers, with types that say yes to every question.
    #[test]
    fn names_of_threads(layout in layout(), memory in hostile(), start in start(), generous: bool) {
        if let Some(names) = NameLayout::of(&layout) {
            let words = if generous { Words::Same(u64::MAX << 4) } else { memory.words };
            let memory = Hostile { words, ..memory };
            let _ = thread_names(&layout, &names, &memory, start, |_| true);
            prop_assert!(memory.reads.get() < 1 << 23, "{}", memory.reads.get());
        }
    }

    #[test]
    fn published_tables(memory in hostile(), start: u64) {
        let _ = published::version(&memory, Address(start));
        let _ = published::layout(&memory, Address(start));
        prop_assert!(memory.reads.get() <= 3 && memory.bytes.get() < 2048);
    }

    /// Whatever a table makes of a layout, reading with it ends.
    #[test]
    fn layouts_that_a_target_made_up(
        memory in hostile(),
        offsets in proptest::collection::vec(prop_oneof![0..40_u64, 0..0x2_0000_u64], 108),
        minor in 13..16_u8,
        free: bool,
    ) {
        let numbers = [u64::from_le_bytes(published::COOKIE), 0x0300_00F0 | u64::from(minor) << 16, free.into()];
        let words = numbers.into_iter().chain(offsets.iter().map(|offset| offset * 8));
        let table: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        let table = Literal::new().at(BASE, table.len()).bytes(0, &table);
        let Ok(layout) = published::layout(&table, Address(BASE)) else { return Ok(()) };
        sample(&layout, &memory, Address(BASE));
        let code = RawFrame { code: Address(BASE), instruction: Instruction::Address(Address(BASE)), generator: true, place: None };
        let kind = layout.object_type.of(&memory, Address(BASE)).unwrap_or_default();
        decode(&layout, &memory, kind, &[code]);
        prop_assert!(memory.reads.get() < MOST_READS);
    }
}

/// Lists that never come back to themselves.
#[test]
fn lists_without_end() {
    for (major, minor) in [(3, 8), (3, 12), (3, 14)] {
        let layout = eras::layout(major, minor, Build::Ordinary);
        let memory = Hostile::new(Words::Endless, 0);
        sample(&layout, &memory, Address(BASE));
        assert!(memory.reads.get() < MOST_READS, "{major}.{minor}: {}", memory.reads.get());
    }
}

/// A dict of 2^60 slots and more, in types that say yes to every question: its size once overflowed.
#[test]
fn a_dict_that_claims_everything() {
    for layout in eras::all() {
        let Some(names) = NameLayout::of(&layout) else { continue };
        for word in [u64::MAX << 4, u64::MAX, 1 << 63, 1 << 62, 1 << 60] {
            let memory = Hostile::new(Words::Same(word), 0);
            let _ = thread_names(&layout, &names, &memory, Address(BASE), |_| true);
        }
    }
}

/// A stack of more different code objects than are kept, and of heavier ones than a program has.
#[test]
fn more_code_than_a_program_has() {
    // 2.7: what is not the type is a pointer to bytes, or their length.
    let layout = eras::layout(2, 7, Build::Ordinary);
    let memory = |words| Hostile { kind: Some((8, BASE)), ..Hostile::new(words, 1) };
    let frame = |n| RawFrame {
        code: Address(BASE + n * STRUCTURE),
        instruction: Instruction::Position(0),
        generator: false,
        place: None,
    };
    let capture = |numbers: std::ops::Range<u64>| Capture::of(&numbers.map(frame).collect::<Vec<_>>());
    let stack = capture(0..u64::from(DEEPEST) * 3 / 4);
    let small = memory(Words::Same(0));
    let mut codes = Codes::new(layout.clone(), Address(BASE));
    assert_eq!(codes.learn(&small, &stack), Ok(()));
    assert!(codes.meet(&stack).known);
    assert!(small.reads.get() < 16 * stack.all_frames().len() as u64);
    // Room is made for the next stack.
    let more = capture(1_000_000..1_000_010);
    assert_eq!(codes.learn(&small, &more), Ok(()));
    assert!(codes.meet(&more).known && !codes.meet(&capture(0..1)).known);
    // All threads together may have more, but not without end.
    assert!(codes.learn(&small, &capture(2_000_000..2_400_000)).is_err());

    // Tables of 16 MB less a little.
    let large = memory(Words::Same(0x00FF_F020));
    assert!(Codes::new(layout, Address(BASE)).learn(&large, &stack).is_err());
    assert!((64 << 20..100 << 20).contains(&large.bytes.get()), "{}", large.bytes.get());
}
