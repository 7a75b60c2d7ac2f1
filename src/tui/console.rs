//! The command's own screen: what it wrote, as a terminal would show it, and who has the keys. What it writes is
//! obeyed by a screen in memory and by nothing else: no title, no bell, no clipboard of it goes any further.

use std::fmt;
use std::io;
use std::num::NonZeroU16;

use crossterm::event::KeyEvent;

use super::action::{Action, Direction, Effect, Note};
use super::keys::Pane;
use super::layout::{self, Strip};
use super::state::{Overlay, State};
use super::typing;

/// Rows that can be scrolled back to: some 10 MB of them at 160 columns.
const SCROLL_BACK: usize = 2000;
/// A screen of the command is no smaller than this, however small ours is.
const SMALLEST: (u16, u16) = (20, 3);
/// Answers to questions that a command asks of its terminal in one breath; an honest one asks one or two.
const LONGEST_ANSWER: usize = 128;
/// U+FE0F, which asks for the sign before it as a picture. To xterm, which the command is told that it has, that is no
/// wider; vt100 0.18 makes it so after the fact, and where it stood at the end of the last row, leaves half of it behind:
/// it panics when that is written over.
const AS_PICTURE: [u8; 3] = *b"\xef\xb8\x8f";

/// Who has the keys while the output has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The viewer: they scroll.
    Viewer,
    /// The command.
    Command,
}

/// The screen of the command.
pub struct Console {
    /// The command's words.
    pub command: String,
    /// Who has the keys.
    pub keys: Keys,
    emulator: vt100::Parser<Answers>,
    /// So many bytes of [`AS_PICTURE`] came last, and are held back.
    held_back: usize,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Console");
        shown.field("command", &self.command).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What a terminal answers when it is asked.
#[derive(Debug, Default)]
struct Answers {
    bytes: Vec<u8>,
}

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        let parameter = parameters.first().and_then(|part| part.first()).copied().unwrap_or(0);
        let answer = match (first, last, parameter) {
            // Where is the cursor? Line editors ask this.
            (None, 'n', 6) => {
                let (row, column) = screen.cursor_position();
                format!("\x1b[{};{}R", row + 1, column + 1)
            }
            (None, 'n', 5) => "\x1b[0n".to_owned(),
            // What are you? A VT100 with advanced video, as xterm says at the least.
            (None, 'c', 0) => "\x1b[?1;2c".to_owned(),
            _ => return,
        };
        if self.bytes.len() + answer.len() <= LONGEST_ANSWER {
            self.bytes.extend(answer.into_bytes());
        }
    }
}

impl Console {
    /// An empty one, of the size that it has on a screen of this size.
    pub(super) fn new(command: String, screen: (u16, u16)) -> Self {
        let (columns, rows) = cells(screen);
        let emulator = vt100::Parser::new_with_callbacks(rows, columns, SCROLL_BACK, Answers::default());
        Self { command, keys: Keys::Viewer, emulator, held_back: 0 }
    }

    /// Shows what the command wrote, but for [`AS_PICTURE`].
    fn process(&mut self, bytes: &[u8]) {
        if self.held_back == 0 && !bytes.contains(&AS_PICTURE[0]) {
            return self.emulator.process(bytes);
        }
        let mut shown = Vec::with_capacity(bytes.len() + AS_PICTURE.len());
        for byte in bytes {
            if *byte != AS_PICTURE[self.held_back] {
                shown.extend_from_slice(&AS_PICTURE[..std::mem::take(&mut self.held_back)]);
            }
            if *byte == AS_PICTURE[self.held_back] {
                self.held_back = (self.held_back + 1) % AS_PICTURE.len();
            } else {
                shown.push(*byte);
            }
        }
        self.emulator.process(&shown);
    }

    /// What is on it.
    pub(super) fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// The rows that matter, from the top: up to the last one with something on it, or the cursor.
    pub(super) fn filled(&self) -> u16 {
        let screen = self.screen();
        let (rows, columns) = screen.size();
        let is_blank = |row: u16| {
            (0..columns.get()).all(|column| screen.cell(row, column).is_none_or(|cell| !cell.has_contents()))
        };
        let cursor = if screen.scrollback() > 0 { rows.get() - 1 } else { screen.cursor_position().0 };
        if screen.alternate_screen() {
            return cursor + 1;
        }
        (cursor + 1..rows.get()).rev().find(|row| !is_blank(*row)).unwrap_or(cursor) + 1
    }
}

/// Columns and rows that a command's screen has on a screen of this size: those inside of the full pane, whether
/// or not it is shown, so that looking elsewhere makes no program draw itself anew.
pub fn size(screen: (u16, u16)) -> (u16, u16) {
    let areas = layout::areas(screen, Pane::Output, Strip::Closed);
    let inside = areas.inner(areas.main);
    (inside.width.max(SMALLEST.0), inside.height.max(SMALLEST.1))
}

/// The same on our terminal as it is now: for whoever opens the command's before the screen is taken.
pub fn size_here() -> io::Result<(u16, u16)> {
    crossterm::terminal::size().map(size)
}

fn cells(screen: (u16, u16)) -> (NonZeroU16, NonZeroU16) {
    let (columns, rows) = size(screen);
    (NonZeroU16::new(columns).unwrap_or(NonZeroU16::MIN), NonZeroU16::new(rows).unwrap_or(NonZeroU16::MIN))
}

/// Do keys go to the command?
pub(super) fn is_typing(state: &State) -> bool {
    state.pane == Pane::Output
        && state.overlay == Overlay::None
        && runs(state)
        && state.console.as_ref().is_some_and(|console| console.keys == Keys::Command)
}

/// Is there a command, and has it not ended, as far as we know?
pub(super) fn runs(state: &State) -> bool {
    state.console.is_some() && !state.is_over()
}

/// The command has ended, or nobody knows of it any more: it is no question any longer whether to hang it up.
pub(super) fn over(state: &mut State) {
    if state.overlay == Overlay::Leaving {
        state.overlay = Overlay::None;
    }
}

/// Takes in what the command wrote.
pub(super) fn output(state: &mut State, bytes: &[u8]) {
    let seen = state.pane == Pane::Output || state.strip == Strip::Output;
    let Some(console) = &mut state.console else { return };
    console.process(bytes);
    let answer = std::mem::take(&mut console.emulator.callbacks_mut().bytes);
    state.dirty |= seen;
    tell(state, answer);
}

/// Sends a key to the command.
pub(super) fn send(state: &mut State, key: KeyEvent) {
    let Some(console) = &mut state.console else { return };
    if console.screen().scrollback() > 0 {
        // Who types wants to see what comes of it.
        console.emulator.screen_mut().set_scrollback(0);
        state.dirty = true;
    }
    let bytes = typing::bytes(key, console.screen().application_cursor());
    tell(state, bytes);
}

fn tell(state: &mut State, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match state.effects.last_mut() {
        Some(Effect::Tell(before)) => before.extend(bytes),
        _ => state.effects.push(Effect::Tell(bytes)),
    }
}

/// Gives the command's screen the size that ours leaves it.
pub(super) fn resized(state: &mut State) {
    let Some(console) = &mut state.console else { return };
    let (columns, rows) = cells(state.size);
    if console.screen().size() != (rows, columns) {
        console.emulator.set_size(rows, columns);
        state.effects.push(Effect::ResizeCommand(columns.get(), rows.get()));
    }
}

/// Gives the keys to the command, or takes them back.
pub(super) fn hand(state: &mut State, keys: Keys) {
    let over = !runs(state);
    let Some(console) = &mut state.console else {
        state.say(Note::bad("there is no command of ours: pyflame-tui -t COMMAND runs one"));
        return;
    };
    console.keys = keys;
    state.pane = Pane::Output;
    if over && keys == Keys::Command {
        state.say(Note::good("the command has ended: nobody is there to type to"));
    }
}

/// What keys of the viewer do here.
pub(super) fn navigate(state: &mut State, action: &Action, page: usize) {
    let page = i32::try_from(page).unwrap_or(1);
    match action {
        Action::Move(Direction::Up) => scroll(state, -1),
        Action::Move(Direction::Down) => scroll(state, 1),
        Action::PageUp => scroll(state, -page),
        Action::PageDown => scroll(state, page),
        Action::First => scroll(state, i32::MIN),
        Action::Last => scroll(state, i32::MAX),
        Action::Enter => hand(state, Keys::Command),
        _ => {}
    }
}

/// Goes back in what was written, or on.
pub(super) fn scroll(state: &mut State, by: i32) {
    let Some(console) = &mut state.console else { return };
    let screen = console.emulator.screen_mut();
    let back = i64::try_from(screen.scrollback()).unwrap_or(0) - i64::from(by);
    screen.set_scrollback(usize::try_from(back.max(0)).unwrap_or(0));
}

/// To the newest rows again; `false` if it was there.
pub(super) fn back(state: &mut State) -> bool {
    let Some(console) = &mut state.console else { return false };
    let was_back = state.pane == Pane::Output && console.screen().scrollback() > 0;
    if was_back {
        console.emulator.screen_mut().set_scrollback(0);
    }
    was_back
}
