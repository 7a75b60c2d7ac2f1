//! What only the file has, and memory has not: section headers, and the table of all symbols.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{ElfError, u16_at, u32_at, u64_at};

/// Fills `to` from a file, wherever its cursor is.
pub(super) fn read(file: &File, offset: u64, to: &mut [u8]) -> Result<(), ElfError> {
    // Linux refuses offsets that do not fit an i64 with EINVAL: that is the file's fault, not the system's.
    if i64::try_from(offset).is_err() {
        return Err(ElfError::Malformed("an offset"));
    }
    Ok(file.read_exact_at(to, offset)?)
}

const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;
const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Tables bigger than this are not read: the biggest programs (browsers with full symbols) have some 100 MiB
/// of names.
const BIGGEST_TABLE: u64 = 256 << 20;
/// Places in the table of names that one name may have; linkers keep one, or two.
const MOST_PLACES: usize = 16;

/// A section header, the parts that we use.
#[derive(Clone, Copy)]
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
}

impl Section {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            name: u32_at(bytes, 0),
            kind: u32_at(bytes, 4),
            flags: u64_at(bytes, 8),
            address: u64_at(bytes, 16),
            offset: u64_at(bytes, 24),
            size: u64_at(bytes, 32),
            link: u32_at(bytes, 40),
        }
    }
}

/// All section headers: at most 65,535 × 64 bytes, and no more than the file has.
fn sections(file: &File, (offset, count, _): (u64, u16, u16)) -> Result<Vec<Section>, ElfError> {
    let mut sections = Vec::new();
    let mut chunk = [0; SECTION_HEADER * 64];
    let mut at = offset;
    let mut left = usize::from(count);
    while left > 0 {
        let now = &mut chunk[..left.min(64) * SECTION_HEADER];
        read(file, at, now)?;
        sections.extend(now.chunks_exact(SECTION_HEADER).map(Section::parse));
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
    let Some(names) = sections.get(usize::from(table.2)).filter(|names| names.kind != SHT_NOBITS) else {
        return Ok(None);
    };
    let mut found = vec![0; name.len() + 1];
    for section in sections.iter().filter(|section| section.flags & SHF_ALLOC != 0) {
        let end = u64::from(section.name).saturating_add(found.len() as u64);
        if end > names.size {
            continue;
        }
        read(file, names.offset.saturating_add(u64::from(section.name)), &mut found)?;
        if found.strip_suffix(b"\0") == Some(name.as_bytes()) {
            return Ok(Some((section.address, section.size)));
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
    let Some(symbols) = sections.iter().find(|section| section.kind == SHT_SYMTAB) else { return Ok(None) };
    let Some(names) = usize::try_from(symbols.link).ok().and_then(|link| sections.get(link)) else {
        return Err(ElfError::Malformed("the symbols' names"));
    };
    if symbols.size > BIGGEST_TABLE || names.size > BIGGEST_TABLE {
        return Err(ElfError::Malformed("a symbol table of more than 256 MiB"));
    }
    let places = places_of(file, names, name)?;
    if places.is_empty() {
        return Ok(None);
    }
    let mut found = None;
    let size = symbols.size - symbols.size % SYMBOL as u64;
    in_chunks(file, symbols.offset, size, CHUNK - CHUNK % SYMBOL, |_, chunk| {
        let symbol = chunk
            .chunks_exact(SYMBOL)
            .find(|symbol| places.contains(&u64::from(u32_at(symbol, 0))) && is_defined(symbol));
        found = symbol.map(|symbol| (u64_at(symbol, 8), u64_at(symbol, 16)));
        found.is_some()
    })?;
    Ok(found)
}

/// Has it a place of its own: not imported, not thread-local (whose value is no address)?
pub(super) fn is_defined(symbol: &[u8]) -> bool {
    const STT_TLS: u8 = 6;
    u16_at(symbol, 6) != 0 && symbol[4] & 15 != STT_TLS
}

/// Where a name stands in a table of names. Linkers share tails (`interp_head` inside of `old_interp_head`),
/// so what stands before it does not matter.
fn places_of(file: &File, names: &Section, name: &str) -> Result<Vec<u64>, ElfError> {
    let mut wanted = name.as_bytes().to_vec();
    wanted.push(0);
    let mut places = Vec::new();
    let mut window: Vec<u8> = Vec::with_capacity(CHUNK + wanted.len());
    in_chunks(file, names.offset, names.size, CHUNK, |at, chunk| {
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
