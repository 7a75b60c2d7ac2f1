//! What every pane looks like in each depth of colour, at three sizes. A file a pane; `BLESS=1` takes over.
//!
//! A letter is a look, and `a12b3` are twelve cells of one and three of another. Equal rows are one (`3x` before it). A
//! depth whose cells are divided as those of true colour are has its legend alone. Without colour, and in 7 bits, what
//! is written is told as the rows that are not as in `flame-160x48.txt` and its like.

use std::fmt::Write;

use pyflame_tui::tui::Options;
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::theme::{Depth, Theme};
use ratatui::buffer::Buffer;

use crate::screens::{SIZES, same, web};
use crate::session::Session;
use crate::simulation::{Chance, Program};

const DEPTHS: [(Depth, &str); 4] =
    [(Depth::True, "true"), (Depth::Indexed, "256"), (Depth::Sixteen, "16"), (Depth::Mono, "mono")];

/// The name of a look.
fn letter(place: usize) -> char {
    ('a'..='z').chain('A'..='Z').nth(place).expect("a screen has few looks")
}

/// The cells of a picture by their looks, and what each look is.
fn looks(buffer: &Buffer) -> (String, String) {
    let mut known: Vec<String> = Vec::new();
    let mut rows: Vec<(usize, String)> = Vec::new();
    for y in 0..buffer.area.height {
        let mut row: Vec<(char, u16)> = Vec::new();
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let look = format!(
                "{} on {} {:?}",
                style.fg.unwrap_or_default(),
                style.bg.unwrap_or_default(),
                style.add_modifier
            );
            let place = known.iter().position(|other| *other == look).unwrap_or(known.len());
            if place == known.len() {
                known.push(look);
            }
            match row.last_mut() {
                Some((last, count)) if *last == letter(place) => *count += 1,
                _ => row.push((letter(place), 1)),
            }
        }
        let row = row.iter().map(|(letter, count)| format!("{letter}{count}")).collect::<Vec<_>>().concat();
        match rows.last_mut() {
            Some((count, last)) if *last == row => *count += 1,
            _ => rows.push((1, row)),
        }
    }
    let row = |(count, row): &(usize, String)| {
        if *count > 1 { format!("{count}x {row}\n") } else { format!("{row}\n") }
    };
    let legend = known.iter().enumerate().map(|(place, look)| format!("{} = {look}\n", letter(place)));
    (rows.iter().map(row).collect(), legend.collect())
}

/// The rows of a text that are not as in another.
fn differences(text: &[String], from: &[String]) -> String {
    let mut out = String::new();
    for (number, (row, _)) in (1..).zip(text.iter().zip(from)).filter(|(_, (row, from))| row != from) {
        let _ = writeln!(out, "{number:>2} {row}");
    }
    out
}

/// The signs that are one for one the same in 7 bits.
fn in_seven_bits(rows: &[String]) -> Vec<String> {
    let sign = |sign| match sign {
        '│' | '├' | '┤' => '|',
        '─' | '·' => '-',
        '┌' | '┐' | '└' | '┘' | '┬' | '┴' | '┼' => '+',
        '…' => '~',
        '▶' | '▸' => '>',
        '▁' | '▂' => '.',
        '▃' | '▄' => ':',
        '▅' | '▆' => '=',
        '▇' | '█' => '#',
        other => other,
    };
    rows.iter().map(|row| row.chars().map(sign).collect()).collect()
}

fn add(out: &mut String, session: &mut Session, size: (u16, u16)) {
    let (mut cells, mut text) = (String::new(), Vec::new());
    for (depth, name) in DEPTHS {
        session.state.theme = Theme::new(depth, false);
        let (rows, legend) = looks(&session.buffer());
        let _ = writeln!(out, "== {}x{} {name}", size.0, size.1);
        if depth == Depth::True {
            (cells, text) = (rows.clone(), session.lines());
            out.push_str(&rows);
        } else if rows != cells {
            out.push_str(&rows);
        }
        out.push_str(&legend);
        out.push_str(&differences(&session.lines(), &text));
    }
    session.state.theme = Theme::new(Depth::True, true);
    let _ = writeln!(out, "== {}x{} ascii", size.0, size.1);
    out.push_str(&differences(&session.lines(), &in_seven_bits(&text)));
    session.state.theme = Theme::new(Depth::True, false);
}

#[test]
fn every_pane_in_every_depth() {
    let panes = [
        ("flame", &["2"][..]),
        ("timeline", &["1"]),
        ("threads", &["3"]),
        ("top", &["4"]),
        ("source", &["5"]),
        ("help", &["2", "?"]),
        ("palette", &["Esc", ":", "f", "r"]),
        ("find", &["Esc", "/", "r", "e", "p"]),
    ];
    let mut files = panes.map(|(name, _)| (name, String::new()));
    let mut session = web(SIZES[0], Options::default());
    for size in SIZES {
        session.act(Action::Resized(size.0, size.1));
        for ((_, keys), (_, file)) in panes.iter().zip(&mut files) {
            session.press(keys);
            add(file, &mut session, size);
        }
        session.press(&["Esc"]);
    }
    for (name, file) in files {
        same(&format!("looks-{name}.txt"), &file);
    }
}

#[test]
fn no_key_at_any_size_is_too_much() {
    let keys = [
        "1", "2", "3", "4", "5", "6", "Tab", "Down", "Enter", "Enter", "Esc", "h", "j", "k", "l", "g", "G",
        "0", "$", "=", " ", "o", "x", "a", "p", "L", "t", "T", "s", "[", "]", "v", "c", "r", "/", "n", "N",
        "*", "&", "e", "E", "w", "y", "+", "-", "M", ":", "?",
    ];
    for program in [Program::Wide, Program::Hostile, Program::Phases] {
        let mut session = Session::new(program, (80, 24));
        session.run(1.0);
        let mut chance = Chance(17);
        let mut below = |end: usize| (chance.next() * end as f64) as usize;
        for step in 0..1200 {
            if step % 3 == 0 {
                // Small ones more often: there it is that room runs out.
                let largest = [12, 60, 200][below(3)];
                let size = (below(largest * 5 / 2 + 1) as u16, below(largest + 1) as u16);
                session.act(Action::Resized(size.0, size.1));
            }
            let key = keys[below(keys.len())];
            session.press(&[key]);
            session.state.theme = Theme::new(DEPTHS[below(4)].0, step % 7 == 0);
            if step % 50 == 0 {
                session.run(0.1);
            }
            let _ = session.buffer();
        }
    }
}
