//! A library drawn by hand, read as a file and in memory; then the same with any bytes changed.

use std::cell::Cell;
use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::target::maps::Maps;

/// Where the drawn library has its parts; addresses are offsets.
///
/// ```text
///    0 header    64 program headers   0x100 dynamic   0x200 names   0x300 symbols   0x400 DT_HASH
///                                                     0x500 DT_GNU_HASH             0x600 section headers
/// ```
const DYNAMIC: usize = 0x100;
const NAMES: usize = 0x200;
const SYMBOLS: usize = 0x300;
const HASH: usize = 0x400;
const GNU_HASH: usize = 0x500;
const SECTIONS: usize = 0x600;
const SIZE: usize = 0x1000;

/// `outside` is imported; `inner` shares its name's tail with `an_inner`.
const NAME_BYTES: &[u8] = b"\0alpha\0an_inner\0outside\0libdrawn.so.1\0.data\0\0";
const ALPHA: u32 = 1;
const INNER: u32 = 10;
const OUTSIDE: u32 = 16;
const SONAME: u64 = 24;
const DATA: u32 = 38;

#[derive(Clone, Copy, PartialEq)]
enum Hash {
    Gnu,
    Sysv,
}

fn put(bytes: &mut [u8], at: usize, words: &[&[u8]]) {
    let mut at = at;
    for word in words {
        bytes[at..at + word.len()].copy_from_slice(word);
        at += word.len();
    }
}

fn symbol(name: u32, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.extend([0x11, 0]);
    bytes.extend(section.to_le_bytes());
    bytes.extend(value.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes
}

fn words64(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn words32(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn section(name: u32, kind: u32, flags: u64, at: usize, size: usize, link: u32) -> Vec<u8> {
    let (at, size) = (at as u64, size as u64);
    [words32(&[name, kind]), words64(&[flags, at, at, size]), words32(&[link, 0]), words64(&[8, 0])].concat()
}

/// The library, with either hash table, loaded as the dynamic loader of glibc does it: `bias` added to what
/// is an address in the dynamic section.
fn drawn(hash: Hash, bias: u64) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    put(&mut bytes, 0, &[b"\x7fELF\x02\x01\x01", &[0; 9], &[3, 0, 62, 0, 1, 0, 0, 0]]);
    put(&mut bytes, 24, &[&words64(&[0, 64, SECTIONS as u64]), &[0; 6], &[56, 0, 2, 0, 64, 0, 4, 0, 2, 0]]);
    let load = [words32(&[1, 5]), words64(&[0, 0, 0, SIZE as u64, SIZE as u64 + 64, 4096])].concat();
    let dynamic = [words32(&[2, 6]), words64(&[DYNAMIC as u64, DYNAMIC as u64, 0, 240, 240, 8])].concat();
    put(&mut bytes, 64, &[&load, &dynamic]);
    let table = match hash {
        Hash::Gnu => [0x6fff_fef5, GNU_HASH as u64 + bias],
        Hash::Sysv => [4, HASH as u64 + bias],
    };
    let (names, symbols, names_size) = (NAMES as u64 + bias, SYMBOLS as u64 + bias, NAME_BYTES.len() as u64);
    let entries = [14, SONAME, 5, names, 6, symbols, 10, names_size, table[0], table[1], 0, 0];
    put(&mut bytes, DYNAMIC, &[&words64(&entries)]);
    put(&mut bytes, NAMES, &[NAME_BYTES]);
    let symbols = [
        symbol(0, 0, 0, 0),
        symbol(OUTSIDE, 0, 0, 0),
        symbol(ALPHA, 1, 0x740, 16),
        symbol(INNER, 1, 0x780, 8),
    ];
    put(&mut bytes, SYMBOLS, &[&symbols.concat()]);
    // One bucket: 3, 2, 1 in a chain.
    put(&mut bytes, HASH, &[&words32(&[1, 4, 3, 0, 0, 1, 2])]);
    let hashes = [dynamic::gnu_hash("alpha") & !1, dynamic::gnu_hash("inner") | 1];
    put(&mut bytes, GNU_HASH, &[&words32(&[1, 2, 1, 6]), &[255; 8], &words32(&[2, hashes[0], hashes[1]])]);
    let sections = [
        section(0, 0, 0, 0, 0, 0),
        section(DATA, 1, 3, 0x700, 0x100, 0),
        section(0, 3, 0, NAMES, NAME_BYTES.len(), 0),
        section(0, 2, 0, SYMBOLS, 4 * 24, 2),
    ];
    put(&mut bytes, SECTIONS, &[&sections.concat()]);
    bytes
}

const BASE: u64 = 0x7f00_0000_0000;

/// A map with the library at [`BASE`], and a second mapping of its beginning below, that somebody made to
/// look at it.
fn module() -> Module {
    let maps = Maps::parse(
        b"10000000-10001000 r--p 0 8:1 5 /lib/libdrawn.so\n7f0000000000-7f0000001000 r-xp 0 8:1 5 /lib/libdrawn.so\n",
    );
    maps.modules().remove(0)
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// The bytes at both places of the map; anything else is unmapped. Counts what is read.
struct Loaded {
    bytes: Vec<u8>,
    reads: Cell<usize>,
}

impl Memory for Loaded {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        let base = if from.0 >= BASE { BASE } else { 0x1000_0000 };
        let start = usize::try_from(from.0.wrapping_sub(base)).map_err(|_| ReadError::Unmapped(from))?;
        let end = start.checked_add(to.len()).ok_or(ReadError::Unmapped(from))?;
        to.copy_from_slice(self.bytes.get(start..end).ok_or(ReadError::Unmapped(from))?);
        Ok(())
    }
}

fn assert_reads(elf: &Elf<'_>) {
    assert_eq!(elf.bias(), BASE);
    assert_eq!(elf.soname().as_deref(), Some("libdrawn.so.1"));
    let place = |at, size| Ok(Some(Place { address: Address(BASE + at), size }));
    assert_eq!(elf.symbol("alpha"), place(0x740, 16));
    assert_eq!(elf.symbol("inner"), place(0x780, 8));
    for absent in ["outside", "an_inner", "beta", "", "alph", "alphaa"] {
        assert_eq!(elf.symbol(absent), Ok(None), "{absent}");
    }
    assert_eq!(elf.zeroed().map(|place| place.size).collect::<Vec<_>>(), [64]);
}

#[test]
fn a_file_gives_symbols_and_sections() {
    for hash in [Hash::Gnu, Hash::Sysv] {
        let elf = Elf::of_file(file(&drawn(hash, 0)), &module()).expect("an ELF file");
        assert_reads(&elf);
        let data = Place { address: Address(BASE + 0x700), size: 0x100 };
        assert_eq!((elf.section(".data"), elf.section(".bss")), (Ok(Some(data)), Ok(None)));
        assert_eq!(elf.local_symbol("alpha"), elf.symbol("alpha"));
        assert_eq!(elf.local_symbol("inner"), elf.symbol("inner"));
        assert_eq!((elf.local_symbol("outside"), elf.local_symbol("no")), (Ok(None), Ok(None)));
        let mut word = [0; 4];
        assert_eq!((elf.read(Address(BASE + 0x200), &mut word), &word), (Ok(()), b"\0alp"));
        assert!(elf.read(Address(BASE + 0xffe), &mut word).is_err());
    }
}

#[test]
fn memory_gives_symbols_whether_the_loader_moved_addresses_or_not() {
    for (hash, moved) in [(Hash::Gnu, BASE), (Hash::Gnu, 0), (Hash::Sysv, BASE), (Hash::Sysv, 0)] {
        let memory = Loaded { bytes: drawn(hash, moved), reads: Cell::new(0) };
        let elf = Elf::of_memory(&memory, &module()).expect("ELF");
        assert_reads(&elf);
        assert_eq!((elf.section(".data"), elf.local_symbol("alpha")), (Ok(None), Ok(None)));
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let changed = |at: usize, byte: u8| {
        let mut bytes = drawn(Hash::Gnu, 0);
        bytes[at] = byte;
        Elf::of_file(file(&bytes), &module()).err()
    };
    assert_eq!(changed(0, b'M'), Some(ElfError::NotElf));
    assert_eq!(changed(4, 1), Some(ElfError::ThirtyTwoBit));
    assert_eq!(changed(18, 183), None);
    assert_eq!(changed(18, 3), Some(ElfError::OtherMachine(3)));
    // A big-endian file's numbers are read as such.
    assert_eq!(changed(5, 2), Some(ElfError::OtherMachine(62_u16.swap_bytes())));
    assert_eq!(changed(16, 1), Some(ElfError::Malformed("neither a program nor a library")));
    assert_eq!(changed(57, 255), Some(ElfError::Malformed("program headers")));
    assert_eq!(changed(64, 9), Some(ElfError::Malformed("nothing to load")));
    assert_eq!(
        Elf::of_file(file(b"\x7fELF"), &module()).err(),
        Some(ElfError::Malformed("it ends too early"))
    );
    assert_eq!(changed(16, 2), None, "a program at fixed addresses");
}

#[test]
fn a_program_at_fixed_addresses_is_not_moved() {
    let mut bytes = drawn(Hash::Gnu, 0);
    bytes[16] = 2;
    let elf = Elf::of_file(file(&bytes), &module()).expect("an ELF file");
    assert_eq!(elf.bias(), 0);
    assert_eq!(elf.symbol("alpha"), Ok(Some(Place { address: Address(0x740), size: 16 })));
}

/// 65,530 mappings of a file with 256 segments would be compared for an hour.
#[test]
fn a_file_is_looked_for_at_a_few_of_its_mappings() {
    let bias = |others: u64| {
        let other =
            |number| format!("{:x}-{:x} r--p 0 8:1 5 /l\n", number * 0x2000, number * 0x2000 + 0x1000);
        let text: String = (1..=others).map(other).collect();
        let text = format!("{text}{BASE:x}-{:x} r-xp 0 8:1 5 /l\n", BASE + 0x1000);
        let module = Maps::parse(text.as_bytes()).modules().remove(0);
        Elf::of_file(file(&drawn(Hash::Gnu, 0)), &module).expect("an ELF file").bias()
    };
    assert_eq!((bias(15), bias(16)), (BASE, 0x2000));
}

#[test]
fn a_name_across_two_chunks_is_found() {
    // 64 KiB of names before the one that is wanted, which begins five bytes before the border.
    let mut bytes = drawn(Hash::Gnu, 0);
    let start = bytes.len();
    bytes.extend(std::iter::repeat_n(b'x', (64 << 10) - 6));
    bytes.extend(b"\0across\0");
    let size = bytes.len() - start;
    put(&mut bytes, SECTIONS + 2 * 64, &[&section(0, 3, 0, start, size, 0)]);
    let name = u32::try_from((64 << 10) - 5).expect("small");
    put(&mut bytes, SYMBOLS + 2 * 24, &[&symbol(name, 1, 0x740, 16)]);
    let elf = Elf::of_file(file(&bytes), &module()).expect("an ELF file");
    let place = Place { address: Address(BASE + 0x740), size: 16 };
    assert_eq!(elf.local_symbol("across"), Ok(Some(place)));
}

/// Everything that can be asked.
fn ask(elf: &Elf<'_>) {
    let _ = (elf.soname(), elf.bias(), elf.zeroed().count());
    let _ = (elf.symbol("alpha"), elf.symbol("zeta"), elf.section(".data"));
    let _ = (elf.local_symbol("alpha"), elf.local_symbol("inner"));
    let _ = elf.read(Address(BASE + 0x10), &mut [0; 64]);
}

/// Memory that answers anything after a true header.
struct Wild {
    head: Vec<u8>,
    seed: u64,
    reads: Cell<usize>,
}

impl Memory for Wild {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        for (index, byte) in to.iter_mut().enumerate() {
            let at = from.0.wrapping_add(index as u64);
            let head = usize::try_from(at.wrapping_sub(0x1000_0000)).ok().and_then(|at| self.head.get(at));
            let random = (at ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            // Mostly small numbers and null bytes, which lead farther than noise.
            *byte = head.copied().unwrap_or(if random < 160 { 0 } else { random as u8 });
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2048), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic && bytes.len() > 64 {
            put(&mut bytes, 0, &[b"\x7fELF\x02\x01\x01", &[0; 9], &[3, 0, 62, 0]]);
        }
        if let Ok(elf) = Elf::of_file(file(&bytes), &module()) {
            ask(&elf);
        }
    }

    #[test]
    fn changed_bytes_do_no_harm(
        sysv in any::<bool>(),
        changes in proptest::collection::vec((0..0x800_usize, prop_oneof![any::<u8>(), Just(255), Just(0)]), 1..24),
    ) {
        let mut bytes = drawn(if sysv { Hash::Sysv } else { Hash::Gnu }, 0);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(elf) = Elf::of_file(file(&bytes), &module()) {
            ask(&elf);
        }
        let memory = Loaded { bytes, reads: Cell::new(0) };
        if let Ok(elf) = Elf::of_memory(&memory, &module()) {
            ask(&elf);
        }
        prop_assert!(memory.reads.get() < 200_000);
    }

    #[test]
    fn memory_that_answers_anything_comes_to_an_end(seed in any::<u64>(), head in 64..0x300_usize) {
        let wild = Wild { head: drawn(Hash::Gnu, 0)[..head].to_vec(), seed, reads: Cell::new(0) };
        if let Ok(elf) = Elf::of_memory(&wild, &module()) {
            ask(&elf);
        }
        prop_assert!(wild.reads.get() < 200_000);
    }
}
