//! What a target can put into its memory and its files is read here as it comes: no panic, no end that does not come,
//! no memory without bounds. Fuzzers without an instrumented compiler: valid things, taken from this machine and from
//! the Pythons that it has, with words and bytes of them replaced.
//!
//! Each fuzzer takes a second; `PYFLAME_FUZZ_SECONDS=600` lets each take longer. It goes on from one number to the
//! next, and a number makes a case: a failure names it, and `PYFLAME_FUZZ_SEED=number` begins there. (Live Pythons lie
//! elsewhere each time, so there the same number makes a like case.)
//!
//! Ends are counted in reads and bytes, not in time; memory by the allocator.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "made-up numbers")]

mod decoders;
mod files;
#[path = "../live/interpreters.rs"]
mod interpreters;
mod living;
mod mutant;
#[path = "../live/subject.rs"]
mod subject;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Numbers that look random, and are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    /// Zero, one, all bits, a bit, something small, anything.
    pub(crate) fn odd(&mut self) -> u64 {
        match self.below(6) {
            0 => self.of(&[0, 1, u64::MAX, i64::MAX as u64, 1 << 63, u64::from(u32::MAX), 1 << 32, 8, 7]),
            1 => 1 << self.below(64),
            2 | 3 => self.next() % 4096,
            4 => self.next() >> self.below(64),
            _ => self.next(),
        }
    }
}

pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// Changes some bytes: replaces, inserts, removes, repeats, cuts.
pub(crate) fn spoil(numbers: &mut Numbers, bytes: &mut Vec<u8>) {
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len());
        let length = numbers.below(16).min(bytes.len() - at);
        match numbers.below(16) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again.repeat(1 + numbers.below(40)));
            }
            3 => bytes.splice(at..at, numbers.next().to_le_bytes()).for_each(drop),
            4..8 if bytes.len() - at >= 8 => {
                // Where words stand.
                let at = at & !7;
                bytes[at..at + 8].copy_from_slice(&numbers.odd().to_le_bytes());
            }
            8..12 if bytes.len() - at >= 4 => {
                let at = at & !3;
                bytes[at..at + 4].copy_from_slice(&(numbers.odd() as u32).to_le_bytes());
            }
            _ if at < bytes.len() => bytes[at] = numbers.odd() as u8,
            _ => {}
        }
    }
}

/// Tries case after case for as long as is asked for. None may panic, nor take more than `most` bytes of memory at
/// any moment.
pub(crate) fn hunt(name: &str, most: usize, mut case: impl FnMut(&mut Numbers)) {
    /// Few enough for a machine that is very busy, enough to notice a fuzzer that does nothing.
    const FEWEST: u64 = 20;
    let number =
        |variable: &str| std::env::var(variable).ok().map(|word| word.parse::<u64>().expect(variable));
    let first = number("PYFLAME_FUZZ_SEED").unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(number("PYFLAME_FUZZ_SECONDS").unwrap_or(1));
    let (mut seed, mut peak) = (first, 0);
    while seed < first + FEWEST || Instant::now() < end {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let tried = catch_unwind(AssertUnwindSafe(|| case(&mut Numbers(mix(seed)))));
        assert!(tried.is_ok(), "{name}: PYFLAME_FUZZ_SEED={seed} PYFLAME_FUZZ_SECONDS=0 panics");
        let taken = MEMORY.peak_usage().saturating_sub(before);
        assert!(taken <= most, "{name}: PYFLAME_FUZZ_SEED={seed} PYFLAME_FUZZ_SECONDS=0 takes {taken} bytes");
        peak = peak.max(taken);
        seed += 1;
    }
    eprintln!("{name}: {} cases, {peak} bytes at the most", seed - first);
}

/// One at a time: the allocator counts for the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// Lets a fuzzer have the process for itself, whatever became of the others.
pub(crate) fn alone(work: impl FnOnce()) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    work();
}
