//! The program on a terminal: a pseudo-terminal that it believes in, keys and the mouse as bytes, its output read by
//! an emulator. What it draws is judged by `tests/tui`; here it is that all of it arrives, and what it leaves behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "figures for people")]

#[path = "../live/interpreters.rs"]
mod interpreters;
#[path = "../live/subject.rs"]
mod subject;

mod endings;
mod figures;
mod manners;
mod pty;
mod use_of_it;
mod whole;

use interpreters::python3;
use pty::Terminal;
use subject::Subject;

/// A program of `tests/programs`, by the machine's Python 3, at work.
fn subject(program: &str) -> Subject {
    Subject::program(python3(), program, &[]).ready()
}

/// From the flame to its help, back, and to the functions.
fn look_around(terminal: &mut Terminal) {
    terminal.press("?");
    terminal.shows("Help: Flame");
    terminal.press("\x1b");
    terminal.hides("Help: Flame");
    terminal.press("4");
    terminal.shows("4 Top");
}

/// The viewer on the process, with its first picture.
fn watching(subject: &Subject, size: (u16, u16)) -> Terminal {
    let mut terminal = Terminal::start(&[&subject.pid().to_string()], &[], size);
    shows_pictures(&mut terminal);
    terminal
}

#[track_caller]
fn shows_pictures(terminal: &mut Terminal) {
    terminal.until("the first picture", |text| text.contains("100 %") && text.contains("seventy"));
}
