//! Published tables of which one number is absurd, or all. `tests/layouts.rs` compares with real ones.

use proptest::prelude::*;

use super::{LARGEST_OFFSET, PublishedError, layout, version};
use crate::python::layout::Layout;
use crate::python::literal::Literal;
use crate::python::literal::eras::{RUNTIME, table};
use crate::python::version::{Build, Version};
use crate::target::memory::{Address, ReadError};

const BUILDS: [Build; 2] = [Build::Ordinary, Build::FreeThreaded];

fn read(table: &[u8]) -> Result<Layout, PublishedError> {
    layout(&Literal::new().at(RUNTIME, table.len()).bytes(0, table), Address(RUNTIME))
}

fn with(table: &[u8], position: usize, value: u64) -> Vec<u8> {
    let mut table = table.to_vec();
    table[position..position + 8].copy_from_slice(&value.to_le_bytes());
    table
}

/// The numbers in what a layout shows of itself: an offset is `@n`.
fn offsets(layout: &Layout) -> Vec<u64> {
    let shown = format!("{layout:?}");
    let numbers = shown.split('@').skip(1);
    numbers
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().expect("digits").parse().expect("n"))
        .collect()
}

fn bounded(layout: &Layout) -> bool {
    offsets(layout).into_iter().all(|offset| offset < 2 * LARGEST_OFFSET)
}

#[test]
fn who_publishes() {
    for minor in 13..=15 {
        for build in BUILDS {
            let layout = read(&table(minor, build)).expect("a layout");
            assert_eq!((layout.version, layout.build), (Version::new(3, minor, 0), build));
            assert!(bounded(&layout) && offsets(&layout).len() > 25, "{layout:?}");
        }
    }
    let table = table(13, Build::Ordinary);
    assert_eq!(read(&with(&table, 0, 0)), Err(PublishedError::NoCookie));
    assert_eq!(read(&with(&table, 8, 1 << 32)), Err(PublishedError::Absurd { position: 8, value: 1 << 32 }));
    assert_eq!(read(&with(&table, 16, 2)), Err(PublishedError::Absurd { position: 16, value: 2 }));
    for (hex, text) in
        [(0x030C_00F0, "3.12.0"), (0x0310_00F0, "3.16.0"), (0x030D_00B2, "3.13.0b2"), (0, "0.0.0")]
    {
        let error = read(&with(&table, 8, hex)).expect_err("no layout");
        assert!(matches!(error, PublishedError::Unknown(_)));
        assert!(error.to_string().contains(text), "{error}");
    }
    // Candidates are final in all but name.
    assert!(read(&with(&table, 8, 0x030D_00C1)).is_ok());
}

#[test]
fn a_table_that_is_cut() {
    for minor in 13..=15 {
        let table = table(minor, Build::Ordinary);
        for length in (0..table.len()).step_by(8) {
            assert!(matches!(read(&table[..length]), Err(PublishedError::Read(ReadError::Unmapped(_)))));
        }
    }
    assert!(version(&Literal::new(), Address(RUNTIME)).is_err());
}

/// Each number in turn: what is used is refused or bounded, and some thirty are used.
#[test]
fn one_absurd_number() {
    for (minor, build) in (13..=15).flat_map(|minor| BUILDS.map(|build| (minor, build))) {
        let good = table(minor, build);
        let mut refused = 0;
        for position in (24..good.len()).step_by(8) {
            let mut refusals = 0;
            for value in [u64::MAX, 1 << 63, u64::from(u32::MAX), LARGEST_OFFSET, 1, 3, 7] {
                match read(&with(&good, position, value)) {
                    Ok(layout) => assert!(bounded(&layout), "{position}: {value:#x}: {layout:?}"),
                    Err(PublishedError::Absurd { .. }) => refusals += 1,
                    Err(error) => panic!("{position}: {value:#x}: {error}"),
                }
            }
            refused += usize::from(refusals >= 4);
        }
        assert!((30..=40).contains(&refused), "3.{minor} {build:?}: {refused}");
    }
}

proptest! {
    #[test]
    fn any_numbers(bytes in proptest::collection::vec(any::<u8>(), 864), minor in 13_u64..17, free in 0_u64..3) {
        let bytes = [&b"xdebugpy"[..], &(0x0300_00F0 | minor << 16).to_le_bytes(), &free.to_le_bytes(), &bytes].concat();
        if let Ok(layout) = read(&bytes) {
            prop_assert!(bounded(&layout));
        }
    }

    /// Numbers that pass for offsets: a layout nearly always, and one that can be used.
    #[test]
    fn any_offsets(words in proptest::collection::vec(0_u64..LARGEST_OFFSET / 8, 108), minor in 13_u64..16) {
        let mut bytes = [&b"xdebugpy"[..], &(0x0300_00F0 | minor << 16).to_le_bytes(), &[0; 8]].concat();
        bytes.extend(words.iter().flat_map(|word| (word * 8).to_le_bytes()));
        if let Ok(layout) = read(&bytes) {
            prop_assert!(bounded(&layout));
        }
    }
}
