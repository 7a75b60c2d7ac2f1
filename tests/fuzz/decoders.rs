//! What takes bytes and gives a value: line tables and strings.

use pyflame_tui::python::field::Field;
use pyflame_tui::python::layout::{LineFormat, NameFormat, TextLayout};
use pyflame_tui::python::lines::Lines;
use pyflame_tui::target::memory::{Address, Memory, ReadError};

use crate::{Numbers, alone, hunt, spoil};

/// A table as compilers write it, so that it leads somewhere: entries of the 3.11 format among pairs of steps.
fn table(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..numbers.below(4000) {
        let entry: &[u8] = match numbers.below(6) {
            0 => &[0x80 | 15 << 3 | 1],
            1 => &[0x80 | 13 << 3, 0x42, 0x41, 3],
            2 => &[0x80 | 14 << 3 | 7, 0x7F, 0x7F, 0x7F, 1, 2, 3, 4],
            3 => &[0x80 | 11 << 3 | 2, 0, 5],
            4 => &[6, 1],
            _ => &[2, 0x80],
        };
        bytes.extend_from_slice(entry);
    }
    spoil(numbers, &mut bytes);
    bytes
}

#[test]
fn line_tables() {
    alone(|| {
        hunt("line tables", 8 << 20, |numbers| {
            let table = table(numbers);
            let first = numbers.odd() as u32;
            for format in [
                LineFormat::PairsUnsigned,
                LineFormat::PairsSigned,
                LineFormat::Ranges,
                LineFormat::Locations,
            ] {
                let lines = Lines::decode(format, &table, first);
                // Before the first instruction, and at any other.
                assert_eq!(lines.at(-1), first);
                for _ in 0..20 {
                    lines.at(numbers.odd().cast_signed());
                }
            }
        });
    });
}

/// A string or bytes object at 0 with these bytes, and behind them as much noise as is asked for.
struct Page(Vec<u8>, usize);

impl Memory for Page {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(from.0).map_err(|_| ReadError::Unmapped(from))?;
        let end =
            start.checked_add(to.len()).filter(|end| *end <= self.1).ok_or(ReadError::Unmapped(from))?;
        for (place, byte) in (start..end).zip(to) {
            *byte = self.0.get(place).copied().unwrap_or((place * 37) as u8);
        }
        Ok(())
    }
}

#[test]
fn strings() {
    let unicode = |kind_shift| TextLayout {
        bytes_length: Field::at(16),
        bytes_data: Field::at(32),
        names: NameFormat::Unicode {
            length: Field::at(16),
            state: Field::at(32),
            kind_shift,
            ascii_data: Field::at(40),
            wide_data: Field::at(56),
        },
    };
    let bytes =
        TextLayout { bytes_length: Field::at(16), bytes_data: Field::at(36), names: NameFormat::Bytes };
    let layouts = [unicode(2), unicode(8), bytes];
    alone(|| {
        // The longest bytes object that is taken has 16 MiB.
        hunt("strings", 20 << 20, |numbers| {
            let layout = &layouts[numbers.below(layouts.len())];
            let mut head = vec![0; 40];
            let length = if numbers.one_in(2) { numbers.next() % 5000 } else { numbers.odd() };
            head[16..24].copy_from_slice(&length.to_le_bytes());
            head[32..36].copy_from_slice(&(numbers.odd() as u32).to_le_bytes());
            if numbers.one_in(2) {
                head[32] = numbers.of(&[1 << 2, 2 << 2, 4 << 2]) | numbers.of(&[0, 8 << 2, 24 << 2]);
            }
            head.extend((0..numbers.below(200)).map(|_| numbers.odd() as u8));
            let page = Page(head, 1 << numbers.below(26));
            if let Ok(name) = layout.name(&page, Address(0)) {
                // 4,096 characters, at their longest spelt `\udcff`, and the mark that it was cut.
                assert!(name.len() <= 4096 * 6 + 3, "{}", name.len());
            }
            if let Ok(bytes) = layout.bytes(&page, Address(0)) {
                assert!(bytes.len() <= 1 << 24);
            }
        });
    });
}
