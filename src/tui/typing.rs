//! From a key to the bytes that a terminal sends for it: those of xterm, which the command is told that it has.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key sends. `application` is the mode in which arrows say `ESC O` instead of `ESC [`.
pub(super) fn bytes(key: KeyEvent, application: bool) -> Vec<u8> {
    let modifiers = key.modifiers;
    let mut bytes = match key.code {
        KeyCode::Char(character) => return typed(character, modifiers),
        KeyCode::Enter => vec![b'\r'],
        KeyCode::Tab => vec![b'\t'],
        KeyCode::BackTab => return b"\x1b[Z".to_vec(),
        KeyCode::Esc => vec![0x1B],
        KeyCode::Backspace if modifiers.contains(KeyModifiers::CONTROL) => vec![8],
        KeyCode::Backspace => vec![0x7F],
        KeyCode::Up => return lettered('A', modifiers, application),
        KeyCode::Down => return lettered('B', modifiers, application),
        KeyCode::Right => return lettered('C', modifiers, application),
        KeyCode::Left => return lettered('D', modifiers, application),
        KeyCode::Home => return lettered('H', modifiers, application),
        KeyCode::End => return lettered('F', modifiers, application),
        KeyCode::F(number @ 1..=4) => return lettered(char::from(b'O' + number), modifiers, true),
        code => return numbered(code, modifiers),
    };
    if modifiers.contains(KeyModifiers::ALT) {
        bytes.insert(0, 0x1B);
    }
    bytes
}

/// A character; with Ctrl its control character, with Alt an Esc before it.
fn typed(character: char, modifiers: KeyModifiers) -> Vec<u8> {
    let mut bytes = Vec::new();
    if modifiers.contains(KeyModifiers::ALT) {
        bytes.push(0x1B);
    }
    let control = match character {
        _ if !modifiers.contains(KeyModifiers::CONTROL) => None,
        '@'..='~' => u8::try_from(character).ok().map(|byte| byte & 0x1F),
        ' ' | '2' => Some(0),
        '3'..='7' => u8::try_from(character).ok().map(|byte| byte - b'3' + 0x1B),
        '/' => Some(0x1F),
        '8' | '?' => Some(0x7F),
        _ => None,
    };
    match control {
        Some(byte) => bytes.push(byte),
        None => bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    bytes
}

/// xterm's number for what is held down: 1 and Shift 1, Alt 2, Ctrl 4.
fn held(modifiers: KeyModifiers) -> u8 {
    let bit = |modifier, value| if modifiers.contains(modifier) { value } else { 0 };
    1 + bit(KeyModifiers::SHIFT, 1) + bit(KeyModifiers::ALT, 2) + bit(KeyModifiers::CONTROL, 4)
}

fn lettered(letter: char, modifiers: KeyModifiers, application: bool) -> Vec<u8> {
    match held(modifiers) {
        1 if application => format!("\x1bO{letter}"),
        1 => format!("\x1b[{letter}"),
        held => format!("\x1b[1;{held}{letter}"),
    }
    .into_bytes()
}

fn numbered(code: KeyCode, modifiers: KeyModifiers) -> Vec<u8> {
    let number = match code {
        KeyCode::Insert => 2,
        KeyCode::Delete => 3,
        KeyCode::PageUp => 5,
        KeyCode::PageDown => 6,
        KeyCode::F(5) => 15,
        // xterm's numbers have gaps, where a VT220 had none of these keys.
        KeyCode::F(number @ 6..=10) => number + 11,
        KeyCode::F(number @ 11..=12) => number + 12,
        _ => return Vec::new(),
    };
    match held(modifiers) {
        1 => format!("\x1b[{number}~"),
        held => format!("\x1b[{number};{held}~"),
    }
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(code: KeyCode, modifiers: KeyModifiers) -> String {
        String::from_utf8(bytes(KeyEvent::new(code, modifiers), false)).unwrap()
    }

    #[test]
    fn keys_send_what_xterm_sends() {
        let none = KeyModifiers::NONE;
        for (code, modifiers, wanted) in [
            (KeyCode::Char('a'), none, "a"),
            (KeyCode::Char('ü'), none, "ü"),
            (KeyCode::Char('A'), KeyModifiers::SHIFT, "A"),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, "\x03"),
            (KeyCode::Char('d'), KeyModifiers::CONTROL, "\x04"),
            (KeyCode::Char(' '), KeyModifiers::CONTROL, "\0"),
            // crossterm's names of ^\ and ^_.
            (KeyCode::Char('4'), KeyModifiers::CONTROL, "\x1c"),
            (KeyCode::Char('7'), KeyModifiers::CONTROL, "\x1f"),
            (KeyCode::Char('b'), KeyModifiers::ALT, "\x1bb"),
            (KeyCode::Enter, none, "\r"),
            (KeyCode::Backspace, none, "\x7f"),
            (KeyCode::Esc, none, "\x1b"),
            (KeyCode::BackTab, KeyModifiers::SHIFT, "\x1b[Z"),
            (KeyCode::Up, none, "\x1b[A"),
            (KeyCode::Left, KeyModifiers::CONTROL, "\x1b[1;5D"),
            (KeyCode::Delete, none, "\x1b[3~"),
            (KeyCode::F(1), none, "\x1bOP"),
            (KeyCode::F(4), none, "\x1bOS"),
            (KeyCode::F(5), none, "\x1b[15~"),
            (KeyCode::F(6), none, "\x1b[17~"),
            (KeyCode::F(10), none, "\x1b[21~"),
            (KeyCode::F(11), none, "\x1b[23~"),
            (KeyCode::F(12), KeyModifiers::SHIFT, "\x1b[24;2~"),
        ] {
            assert_eq!(sent(code, modifiers), wanted, "{code:?} {modifiers:?}");
        }
        assert_eq!(bytes(KeyEvent::new(KeyCode::Up, none), true), b"\x1bOA");
    }
}
