//! Each format against tables made by hand. `tests/lines.rs` compares with real interpreters.

use proptest::prelude::*;

use super::Lines;
use crate::python::layout::LineFormat;

fn at(format: LineFormat, first: u32, table: &[u8], positions: &[i64]) -> Vec<u32> {
    let lines = Lines::decode(format, table, first);
    positions.iter().map(|position| lines.at(*position)).collect()
}

#[test]
fn unsigned_pairs() {
    let at = |table: &[u8], positions: &[i64]| at(LineFormat::PairsUnsigned, 10, table, positions);
    assert_eq!(at(&[], &[-1, 0, 999]), [10, 10, 10]);
    // 6 bytes for line 10, then 11; at 56 a jump by 256 lines, which takes two steps.
    assert_eq!(at(&[6, 1, 50, 255, 0, 1], &[-1, 0, 5, 6, 55, 56]), [10, 10, 10, 11, 11, 267]);
    // 300 bytes for one line take two steps as well.
    assert_eq!(at(&[255, 0, 45, 1], &[254, 255, 299, 300]), [10, 10, 10, 11]);
    // Another first line at position 0, and half a pair.
    assert_eq!(at(&[0, 2, 4, 1, 9], &[-1, 0, 3, 4, 99]), [10, 12, 12, 13, 13]);
}

#[test]
fn signed_pairs() {
    let at = |table: &[u8], positions: &[i64]| at(LineFormat::PairsSigned, 10, table, positions);
    // Three lines on, and back by one.
    assert_eq!(at(&[4, 3, 2, 0xFF], &[0, 3, 4, 5, 6]), [10, 10, 13, 13, 12]);
    // 300 lines on: 127 + 127 + 46; back to before the first, where there is no line.
    assert_eq!(at(&[2, 127, 0, 127, 0, 46, 2, 0x80, 0, 0x80, 0, 0x80], &[1, 2, 3, 4]), [10, 310, 310, 0]);
}

#[test]
fn ranges() {
    let at = |table: &[u8], positions: &[i64]| at(LineFormat::Ranges, 10, table, positions);
    // 2 bytes of line 10, 4 of line 11, 2 of none, 2 of line 11 again.
    let table = [2, 0, 4, 1, 2, 0x80, 2, 0];
    assert_eq!(at(&table, &[-1, 0, 1, 2, 5, 6, 7, 8, 9]), [10, 10, 10, 11, 11, 0, 0, 11, 11]);
    // 300 lines on through empty ranges; 300 bytes long.
    let table = [2, 0, 0, 127, 0, 127, 254, 46, 46, 0, 2, 0xFE];
    assert_eq!(at(&table, &[1, 2, 255, 256, 301, 302]), [10, 310, 310, 310, 310, 308]);
}

// The location table: 1 cccc LLL, code c, LLL + 1 units
const fn entry(code: u8, units: u8) -> u8 {
    0x80 | code << 3 | (units - 1)
}

#[test]
fn locations() {
    let at = |table: &[u8], positions: &[i64]| at(LineFormat::Locations, 10, table, positions);
    let table = [
        entry(3, 1),
        0x25, // unit 0: the same line, columns 26 to 31
        entry(11, 2),
        4,
        20,           // units 1, 2: the next line, columns 4 to 20
        entry(15, 1), // unit 3: no line
        entry(13, 8),
        0x03, // units 4–11: a line back (sign in bit 0)
        entry(14, 1),
        0x58,
        0x09,
        2,
        5,
        9, // unit 12: 300 on (24 + 9·64 = 600, halved), ends two lines later
        entry(12, 1),
        0,
        1, // unit 13: two on
        entry(10, 1),
        0,
        1, // unit 14: the same
    ];
    assert_eq!(
        at(&table, &[-1, 0, 1, 2, 3, 4, 11, 12, 13, 14, 15]),
        [10, 10, 11, 11, 0, 10, 10, 310, 312, 312, 312]
    );
}

#[test]
fn locations_that_make_no_sense() {
    let at = |table: &[u8], positions: &[i64]| at(LineFormat::Locations, 10, table, positions);
    // A number without an end, one longer than any integer, a step that is missing.
    assert_eq!(at(&[entry(13, 1), 0x40], &[0]), [10]);
    assert_eq!(at(&[&[entry(13, 1)][..], &[0x7F; 100], &[entry(0, 1), 0]].concat(), &[1]), [0]);
    assert_eq!(at(&[entry(13, 1), entry(13, 1)], &[0, 1]), [10, 10]);
    // A table that begins in the middle of an entry.
    assert_eq!(at(&[0x25, entry(11, 1), 0, 0], &[0, 6]).len(), 2);
}

proptest! {
    /// Any bytes make lines, no more of them than bytes, in order; any position has one.
    #[test]
    fn any_bytes(
        table in proptest::collection::vec(any::<u8>(), 0..3000),
        first: u32,
        positions in proptest::collection::vec(any::<i64>(), 50),
    ) {
        for format in
            [LineFormat::PairsUnsigned, LineFormat::PairsSigned, LineFormat::Ranges, LineFormat::Locations]
        {
            let lines = Lines::decode(format, &table, first);
            prop_assert!(lines.starts.len() <= table.len() + 1);
            prop_assert!(lines.starts.is_sorted_by(|one, next| one.0 < next.0 && one.1 != next.1));
            for position in positions.iter().chain(&[i64::MIN, -1, 0, 1, i64::MAX]) {
                lines.at(*position);
            }
            prop_assert_eq!(lines.at(-1), first);
        }
    }
}
