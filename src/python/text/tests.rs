//! Strings of every kind, byte by byte, and what only claims to be one.

use super::{LONGEST_BYTES, LONGEST_NAME, TextError};
use crate::python::layout::TextLayout;
use crate::python::literal::{Literal, eras};
use crate::python::version::Build;
use crate::target::memory::{Address, ReadError};

const STRING: u64 = 0x1000;
const ELSEWHERE: u64 = 0x8000;

// State of a string, from bit 2 on (free-threaded 3.14 and later: from bit 8 on):
//   kind: 3 bits (1, 2, 4 bytes a character), compact: 1 bit, ascii: 1 bit
const COMPACT: u32 = 8;
const ASCII: u32 = 16;
/// Two bits below the kind say whether the string is interned; they are to be ignored.
const INTERNED: u32 = 3;

fn layout(major: u8, minor: u8) -> TextLayout {
    eras::layout(major, minor, Build::Ordinary).text
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("a length")
}

fn name(layout: &TextLayout, memory: &Literal) -> Result<String, TextError> {
    layout.name(memory, Address(STRING))
}

// str, 3.3–3.11: length@16 hash@24 state@32 wstr@40, ASCII data@48; utf8_length, utf8, wstr_length, data@72
//      3.12 and later: ASCII data@40; data@56
fn string(minor: u8, state: u32, length: i64, data: &[u8]) -> Literal {
    let start = match (state & ASCII != 0, minor >= 12) {
        (true, false) => 48,
        (true, true) => 40,
        (false, false) => 72,
        (false, true) => 56,
    };
    Literal::new()
        .at(STRING, start as usize + data.len())
        .bytes(16, &length.to_le_bytes())
        .bytes(32, &(state << 2 | INTERNED).to_le_bytes())
        .bytes(start, data)
}

fn units<const N: usize>(text: &str, unit: fn(char) -> [u8; N]) -> Vec<u8> {
    text.chars().flat_map(unit).collect()
}

#[test]
fn every_kind_of_unicode() {
    for minor in [3, 6, 11, 12, 15] {
        let layout = layout(3, minor);
        let read = |state, length, data: &[u8]| name(&layout, &string(minor, state, length, data));
        assert_eq!(read(1 | COMPACT | ASCII, 4, b"main"), Ok("main".into()));
        assert_eq!(read(1 | COMPACT | ASCII, 0, b""), Ok(String::new()));
        assert_eq!(read(1 | COMPACT, 3, b"\xfcb\xff"), Ok("übÿ".into()));
        let wide = units("λ→x", |c| (c as u16).to_le_bytes());
        assert_eq!(read(2 | COMPACT, 3, &wide), Ok("λ→x".into()));
        let widest = units("🐍é", |c| u32::from(c).to_le_bytes());
        assert_eq!(read(4 | COMPACT, 2, &widest), Ok("🐍é".into()));
    }
}

/// A subclass of `str`, or a string made the old way: a pointer to the data stands where they would.
#[test]
fn data_elsewhere() {
    for minor in [3, 11, 12, 15] {
        let layout = layout(3, minor);
        for (state, data) in [(1, &b"fn"[..]), (1 | ASCII, b"fn"), (2, b"f\0n\0"), (4, b"f\0\0\0n\0\0\0")] {
            let pointer = string(minor, state & !ASCII, 2, &ELSEWHERE.to_le_bytes());
            let memory = pointer.at(ELSEWHERE, data.len()).bytes(0, data);
            assert_eq!(name(&layout, &memory), Ok("fn".into()), "3.{minor} {state}");
        }
        let dangling = string(minor, 1, 2, &ELSEWHERE.to_le_bytes());
        let unmapped = ReadError::Unmapped(Address(ELSEWHERE));
        assert_eq!(name(&layout, &dangling), Err(TextError::Read(unmapped)));
    }
}

#[test]
fn state_bits_of_free_threaded_builds() {
    // 3.13 has 16 bytes more in front; 3.14 moved the bits as well: `interned` is a whole byte.
    for (minor, state) in [(13, (1 | COMPACT | ASCII) << 2 | INTERNED), (14, 0x1900 | 0xFF), (15, 0x1900 | 3)]
    {
        let layout = eras::layout(3, minor, Build::FreeThreaded).text;
        let memory =
            Literal::new().at(STRING, 60).word(32, 4).bytes(48, &u32::to_le_bytes(state)).bytes(56, b"main");
        assert_eq!(name(&layout, &memory), Ok("main".into()), "3.{minor}");
    }
}

#[test]
fn two_pointers_more_with_trace_refs() {
    let layout = eras::layout(3, 7, Build::TraceRefs).text;
    let state = (1 | COMPACT | ASCII) << 2;
    let memory =
        Literal::new().at(STRING, 68).word(32, 4).bytes(48, &u32::to_le_bytes(state)).bytes(64, b"main");
    assert_eq!(name(&layout, &memory), Ok("main".into()));
}

// str of 2.7, bytes: length@16 hash@24 interned@32, data@36
fn string_27(length: i64, data: &[u8]) -> Literal {
    Literal::new().at(STRING, 36 + data.len()).bytes(16, &length.to_le_bytes()).bytes(36, data)
}

#[test]
fn byte_strings_of_2_7() {
    let layout = layout(2, 7);
    assert_eq!(name(&layout, &string_27(4, b"main")), Ok("main".into()));
    assert_eq!(name(&layout, &string_27(5, "süß".as_bytes())), Ok("süß".into()));
    assert_eq!(name(&layout, &string_27(3, b"s\xfcd")), Ok("s\\xfcd".into()));
    assert_eq!(name(&layout, &string_27(-1, b"")), Err(TextError::NotText(Address(STRING))));
}

/// Undecodable bytes in a file's name are lone surrogates; what is beyond Unicode is no character.
#[test]
fn what_is_no_character() {
    let layout = layout(3, 12);
    let wide: Vec<u8> = [0x61_u16, 0xDCFF, 0xD800, 0xDC00].iter().flat_map(|c| c.to_le_bytes()).collect();
    assert_eq!(name(&layout, &string(12, 2 | COMPACT, 4, &wide)), Ok(r"a\udcff\ud800\udc00".into()));
    let widest: Vec<u8> = [0xDC80_u32, 0x11_0000, u32::MAX].iter().flat_map(|c| c.to_le_bytes()).collect();
    assert_eq!(name(&layout, &string(12, 4 | COMPACT, 3, &widest)), Ok("\\udc80\u{FFFD}\u{FFFD}".into()));
}

#[test]
fn absurd_kinds_and_lengths() {
    let layout = layout(3, 12);
    let not_text = Err(TextError::NotText(Address(STRING)));
    for kind in [0, 3, 5, 6, 7] {
        assert_eq!(name(&layout, &string(12, kind | COMPACT, 2, b"main")), not_text, "{kind}");
        assert_eq!(name(&layout, &string(12, kind | COMPACT | ASCII, 2, b"main")), not_text, "{kind}");
    }
    for length in [-1, i64::MIN] {
        assert_eq!(name(&layout, &string(12, 1 | COMPACT | ASCII, length, b"main")), not_text, "{length}");
    }
    // Longer than what is mapped.
    for length in [5, 4096, i64::MAX] {
        for kind in [1, 2, 4] {
            let read = name(&layout, &string(12, kind | COMPACT, length, b"main"));
            assert!(matches!(read, Err(TextError::Read(_))), "{kind} {length}");
        }
    }
}

#[test]
fn long_names_are_cut() {
    let layout = layout(3, 12);
    let text = "n".repeat(LONGEST_NAME + 1);
    let read = |length: usize| {
        name(&layout, &string(12, 1 | COMPACT | ASCII, signed(length), text.as_bytes())).expect("a name")
    };
    assert_eq!(read(LONGEST_NAME), text[1..]);
    assert_eq!(read(LONGEST_NAME + 1), format!("{}…", &text[1..]));
    // In 2.7 in the middle of a character.
    let text = "é".repeat(LONGEST_NAME);
    let read = name(&self::layout(2, 7), &string_27(signed(text.len()), text.as_bytes())).expect("a name");
    assert_eq!(read, format!("{}…", "é".repeat(LONGEST_NAME / 2)));
}

#[test]
fn bytes_objects() {
    for (layout, start) in [(layout(2, 7), 36), (layout(3, 8), 32), (layout(3, 15), 32)] {
        let bytes = |length: i64| {
            let memory = Literal::new()
                .at(STRING, 100)
                .bytes(16, &length.to_le_bytes())
                .bytes(start, b"\x01\xff\0\x7f");
            layout.bytes(&memory, Address(STRING))
        };
        assert_eq!(bytes(4), Ok(vec![1, 255, 0, 127]));
        assert_eq!(bytes(0), Ok(vec![]));
        for length in [-1, signed(LONGEST_BYTES) + 1, i64::MAX] {
            assert_eq!(bytes(length), Err(TextError::NotText(Address(STRING))), "{length}");
        }
        assert!(matches!(bytes(signed(LONGEST_BYTES)), Err(TextError::Read(_))));
    }
}
