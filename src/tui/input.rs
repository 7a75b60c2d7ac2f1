//! Keys and the mouse as crossterm reads them, and mended where it reads them wrongly.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

/// No sequence that a terminal sends is longer: a report of the mouse far to the right.
const LONGEST: usize = 16;

/// What was typed and pointed at.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Read already.
    waiting: VecDeque<Event>,
}

impl Input {
    /// The next of all that there is; does not wait.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        if !event::poll(Duration::ZERO)? {
            return Ok(None);
        }
        let event = event::read()?;
        if matches!(event, Event::Key(KeyEvent { code: KeyCode::Esc, .. })) {
            self.look_behind_escape()?;
        }
        Ok(Some(event))
    }

    /// Esc and an arrow that arrive together are `ESC ESC [ A`. crossterm 0.29 takes both Escs for one key, and what is
    /// left of the arrow for letters. Nobody types those so fast: they are put together again.
    fn look_behind_escape(&mut self) -> io::Result<()> {
        let mut letters = String::new();
        let mut read = Vec::new();
        while read.len() < LONGEST && event::poll(Duration::ZERO)? {
            let event = event::read()?;
            let letter = letter(&event);
            read.push(event);
            letters.extend(letter);
            match letter.map_or(Meaning::Nothing, |_| meaning(&letters)) {
                Meaning::Unfinished => {}
                Meaning::Nothing => break,
                Meaning::Mouse => return Ok(()),
                Meaning::Key(code) => {
                    self.waiting.push_back(Event::Key(code.into()));
                    return Ok(());
                }
            }
        }
        self.waiting.extend(read);
        Ok(())
    }
}

fn letter(event: &Event) -> Option<char> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char(letter), modifiers, .. })
            if (*modifiers - KeyModifiers::SHIFT).is_empty() =>
        {
            Some(*letter)
        }
        _ => None,
    }
}

/// What letters are that follow an Esc.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// The rest of a key.
    Key(KeyCode),
    /// The rest of a report of the mouse.
    Mouse,
    /// The beginning of one of them.
    Unfinished,
    /// Letters.
    Nothing,
}

fn meaning(letters: &str) -> Meaning {
    let mut rest = letters.chars();
    let first = rest.next();
    let rest = rest.as_str();
    let Some(last) = rest.chars().next_back() else {
        return if matches!(first, Some('[' | 'O')) { Meaning::Unfinished } else { Meaning::Nothing };
    };
    let number = rest.trim_end_matches(last).split(';').next().and_then(|number| number.parse::<u8>().ok());
    let key = match (first, last, number) {
        (Some('['), '0'..='9' | ';' | '<', _) => return Meaning::Unfinished,
        (Some('['), 'M' | 'm', _) if rest.starts_with('<') => return Meaning::Mouse,
        (_, 'A', _) => KeyCode::Up,
        (_, 'B', _) => KeyCode::Down,
        (_, 'C', _) => KeyCode::Right,
        (_, 'D', _) => KeyCode::Left,
        (_, 'H', _) | (Some('['), '~', Some(1 | 7)) => KeyCode::Home,
        (_, 'F', _) | (Some('['), '~', Some(4 | 8)) => KeyCode::End,
        (Some('['), 'Z', _) => KeyCode::BackTab,
        (Some('['), '~', Some(2)) => KeyCode::Insert,
        (Some('['), '~', Some(3)) => KeyCode::Delete,
        (Some('['), '~', Some(5)) => KeyCode::PageUp,
        (Some('['), '~', Some(6)) => KeyCode::PageDown,
        _ => return Meaning::Nothing,
    };
    Meaning::Key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_escape_is_put_together_again() {
        for (letters, wanted) in [
            ("[A", Meaning::Key(KeyCode::Up)),
            ("OD", Meaning::Key(KeyCode::Left)),
            ("[1;5C", Meaning::Key(KeyCode::Right)),
            ("[5~", Meaning::Key(KeyCode::PageUp)),
            ("[<0;140;7M", Meaning::Mouse),
            ("[<35;140;7m", Meaning::Mouse),
            ("a", Meaning::Nothing),
            ("[x", Meaning::Nothing),
            ("[M", Meaning::Nothing),
        ] {
            assert_eq!(meaning(letters), wanted, "{letters}");
            for end in 1..letters.len() {
                assert_eq!(meaning(&letters[..end]), Meaning::Unfinished, "{}", &letters[..end]);
            }
        }
    }
}
