//! From an instruction to a line: the three formats of CPython's line tables, decoded once per code object
//! into a sorted list of starts. Positions are as the frame's layout counts them: bytes for `co_lnotab` and
//! 3.10's ranges, code units of 2 bytes from 3.11 on.

use crate::python::layout::LineFormat;

/// The lines of one code object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Each line with the position where its instructions begin; ascending. 0 stands for "no line".
    starts: Box<[(u32, u32)]>,
    first: u32,
}

impl Lines {
    /// Decodes `table`, the target's bytes: whatever they hold, this ends, and lines are what they are.
    pub fn decode(format: LineFormat, table: &[u8], first_line: u32) -> Self {
        let mut starts = match format {
            LineFormat::PairsUnsigned => pairs(table, first_line, i64::from),
            LineFormat::PairsSigned => pairs(table, first_line, |step| i64::from(step.cast_signed())),
            LineFormat::Ranges => ranges(table, first_line),
            LineFormat::Locations => locations(table, first_line),
        };
        starts.dedup_by_key(|(_, line)| *line);
        Self { starts: starts.into_boxed_slice(), first: first_line }
    }

    /// How much memory they take, in bytes: up to eight for each byte of their table.
    pub fn weight(&self) -> usize {
        size_of_val(&*self.starts)
    }

    /// The line at `position`; before the first instruction (a negative one) the function's first line,
    /// 0 where the instruction belongs to no line.
    pub fn at(&self, position: i64) -> u32 {
        let Ok(position) = u32::try_from(position) else { return self.first };
        let after = self.starts.partition_point(|(start, _)| *start <= position);
        after.checked_sub(1).and_then(|index| self.starts.get(index)).map_or(self.first, |(_, line)| *line)
    }
}

fn line(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// `co_lnotab`: steps of (address, line); a line holds from its address on. Steps that share an address
/// add up, so the last one wins.
fn pairs(table: &[u8], first_line: u32, step: fn(u8) -> i64) -> Vec<(u32, u32)> {
    let mut starts = vec![(0, first_line)];
    let (mut address, mut number) = (0_u32, i64::from(first_line));
    for pair in table.chunks_exact(2) {
        address = address.saturating_add(u32::from(pair[0]));
        number += step(pair[1]);
        push(&mut starts, address, line(number));
    }
    starts
}

/// 3.10's `co_linetable`: (length, line step) of consecutive ranges; -128 marks one without a line.
fn ranges(table: &[u8], first_line: u32) -> Vec<(u32, u32)> {
    let mut starts = Vec::new();
    let (mut address, mut number) = (0_u32, i64::from(first_line));
    for pair in table.chunks_exact(2) {
        let step = pair[1].cast_signed();
        if step == i8::MIN {
            push(&mut starts, address, 0);
        } else {
            number += i64::from(step);
            push(&mut starts, address, line(number));
        }
        address = address.saturating_add(u32::from(pair[0]));
    }
    starts
}

fn push(starts: &mut Vec<(u32, u32)>, address: u32, line: u32) {
    match starts.last_mut() {
        Some(last) if last.0 == address => last.1 = line,
        _ => starts.push((address, line)),
    }
}

/// 3.11's location table: entries of a first byte `1ccccLLL` (what follows, and code units less one).
fn locations(table: &[u8], first_line: u32) -> Vec<(u32, u32)> {
    let mut starts = Vec::new();
    let (mut unit, mut number) = (0_u32, i64::from(first_line));
    let mut bytes = table.iter().copied().peekable();
    while let Some(head) = bytes.next() {
        let entry = match (head >> 3) & 15 {
            15 => 0,
            code => {
                number = number.saturating_add(match code {
                    13 | 14 => signed_varint(&mut bytes),
                    10..=12 => i64::from(code) - 10,
                    _ => 0,
                });
                line(number)
            }
        };
        push(&mut starts, unit, entry);
        unit = unit.saturating_add(u32::from(head & 7) + 1);
        // Columns follow, and the end line: every entry begins with the only byte that has its top bit set.
        while bytes.next_if(|byte| byte & 0x80 == 0).is_some() {}
    }
    starts
}

/// Six bits a byte, the lowest first, 0x40 on all but the last; the lowest bit is the sign.
fn signed_varint(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    while let Some(byte) = bytes.next_if(|byte| byte & 0x80 == 0) {
        if shift < 36 {
            value |= u64::from(byte & 0x3F) << shift;
        }
        shift += 6;
        if byte & 0x40 == 0 {
            break;
        }
    }
    let magnitude = (value >> 1).cast_signed();
    if value & 1 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests;
