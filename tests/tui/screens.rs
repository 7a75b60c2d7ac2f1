//! Pictures of every pane at three sizes, as text, and of their colours. Set `BLESS=1` to write what is
//! painted now to `tests/snapshots/`; look at the difference before it is committed.

use std::fmt::Write;
use std::path::PathBuf;

use pyflame_tui::sample::{Event, Flags, Totals};
use pyflame_tui::tui::action::{Action, Effect, Other};
use pyflame_tui::tui::theme::Depth;
use pyflame_tui::tui::{Options, Text};
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::coming_and_going::{at_work, look, thread};
use crate::session::Session;
use crate::simulation::Program;

pub(crate) const SIZES: [(u16, u16); 3] = [(160, 48), (80, 24), (40, 10)];

#[track_caller]
pub(crate) fn same(name: &str, picture: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, picture).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (known, new)) in known.lines().zip(picture.lines()).enumerate() {
        assert_eq!(known, new, "{name}, line {}: BLESS=1 takes it over", number + 1);
    }
    assert_eq!(known.lines().count(), picture.lines().count(), "{name}: BLESS=1 takes it over");
}

pub(crate) fn web(size: (u16, u16), options: Options) -> Session {
    let mut session = Session::with(Program::Web, size, options);
    session.run(24.0);
    // What a thread of the program would have read.
    let line = |number: u32| match number {
        39 => "def view_report(request):".to_owned(),
        40 => "    with LOCK:".to_owned(),
        42 => "        for i in range(40000):".to_owned(),
        43 => "            x += i * i % 7".to_owned(),
        number => format!("# line {number}"),
    };
    let text = Text { lines: (1..=130).map(line).collect(), newer: false };
    session.act(Action::Read("/srv/app/websrv.py".into(), Ok(text)));
    session
}

/// Who does nothing may have others do it, and only then is that worth a word.
#[test]
fn who_rests_and_has_others_says_so() {
    for (program, rests) in [(Program::Idle, true), (Program::Web, false)] {
        let mut session = Session::new(program, (80, 24));
        session.run(5.0);
        session.expect_not("(B)");
        let totals = Totals { below: Some(24_070), ..session.state.profile.totals().clone() };
        session.state.profile.record(&Event::Totals(totals));
        if rests {
            session.expect("Pythons below it (B)");
        } else {
            session.expect_not("(B)");
        }
        session.press(&["B"]);
        assert_eq!(session.effects.last(), Some(&Effect::Another(Other::Family)));
    }
}

#[test]
fn every_pane_at_every_size() {
    for size in SIZES {
        let mut session = web(size, Options::default());
        for (key, name) in
            [("2", "flame"), ("1", "timeline"), ("3", "threads"), ("4", "top"), ("5", "source")]
        {
            session.press(&[key]);
            same(&format!("{name}-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
        }
        session.press(&["2", "?"]);
        same(&format!("help-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
        session.press(&["Esc", ":", "f", "r"]);
        same(&format!("palette-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
        session.press(&["Esc", "/", "r", "e", "p"]);
        same(&format!("find-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
    }
}

#[test]
fn seven_bits_are_enough() {
    for program in [Program::Web, Program::Hostile, Program::Wide, Program::Tower] {
        let mut session = Session::with(program, (120, 40), Options { ascii: true, ..Options::default() });
        session.run(3.0);
        for keys in [&["2"][..], &["1"], &["3"], &["4"], &["5"], &["?"], &["Esc", ":"]] {
            session.press(keys);
            let text = session.text();
            let odd: String = text.chars().filter(|character| !character.is_ascii()).collect();
            assert_eq!(odd, "", "{text}");
        }
    }
    let session = web((100, 30), Options { ascii: true, ..Options::default() });
    same("ascii-100x30.txt", &(session.text() + "\n"));
}

/// A letter for each style in a picture, and what the letters mean.
pub(crate) fn styles(buffer: &Buffer) -> String {
    let mut known = Vec::new();
    let mut out = String::new();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let look = format!("{:?} on {:?} {:?}", style.fg, style.bg, style.add_modifier);
            let place = known.iter().position(|other| *other == look).unwrap_or_else(|| {
                known.push(look);
                known.len() - 1
            });
            out.push(char::from(b'a' + u8::try_from(place % 26).unwrap()));
        }
        out.push('\n');
    }
    for (place, look) in known.iter().enumerate() {
        let letter = char::from(b'a' + u8::try_from(place % 26).unwrap());
        let _ = writeln!(out, "{letter} = {look}");
    }
    out
}

#[test]
fn mono_sets_no_colour_anywhere() {
    let options = Options { depth: Depth::Mono, ..Options::default() };
    let mut session = web((160, 48), options);
    for keys in [&["2"][..], &["1"], &["3"], &["4"], &["5"], &["?"], &["Esc", ":"], &["Esc", "/", "v"]] {
        session.press(keys);
        let buffer = session.buffer();
        for cell in buffer.content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
}

/// What three samples say of shares is little, wherever it is said; thirty are enough.
#[test]
fn shares_of_few_samples_are_grey() {
    let faint = Color::Rgb(0x87, 0x87, 0x8C);
    for (samples, few) in [(3, true), (30, false)] {
        let options = Options { depth: Depth::True, ..Options::default() };
        let mut session = Session::with(Program::Idle, (160, 48), options);
        for turn in 0..samples {
            session.now.0 += 300_000;
            let name = if turn % 3 == 0 { "work" } else { "rest" };
            let at = session.now;
            look(&mut session, at, vec![thread(1, at_work(name), Flags::ON_CPU)]);
            session.act(Action::Now(at));
        }
        let text = Text { lines: vec!["# a line".to_owned(); 20], newer: false };
        session.act(Action::Read("/srv/app/compute.py".into(), Ok(text)));
        for pane in ["2", "4", "5"] {
            session.press(&["c", "c", pane]);
            let buffer = session.buffer();
            let area = buffer.area;
            // The box and the row under the cursor have a look of their own.
            let shares = (5..area.height)
                .flat_map(|y| (0..area.width).map(move |x| (x, y)))
                .filter(|place| {
                    buffer[*place].symbol() == "%" && buffer[*place].bg != Color::Rgb(255, 255, 255)
                })
                .map(|place| &buffer[place])
                .filter(|cell| !cell.modifier.contains(Modifier::REVERSED));
            let grey = |cell: &Cell| {
                cell.fg == faint
                    || cell.bg == Color::Rgb(0x57, 0x3C, 0x00)
                    || cell.bg == Color::Rgb(0x24, 0x24, 0x28)
            };
            let shares: Vec<&Cell> = shares.collect();
            assert!(shares.len() > 1, "{}", session.text());
            let count = shares.iter().filter(|cell| grey(cell)).count();
            assert_eq!(count, if few { shares.len() } else { 0 }, "{pane}: {}", session.text());
        }
    }
}

/// Whoever sees no colours sees who waits.
#[test]
fn a_state_is_not_told_by_its_colour_alone() {
    let session = web((160, 48), Options { depth: Depth::Mono, ..Options::default() });
    let (buffer, lines) = (session.buffer(), session.lines());
    let is_dim = |words: &str| {
        let place = lines.iter().enumerate().find_map(|(y, line)| Some((y, line.find(words)?)));
        let (y, at) = place.unwrap_or_else(|| panic!("{words:?} is not in\n{}", session.text()));
        let x = lines[y][..at].chars().count();
        buffer[(x as u16, y as u16)].modifier.contains(Modifier::DIM)
    };
    assert!(is_dim("▒ 40: with LOCK:") && !is_dim("43: x += i"));
    session.expect_not("▒ 43: x += i");
    for (ascii, lock, execute, bar) in [
        (false, " ▒ 40: with LOCK:", " ▒ execute ", " ▒▒▒▒▒▒▒▒▒▒    40 "),
        (true, " w 40: with LOCK:", " w execute ", " wwwwwwwwww    40 "),
    ] {
        let session = web((160, 48), Options { ascii, ..Options::default() });
        session.expect(lock);
        session.expect(execute);
        session.expect(bar);
    }
}

/// One row tells how many have something to do, and whether most of them get on with it.
#[test]
fn one_row_of_time_tells_who_waits_from_who_runs() {
    for (ascii, runs, waits) in [(false, "████", "⣿⣿⣿⣿"), (true, "####", "WWWW")] {
        let mut session = Session::with(Program::Idle, (80, 24), Options { ascii, ..Options::default() });
        for turn in 0..1000_u64 {
            session.now.0 += 10_000;
            let flags = if turn < 500 { Flags::ON_CPU } else { Flags::WAITING };
            let at = session.now;
            look(&mut session, at, vec![thread(1, at_work("work"), flags)]);
            session.act(Action::Now(at));
        }
        let row = session.lines()[3].clone();
        let (busy, waiting) = (row.find(runs), row.find(waits));
        assert!(row.contains("busy") && busy.is_some() && busy < waiting, "{row}");
    }
}

/// Nor is who stands before the GIL told from who waits for something else by a colour.
#[test]
fn time_before_the_gil_has_a_shape_of_its_own() {
    let depth = Depth::True;
    for size in [(160, 48), (80, 24)] {
        for ascii in [false, true] {
            let mut session =
                Session::with(Program::Idle, size, Options { ascii, depth, ..Options::default() });
            for turn in 0..1500_u64 {
                session.now.0 += 10_000;
                let other =
                    [Flags::ON_CPU, Flags::WAITING, Flags::WANTS_GIL | Flags::WAITING][turn as usize / 500];
                let flags = [Flags::HOLDS_GIL, other, other];
                let threads = (1..).zip(flags).map(|(tid, flags)| thread(tid, at_work("work"), flags));
                let at = session.now;
                look(&mut session, at, threads.collect());
                session.act(Action::Now(at));
            }
            session.press(&["c"]);
            let buffer = session.buffer();
            let row = if size.0 == 160 { 4 } else { 3 };
            let bars: Vec<&Cell> = (0..size.0)
                .map(|x| &buffer[(x, row)])
                .filter(|cell| matches!(cell.fg, Color::Rgb(..)) && cell.symbol() != " ")
                .collect();
            let of = |colour| {
                bars.iter().filter(|cell| cell.fg == colour).map(|cell| cell.symbol()).max().unwrap()
            };
            let (gil, waiting) = (of(Color::Rgb(0xC9, 0xB4, 0x00)), of(Color::Rgb(0x3A, 0x8F, 0xC8)));
            assert_ne!(gil, waiting, "{}", session.text());
            assert!(bars.iter().filter(|cell| cell.symbol() == gil).count() > 10, "{}", session.text());
        }
    }
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for program in [Program::Web, Program::Wide, Program::Hostile] {
        let mut session = Session::new(program, (80, 24));
        session.run(1.0);
        let sizes = [0, 1, 2, 3, 4, 5, 7, 9, 11, 14, 20, 33, 49, 50, 64, 110, 200, 500];
        for width in sizes {
            for height in sizes.into_iter().filter(|height| *height <= 200) {
                session.act(Action::Resized(width, height));
                for keys in [
                    &["1"][..],
                    &["2"],
                    &["3"],
                    &["4"],
                    &["5"],
                    &["?"],
                    &["Esc", ":"],
                    &["Esc", "/"],
                    &["Esc"],
                ] {
                    session.press(keys);
                    let _ = session.buffer();
                }
            }
        }
    }
}
