//! Strings and bytes of the target. Lengths are the target's word and are bounded here.

use std::fmt::Write;

use crate::python::layout::{NameFormat, TextLayout};
use crate::target::memory::{Address, Memory, ReadError};

/// Longer names are cut: a function's name is for people to read.
const LONGEST_NAME: usize = 4096;

/// A line table of a function of 100,000 lines has some hundred thousand bytes.
const LONGEST_BYTES: usize = 1 << 24;

/// A string, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// It could not be read.
    Read(ReadError),
    /// What stands there is no string: its length or kind is absurd.
    NotText(Address),
}

impl From<ReadError> for TextError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl TextLayout {
    /// The string object at `object` as UTF-8. Lone surrogates (undecodable bytes in file names) become
    /// `\udcXX` as Python's `backslashreplace` writes them, and bytes of 2.7 that are not UTF-8 `\xXX`; a long
    /// one is cut and ends in `…`.
    pub fn name(&self, memory: &impl Memory, object: Address) -> Result<String, TextError> {
        match self.names {
            NameFormat::Bytes => {
                let length = length(self.bytes_length.of(memory, object)?, object)?;
                let (bytes, cut) = data(memory, self.bytes_data.within(object), length, 1)?;
                Ok(mark_cut(decode_bytes(&bytes, cut), cut))
            }
            NameFormat::Unicode { length: count, state, kind_shift, ascii_data, wide_data } => {
                let count = length(count.of(memory, object)?, object)?;
                let state = state.of(memory, object)? >> kind_shift;
                let unit = (state & 7) as usize;
                let compact = state & 8 != 0;
                let ascii = state & 16 != 0;
                let start = match (compact, ascii) {
                    (true, true) => ascii_data.within(object),
                    (true, false) => wide_data.within(object),
                    (false, _) => memory.pointer(wide_data.within(object))?,
                };
                if !matches!(unit, 1 | 2 | 4) {
                    return Err(TextError::NotText(object));
                }
                let (bytes, cut) = data(memory, start, count, unit)?;
                Ok(mark_cut(decode(&bytes, unit), cut))
            }
        }
    }

    /// Where the length of a string object is, and after it its characters.
    pub fn start_of_name(&self, object: Address) -> Address {
        match self.names {
            NameFormat::Bytes => self.start_of_bytes(object),
            NameFormat::Unicode { length, .. } => length.within(object),
        }
    }

    /// The same of a bytes object.
    pub fn start_of_bytes(&self, object: Address) -> Address {
        self.bytes_length.within(object)
    }

    /// Bytes from there to the end of the characters; `None` if they are not part of the object.
    pub fn extent_of_name(&self, memory: &impl Memory, object: Address) -> Option<usize> {
        let (characters, bytes) = self.characters_of_name(memory, object)?;
        extent(self.start_of_name(object), characters, bytes)
    }

    /// Where the characters of a string object are, and how many bytes; `None` if they are not part of the object.
    pub fn characters_of_name(&self, memory: &impl Memory, object: Address) -> Option<(Address, usize)> {
        match self.names {
            NameFormat::Bytes => {
                let length = usize::try_from(self.bytes_length.of(memory, object).ok()?).ok()?;
                Some((self.bytes_data.within(object), length))
            }
            NameFormat::Unicode { length, state, kind_shift, ascii_data, wide_data } => {
                let count = usize::try_from(length.of(memory, object).ok()?).ok()?;
                let state = state.of(memory, object).ok()? >> kind_shift;
                let data = if state & 16 != 0 { ascii_data } else { wide_data };
                let bytes = count.checked_mul((state & 7) as usize).filter(|_| state & 8 != 0)?;
                Some((data.within(object), bytes))
            }
        }
    }

    /// The same of a bytes object.
    pub fn extent_of_bytes(&self, memory: &impl Memory, object: Address) -> Option<usize> {
        let length = usize::try_from(self.bytes_length.of(memory, object).ok()?).ok()?;
        extent(self.start_of_bytes(object), self.bytes_data.within(object), length)
    }

    /// The contents of the bytes object at `object`.
    pub fn bytes(&self, memory: &impl Memory, object: Address) -> Result<Vec<u8>, TextError> {
        let length = length(self.bytes_length.of(memory, object)?, object)?;
        if length > LONGEST_BYTES {
            return Err(TextError::NotText(object));
        }
        let mut bytes = vec![0; length];
        memory.read(self.bytes_data.within(object), &mut bytes)?;
        Ok(bytes)
    }
}

/// Bytes to the end of so many from `data` on.
fn extent(start: Address, data: Address, bytes: usize) -> Option<usize> {
    usize::try_from(data - start).ok()?.checked_add(bytes)
}

fn length(word: i64, object: Address) -> Result<usize, TextError> {
    usize::try_from(word).map_err(|_| TextError::NotText(object))
}

/// At most [`LONGEST_NAME`] units from `start`, and whether that was not all.
fn data(
    memory: &impl Memory,
    start: Address,
    count: usize,
    unit: usize,
) -> Result<(Vec<u8>, bool), ReadError> {
    let mut bytes = vec![0; count.min(LONGEST_NAME) * unit];
    memory.read(start, &mut bytes)?;
    Ok((bytes, count > LONGEST_NAME))
}

fn mark_cut(mut text: String, cut: bool) -> String {
    if cut {
        text.push('…');
    }
    text
}

/// UTF-8 by custom, anything in fact: a byte that is not is written as `\xff`, so that different names stay different.
fn decode_bytes(bytes: &[u8], cut: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        // A character that was cut through is no character of another encoding.
        if !(cut && chunks.peek().is_none()) {
            for byte in chunk.invalid() {
                // Writing to a string does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// Latin-1, UCS-2 (without surrogate pairs) or UCS-4.
fn decode(bytes: &[u8], unit: usize) -> String {
    let mut text = String::with_capacity(bytes.len());
    for bytes in bytes.chunks_exact(unit) {
        let code = bytes.iter().rev().fold(0, |code, byte| code << 8 | u32::from(*byte));
        match char::from_u32(code) {
            Some(character) => text.push(character),
            // Writing to a string does not fail.
            None if code <= 0xFFFF => drop(write!(text, "\\u{code:04x}")),
            None => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    text
}

#[cfg(test)]
mod tests;
