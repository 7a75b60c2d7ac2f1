//! What the kernel and the target's files say: maps, status lines, ELF.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use pyflame_tui::target::elf::Elf;
use pyflame_tui::target::maps::{Maps, Module};
use pyflame_tui::target::memory::{Address, Memory, ReadError};
use pyflame_tui::target::process::{Pid, Stat, Status};

use crate::{Numbers, alone, hunt, spoil};

#[test]
fn maps() {
    let ours = fs::read("/proc/self/maps").unwrap();
    alone(|| {
        hunt("maps", 4 << 20, |numbers| {
            let mut text = ours.clone();
            spoil(numbers, &mut text);
            let maps = Maps::parse(&text);
            let lines = text.split(|byte| *byte == b'\n').count();
            assert!(maps.mappings().len() <= lines && maps.modules().len() <= lines);
            for _ in 0..20 {
                let address = Address(numbers.odd());
                assert!(maps.containing(address).is_none_or(|mapping| mapping.contains(address)));
            }
        });
    });
}

#[test]
fn status_lines() {
    let read = |name| fs::read(format!("/proc/self/{name}")).unwrap();
    let (stat, status) = (read("stat"), read("status"));
    alone(|| {
        hunt("status lines", 1 << 20, |numbers| {
            let (mut stat, mut status) = (stat.clone(), status.clone());
            spoil(numbers, &mut stat);
            spoil(numbers, &mut status);
            let _ = (Stat::parse(&stat), Status::parse(&status));
        });
    });
}

/// The library that the kernel gives every process: small, and with all that a library has.
fn library() -> (Vec<u8>, Module) {
    let maps = Maps::of(Pid::ours()).unwrap();
    let text = fs::read_to_string("/proc/self/maps").unwrap();
    let line = text.lines().find(|line| line.ends_with("[vdso]")).expect("a vdso");
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let size = maps.containing(Address(start)).unwrap().size();
    let mut bytes = vec![0; size as usize];
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, start).unwrap();
    // As if it were a file, mapped where it is.
    let line = format!("{start:x}-{:x} r-xp 00000000 08:01 77 /lib/library.so", start + size);
    (bytes, Maps::parse(line.as_bytes()).modules().remove(0))
}

/// The library where it is mapped. Counts what is read.
struct Loaded<'a> {
    bytes: &'a [u8],
    start: Address,
    reads: Cell<usize>,
}

impl Memory for Loaded<'_> {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        let start = (from.0.wrapping_sub(self.start.0)) as usize;
        let bytes = start.checked_add(to.len()).and_then(|end| self.bytes.get(start..end));
        to.copy_from_slice(bytes.ok_or(ReadError::Unmapped(from))?);
        Ok(())
    }
}

/// Everything that is asked of a library; what of it was found.
fn ask(elf: &Elf<'_>, numbers: &mut Numbers) -> usize {
    let names = ["__vdso_gettimeofday", "time", "_PyRuntime"];
    let found = names.map(|name| {
        let (exported, any) = (elf.symbol(name), elf.local_symbol(name));
        usize::from(matches!(exported, Ok(Some(_)))) + usize::from(matches!(any, Ok(Some(_))))
    });
    let sections = [".text", ".dynstr", ".PyRuntime"].map(|name| elf.section(name));
    let _ = (elf.bias(), elf.zeroed().count());
    assert!(elf.soname().is_none_or(|name| name.len() <= 256));
    let _ = elf.read(Address(numbers.odd()), &mut [0; 16]);
    found.iter().sum::<usize>() + sections.iter().filter(|section| matches!(section, Ok(Some(_)))).count()
}

#[test]
fn libraries() {
    let (good, module) = library();
    let file = tempfile::tempfile().unwrap();
    // Words that lead on stand in the headers, and in the tables close behind them.
    let ends = [64, 64 + 56 * 5, 1024, good.len()];
    alone(|| {
        let mut found = 0;
        // Section headers: 65,535 of 64 bytes; chunks of 64 KiB.
        hunt("libraries", 12 << 20, |numbers| {
            let mut bytes = good.clone();
            let end = numbers.of(&ends).min(bytes.len());
            let rest = bytes.split_off(end);
            spoil(numbers, &mut bytes);
            bytes.extend(rest);
            file.set_len(0).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            if let Ok(elf) = Elf::of_file(file.try_clone().unwrap(), &module) {
                found += ask(&elf, numbers);
            }
            let memory = Loaded { bytes: &bytes, start: module.mappings[0].start, reads: Cell::new(0) };
            if let Ok(elf) = Elf::of_memory(&memory, &module) {
                found += ask(&elf, numbers);
            }
            // A chain of 16,384 symbols for each of three names, three reads for each of them.
            assert!(memory.reads.get() < 200_000, "{}", memory.reads.get());
        });
        assert!(found > 0, "nothing is ever found: these are no libraries");
    });
}
