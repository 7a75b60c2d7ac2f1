//! A snapshot against the memory that it is of: equal bytes, one call where the last moment predicts them.

use proptest::prelude::*;

use super::choice::{KEPT, STANDS};
use super::{BLOCK, LARGEST, Reads, Snapshot};
use crate::python::literal::Literal;
use crate::target::memory::{Address, Memory, Range, ReadError};

const PAGE: u64 = 4096;
const START: u64 = 0x10_0000;

/// Pages of numbers that differ; `true` stands for a page that is mapped.
fn pages(mapped: &[bool], salt: u8) -> Literal {
    let mut memory = Literal::new();
    for (page, _) in mapped.iter().enumerate().filter(|(_, mapped)| **mapped) {
        let bytes: Vec<u8> = (0..PAGE)
            .map(|n| (n.wrapping_mul(31) >> 3) as u8 ^ (page as u8).wrapping_mul(77) ^ salt)
            .collect();
        memory = memory.at(START + page as u64 * PAGE, PAGE as usize).bytes(0, &bytes);
    }
    memory
}

fn read(memory: &impl Memory, from: u64, length: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0xEE; length];
    memory.read(Address(from), &mut bytes).map(|()| bytes)
}

fn view(memory: &impl Memory, from: u64, length: usize) -> Result<Vec<u8>, ReadError> {
    memory.view(Address(from), &mut vec![0xEE; length], <[u8]>::to_vec)
}

#[test]
fn what_was_used_is_read_in_one_call() {
    let live = pages(&[true; 8], 0);
    let mut snapshot = Snapshot::new();
    let places = [(START + 8, 8), (START + PAGE, 16), (START + 3 * PAGE - 4, 8), (START + 9, 1)];
    let look = |snapshot: &Snapshot| {
        for (from, length) in places {
            assert_eq!(read(&snapshot.of(&live), from, length), read(&live.clone(), from, length));
        }
    };
    snapshot.take(&live).expect("memory");
    look(&snapshot);
    // One of them is a guess: what follows a block that was read on to.
    assert_eq!(snapshot.take_reads(), Reads { calls: 4, ranges: 5, missed: 4, used: 4 });
    for _ in 1..4 {
        let before = live.calls();
        snapshot.take(&live).expect("memory");
        assert_eq!(live.calls(), before + 1);
        look(&snapshot);
        assert_eq!(snapshot.take_reads(), Reads { calls: 1, ranges: 3, missed: 0, used: 4 });
    }
    // What is not used any more is not read any more, after a while.
    for _ in 0..=KEPT + STANDS {
        snapshot.take(&live).expect("memory");
    }
    snapshot.take_reads();
    snapshot.take(&live).expect("memory");
    assert_eq!(snapshot.take_reads().calls, 0, "nothing was used, so nothing is read");
    look(&snapshot);
    assert_eq!(snapshot.take_reads().calls, 1, "what came after the first is remembered");
}

#[test]
fn a_deep_stack_that_is_new_is_read_in_few_calls() {
    // Down from block to block, 25 pages of them, with one that is not mapped below.
    let live = pages(&[[false].as_slice(), &[true; 25]].concat(), 0);
    let mut snapshot = Snapshot::new();
    let places = (0..200).map(|block| START + 26 * PAGE - (block + 1) * BLOCK);
    assert!(places.clone().all(|from| read(&snapshot.of(&live), from, 8) == read(&live.clone(), from, 8)));
    let reads = snapshot.take_reads();
    assert_eq!((reads.calls, reads.missed), (8, 8), "the first was no neighbour yet");
    assert!(reads.ranges < 40, "a range is a page, or what is wanted of it: {reads:?}");
    // The next time all of it is known.
    snapshot.take(&live).expect("memory");
    assert!(places.clone().all(|from| read(&snapshot.of(&live), from, 8) == read(&live.clone(), from, 8)));
    assert_eq!(snapshot.take_reads(), Reads { calls: 1, ranges: 1, missed: 0, used: 200 });
}

#[test]
fn what_is_used_again_is_kept_for_longer() {
    let live = pages(&[true; 4], 0);
    let kept_after = |uses: u32, unused: u8| {
        let mut snapshot = Snapshot::new();
        let mut moment = |page: u64| {
            snapshot.take_reads();
            snapshot.take(&live).expect("memory");
            let ranges = snapshot.take_reads().ranges;
            assert!(read(&snapshot.of(&live), START + page * PAGE, 8).is_ok());
            ranges
        };
        for _ in 0..uses {
            moment(2);
        }
        for _ in 0..unused {
            moment(0);
        }
        moment(0) == 2
    };
    assert_eq!([4, 7 + STANDS].map(|unused| kept_after(1, unused)), [true, false]);
    assert_eq!([31, 31 + STANDS].map(|unused| kept_after(2, unused)), [true, false]);
}

#[test]
fn a_number_is_read_after_all_else_and_with_it() {
    let live = pages(&[true, true, false], 0);
    let number = |from| u32::from_le_bytes(read(&live.clone(), from, 4).unwrap().try_into().unwrap());
    let mut snapshot = Snapshot::new();
    assert!(read(&snapshot.of(&live), START + PAGE, 8).is_ok());
    for last in [START, START + PAGE + 12] {
        let before = live.calls();
        assert_eq!(snapshot.take_and(&live, Some(Address(last))), Ok(Some(number(last))));
        assert_eq!(live.calls(), before + 1);
    }
    assert_eq!(snapshot.take_and(&live, Some(Address(START + 2 * PAGE))), Ok(None), "it is not mapped");
    assert_eq!(snapshot.take_and(&live, None), Ok(None));
    assert_eq!(Snapshot::new().take_and(&live, Some(Address(START))), Ok(None), "nothing is read");
}

#[test]
fn only_what_the_last_moment_used_where_there_is_much() {
    let live = pages(&[true; 64], 0);
    let mut snapshot = Snapshot::new();
    let look = |snapshot: &Snapshot, pages: std::ops::Range<u64>| {
        for page in pages {
            assert!(read(&snapshot.of(&live), START + page * PAGE, 8).is_ok());
        }
    };
    look(&snapshot, 0..40);
    snapshot.take(&live).expect("memory");
    look(&snapshot, 40..64);
    snapshot.take_reads();
    snapshot.take(&live).expect("memory");
    assert_eq!(snapshot.take_reads().ranges, 24);
}

#[test]
fn a_gap_is_copied_with_its_sides() {
    let live = pages(&[true; 2], 0);
    let mut snapshot = Snapshot::new();
    let places = [START + PAGE - BLOCK, START + PAGE + 2 * BLOCK, START + PAGE + 6 * BLOCK];
    let look = |snapshot: &Snapshot| {
        assert!(places.iter().all(|from| read(&snapshot.of(&live), *from, 8) == read(&live, *from, 8)));
    };
    look(&snapshot);
    snapshot.take_reads();
    snapshot.take(&live).expect("memory");
    assert_eq!(snapshot.take_reads().ranges, 1);
    look(&snapshot);
    assert_eq!(snapshot.take_reads().missed, 0);
}

#[test]
fn a_moment_stands_still() {
    let (before, after) = (pages(&[true], 0), pages(&[true], 0x55));
    let mut snapshot = Snapshot::new();
    assert_eq!(read(&snapshot.of(&before), START, 8), read(&before, START, 8));
    // The block is known; the memory may go on.
    assert_eq!(read(&snapshot.of(&after), START, 8), read(&before, START, 8));
    snapshot.take(&after).expect("memory");
    assert_eq!(read(&snapshot.of(&after), START, 8), read(&after, START, 8));
}

#[test]
fn what_is_unmapped_is_not_there() {
    let mut snapshot = Snapshot::new();
    let all = pages(&[true, true, true], 0);
    assert!(read(&snapshot.of(&all), START, 3 * PAGE as usize).is_ok());
    // The page in the middle goes; what was copied of it must not survive.
    let some = pages(&[true, false, true], 1);
    snapshot.take(&some).expect("memory");
    assert_eq!(read(&snapshot.of(&some), START + PAGE, 8), Err(ReadError::Unmapped(Address(START + PAGE))));
    assert_eq!(
        read(&snapshot.of(&some), START + PAGE - 4, 8),
        Err(ReadError::Unmapped(Address(START + PAGE)))
    );
    assert_eq!(read(&snapshot.of(&some), START, 8), read(&some, START, 8));
    assert_eq!(read(&snapshot.of(&some), START + 2 * PAGE, 8), read(&some, START + 2 * PAGE, 8));
}

#[test]
fn what_is_still_mapped_is_kept_when_a_part_goes() {
    // Pages apart from each other, so that each is a range.
    let apart = |salt, third| pages(&[true, false, true, false, third, false, true], salt);
    let at = |page: u64| START + page * PAGE;
    let mut snapshot = Snapshot::new();
    for page in [0, 2, 4, 6] {
        assert!(read(&snapshot.of(&apart(0, true)), at(page), 8).is_ok());
    }
    let some = apart(1, false);
    snapshot.take_reads();
    snapshot.take(&some).expect("memory");
    // The rest follows in a second call, and needs no third one.
    let kept = |page| read(&snapshot.sealed(), at(page), 8);
    for page in [0, 2, 6] {
        assert_eq!(kept(page), read(&some, at(page), 8));
    }
    assert_eq!(kept(4), Err(ReadError::NotCopied(Address(at(4)))));
    assert_eq!(snapshot.take_reads().calls, 2 + 1, "and one that found nothing");
    // It comes back, and is that moment's.
    let back = apart(2, true);
    snapshot.take(&back).expect("memory");
    for page in [0, 2, 4, 6] {
        assert_eq!(read(&snapshot.of(&back), at(page), 8), read(&back, at(page), 8));
    }
}

/// A process that is gone after the first moment.
struct Gone;

impl Memory for Gone {
    fn read(&self, _: Address, _: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::Gone)
    }
}

#[test]
fn nothing_is_kept_of_what_is_gone() {
    let live = pages(&[true], 0);
    let mut snapshot = Snapshot::new();
    assert!(read(&snapshot.of(&live), START, 8).is_ok());
    assert_eq!(snapshot.take(&Gone), Err(ReadError::Gone));
    assert_eq!(read(&snapshot.of(&Gone), START, 8), Err(ReadError::Gone));
}

/// Zeros everywhere.
struct Zeros;

impl Memory for Zeros {
    fn read(&self, _: Address, to: &mut [u8]) -> Result<(), ReadError> {
        to.fill(0);
        Ok(())
    }

    fn read_scattered(&self, ranges: &mut [Range<'_>]) -> Result<usize, ReadError> {
        for range in ranges.iter_mut() {
            range.to.fill(0);
        }
        Ok(ranges.len())
    }
}

#[test]
fn copies_are_bounded() {
    let snapshot = Snapshot::new();
    let mut word = [0];
    let moment = snapshot.of(&Zeros);
    let copied = (0..LARGEST as u64)
        .take_while(|block| moment.read(Address(block * BLOCK), &mut word).is_ok())
        .count();
    assert_eq!(copied as u64, LARGEST as u64 / BLOCK);
    // The end of the address space, and a read across it.
    let snapshot = Snapshot::new();
    assert!(read(&snapshot.of(&Zeros), u64::MAX - 3, 8).is_ok());
    assert_eq!(read(&snapshot.of(&Zeros), u64::MAX, 0), Ok(vec![]));
}

proptest! {
    /// Moments of memory that changes in between, pages coming and going.
    #[test]
    fn equals_direct_reading(
        moments in proptest::collection::vec(
            (
                proptest::collection::vec(proptest::bool::weighted(0.8), 6),
                any::<u8>(),
                proptest::collection::vec((0..7 * PAGE, 1..1500_usize), 1..20),
            ),
            1..6,
        ),
    ) {
        let mut snapshot = Snapshot::new();
        for (mapped, salt, reads) in moments {
            let live = pages(&mapped, salt);
            snapshot.take(&live).expect("memory");
            let mut good = Vec::new();
            for (offset, length) in reads {
                let direct = read(&live, START - PAGE / 2 + offset, length);
                let copied = read(&snapshot.of(&live), START - PAGE / 2 + offset, length);
                prop_assert_eq!(copied.as_ref().ok(), direct.as_ref().ok());
                let seen = view(&snapshot.of(&live), START - PAGE / 2 + offset, length);
                prop_assert_eq!(seen.as_ref().ok(), direct.as_ref().ok());
                let from = Address(START - PAGE / 2 + offset);
                let stretch = snapshot.of(&live).stretch(from, &mut vec![0; length], |bytes, start| {
                    (from, (start, bytes.to_vec()))
                });
                prop_assert_eq!(stretch.is_ok(), direct.is_ok());
                if let Ok((start, bytes)) = stretch {
                    prop_assert_eq!(start + bytes.len() as u64, from + length as u64);
                    prop_assert_eq!(Ok(bytes), read(&live, start.0, (from - start) as usize + length));
                }
                good.extend(direct.ok().map(|bytes| (offset, length, bytes)));
            }
            // Again, with nothing but what the first look predicts.
            snapshot.take(&live).expect("memory");
            snapshot.take_reads();
            for (offset, length, bytes) in good {
                let copied = read(&snapshot.of(&live), START - PAGE / 2 + offset, length);
                let seen = view(&snapshot.of(&live), START - PAGE / 2 + offset, length);
                prop_assert_eq!((&copied, &seen), (&Ok(bytes), &copied));
            }
            let reads = snapshot.take_reads();
            prop_assert_eq!((reads.calls, reads.ranges, reads.missed), (0, 0, 0));
        }
    }
}
