//! A word in a structure of the target's: where it stands, and what it is.

use std::fmt;
use std::marker::PhantomData;

use crate::target::memory::{Address, Memory, ReadError};

/// Where a word of type `T` stands in a structure.
pub struct Field<T> {
    offset: u32,
    word: PhantomData<fn() -> T>,
}

impl<T> Field<T> {
    /// The field `offset` bytes from the structure's start.
    pub const fn at(offset: u32) -> Self {
        Self { offset, word: PhantomData }
    }

    /// Bytes from the structure's start.
    pub const fn offset(self) -> u32 {
        self.offset
    }

    /// The same field in a structure that has `bytes` more in front.
    #[must_use]
    pub const fn moved(self, bytes: u32) -> Self {
        Self::at(self.offset + bytes)
    }

    /// Its address in the structure at `base`.
    pub fn within(self, base: Address) -> Address {
        base + u64::from(self.offset)
    }
}

impl<T: Word> Field<T> {
    /// Reads it from the structure at `base`.
    pub fn of(self, memory: &impl Memory, base: Address) -> Result<T, ReadError> {
        T::read(memory, self.within(base))
    }

    /// Takes it from the bytes of a structure, of which `bytes` begins `skipped` bytes after its start.
    pub fn from(self, bytes: &[u8], skipped: u32) -> Option<T> {
        let start = self.offset.checked_sub(skipped)? as usize;
        T::parse(bytes.get(start..)?)
    }
}

// Derived versions would ask for `T: Copy` and so on.
impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Field<T> {}
impl<T> PartialEq for Field<T> {
    fn eq(&self, other: &Self) -> bool {
        self.offset == other.offset
    }
}
impl<T> Eq for Field<T> {}
impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.offset)
    }
}

/// A number or pointer that can stand in the target's memory.
pub trait Word: Sized {
    /// Reads one.
    fn read(memory: &impl Memory, from: Address) -> Result<Self, ReadError>;
    /// Takes one from the front of `bytes`.
    fn parse(bytes: &[u8]) -> Option<Self>;
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {
            fn read(memory: &impl Memory, from: Address) -> Result<Self, ReadError> {
                memory.array(from).map(<$word>::from_le_bytes)
            }
            fn parse(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| <$word>::from_le_bytes(*bytes))
            }
        }
    )*};
}
words!(u8, u16, i32, u32, i64, u64);

/// Words that follow each other.
impl<const N: usize> Word for [Address; N] {
    fn read(memory: &impl Memory, from: Address) -> Result<Self, ReadError> {
        let words = memory.view(from, [[0; 8]; N].as_flattened_mut(), Self::parse)?;
        words.ok_or(ReadError::Unmapped(from))
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        let words = bytes.as_chunks().0.first_chunk()?;
        Some(words.map(|word| Address(u64::from_le_bytes(word))))
    }
}

impl Word for Address {
    fn read(memory: &impl Memory, from: Address) -> Result<Self, ReadError> {
        memory.pointer(from)
    }
    fn parse(bytes: &[u8]) -> Option<Self> {
        u64::parse(bytes).map(Address)
    }
}
