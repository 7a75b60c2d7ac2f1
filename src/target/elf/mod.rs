//! ELF, as far as a profiler needs it: where a file was loaded, where its sections and symbols are. Only what
//! is needed is read, from the file by `pread` or, when the file is gone, from the target's memory; nothing
//! is mapped (a file that shrinks would kill us). Every offset and count is hostile: reads and loops are
//! bounded.

mod dynamic;
mod file;

use std::fmt;
use std::fs::File;
use std::io;

use goblin::elf::header::{ELFCLASS32, ELFCLASS64, ELFDATA2LSB, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC};
use goblin::elf::program_header::{PF_X, PT_DYNAMIC, PT_LOAD};
use goblin::elf64::header::{Header, SIZEOF_EHDR};
use goblin::elf64::program_header::{ProgramHeader, SIZEOF_PHDR};
use scroll::ctx::TryFromCtx;
use scroll::{Endian, Pread};

use super::maps::{Mapping, Module};
use super::memory::{Address, Memory, ReadError};
use dynamic::Dynamic;

/// Why a file or a stretch of memory could not be read as ELF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElfError {
    /// It does not begin with `\x7fELF`.
    NotElf,
    /// It is ELF for 32-bit programs, which we cannot read.
    ThirtyTwoBit,
    /// Big-endian, or for a machine other than x86-64 and aarch64; the number is `e_machine`.
    OtherMachine(u16),
    /// It contradicts itself; the word says where.
    Malformed(&'static str),
    /// The file could not be read; an `errno`.
    File(i32),
    /// The target's memory could not be read.
    Memory(ReadError),
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF file"),
            Self::ThirtyTwoBit => f.write_str("a 32-bit ELF file"),
            Self::OtherMachine(machine) => write!(f, "an ELF file for another machine ({machine})"),
            Self::Malformed(part) => write!(f, "a malformed ELF file ({part})"),
            Self::File(errno) => write!(f, "unreadable: {}", io::Error::from_raw_os_error(*errno)),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ElfError {}

impl From<ReadError> for ElfError {
    fn from(error: ReadError) -> Self {
        Self::Memory(error)
    }
}

impl From<io::Error> for ElfError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Malformed("it ends too early"),
            _ => Self::File(error.raw_os_error().unwrap_or(0)),
        }
    }
}

/// A symbol or a section, where it is in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub address: Address,
    /// Its size in bytes as the file has it; anything.
    pub size: u64,
}

/// The program headers' `PT_LOAD`: a part of the file that is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
    executable: bool,
}

impl Segment {
    /// `p_vaddr` rounded down to where the kernel maps it. `p_align` may be anything; a page is the least
    /// that it means.
    fn page(self) -> u64 {
        self.address & !(self.alignment() - 1)
    }

    fn page_offset(self) -> u64 {
        self.offset & !(4096 - 1)
    }

    fn alignment(self) -> u64 {
        if self.align.is_power_of_two() { self.align.max(4096) } else { 4096 }
    }
}

/// What the first 64 bytes and the program headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Headers {
    /// `ET_EXEC`: at the addresses that it names. Otherwise it is moved by the bias.
    fixed: bool,
    segments: Vec<Segment>,
    /// Address and size of the dynamic section, in the file's own addresses.
    dynamic: Option<(u64, u64)>,
    /// Offset, number, and which of them holds the names, of the section headers.
    sections: (u64, u16, u16),
}

/// Places at which a file may seem to have been loaded; a program that maps itself to look at it does so once.
const MOST_PLACES: usize = 16;
/// More program headers than any linker makes (some 15).
const MOST_HEADERS: u16 = 256;

impl Headers {
    /// Reads them through `read`, which takes an offset from the beginning of the file.
    fn read(read: Read<'_>) -> Result<Self, ElfError> {
        let mut head = [0; SIZEOF_EHDR];
        read(0, &mut head[..16])?;
        if !head.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        if head[4] == ELFCLASS32 {
            return Err(ElfError::ThirtyTwoBit);
        }
        read(0, &mut head)?;
        let header: Header = structure(&head)?;
        if head[4] != ELFCLASS64
            || head[5] != ELFDATA2LSB
            || ![EM_X86_64, EM_AARCH64].contains(&header.e_machine)
        {
            return Err(ElfError::OtherMachine(header.e_machine));
        }
        if ![ET_EXEC, ET_DYN].contains(&header.e_type) {
            return Err(ElfError::Malformed("neither a program nor a library"));
        }
        let count = header.e_phnum;
        if usize::from(header.e_phentsize) != SIZEOF_PHDR || count == 0 || count > MOST_HEADERS {
            return Err(ElfError::Malformed("program headers"));
        }
        let mut table = vec![0; usize::from(count) * SIZEOF_PHDR];
        read(header.e_phoff, &mut table)?;
        let mut headers = Self {
            fixed: header.e_type == ET_EXEC,
            segments: Vec::new(),
            dynamic: None,
            sections: (header.e_shoff, header.e_shnum, header.e_shstrndx),
        };
        for entry in table.chunks_exact(SIZEOF_PHDR) {
            headers.add(&structure(entry)?);
        }
        if headers.segments.is_empty() {
            return Err(ElfError::Malformed("nothing to load"));
        }
        Ok(headers)
    }

    fn add(&mut self, entry: &ProgramHeader) {
        match entry.p_type {
            PT_LOAD => self.segments.push(Segment {
                offset: entry.p_offset,
                address: entry.p_vaddr,
                file_size: entry.p_filesz,
                memory_size: entry.p_memsz,
                align: entry.p_align,
                executable: entry.p_flags & PF_X != 0,
            }),
            PT_DYNAMIC => self.dynamic = Some((entry.p_vaddr, entry.p_memsz)),
            _ => {}
        }
    }

    /// How far the file was moved when it was loaded: what to add to its own addresses.
    ///
    /// The lowest mapping of a file is not always its beginning (somebody may have mapped the file a second
    /// time, to look at it): so the first mapping is taken under which every other segment that can be
    /// executed has its mapping too.
    fn bias(&self, mappings: &[Mapping]) -> Result<u64, ElfError> {
        if self.fixed {
            return Ok(0);
        }
        let first = self.segments[0];
        let candidates = || {
            mappings
                .iter()
                .filter(move |mapping| mapping.offset == first.page_offset())
                .map(move |mapping| mapping.start.0.wrapping_sub(first.page()))
                .take(MOST_PLACES)
        };
        let code_is_there = |bias: &u64| {
            self.segments.iter().filter(|segment| segment.executable).all(|segment| {
                let at = Address(segment.address.wrapping_add(*bias));
                mappings.iter().any(|mapping| mapping.contains(at) && mapping.access.execute)
            })
        };
        candidates()
            .find(code_is_there)
            .or_else(|| candidates().next())
            .or_else(|| mappings.first().map(|mapping| mapping.start.0.wrapping_sub(first.page())))
            .ok_or(ElfError::Malformed("it is mapped nowhere"))
    }

    /// Where in the file a byte with this address is.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| {
            address.checked_sub(segment.address).is_some_and(|within| within < segment.file_size)
        })?;
        segment.offset.checked_add(address - segment.address)
    }
}

/// Reads bytes at an offset of the file or at one of its own addresses.
type Read<'a> = &'a dyn Fn(u64, &mut [u8]) -> Result<(), ElfError>;

/// Where the bytes come from.
enum Source<'a> {
    File(File),
    /// The file is gone: what the target has in its memory, which lacks section headers and local symbols.
    Memory(&'a dyn Memory),
}

/// A program or library as it is loaded in the target. All addresses given out are the target's.
pub struct Elf<'a> {
    source: Source<'a>,
    headers: Headers,
    bias: u64,
    dynamic: Option<Dynamic>,
}

impl fmt::Debug for Elf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::File(file) => format!("{file:?}"),
            Source::Memory(_) => "memory".to_owned(),
        };
        f.debug_struct("Elf")
            .field("source", &source)
            .field("bias", &Address(self.bias))
            .finish_non_exhaustive()
    }
}

impl<'a> Elf<'a> {
    /// Reads a file's headers; `module` says where it is mapped.
    pub fn of_file(file: File, module: &Module) -> Result<Self, ElfError> {
        let headers = Headers::read(&|offset, to| file::read(&file, offset, to))?;
        let bias = headers.bias(&module.mappings)?;
        Self::new(Source::File(file), headers, bias)
    }

    /// Reads the headers that the target has in its memory, at the beginning of the module, for a file that
    /// cannot be opened any more. Sections and local symbols are not to be had then.
    pub fn of_memory(memory: &'a dyn Memory, module: &Module) -> Result<Self, ElfError> {
        let mut result = Err(ElfError::Malformed("its beginning is not mapped"));
        for mapping in module.mappings.iter().filter(|mapping| mapping.offset == 0).take(16) {
            result = Headers::read(&|offset, to| {
                if offset.saturating_add(to.len() as u64) > mapping.size() {
                    return Err(ElfError::Malformed("headers outside of what is mapped"));
                }
                Ok(memory.read(mapping.start + offset, to)?)
            })
            .and_then(|headers| Ok((headers.bias(&module.mappings)?, headers)));
            if result.is_ok() {
                break;
            }
        }
        let (bias, headers) = result?;
        Self::new(Source::Memory(memory), headers, bias)
    }

    fn new(source: Source<'a>, headers: Headers, bias: u64) -> Result<Self, ElfError> {
        let mut elf = Self { source, headers, bias, dynamic: None };
        if let Some((address, size)) = elf.headers.dynamic {
            // What the loader has moved it has moved in memory only; a file's entries are its own addresses.
            let moved = if matches!(elf.source, Source::Memory(_)) { elf.bias } else { 0 };
            elf.dynamic = Some(Dynamic::read(&|at, to| elf.read_unmoved(at, to), address, size, moved)?);
        }
        Ok(elf)
    }

    /// What was added to the file's own addresses when it was loaded.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// Its own name as a library (`DT_SONAME`), such as `libpython3.12.so.1.0`; none for programs.
    pub fn soname(&self) -> Option<String> {
        self.dynamic.as_ref()?.soname(&|at, to| self.read_unmoved(at, to))
    }

    /// An exported symbol that is defined here, by the hash table: a handful of small reads, however big the
    /// file is.
    pub fn symbol(&self, name: &str) -> Result<Option<Place>, ElfError> {
        let Some(dynamic) = &self.dynamic else { return Ok(None) };
        let found = dynamic.symbol(&|at, to| self.read_unmoved(at, to), name)?;
        Ok(found.map(|symbol| self.place(symbol)))
    }

    /// A symbol of the whole table (`.symtab`), local ones too. `None` if the file was stripped, or is gone.
    /// Reads both tables from end to end, a few milliseconds for a Python: for what [`Elf::symbol`] cannot
    /// give.
    pub fn local_symbol(&self, name: &str) -> Result<Option<Place>, ElfError> {
        let Source::File(file) = &self.source else { return Ok(None) };
        let found = file::local_symbol(file, self.headers.sections, name)?;
        Ok(found.map(|symbol| self.place(symbol)))
    }

    /// A section that is loaded, by its name. `None` if there is none, if section headers were stripped, or
    /// the file is gone.
    pub fn section(&self, name: &str) -> Result<Option<Place>, ElfError> {
        let Source::File(file) = &self.source else { return Ok(None) };
        let found = file::section(file, self.headers.sections, name)?;
        Ok(found.map(|place| self.place(place)))
    }

    /// The parts that are writable data in memory and zero in the file (`.bss`): from the end of what a
    /// segment has in the file to its end in memory.
    pub fn zeroed(&self) -> impl Iterator<Item = Place> {
        self.headers.segments.iter().filter(|segment| segment.memory_size > segment.file_size).map(
            |segment| {
                self.place((
                    segment.address.wrapping_add(segment.file_size),
                    segment.memory_size - segment.file_size,
                ))
            },
        )
    }

    /// Bytes as the *file* has them at a place in the target (a constant that can be trusted to be what was
    /// compiled in); of a file that is gone, what the target has there.
    pub fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ElfError> {
        self.read_unmoved(from.0.wrapping_sub(self.bias), to)
    }

    fn read_unmoved(&self, address: u64, to: &mut [u8]) -> Result<(), ElfError> {
        match &self.source {
            Source::Memory(memory) => Ok(memory.read(Address(address.wrapping_add(self.bias)), to)?),
            Source::File(file) => {
                let offset = self.headers.offset_of(address).ok_or(ElfError::Malformed("an address"))?;
                file::read(file, offset, to)
            }
        }
    }

    fn place(&self, (address, size): (u64, u64)) -> Place {
        Place { address: Address(address.wrapping_add(self.bias)), size }
    }
}

/// One of goblin's structures from the bytes of a file.
fn structure<'a, T>(bytes: &'a [u8]) -> Result<T, ElfError>
where
    T: TryFromCtx<'a, Endian>,
    T::Error: From<scroll::Error>,
{
    bytes.pread_with(0, scroll::LE).map_err(|_| ElfError::Malformed("it ends too early"))
}

#[cfg(test)]
mod tests;
