//! The dynamic section: what the loader itself uses to find a symbol, in the file as in memory. A symbol is
//! looked up by the hash table (`DT_GNU_HASH`, else `DT_HASH`), never by reading the table of symbols.

use goblin::elf::dynamic::{DT_GNU_HASH, DT_HASH, DT_NULL, DT_SONAME, DT_STRSZ, DT_STRTAB, DT_SYMTAB};
use goblin::elf64::dynamic::{Dyn, SIZEOF_DYN};
use goblin::elf64::sym::{SIZEOF_SYM, Sym};

use super::file::is_defined;
use super::{ElfError, Read, structure};

/// Where the tables are, in the file's own addresses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dynamic {
    gnu_hash: Option<u64>,
    hash: Option<u64>,
    symbols: Option<u64>,
    names: Option<u64>,
    names_size: u64,
    soname: Option<u64>,
}

/// Entries of a dynamic section; real ones have some 30.
const MOST_ENTRIES: u64 = 512;
/// Symbols of one bucket; real ones have some 4, a table that is one long chain is no table.
const LONGEST_CHAIN: u32 = 1 << 14;

impl Dynamic {
    /// Reads the section. glibc adds the bias to the addresses in it, in memory; musl does not: `moved` is
    /// the bias where that may have happened, and an address that is not below it is taken to be moved. (No
    /// library is as big as the distance at which it is loaded.)
    pub(super) fn read(read: Read<'_>, address: u64, size: u64, moved: u64) -> Result<Self, ElfError> {
        let mut dynamic = Self::default();
        let own = |value: u64| if moved != 0 && value >= moved { value - moved } else { value };
        let mut entry = [0; SIZEOF_DYN];
        let length = SIZEOF_DYN as u64;
        for index in 0..(size / length).min(MOST_ENTRIES) {
            read(address.wrapping_add(index * length), &mut entry)?;
            let Dyn { d_tag, d_val: value } = structure(&entry)?;
            match d_tag {
                DT_NULL => break,
                DT_HASH => dynamic.hash = Some(own(value)),
                DT_GNU_HASH => dynamic.gnu_hash = Some(own(value)),
                DT_STRTAB => dynamic.names = Some(own(value)),
                DT_SYMTAB => dynamic.symbols = Some(own(value)),
                DT_STRSZ => dynamic.names_size = value,
                DT_SONAME => dynamic.soname = Some(value),
                _ => {}
            }
        }
        Ok(dynamic)
    }

    /// The library's name; none if there is none or it is longer than a file name can be.
    pub(super) fn soname(&self, read: Read<'_>) -> Option<String> {
        let (names, at) = (self.names?, self.soname?);
        let left = self.names_size.checked_sub(at)?;
        let mut bytes = [0; 256];
        let bytes = &mut bytes[..usize::try_from(left).map_or(256, |left| left.min(256))];
        read(names.wrapping_add(at), bytes).ok()?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        String::from_utf8(bytes[..end].to_vec()).ok()
    }

    /// Address and size of an exported symbol.
    pub(super) fn symbol(&self, read: Read<'_>, name: &str) -> Result<Option<(u64, u64)>, ElfError> {
        let (Some(symbols), Some(names)) = (self.symbols, self.names) else { return Ok(None) };
        let is_it = |index: u32| self.symbol_at(read, symbols, names, index, name);
        match (self.gnu_hash, self.hash) {
            (Some(table), _) => by_gnu_hash(read, table, name, is_it),
            (None, Some(table)) => by_hash(read, table, name, is_it),
            (None, None) => Ok(None),
        }
    }

    /// The symbol with this number, if it has this name and is defined here.
    fn symbol_at(
        &self,
        read: Read<'_>,
        symbols: u64,
        names: u64,
        index: u32,
        name: &str,
    ) -> Result<Option<(u64, u64)>, ElfError> {
        let mut bytes = [0; SIZEOF_SYM];
        read(symbols.wrapping_add(u64::from(index) * SIZEOF_SYM as u64), &mut bytes)?;
        let symbol: Sym = structure(&bytes)?;
        let at = u64::from(symbol.st_name);
        let mut found = vec![0; name.len() + 1];
        if at.saturating_add(found.len() as u64) > self.names_size || !is_defined(&symbol) {
            return Ok(None);
        }
        read(names.wrapping_add(at), &mut found)?;
        let same = found.strip_suffix(b"\0") == Some(name.as_bytes());
        Ok(same.then_some((symbol.st_value, symbol.st_size)))
    }
}

type Found = Result<Option<(u64, u64)>, ElfError>;

/// `DT_GNU_HASH`: header, bloom filter, buckets, and for each symbol from `first` on its hash, whose lowest
/// bit ends the chain.
fn by_gnu_hash(read: Read<'_>, table: u64, name: &str, is_it: impl Fn(u32) -> Found) -> Found {
    let mut header = [0; 16];
    read(table, &mut header)?;
    let [buckets, first, filter, _] = words(&header);
    if buckets == 0 {
        return Ok(None);
    }
    let wanted = gnu_hash(name);
    let bucket_table = table.wrapping_add(16).wrapping_add(u64::from(filter) * 8);
    let hash_table = bucket_table.wrapping_add(u64::from(buckets) * 4);
    let mut word = [0; 4];
    read(bucket_table.wrapping_add(u64::from(wanted % buckets) * 4), &mut word)?;
    let start = u32::from_le_bytes(word);
    let Some(skipped) = start.checked_sub(first) else { return Ok(None) }; // 0: an empty bucket
    for step in 0..LONGEST_CHAIN {
        read(hash_table.wrapping_add((u64::from(skipped) + u64::from(step)) * 4), &mut word)?;
        let hash = u32::from_le_bytes(word);
        if hash | 1 == wanted | 1 {
            let Some(index) = start.checked_add(step) else { return Ok(None) };
            if let Some(symbol) = is_it(index)? {
                return Ok(Some(symbol));
            }
        }
        if hash & 1 == 1 {
            return Ok(None);
        }
    }
    Err(ElfError::Malformed("an endless hash chain"))
}

/// `DT_HASH`: two counts, buckets, and for each symbol the next one of its chain.
fn by_hash(read: Read<'_>, table: u64, name: &str, is_it: impl Fn(u32) -> Found) -> Found {
    let mut header = [0; 8];
    read(table, &mut header)?;
    let [buckets, _] = words(&header);
    if buckets == 0 {
        return Ok(None);
    }
    let mut word = [0; 4];
    read(table.wrapping_add(8 + u64::from(sysv_hash(name) % buckets) * 4), &mut word)?;
    for _ in 0..LONGEST_CHAIN {
        let index = u32::from_le_bytes(word);
        if index == 0 {
            return Ok(None);
        }
        if let Some(symbol) = is_it(index)? {
            return Ok(Some(symbol));
        }
        read(table.wrapping_add(8 + (u64::from(buckets) + u64::from(index)) * 4), &mut word)?;
    }
    Err(ElfError::Malformed("an endless hash chain"))
}

/// Numbers of 32 bits; 0 for those that are not there.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words =
        bytes.chunks_exact(4).map(|word| word.first_chunk().map_or(0, |word| u32::from_le_bytes(*word)));
    std::array::from_fn(|_| words.next().unwrap_or(0))
}

pub(super) fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let top = hash & 0xf000_0000;
        (hash ^ (top >> 24)) & !top
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_loaders() {
        // From binutils' own tests and the System V ABI.
        assert_eq!(gnu_hash(""), 5381);
        assert_eq!(gnu_hash("printf"), 0x156b_2bb8);
        assert_eq!(sysv_hash("printf"), 0x0779_05a6);
        assert_eq!(
            sysv_hash("a_rather_long_name_with_a_carry"),
            sysv_hash("a_rather_long_name_with_a_carry")
        );
    }
}
