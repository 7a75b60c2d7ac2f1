//! Names on literal memory, of every version and build, and every way in which something may be odd.

mod picture;

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::python::literal::eras;
use crate::python::version::Build;
use picture::*;

fn both() -> Vec<(u64, String)> {
    vec![(MAIN_ID, "MainThread".to_owned()), (WORKER_ID, "Täglich ✓".to_owned())]
}

fn one(index: usize) -> Vec<(u64, String)> {
    vec![both().swap_remove(index)]
}

#[test]
fn every_version_and_build_has_names() {
    for layout in eras::all() {
        let picture = Picture::of(&layout);
        let (names, reads) = picture.names_and_reads();
        assert_eq!(names, Ok(both()), "{} {:?}", layout.version, layout.build);
        assert!(reads < 60, "{}: {reads} reads", layout.version);
    }
}

#[test]
fn a_dict_that_was_asked_for_still_shares_its_keys() {
    for layout in eras::all().into_iter().filter(|layout| layout.version.minor() >= (3, 11)) {
        let mut picture = Picture::of(&layout);
        let dict = if layout.build == Build::FreeThreaded { 24 } else { 8 };
        let first = if layout.version.minor() >= (3, 13) { 8 } else { 0 };
        picture.plain(VALUES + 0x100, 0x40, &[(first + 8, MAIN_NAME)]);
        picture.dict(SPLIT_DICT, &[], VALUES + 0x100);
        picture.memory = picture.memory.again(MAIN - 32).word(0, 0).word(dict, SPLIT_DICT);
        assert_eq!(picture.names(), Ok(both()), "{} {:?}", layout.version, layout.build);
    }
}

#[test]
fn values_that_a_dict_took_over_are_not_valid() {
    for build in [Build::Ordinary, Build::FreeThreaded] {
        let layout = eras::layout(3, 13, build);
        let mut picture = Picture::of(&layout);
        picture.again(MAIN).bytes(35, &[0]);
        assert_eq!(picture.names(), Ok(one(1)));
    }
}

#[test]
fn where_nothing_was_imported_there_are_no_names() {
    for layout in eras::all() {
        let mut picture = Picture::of(&layout);
        picture.memory = picture.memory.again(INTERPRETER).word(layout.interpreter.modules.offset(), 0);
        assert_eq!(picture.names(), Ok(vec![]));

        let mut picture = Picture::of(&layout);
        picture.memory = picture.memory.without(KEY + 0x100);
        picture.string(KEY + 0x100, "threadinG");
        assert_eq!(picture.names(), Ok(vec![]));

        // The module is still being imported.
        let mut picture = Picture::of(&layout);
        picture.again(THREADING).word(16, 0);
        assert_eq!(picture.names(), Ok(vec![]));
    }
}

#[test]
fn what_is_odd_about_a_thread_costs_its_name_only() {
    for layout in eras::all() {
        let changed = |change: fn(&mut Picture<'_>)| {
            let mut picture = Picture::of(&layout);
            change(&mut picture);
            picture.names()
        };
        // Keys: not a number, a number of no digits (or negative in 2.7), gone.
        assert_eq!(changed(|it| it.again(WORKER_KEY).word(8, STR)), Ok(one(0)));
        assert_eq!(changed(|it| it.again(WORKER_KEY).word(16, u64::MAX)), Ok(one(0)));
        assert_eq!(changed(|it| it.memory = std::mem::take(&mut it.memory).without(MAIN_KEY)), Ok(one(1)));
        // Threads: of a class without attributes, gone, with no dict, with something else for a dict.
        assert_eq!(changed(|it| it.again(WORKER).word(8, OTHER)), Ok(one(0)));
        assert_eq!(changed(|it| it.memory = std::mem::take(&mut it.memory).without(WORKER)), Ok(one(0)));
        assert_eq!(changed(|it| it.again(WORKER_DICT).word(8, OTHER)), Ok(one(0)));
        // Names: not a string, of an absurd length, gone.
        assert_eq!(changed(|it| it.again(WORKER_NAME).word(8, OTHER)), Ok(one(0)));
        assert_eq!(changed(|it| it.again(WORKER_NAME).word(16, u64::MAX)), Ok(one(0)));
        assert_eq!(changed(|it| it.memory = std::mem::take(&mut it.memory).without(MAIN_NAME)), Ok(one(1)));
        // Another key that cannot be read is passed over.
        assert_eq!(changed(|it| it.memory = std::mem::take(&mut it.memory).without(KEY)), Ok(both()));
    }
}

#[test]
fn what_is_odd_about_the_dicts_is_an_error() {
    for layout in eras::all() {
        for dict in [MODULES, ACTIVE] {
            let mut picture = Picture::of(&layout);
            picture.again(dict).word(8, OTHER);
            assert_eq!(picture.names(), Err(NameError::NotADict(Address(dict))));
        }
        let mut picture = Picture::of(&layout);
        picture.memory = picture.memory.without(MODULES);
        assert!(matches!(picture.names(), Err(NameError::Read(ReadError::Unmapped(_)))));
    }
}

#[test]
fn entries_begin_behind_the_indices() {
    // 3.6–3.10, 300 keys in 512 places: indices of two bytes.
    let layout = eras::layout(3, 8, Build::Ordinary);
    let mut picture = Picture::of(&layout);
    let keys = 0x6_0000;
    picture.plain(keys, 0x4000, &[(8, 512), (32, 300)]);
    let last = 40 + 512 * 2 + 299 * 24 + 8;
    picture.memory = picture.memory.word(last, KEY + 0x100).word(last + 8, THREADING);
    picture.again(MODULES).word(32, keys);
    assert_eq!(picture.names(), Ok(both()));

    // 3.11 and later, 1500 keys in 4096 places: the table says 8192 bytes. More than one page.
    let layout = eras::layout(3, 12, Build::Ordinary);
    let mut picture = Picture::of(&layout);
    picture.plain(keys, 0xA000, &[(8, 0x01_0D_0C), (24, 1500)]);
    let last = 32 + 8192 + 1499 * 16;
    picture.memory = picture.memory.word(last, KEY + 0x100).word(last + 8, THREADING);
    picture.again(MODULES).word(32, keys);
    assert_eq!(picture.names(), Ok(both()));
}

/// A dict of 262,144 threads, all the same one, which has a name as long as a name may be.
#[test]
fn there_is_an_end_to_names() {
    let layout = eras::layout(3, 12, Build::Ordinary);
    let mut picture = Picture::of(&layout);
    let keys = 0x100_0000;
    picture.plain(keys, 32 + 8 + (24 << 18), &[(8, 0x03_12), (24, 1 << 18)]);
    for index in 0..1 << 18 {
        let at = 40 + index * 24;
        picture.memory = picture.memory.word(at + 8, WORKER_KEY).word(at + 16, WORKER);
    }
    picture.again(ACTIVE).word(32, keys);
    assert_eq!(picture.names().map(|names| names.len()), Ok(1 << 17));

    let long = 0x600_0000;
    picture.plain(long, 0x4000, &[(8, STR), (16, 10_000), (32, 0b11_001 << 2)]);
    picture.memory = picture.memory.again(WORKER_DICT + 0x100).word(40 + 16 + 8, long);
    let names = picture.names().expect("names");
    assert_eq!(names.len(), (1_usize << 24).div_ceil(4096 + '…'.len_utf8()));
}

/// Every byte is something, everywhere.
struct Anything {
    seed: u64,
    reads: Cell<u64>,
}

impl Memory for Anything {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        let mixed = |number: u64| (number ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for (byte, address) in to.iter_mut().zip(from.0..) {
            let word = mixed(mixed(address >> 3) >> 7);
            // Small words are more dangerous than large ones.
            *byte = if word >> 62 == 0 && address & 7 > 1 {
                0
            } else {
                word.to_le_bytes()[(address & 7) as usize]
            };
        }
        if mixed(from.0) >> 58 == 0 { Err(ReadError::Unmapped(from)) } else { Ok(()) }
    }
}

proptest! {
    #[test]
    fn memory_that_answers_anything_ends(seed: u64, era in 0..28_usize) {
        let layouts = eras::all();
        let layout = &layouts[era];
        let names = NameLayout::of(layout).expect("a layout");
        let memory = Anything { seed, reads: Cell::new(0) };
        let _ = thread_names(layout, &names, &memory, Address(INTERPRETER), |_| true);
        prop_assert!(memory.reads.get() < 1 << 20);
    }

    /// One word of the picture is another: null, huge, or the address of something else.
    #[test]
    fn a_damaged_program_ends(era in 0..28_usize, place in 0..PLACES.len(), offset in 0..16_u32, value in values()) {
        let layouts = eras::all();
        let mut picture = Picture::of(&layouts[era]);
        picture.memory = picture.memory.again(PLACES[place]).word(offset * 8 % 0x40, value);
        if let Ok(names) = picture.names() {
            prop_assert!(names.len() <= 16);
        }
    }
}

const PLACES: [u64; 16] = [
    MODULES,
    MODULES + 0x100,
    MODULE_DICT,
    MODULE_DICT + 0x100,
    ACTIVE,
    ACTIVE + 0x100,
    SHARED,
    THREADING,
    MAIN,
    MAIN_KEY,
    MAIN_NAME,
    WORKER,
    WORKER_DICT + 0x100,
    WORKER_NAME,
    DICT,
    THREAD,
];

fn values() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..64_u32).prop_map(|shift| 1 << shift),
        (0..64_u32).prop_map(|shift| (1 << shift) - 1),
        (0..PLACES.len()).prop_map(|place| PLACES[place]),
    ]
}
