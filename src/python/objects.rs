//! The few kinds of objects besides code and strings that stand between an interpreter and the names of its
//! threads: types, dicts, the attributes of instances, integers. They change while the target runs, so
//! nothing here is kept from one moment to the next, and whatever does not fit is "not there".

use crate::python::dicts::{DictLayout, Entries, KeysFormat};
use crate::python::layout::{Field, Layout};
use crate::python::text::TextError;
use crate::python::version::Build;
use crate::target::memory::{Address, Memory, ReadError};

/// Entries that are looked at in all: some 60 for each of 100,000 threads, each of which could have a dict of
/// 1,000,000.
const MOST_ENTRIES_IN_ALL: u64 = 1 << 23;
/// An instance is smaller than this, in bytes.
const LARGEST_INSTANCE: u64 = 1 << 20;

/// Bits of `tp_flags`.
pub(super) mod flag {
    pub(crate) const INLINE_VALUES: u64 = 1 << 2;
    pub(crate) const MANAGED_DICT: u64 = 1 << 4;
    pub(crate) const IMMUTABLE: u64 = 1 << 8;
    pub(crate) const HEAP_TYPE: u64 = 1 << 9;
    pub(crate) const INT: u64 = 1 << 23;
    pub(crate) const LONG: u64 = 1 << 24;
    pub(crate) const BYTES: u64 = 1 << 27;
    pub(crate) const UNICODE: u64 = 1 << 28;
    pub(crate) const DICT: u64 = 1 << 29;
}

/// What must be known to read these objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLayout {
    /// `PyTypeObject`.
    pub types: TypeLayout,
    /// `PyDictObject`.
    pub dicts: DictLayout,
    /// Where an instance keeps its attributes.
    pub attributes: Attributes,
    /// `PyLongObject`.
    pub integers: IntegerLayout,
}

/// `PyTypeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeLayout {
    /// `tp_basicsize`, the first that is read.
    pub basic_size: Field<u64>,
    /// `tp_flags`.
    pub flags: Field<u64>,
    /// `tp_dictoffset`, the last that is read. 0: no dict; negative: counted from the end (or managed).
    pub dict_offset: Field<i64>,
    /// `ht_cached_keys`, 3.11 and later: the keys of instances that have values and no dict.
    pub cached_keys: Option<Field<Address>>,
}

/// Where an instance keeps its attributes, if its class is no slotted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attributes {
    /// Up to 3.10: in a dict, `tp_dictoffset` says where that is.
    AtDictOffset,
    /// 3.11: values 32 bytes before the instance, or a dict 24 before.
    Pointers,
    /// 3.12: the word 24 bytes before the instance is odd (one less than an address) for values, else a dict.
    Tagged,
    /// 3.13 and later: in a dict, or behind the instance.
    Inline {
        /// Bytes from the dict's pointer to the instance.
        dict: u64,
    },
}

/// `PyLongObject`, and the `PyIntObject` of 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerLayout {
    /// `ob_size`, `lv_tag` (3.12) or the number itself (`ob_ival`).
    pub size: Field<i64>,
    /// 30 bits each, the lowest first.
    pub digits: Field<u32>,
    /// How the number of digits is told.
    pub format: IntegerFormat,
}

impl IntegerLayout {
    /// The number of the `PyLongObject` at `object`, if it is positive and not too large.
    pub(super) fn number(&self, memory: &impl Memory, object: Address) -> Result<Option<u64>, ReadError> {
        const POSITIVE: i64 = 0;
        let size = self.size.of(memory, object)?;
        let count = match self.format {
            IntegerFormat::Tagged if size & 0b11 == POSITIVE => size >> 3,
            IntegerFormat::Tagged => return Ok(None),
            IntegerFormat::Signed => size,
        };
        let count = usize::try_from(count).unwrap_or_default();
        if !matches!(count, 1..=3) {
            return Ok(None);
        }
        let mut bytes = [0; 12];
        let bytes = &mut bytes[..count * 4];
        memory.read(self.digits.within(object), bytes)?;
        let number = bytes
            .chunks_exact(4)
            .rev()
            .filter_map(|digit| Field::<u32>::at(0).from(digit, 0))
            .fold(0, |number, digit| number << 30 | u128::from(digit));
        Ok(u64::try_from(number).ok())
    }
}

/// How an integer says how many digits it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerFormat {
    /// `ob_size`, negative for negative numbers.
    Signed,
    /// 3.12 and later: in the bits from 3 up; the lowest two are the sign, 0 for positive.
    Tagged,
}

impl ObjectLayout {
    /// For the versions that have a [`Layout`]; compiled from their headers (`tests/offsets.json`). 3.13 and
    /// later publish the flags of types only.
    pub fn of(layout: &Layout) -> Option<Self> {
        let version = layout.version.minor();
        let header = if layout.build == Build::Ordinary { 0 } else { 16 };
        let keys = |keys, format| DictLayout::Keys {
            keys: Field::at(keys + header),
            values: Field::at(keys + 8 + header),
            first_value: Field::at(if version >= (3, 13) { 8 } else { 0 }),
            format,
        };
        let dicts = match version {
            (2, 7) => DictLayout::Table { mask: Field::at(32 + header), slots: Field::at(40 + header) },
            (3, 3..=5) => keys(24, KeysFormat::Slots),
            (3, 6..=10) => keys(32, KeysFormat::Indexed),
            (3, 11..=15) => keys(32, KeysFormat::Kinds),
            _ => return None,
        };
        let (attributes, cached_keys) = match version {
            (2, _) | (3, ..=10) => (Attributes::AtDictOffset, None),
            (3, 11) => (Attributes::Pointers, Some(872)),
            (3, 12) => (Attributes::Tagged, Some(880)),
            // The weak references and the collector's words went elsewhere in free-threaded builds.
            (_, minor) => (
                Attributes::Inline { dict: if layout.build == Build::FreeThreaded { 8 } else { 24 } },
                Some(if minor == 15 { 888 } else { 880 }),
            ),
        };
        let format = if version >= (3, 12) { IntegerFormat::Tagged } else { IntegerFormat::Signed };
        Some(Self {
            types: TypeLayout {
                basic_size: Field::at(32 + header),
                flags: Field::at(168 + header),
                dict_offset: Field::at(288 + header),
                cached_keys: cached_keys.map(|offset| Field::at(offset + header)),
            },
            dicts,
            attributes,
            integers: IntegerLayout { size: Field::at(16 + header), digits: Field::at(24 + header), format },
        })
    }
}

/// Reads objects at one moment, in which nothing changes.
#[derive(Debug)]
pub struct Objects<'a, M> {
    pub(super) layout: &'a Layout,
    pub(super) shapes: &'a ObjectLayout,
    pub(super) memory: &'a M,
    /// Entries that may still be looked at.
    pub(super) budget: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) flags: u64,
    basic_size: u64,
    dict_offset: i64,
    cached_keys: Address,
}

impl<'a, M: Memory> Objects<'a, M> {
    /// Begins to read.
    pub fn new(layout: &'a Layout, shapes: &'a ObjectLayout, memory: &'a M) -> Self {
        Self { layout, shapes, memory, budget: MOST_ENTRIES_IN_ALL }
    }

    /// The attribute `name` of the instance (or module) at `object`.
    pub fn attribute(&mut self, object: Address, name: &str) -> Result<Option<Address>, ReadError> {
        match self.attributes(object)? {
            Some(entries) => self.item(entries, name),
            None => Ok(None),
        }
    }

    fn attributes(&self, object: Address) -> Result<Option<Entries>, ReadError> {
        let kind = self.kind(object)?;
        let managed = kind.flags & flag::MANAGED_DICT != 0;
        let before = |bytes: u64| Address(object.0.wrapping_sub(bytes));
        let (values, dict) = match self.shapes.attributes {
            Attributes::AtDictOffset => (Address::NULL, self.dict_at_offset(object, kind)?),
            _ if !managed => (Address::NULL, self.dict_at_offset(object, kind)?),
            Attributes::Pointers => (self.memory.pointer(before(32))?, self.memory.pointer(before(24))?),
            Attributes::Tagged => match self.memory.pointer(before(24))? {
                word if word.0 & 1 == 1 => (word + 1, Address::NULL),
                dict => (Address::NULL, dict),
            },
            Attributes::Inline { dict } => match self.memory.pointer(before(dict))? {
                Address::NULL => (self.inline_values(object, kind)?, Address::NULL),
                dict => (Address::NULL, dict),
            },
        };
        match (values, dict) {
            (Address::NULL, Address::NULL) => Ok(None),
            (Address::NULL, dict) => self.dict(dict),
            (values, _) => self.keys(kind.cached_keys, values),
        }
    }

    /// Where the class has no managed dict: always up to 3.10, modules and C classes later. Null for none.
    fn dict_at_offset(&self, object: Address, kind: Type) -> Result<Address, ReadError> {
        match u64::try_from(kind.dict_offset) {
            Ok(offset @ 1..LARGEST_INSTANCE) => self.memory.pointer(object + offset),
            _ => Ok(Address::NULL),
        }
    }

    /// `PyDictValues` behind an instance, null if it has none: `valid` ends when a dict takes them over.
    fn inline_values(&self, object: Address, kind: Type) -> Result<Address, ReadError> {
        /// `capacity`, `size`, `embedded`, `valid`.
        const VALID: Field<u8> = Field::at(3);
        if kind.flags & flag::INLINE_VALUES == 0 || kind.basic_size >= LARGEST_INSTANCE {
            return Ok(Address::NULL);
        }
        let values = object + kind.basic_size;
        Ok(if VALID.of(self.memory, values)? == 1 { values } else { Address::NULL })
    }

    /// The integer at `object`, if it is one that a `pthread_t` can be.
    pub fn integer(&self, object: Address) -> Result<Option<u64>, ReadError> {
        let kind = self.kind(object)?;
        let integers = self.shapes.integers;
        if self.layout.version.major == 2 && kind.flags & flag::INT != 0 {
            return Ok(u64::try_from(integers.size.of(self.memory, object)?).ok());
        }
        if kind.flags & flag::LONG == 0 { Ok(None) } else { integers.number(self.memory, object) }
    }

    /// The string at `object`, if it is one. A `unicode` of 2.7 is not: nobody sets such a name but by hand.
    pub fn text(&self, object: Address) -> Result<Option<String>, ReadError> {
        let wanted = if self.layout.version.major == 2 { flag::BYTES } else { flag::UNICODE };
        if self.kind(object)?.flags & wanted == 0 {
            return Ok(None);
        }
        match self.layout.text.name(self.memory, object) {
            Ok(text) => Ok(Some(text)),
            Err(TextError::NotText(_)) => Ok(None),
            Err(TextError::Read(error)) => Err(error),
        }
    }

    pub(super) fn kind(&self, object: Address) -> Result<Type, ReadError> {
        let address = self.layout.object_type.of(self.memory, object)?;
        let TypeLayout { basic_size, flags, dict_offset, cached_keys } = self.shapes.types;
        let skipped = basic_size.offset();
        let mut bytes = [0; 288 + 8 - 32];
        self.memory.read(basic_size.within(address), &mut bytes)?;
        let flags = flags.from(&bytes, skipped).unwrap_or_default();
        // Only types that were made by `class` are long enough to have them.
        let cached_keys = match cached_keys {
            Some(field) if flags & flag::HEAP_TYPE != 0 && flags & flag::MANAGED_DICT != 0 => {
                field.of(self.memory, address)?
            }
            _ => Address::NULL,
        };
        Ok(Type {
            flags,
            basic_size: basic_size.from(&bytes, skipped).unwrap_or_default(),
            dict_offset: dict_offset.from(&bytes, skipped).unwrap_or_default(),
            cached_keys,
        })
    }
}
