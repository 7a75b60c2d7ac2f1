//! Dicts of the target, and the keys that instances share. Their entries are copied a page at a time, and
//! the strings among their keys are compared by length first: `sys.modules` may hold a thousand of them.

use crate::python::layout::{Field, NameFormat};
use crate::python::objects::{Objects, flag};
use crate::target::memory::{Address, Memory, Range, ReadError};

/// Entries of one dict that are looked at.
const MOST_ENTRIES: u64 = 1 << 20;
/// Entries in one read: 24 KiB.
const PAGE: u64 = 1 << 10;
/// Strings asked for their length in one scattered read.
const BATCH: usize = 64;

/// `PyDictObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DictLayout {
    /// 2.7: it points to a table of slots.
    Table {
        /// `ma_mask`, one less than the number of slots.
        mask: Field<u64>,
        /// `ma_table`.
        slots: Field<Address>,
    },
    /// 3.3 and later: it points to keys, and in a split dict, whose keys instances share, to values.
    Keys {
        /// `ma_keys`.
        keys: Field<Address>,
        /// `ma_values`.
        values: Field<Address>,
        /// Where the first value is found from there: 3.13 put four bytes in front.
        first_value: Field<Address>,
        /// What `ma_keys` points to.
        format: KeysFormat,
    },
}

/// `PyDictKeysObject`. No build has anything in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysFormat {
    /// 3.3–3.5: `dk_size` slots at 32, found by hash.
    Slots,
    /// 3.6–3.10: indices at 40, 1, 2, 4 or 8 bytes each, then entries in the order of insertion.
    Indexed,
    /// 3.11 and later: the indices' size in bytes is told; if all keys are strings, entries have no hash.
    Kinds,
}

/// A dict's entries, or an instance's attributes.
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    start: Address,
    count: u64,
    stride: u64,
    /// Where the values are if not beside the keys.
    values: Option<Address>,
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    index: u64,
    /// The key's hash, where it stands beside it: it does unless all keys are strings. Of a small integer it is that.
    pub hash: Option<u64>,
    /// An object.
    pub key: Address,
    /// An object.
    pub value: Address,
}

impl<M: Memory> Objects<'_, M> {
    /// The entries of the dict at `object`, `None` if it is not one.
    pub fn dict(&self, object: Address) -> Result<Option<Entries>, ReadError> {
        if self.kind(object)?.flags & flag::DICT == 0 {
            return Ok(None);
        }
        match self.shapes.dicts {
            DictLayout::Table { mask, slots } => {
                let slots = slots.of(self.memory, object)?;
                let count = mask.of(self.memory, object)?.wrapping_add(1);
                let entries = Entries { start: slots, count, stride: 24, values: None };
                Ok(count.is_power_of_two().then_some(entries))
            }
            DictLayout::Keys { keys, values, .. } => {
                let mut pointers = [0; 16];
                self.memory.read(keys.within(object), &mut pointers)?;
                let skipped = keys.offset();
                let (Some(keys), Some(values)) =
                    (keys.from(&pointers, skipped), values.from(&pointers, skipped))
                else {
                    return Ok(None);
                };
                self.keys(keys, values)
            }
        }
    }

    /// The entries that `keys` have, with the values at `values` unless that is null.
    pub(super) fn keys(&self, keys: Address, values: Address) -> Result<Option<Entries>, ReadError> {
        let DictLayout::Keys { first_value, format, .. } = self.shapes.dicts else { return Ok(None) };
        let values = if values.is_null() { None } else { Some(first_value.within(values)) };
        let mut head = [0; 40];
        let length = if format == KeysFormat::Indexed { 40 } else { 32 };
        self.memory.read(keys, &mut head[..length])?;
        let word = |offset: u32| Field::<u64>::at(offset).from(&head, 0).unwrap_or_default();
        let (size, count, start, stride) = match format {
            KeysFormat::Slots => (word(8), word(8), 32, 24),
            KeysFormat::Indexed => {
                let size = word(8);
                let width = match size {
                    0..=0xFF => 1,
                    0x100..=0xFFFF => 2,
                    0x1_0000..=0xFFFF_FFFF => 4,
                    _ => 8,
                };
                (size, word(32), size.saturating_mul(width).saturating_add(40), 24)
            }
            KeysFormat::Kinds => {
                let (log2_size, log2_index_bytes, kind) = (head[8], head[9], head[10]);
                if log2_size > 48 || log2_index_bytes > 51 {
                    return Ok(None);
                }
                // DICT_KEYS_GENERAL, else DICT_KEYS_UNICODE or DICT_KEYS_SPLIT.
                (1 << log2_size, word(24), 32 + (1 << log2_index_bytes), if kind == 0 { 24 } else { 16 })
            }
        };
        let fits = size.is_power_of_two() && count <= size;
        Ok(fits.then_some(Entries { start: keys + start, count, stride, values }))
    }

    /// The value of the string `name` in `entries`.
    pub fn item(&mut self, entries: Entries, name: &str) -> Result<Option<Address>, ReadError> {
        let mut page = Vec::new();
        let mut start = 0;
        while self.page(entries, &mut start, &mut page)? {
            for batch in page.chunks(BATCH) {
                let lengths = self.lengths(batch)?;
                for (entry, length) in batch.iter().zip(lengths) {
                    if length != Some(name.len() as u64) || !self.is(entry.key, name)? {
                        continue;
                    }
                    let Some(values) = entries.values else { return Ok(Some(entry.value)) };
                    let value = self.memory.pointer(values + 8 * entry.index)?;
                    return Ok(Some(value).filter(|value| !value.is_null()));
                }
            }
        }
        Ok(None)
    }

    /// Fills `page` with entries from number `start` on, which moves behind them; false at the end. Of a split
    /// dict only the keys are told.
    pub fn page(
        &mut self,
        entries: Entries,
        start: &mut u64,
        page: &mut Vec<Entry>,
    ) -> Result<bool, ReadError> {
        page.clear();
        let count = entries.count.min(MOST_ENTRIES).saturating_sub(*start).min(PAGE).min(self.budget);
        if count == 0 {
            return Ok(false);
        }
        self.budget -= count;
        let mut bytes = vec![0; (count * entries.stride) as usize];
        self.memory.read(entries.start + *start * entries.stride, &mut bytes)?;
        for (entry, index) in bytes.chunks_exact(entries.stride as usize).zip(*start..) {
            // A hash may stand before the two pointers.
            let (hash, pointers) = entry.split_at(entry.len() - 16);
            let hash = Field::at(0).from(hash, 0);
            let key = Field::at(0).from(pointers, 0).unwrap_or(Address::NULL);
            let value = Field::at(8).from(pointers, 0).unwrap_or(Address::NULL);
            // What was deleted left a null or (up to 3.5) a dummy key, and no value.
            if !key.is_null() && (entries.values.is_some() || !value.is_null()) {
                page.push(Entry { index, hash, key, value });
            }
        }
        *start += count;
        Ok(true)
    }

    /// The lengths that the keys have if they are strings; `None` for one that cannot be read.
    fn lengths(&self, batch: &[Entry]) -> Result<[Option<u64>; BATCH], ReadError> {
        let length = match self.layout.text.names {
            NameFormat::Bytes => self.layout.text.bytes_length,
            NameFormat::Unicode { length, .. } => length,
        };
        let mut words = [[0; 8]; BATCH];
        let mut lengths = [None; BATCH];
        let mut rest = 0;
        while let Some(batch) = batch.get(rest..).filter(|batch| !batch.is_empty()) {
            let mut ranges: Vec<_> = batch
                .iter()
                .zip(&mut words)
                .map(|(entry, to)| Range { from: length.within(entry.key), to })
                .collect();
            let filled = self.memory.read_scattered(&mut ranges)?;
            for (length, word) in lengths.iter_mut().skip(rest).zip(&words).take(filled) {
                *length = Some(u64::from_le_bytes(*word));
            }
            rest += filled + 1;
        }
        Ok(lengths)
    }

    /// Is the object at `key`, which has the length of `name`, that string? The names in programs are ASCII
    /// and compact (3.3): one read, which ends where such a string ends.
    fn is(&self, key: Address, name: &str) -> Result<bool, ReadError> {
        let (first, data) = match self.layout.text.names {
            NameFormat::Bytes => (self.layout.text.bytes_data.offset(), self.layout.text.bytes_data),
            NameFormat::Unicode { state, ascii_data, .. } => (state.offset(), ascii_data),
        };
        let Some(skip) = data.offset().checked_sub(first) else { return Ok(false) };
        let mut bytes = vec![0; skip as usize + name.len()];
        match self.memory.read(key + u64::from(first), &mut bytes) {
            Ok(()) => {}
            Err(ReadError::Unmapped(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let compact = match self.layout.text.names {
            NameFormat::Bytes => true,
            NameFormat::Unicode { kind_shift, .. } => {
                let state = Field::<u32>::at(0).from(&bytes, 0).unwrap_or_default() >> kind_shift;
                // One byte a character, compact, ASCII.
                state & 0b11111 == 0b11001
            }
        };
        Ok(compact && bytes.get(skip as usize..) == Some(name.as_bytes()))
    }
}
