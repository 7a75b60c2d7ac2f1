//! A command on a terminal of ours: what it writes, what is typed to it, and what of it must not get through.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use pyflame_tui::sample::{Ending, Event};
use pyflame_tui::tui::action::{Action, Effect};
use pyflame_tui::tui::keys::Pane;
use pyflame_tui::tui::theme::Depth;
use pyflame_tui::tui::{Options, Summary, console};
use ratatui::style::Color;

use crate::screens::{SIZES, same, styles};
use crate::session::Session;
use crate::simulation::Program;

fn options() -> Options {
    Options { command: Some("python3 websrv.py --port 8080".to_owned()), ..Options::default() }
}

fn trace(size: (u16, u16)) -> Session {
    let mut session = Session::with(Program::Web, size, options());
    session.run(5.0);
    session
}

fn say(session: &mut Session, bytes: &[u8]) {
    session.act(Action::Output(bytes.into()));
}

/// What the command was told, and nothing else was asked of the world but files to be read.
fn told(session: &mut Session) -> String {
    let mut told = Vec::new();
    for effect in session.effects.drain(..) {
        match effect {
            Effect::Tell(bytes) => told.extend(bytes),
            Effect::Read(_) => {}
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(told).unwrap()
}

const GREETING: &[u8] =
    b"\x1b]0;a title\x07\x1b[1;32mlistening\x1b[0m on \x1b[38;2;255;128;0m:8080\x1b[0m\r\n\
    \x1b[7mGET\x1b[0m /report 200\r\n\xe6\xbc\xa2\xe5\xad\x97 wide, e\xcc\x81 marked\r\n> ";

#[test]
fn the_output_at_every_size() {
    for size in SIZES {
        let mut session = trace(size);
        say(&mut session, GREETING);
        let (width, height) = size;
        same(&format!("trace-{width}x{height}.txt"), &(session.text() + "\n"));
        session.press(&["6"]);
        same(&format!("output-{width}x{height}.txt"), &(session.text() + "\n"));
        session.press(&["^]", "q"]);
        same(&format!("leaving-{width}x{height}.txt"), &(session.text() + "\n"));
        session.press(&["Esc", "?"]);
        same(&format!("output-help-{width}x{height}.txt"), &(session.text() + "\n"));
    }
}

#[test]
fn its_colours_in_every_depth() {
    for (depth, name) in
        [(Depth::True, "true"), (Depth::Indexed, "256"), (Depth::Sixteen, "16"), (Depth::Mono, "mono")]
    {
        let mut session = Session::with(Program::Web, (80, 24), Options { depth, ..options() });
        session.run(1.0);
        say(&mut session, GREETING);
        session.press(&["6"]);
        let buffer = session.buffer();
        same(&format!("output-{name}-80x24.txt"), &styles(&buffer));
        let coloured = buffer.content().iter().any(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset));
        assert_eq!(coloured, depth != Depth::Mono);
    }
}

#[test]
fn keys_go_to_the_command_until_they_are_taken_back() {
    let mut session = trace((160, 48));
    session.press(&["6"]);
    session.expect("it has the keys, ^] takes them back");
    told(&mut session);
    session.press(&["q", "2", "Tab", "Esc", "^c", "Enter"]);
    assert_eq!(told(&mut session), "q2\t\x1b\x03\r");
    assert_eq!(session.state.pane, Pane::Output);
    session.press(&["^]", "2"]);
    assert_eq!((told(&mut session).as_str(), session.state.pane), ("", Pane::Flame));
    // Whoever passes by keeps the keys.
    session.press(&["1", "Tab", "Tab", "Tab", "Tab", "Tab"]);
    assert_eq!(session.state.pane, Pane::Output);
    session.expect("6 types");
    session.press(&["Enter", "x"]);
    assert_eq!(told(&mut session), "x");
    session.press(&["^]", "Tab"]);
    assert_eq!(session.state.pane, Pane::Timeline);
}

#[test]
fn a_click_on_the_output_types_and_one_elsewhere_does_not() {
    let mut session = trace((160, 48));
    let click = |column, row| MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    session.point(click(20, 40));
    session.expect("it has the keys");
    // The footer says how to have them back.
    session.point(click(3, 47));
    session.expect("6 types");
    told(&mut session);
    session.press(&["2"]);
    assert_eq!(session.state.pane, Pane::Flame);
}

#[test]
fn questions_are_answered() {
    let mut session = trace((80, 24));
    told(&mut session);
    say(&mut session, b"one\r\ntwo \x1b[6n\x1b[c");
    assert_eq!(told(&mut session), "\x1b[2;5R\x1b[?1;2c");
    // However often it asks.
    say(&mut session, &b"\x1b[6n".repeat(10_000));
    assert!(told(&mut session).len() <= 128);
}

#[test]
fn arrows_are_sent_as_the_command_wants_them() {
    let mut session = trace((80, 24));
    session.press(&["6"]);
    told(&mut session);
    session.press(&["Down"]);
    say(&mut session, b"\x1b[?1h");
    session.press(&["Down"]);
    assert_eq!(told(&mut session), "\x1b[B\x1bOB");
}

#[test]
fn one_can_scroll_back_and_typing_returns() {
    let mut session = trace((80, 24));
    for line in 0..3000 {
        say(&mut session, format!("line {line}\r\n").as_bytes());
    }
    session.press(&["6", "^]"]);
    session.expect("line 2999");
    session.press(&["k", "k"]);
    session.expect("2 rows back");
    session.expect_not("line 2999");
    // What comes meanwhile does not move what is read.
    say(&mut session, b"more\r\n");
    session.expect("3 rows back");
    session.press(&["g"]);
    session.expect("2000 rows back");
    session.press(&["Esc"]);
    session.expect("more");
    session.press(&["k", "6", "x"]);
    session.expect_not("rows back");
}

#[test]
fn leaving_is_asked_once_while_it_runs() {
    let mut session = trace((80, 24));
    session.press(&["q"]);
    session.expect("still runs");
    session.press(&["x"]);
    session.expect_not("still runs");
    session.press(&["^c"]);
    assert!(!session.effects.contains(&Effect::Quit));
    session.press(&["q"]);
    assert!(session.effects.contains(&Effect::Quit));
}

#[test]
fn what_has_ended_is_not_asked_about() {
    for end in [Action::Sampled(Event::Ended(Ending::Exited(Some(3)))), Action::Silent] {
        let mut session = trace((80, 24));
        session.press(&["q"]);
        session.expect("still runs");
        session.act(end);
        session.expect_not("still runs");
        session.press(&["j"]);
        assert!(!session.effects.contains(&Effect::Quit));
    }
}

#[test]
fn who_has_ended_is_not_typed_to() {
    let mut session = trace((160, 48));
    session.press(&["6", "^]"]);
    session.expect("↵ type");
    session.act(Action::Sampled(Event::Ended(Ending::Exited(Some(0)))));
    session.expect_not("↵ type");
}

#[test]
fn nobody_else_is_watched_after_it() {
    let mut session = trace((80, 24));
    for (key, why) in [("P", "q leaves it"), ("B", "if --subprocesses stands before")] {
        session.press(&[key]);
        session.expect(why);
    }
    assert!(!session.effects.iter().any(|effect| matches!(effect, Effect::Another(_))));
}

#[test]
fn its_end_stays_on_the_screen() {
    let mut session = trace((80, 24));
    say(&mut session, GREETING);
    session.press(&["6"]);
    session.act(Action::Sampled(Event::Ended(Ending::Killed(15))));
    session.expect("killed by SIGTERM");
    session.expect("listening on :8080");
    session.expect_not("keys");
    let summary = Summary::of(&session.state);
    assert_eq!(summary.ending, Some(Ending::Killed(15)));
    assert!(summary.lines[0].ends_with("it was killed by SIGTERM"), "{summary}");
    assert_eq!(
        summary.lines[3..],
        ["listening on :8080", "GET /report 200", "漢字 wide, e\u{301} marked", ">"]
    );
    session.press(&["q"]);
    assert!(session.effects.contains(&Effect::Quit), "nothing is left to be asked");
}

#[test]
fn the_strip_shows_output_or_source_or_nothing() {
    let mut session = trace((160, 48));
    say(&mut session, GREETING);
    session.expect("listening");
    session.press(&["s"]);
    session.expect_not("listening");
    session.expect("own code");
    session.press(&["s"]);
    session.expect_not("own code");
    session.press(&["s"]);
    session.expect("listening");
}

#[test]
fn the_commands_screen_is_the_panes() {
    let mut session = trace((160, 48));
    session.effects.clear();
    session.act(Action::Resized(100, 30));
    let (columns, rows) = console::size((100, 30));
    assert!(session.effects.contains(&Effect::ResizeCommand(columns, rows)), "{:?}", session.effects);
    assert_eq!((columns, rows), (98, 25));
    session.press(&["6"]);
    say(&mut session, b"\x1b[25;98H#");
    let lines = session.lines();
    assert!(lines[27].ends_with("#│"), "{}", session.text());
    // What nobody sees need not be drawn.
    session.press(&["^]", "2", "s"]);
    session.state.dirty = false;
    say(&mut session, b"unseen");
    assert!(!session.state.dirty);
}

#[test]
fn without_a_command_there_is_no_sixth_pane() {
    let mut session = Session::new(Program::Web, (160, 120));
    session.run(1.0);
    session.press(&["6"]);
    session.expect("there is no command of ours");
    assert_eq!(session.state.pane, Pane::Flame);
    session.press(&["5", "Tab"]);
    assert_eq!(session.state.pane, Pane::Timeline);
    session.press(&["?"]);
    session.expect("every command by name");
    session.expect_not("take the keys back");
}

#[test]
fn a_sign_that_is_to_be_a_picture_is_a_sign() {
    let mut session = trace((80, 24));
    session.press(&["6"]);
    for (piece, shown) in [
        ("\u{26a0}\u{fe0f} disk".as_bytes(), "\u{26a0} disk"),
        (b"\r\n\xe2\x9a\xa0\xef", ""),
        (b"\xb8", ""),
        (b"\x8f full \xef", "\u{26a0} full"),
        (b"\xbc\x81\xef\xef\xb8\x8f\xef\xb8", "\u{26a0} full \u{ff01}"),
        (b"!", "!"),
    ] {
        say(&mut session, piece);
        session.expect(shown);
    }
    // At the end of the last row, and what stands at the ends of rows written over.
    say(&mut session, "\x1b[999;999H\u{26a0}\u{fe0f}".as_bytes());
    for row in 1..24 {
        say(&mut session, format!("\x1b[{row};999Hx").as_bytes());
    }
    session.expect("\u{26a0} full");
}

/// Pieces of what programs say, and of what none should.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "\\PC{0,20}".prop_map(String::into_bytes),
        (0..40_u16, 0..400_u16, "[@-~]").prop_map(|(a, b, end)| format!("\x1b[{a};{b}{end}").into_bytes()),
        ("[hl]", 1..2100_u16).prop_map(|(end, mode)| format!("\x1b[?{mode}{end}").into_bytes()),
        Just(b"\x1b[?1049h".to_vec()),
        Just(b"\x1b[?1049l".to_vec()),
        Just(b"\x1b]52;c;aGk=\x07\x07\x1b]0;t\x1b\\\x1bP+q544e\x1b\\".to_vec()),
        Just("漢\u{202e}\u{200d}\u{fe0f}❤\u{fe0f}🏳\u{301}\u{85}\u{9b}31m".as_bytes().to_vec()),
        Just(b"\r\n".repeat(60)),
        Just(b"\x1b[65535b\x1b[65535@\x1b[65535L\x1b[65535S".to_vec()),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_it_reaches_our_terminal(
        parts in proptest::collection::vec((hostile(), 0..200_u16, 0..60_u16), 1..6),
        ascii in any::<bool>(),
    ) {
        let mut session = Session::with(Program::Idle, (80, 24), Options { ascii, ..options() });
        session.press(&["6"]);
        for (bytes, width, height) in parts {
            told_only(&mut session);
            say(&mut session, &bytes);
            session.act(Action::Resized(width, height));
            for cell in session.buffer().content() {
                let symbol = cell.symbol();
                let harmless = |character: char| !character.is_control() && !('\u{202a}'..='\u{202e}').contains(&character);
                prop_assert!(symbol.chars().all(harmless), "{symbol:?}");
                prop_assert!(unicode_width::UnicodeWidthStr::width(symbol) <= 2, "{symbol:?}");
                prop_assert!(!ascii || symbol.is_ascii(), "{symbol:?}");
            }
            let summary = Summary::of(&session.state).to_string();
            prop_assert!(!summary.contains('\x1b') && !summary.contains('\x07'));
        }
    }
}

/// A command's output may ask for nothing but an answer to itself.
fn told_only(session: &mut Session) {
    for effect in session.effects.drain(..) {
        assert!(
            matches!(effect, Effect::Tell(_) | Effect::Read(_) | Effect::ResizeCommand(..)),
            "{effect:?}"
        );
    }
}
