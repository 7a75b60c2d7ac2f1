//! What only the file has, and memory has not: section headers, and the table of all symbols.

use std::fs::File;
use std::os::unix::fs::FileExt;

use goblin::elf::section_header::{SHF_ALLOC, SHT_NOBITS, SHT_SYMTAB};
use goblin::elf::sym::STT_TLS;
use goblin::elf64::section_header::{SIZEOF_SHDR, SectionHeader};
use goblin::elf64::sym::{SIZEOF_SYM, Sym, st_type};

use super::{ElfError, structure};

/// Fills `to` from a file, wherever its cursor is.
pub(super) fn read(file: &File, offset: u64, to: &mut [u8]) -> Result<(), ElfError> {
    // Linux refuses offsets that do not fit an i64 with EINVAL: that is the file's fault, not the system's.
    if i64::try_from(offset).is_err() {
        return Err(ElfError::Malformed("an offset"));
    }
    Ok(file.read_exact_at(to, offset)?)
}

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Tables bigger than this are not read: the biggest programs (browsers with full symbols) have some 100 MiB
/// of names.
const BIGGEST_TABLE: u64 = 256 << 20;
/// Places in the table of names that one name may have; linkers keep one, or two.
const MOST_PLACES: usize = 16;

/// Sections that a program or a library may have: compilers make files of thousands, linkers join them to some forty.
const MOST_SECTIONS: u16 = 1024;

/// All section headers, and no more than the file has.
fn sections(file: &File, (offset, count, _): (u64, u16, u16)) -> Result<Vec<SectionHeader>, ElfError> {
    if count > MOST_SECTIONS {
        return Err(ElfError::Malformed("more than 1,024 sections"));
    }
    let mut sections = Vec::new();
    let mut chunk = [0; SIZEOF_SHDR * 64];
    let mut at = offset;
    let mut left = usize::from(count);
    while left > 0 {
        let now = &mut chunk[..left.min(64) * SIZEOF_SHDR];
        read(file, at, now)?;
        for entry in now.chunks_exact(SIZEOF_SHDR) {
            sections.push(structure(entry)?);
        }
        at = at.saturating_add(now.len() as u64);
        left = left.saturating_sub(64);
    }
    Ok(sections)
}

/// Address and size of a loaded section.
pub(super) fn section(
    file: &File,
    table: (u64, u16, u16),
    name: &str,
) -> Result<Option<(u64, u64)>, ElfError> {
    let sections = sections(file, table)?;
    let Some(names) = sections.get(usize::from(table.2)).filter(|names| names.sh_type != SHT_NOBITS) else {
        return Ok(None);
    };
    let mut found = vec![0; name.len() + 1];
    for section in sections.iter().filter(|section| section.sh_flags & u64::from(SHF_ALLOC) != 0) {
        let end = u64::from(section.sh_name).saturating_add(found.len() as u64);
        if end > names.sh_size {
            continue;
        }
        read(file, names.sh_offset.saturating_add(u64::from(section.sh_name)), &mut found)?;
        if found.strip_suffix(b"\0") == Some(name.as_bytes()) {
            return Ok(Some((section.sh_addr, section.sh_size)));
        }
    }
    Ok(None)
}

/// Address and size of a symbol of `.symtab`.
pub(super) fn local_symbol(
    file: &File,
    table: (u64, u16, u16),
    name: &str,
) -> Result<Option<(u64, u64)>, ElfError> {
    let sections = sections(file, table)?;
    let Some(symbols) = sections.iter().find(|section| section.sh_type == SHT_SYMTAB) else {
        return Ok(None);
    };
    let Some(names) = usize::try_from(symbols.sh_link).ok().and_then(|link| sections.get(link)) else {
        return Err(ElfError::Malformed("the symbols' names"));
    };
    if symbols.sh_size > BIGGEST_TABLE || names.sh_size > BIGGEST_TABLE {
        return Err(ElfError::Malformed("a symbol table of more than 256 MiB"));
    }
    let places = places_of(file, names, name)?;
    if places.is_empty() {
        return Ok(None);
    }
    let mut found = None;
    let size = symbols.sh_size - symbols.sh_size % SIZEOF_SYM as u64;
    in_chunks(file, symbols.sh_offset, size, CHUNK - CHUNK % SIZEOF_SYM, |_, chunk| {
        let mut symbols = chunk.chunks_exact(SIZEOF_SYM).filter_map(|bytes| structure::<Sym>(bytes).ok());
        let symbol = symbols.find(|symbol| places.contains(&u64::from(symbol.st_name)) && is_defined(symbol));
        found = symbol.map(|symbol| (symbol.st_value, symbol.st_size));
        found.is_some()
    })?;
    Ok(found)
}

/// Has it a place of its own: not imported, not thread-local (whose value is no address)?
pub(super) fn is_defined(symbol: &Sym) -> bool {
    symbol.st_shndx != 0 && st_type(symbol.st_info) != STT_TLS
}

/// Where a name stands in a table of names. Linkers share tails (`interp_head` inside of `old_interp_head`),
/// so what stands before it does not matter.
fn places_of(file: &File, names: &SectionHeader, name: &str) -> Result<Vec<u64>, ElfError> {
    let mut wanted = name.as_bytes().to_vec();
    wanted.push(0);
    let mut places = Vec::new();
    let mut window: Vec<u8> = Vec::with_capacity(CHUNK + wanted.len());
    in_chunks(file, names.sh_offset, names.sh_size, CHUNK, |at, chunk| {
        // The end of the chunk before is kept, for a name that lies across the border.
        let kept = window.len().min(wanted.len() - 1);
        window.drain(..window.len() - kept);
        window.extend_from_slice(chunk);
        let start = at - kept as u64;
        places.extend(find_all(&window, &wanted).map(|index| start + index as u64));
        places.len() >= MOST_PLACES
    })?;
    places.truncate(MOST_PLACES);
    Ok(places)
}

/// Where `wanted`, which ends in the only null byte of it, stands in `window`.
fn find_all<'a>(window: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let ends = window.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(index, _)| index + 1);
    ends.filter(|&end| window[..end].ends_with(wanted)).map(|end| end - wanted.len())
}

/// Reads a stretch of the file, chunk by chunk, until `done` says so; it gets the offset within the stretch.
fn in_chunks(
    file: &File,
    offset: u64,
    size: u64,
    chunk: usize,
    mut done: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), ElfError> {
    let mut buffer = vec![0; chunk];
    let mut at = 0;
    while at < size {
        let now = usize::try_from(size - at).map_or(chunk, |left| left.min(chunk));
        read(file, offset.saturating_add(at), &mut buffer[..now])?;
        if done(at, &buffer[..now]) {
            break;
        }
        at += now as u64;
    }
    Ok(())
}
