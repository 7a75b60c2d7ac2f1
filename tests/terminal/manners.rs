//! What it writes to which terminal.

use std::process::{Command, Stdio};

use crate::{Terminal, look_around, subject};

const OTHER_SCREEN: &str = "\x1b[?1049h";

/// The numbers of every `ESC [ … m`.
fn renditions(written: &str) -> Vec<Vec<u16>> {
    let sequences = written.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
        rest[end..].starts_with('m').then(|| &rest[..end])
    });
    sequences.map(|numbers| numbers.split(';').map(|number| number.parse().unwrap_or(0)).collect()).collect()
}

#[test]
fn errors_of_attaching_come_before_the_screen() {
    let mut other = Command::new("sleep").arg("100").stdout(Stdio::null()).spawn().unwrap();
    for (pid, words) in [("4194000", "4194000"), (&*other.id().to_string(), "Python")] {
        let mut terminal = Terminal::start(&[pid], &[], (100, 30));
        assert_eq!(terminal.end().code(), Some(1), "{}", terminal.text());
        assert!(!terminal.written().contains(OTHER_SCREEN), "{}", terminal.written());
        assert!(terminal.text().contains(words), "{}", terminal.text());
        terminal.assert_given_back();
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn no_color_means_none() {
    let subject = subject("shares.py");
    let mut terminal = Terminal::start(&[&subject.pid().to_string()], &[("NO_COLOR", "1")], (100, 30));
    terminal.shows("seventy");
    look_around(&mut terminal);
    terminal.press("q");
    terminal.end();
    let renditions = renditions(&terminal.written());
    for numbers in &renditions {
        // 39 and 49 are the terminal's own; an empty one, or 0, takes reverse and bold away with it.
        let colours =
            numbers.iter().any(|number| matches!(number, 30..=38 | 40..=48 | 58 | 90..=97 | 100..=107));
        assert!(!colours, "{numbers:?}");
    }
    assert!(renditions.iter().any(|numbers| numbers.contains(&7)), "reverse is no colour");
}

#[test]
fn a_terminal_with_256_colours_gets_no_more() {
    let subject = subject("shares.py");
    let mut terminal = Terminal::start(&[&subject.pid().to_string()], &[], (100, 30));
    terminal.shows("seventy");
    terminal.press("q");
    terminal.end();
    let renditions = renditions(&terminal.written());
    assert!(renditions.iter().any(|numbers| numbers.windows(2).any(|pair| pair == [48, 5])));
    assert!(
        !renditions.iter().any(|numbers| numbers.windows(2).any(|pair| pair == [48, 2] || pair == [38, 2]))
    );
}

#[test]
fn a_dumb_terminal_gets_text() {
    let subject = subject("shares.py");
    let pid = subject.pid().to_string();
    let mut terminal = Terminal::start(&["-s", "1", &pid], &[("TERM", "dumb")], (100, 30));
    assert!(terminal.end().success());
    let written = terminal.written();
    assert!(!written.contains('\x1b'), "{written}");
    assert!(written.contains(":seventy:"), "{written}");
}
