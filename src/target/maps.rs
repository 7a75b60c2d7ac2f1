//! The target's memory map (`/proc/PID/maps`), and the files in it. Paths are bytes of the target's choosing.
//! Which file such a path really is, is asked in `open.rs`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::memory::Address;
use super::process::{self, Pid};

/// A stretch of the target's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: Address,
    /// The byte after its last.
    pub end: Address,
    /// What may be done with it.
    pub access: Access,
    /// Where in the file it begins.
    pub offset: u64,
    /// What is mapped there.
    pub backing: Backing,
}

/// What a mapping allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "four independent bits of the kernel's own")]
pub struct Access {
    /// `r`
    pub read: bool,
    /// `w`
    pub write: bool,
    /// `x`
    pub execute: bool,
    /// `s`: writes are seen by others; `p` otherwise.
    pub shared: bool,
}

/// What lies under a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// Nothing but memory: a heap, a stack, a `.bss`; the name in brackets, if the kernel gives one.
    Anonymous(Option<String>),
    /// A file.
    File {
        /// Which one, whatever its name is today.
        id: FileId,
        /// The name that it had when it was mapped, as the target's mount namespace or ours has it; without `
        /// (deleted)`.
        path: PathBuf,
        /// That name is gone, or leads to another file.
        deleted: bool,
    },
}

/// The files in a process's memory, each once, as their names are written; nothing else is looked at, because this is
/// asked of every process of a machine. Fails if we may not look.
pub fn files(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let bytes = fs::read(format!("/proc/{}/maps", process::witness(pid).unwrap_or(pid.leader())))?;
    let mut files: Vec<&[u8]> = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Some(at) = line.iter().position(|&byte| byte == b'/')
            && let Some(name) = line.get(at..)
            && files.last() != Some(&name)
        {
            files.push(name);
        }
    }
    files.sort_unstable();
    files.dedup();
    Ok(files.into_iter().map(|name| PathBuf::from(OsString::from_vec(unescaped(name)))).collect())
}

/// A file, by the numbers that `maps` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Major and minor number of its file system, as `st_dev` has them (but see `open.rs`).
    pub device: (u32, u32),
    /// Its inode's number.
    pub inode: u64,
}

impl Mapping {
    /// A line of `maps`; none if it is not one.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut word = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let (start, end) = word()?.split_once('-')?;
        let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
        let access = word()?.as_bytes();
        let offset = hexadecimal(word()?)?;
        let (major, minor) = word()?.split_once(':')?;
        let device = (u32::try_from(hexadecimal(major)?).ok()?, u32::try_from(hexadecimal(minor)?).ok()?);
        let inode = word()?.parse().ok()?;
        let name = fields.next().unwrap_or_default();
        let name = &name[name.iter().position(|&byte| byte != b' ').unwrap_or(name.len())..];
        let &[read, write, execute, share] = access else { return None };
        if start >= end {
            return None;
        }
        Some(Self {
            start: Address(start),
            end: Address(end),
            access: Access {
                read: read == b'r',
                write: write == b'w',
                execute: execute == b'x',
                shared: share == b's',
            },
            offset,
            backing: Backing::new(FileId { device, inode }, name),
        })
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Is this address in it?
    pub fn contains(&self, address: Address) -> bool {
        self.start <= address && address < self.end
    }
}

impl Backing {
    fn new(id: FileId, name: &[u8]) -> Self {
        // Shared anonymous memory has an inode of a hidden file system and the name `/dev/zero (deleted)`: a
        // file like any other here, that cannot be opened, and is no ELF.
        if id.inode == 0 || name.first() != Some(&b'/') {
            let name = (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned());
            return Self::Anonymous(name);
        }
        let (name, deleted) = match name.strip_suffix(b" (deleted)") {
            Some(name) => (name, true),
            None => (name, false),
        };
        Self::File { id, path: PathBuf::from(OsString::from_vec(unescaped(name))), deleted }
    }
}

/// The kernel writes a newline in a name as `\012`, and escapes nothing else: a name that holds these four
/// characters cannot be told from it, and is then not found, no more.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut rest = name;
    let mut out = Vec::with_capacity(name.len());
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(b"\\012") {
            out.push(b'\n');
            rest = tail;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Digits only: `from_str_radix` would take a sign as well.
fn hexadecimal(digits: &str) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, 16).ok() }
}

/// A file in the target's memory, and all its mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Which file.
    pub id: FileId,
    /// Its name (see [`Backing::File`]).
    pub path: PathBuf,
    /// That name no longer leads to it.
    pub deleted: bool,
    /// Where it is mapped, by address; never empty.
    pub mappings: Vec<Mapping>,
}

impl Module {
    /// The last part of its path; empty if there is none.
    pub fn file_name(&self) -> &str {
        Path::file_name(&self.path).and_then(|name| name.to_str()).unwrap_or_default()
    }
}

/// The whole map of a process, by address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maps {
    mappings: Vec<Mapping>,
}

/// What we take of a map; a process has 65,530 mappings at most unless its administrator allows more
/// (`vm.max_map_count`), and a line of one is rarely longer than 200 bytes.
const MOST: u64 = 64 << 20;

impl Maps {
    /// Reads the map of a process. Not atomic: the target may map and unmap while we read (stop it, or check
    /// later). A process that has ended or is a zombie has an empty map.
    pub fn of(pid: Pid) -> io::Result<Self> {
        use std::io::Read as _;
        let mut bytes = Vec::with_capacity(16 << 10);
        let witness = process::witness(pid).unwrap_or(pid.leader());
        fs::File::open(format!("/proc/{witness}/maps"))?.take(MOST).read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    /// Reads a map; lines that are none are passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        Self { mappings: bytes.split(|&byte| byte == b'\n').filter_map(Mapping::parse).collect() }
    }

    /// All of it, by address.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// What an address lies in.
    pub fn containing(&self, address: Address) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.start <= address);
        self.mappings[..after].last().filter(|mapping| mapping.contains(address))
    }

    /// The files in it, in the order of their first mapping.
    pub fn modules(&self) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        let mut known = std::collections::HashMap::new();
        for mapping in &self.mappings {
            let Backing::File { id, path, deleted } = &mapping.backing else { continue };
            let index = *known.entry(*id).or_insert_with(|| {
                modules.push(Module { id: *id, path: path.clone(), deleted: *deleted, mappings: Vec::new() });
                modules.len() - 1
            });
            modules[index].mappings.push(mapping.clone());
        }
        modules
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_a_mapping() {
        let mapping = Mapping::parse(
            b"7f1-7f5 r-xp 00001000 fd:1a 1234567890123            /opt/my lib/libpython3.so (deleted)",
        )
        .expect("a mapping");
        assert_eq!((mapping.start, mapping.end, mapping.offset), (Address(0x7f1), Address(0x7f5), 0x1000));
        assert_eq!(mapping.access, Access { read: true, write: false, execute: true, shared: false });
        assert_eq!(mapping.size(), 4);
        let id = FileId { device: (0xfd, 0x1a), inode: 1_234_567_890_123 };
        let path = PathBuf::from("/opt/my lib/libpython3.so");
        assert_eq!(mapping.backing, Backing::File { id, path, deleted: true });
    }

    #[test]
    fn names_may_hold_anything() {
        let path = |line: &[u8]| match Mapping::parse(line).expect("a mapping").backing {
            Backing::File { path, .. } => path.into_os_string().into_vec(),
            Backing::Anonymous(name) => panic!("no file: {name:?}"),
        };
        assert_eq!(path(b"1-2 r--p 0 0:1 5 /a\\012b c"), b"/a\nb c");
        assert_eq!(path(b"1-2 r--p 0 0:1 5    /\xff\xfe"), b"/\xff\xfe");
        assert_eq!(path(b"1-2 r--p 0 0:1 5 / (deleted) (deleted)"), b"/ (deleted)");
    }

    #[test]
    fn memory_without_a_file_is_anonymous() {
        let backing = |line: &[u8]| Mapping::parse(line).expect("a mapping").backing;
        assert_eq!(backing(b"1-2 rw-p 00000000 00:00 0 "), Backing::Anonymous(None));
        assert_eq!(backing(b"1-2 rw-p 00000000 00:00 0"), Backing::Anonymous(None));
        assert_eq!(
            backing(b"1-2 rw-p 00000000 00:00 0       [heap]"),
            Backing::Anonymous(Some("[heap]".to_owned()))
        );
        assert_eq!(
            backing(b"1-2 rw-p 00000000 00:0e 77 anon_inode:[perf_event]"),
            Backing::Anonymous(Some("anon_inode:[perf_event]".to_owned()))
        );
    }

    #[test]
    fn what_is_no_mapping_is_passed_over() {
        let maps = Maps::parse(
            b"\n2-1 r--p 0 0:0 0\n-5 r--p 0 0:0 0\nx\n+1-2 r--p 0 0:0 0\n1-2 r-- 0 0:0 0\n1-2 r--p 0 0:0\n\
              fffffffffffffffff-1 r--p 0 0:0 0\n1-2 r--p 0 0:0 0\n",
        );
        assert_eq!(maps.mappings().len(), 1);
    }

    #[test]
    fn a_module_is_all_mappings_of_a_file() {
        let maps = Maps::parse(
            b"1000-2000 r--p 0 8:1 5 /a\n2000-3000 r--p 0 8:1 6 /b\n3000-4000 rw-p 0 0:0 0\n4000-5000 rw-p 1000 8:1 5 /a\n",
        );
        let modules = maps.modules();
        assert_eq!(modules.len(), 2);
        assert_eq!((modules[0].file_name(), modules[0].mappings.len()), ("a", 2));
        assert_eq!(maps.containing(Address(0x3fff)).expect("there").start, Address(0x3000));
        assert_eq!(maps.containing(Address(0x5000)), None);
        assert_eq!(maps.containing(Address(0xfff)), None);
    }

    #[test]
    fn our_own_map_is_one() {
        let maps = Maps::of(Pid::ours()).expect("our map");
        assert!(maps.modules().iter().any(|module| module.mappings.iter().any(|m| m.access.execute)));
        let here = Address(std::ptr::from_ref(&maps) as u64);
        assert!(maps.containing(here).expect("our stack").access.write);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_map_of_some_kind(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Maps::parse(&bytes);
        }

        #[test]
        fn any_name_is_given_back(name in "/[^\n]{0,40}", start in 0..u64::MAX / 2, size in 1..u64::MAX / 2) {
            prop_assume!(!name.ends_with(" (deleted)") && !name.contains("\\012"));
            let line = format!("{start:x}-{:x} r-xs 1000 08:01 77        {name}", start + size);
            let mapping = Mapping::parse(line.as_bytes()).expect("a mapping");
            prop_assert_eq!((mapping.start.0, mapping.size()), (start, size));
            let id = FileId { device: (8, 1), inode: 77 };
            prop_assert_eq!(mapping.backing, Backing::File { id, path: name.into(), deleted: false });
        }
    }
}
