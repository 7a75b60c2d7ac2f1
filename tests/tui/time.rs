//! Spans of time, chosen while time goes on.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::profile::Span;
use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample};
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::state::Reach;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Program, START};

/// The chosen span, in seconds since the start.
fn chosen(session: &Session) -> (f64, f64) {
    let Reach::Between(from, to) = session.state.reach else { panic!("{:?}", session.state.reach) };
    assert_eq!(session.state.span(), Span::Between(from, to));
    ((from.0 - START.0) as f64 / 1e6, (to.0 - START.0) as f64 / 1e6)
}

#[test]
fn the_ends_of_a_span_are_moments() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(20.0);
    // Columns of a quarter of a second.
    session.press(&["1", "h", "h", "h", "h", "v"]);
    session.run(5.0);
    session.press(&["h", "h", "v"]);
    assert_eq!(chosen(&session), (18.25, 19.0), "from where the cursor was, two columns back");
}

#[test]
fn the_end_of_a_span_at_the_newest_column_stays_there() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(20.0);
    session.press(&["v"]);
    session.run(5.0);
    session.press(&["v"]);
    assert_eq!(chosen(&session), (19.75, 25.0));
}

#[test]
fn a_span_is_dragged_from_where_the_button_went_down() {
    let mouse = |kind, column| MouseEvent { kind, column, row: 3, modifiers: KeyModifiers::NONE };
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(20.0);
    // The newest column is the last before the line: 158.
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), 148));
    session.point(mouse(MouseEventKind::Drag(MouseButton::Left), 150));
    session.run(5.0);
    session.point(mouse(MouseEventKind::Up(MouseButton::Left), 158));
    assert_eq!(chosen(&session), (17.25, 25.0));
    // A click is none, however long it takes.
    session.press(&["Esc"]);
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), 148));
    session.run(2.0);
    session.point(mouse(MouseEventKind::Up(MouseButton::Left), 148));
    assert_eq!((session.state.reach, session.state.timeline.anchor), (Reach::Auto, None));
    // Where the button went up over the help, the next time that it goes down is another.
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), 148));
    session.press(&["?"]);
    session.point(mouse(MouseEventKind::Up(MouseButton::Left), 150));
    session.press(&["Esc"]);
    let flame = |kind, column| MouseEvent { row: 12, ..mouse(kind, column) };
    session.point(flame(MouseEventKind::Down(MouseButton::Left), 20));
    session.point(flame(MouseEventKind::Drag(MouseButton::Left), 60));
    session.point(flame(MouseEventKind::Up(MouseButton::Left), 60));
    assert_eq!((session.state.reach, session.state.timeline.anchor), (Reach::Auto, None));
}

#[test]
fn the_way_back_from_a_span_leads_to_the_window_before() {
    for back in ["Esc", "="] {
        let mut session = Session::new(Program::Steady, (160, 48));
        session.run(20.0);
        session.press(&["]", "v", "h", "v", "v", "h", "h", "v"]);
        chosen(&session);
        session.press(&[back]);
        session.expect(" of 30 s");
    }
}

#[test]
fn the_scale_of_thousands_is_read_whole() {
    let mut session = Session::new(Program::Idle, (60, 30));
    let waits = stack(&[("/srv/app/crowd.py", "wait", 1, 2)]);
    for look in 0..51 {
        let at = Micros(START.0 + look * 250_000);
        let seen = |tid| ThreadSample {
            thread: ThreadId { tid, interpreter: 0, seat: 0 },
            stack: waits.clone(),
            flags: Flags::WAITING,
        };
        let outcome = Outcome::Taken((1..=1200).map(seen).collect());
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome })));
    }
    session.act(Action::Now(Micros(START.0 + 15_000_000)));
    session.expect("│wait 2k▅▅▅");
}

/// The time that is shown is that of the boxes: neither passing time nor a key moves it.
#[test]
fn a_frozen_window_says_what_is_frozen() {
    for (keys, words) in [
        (&[][..], "last 2 s (auto)"),
        (&["c"], "since start, 2 s"),
        (&["c", "r"], "last 1 s"),
        (&["["], "last 2 s of 10 s"),
    ] {
        let mut session = Session::new(Program::Steady, (160, 48));
        session.run(1.0);
        session.press(keys);
        session.run(1.5);
        session.expect(words);
        session.press(&[" "]);
        session.run(9.0);
        session.expect(&format!("+9,000 samples {words}"));
        session.press(&["]"]);
        session.press(&["4", "2"]);
        session.expect(&format!("+9,000 samples {words}"));
        session.press(&[" "]);
        session.expect_not(&format!(" {words}"));
    }
}

/// A trend beside shares of a span is of that span: of what did not run in it there is nothing.
#[test]
fn trends_are_of_the_span_that_was_chosen() {
    let mut session = Session::new(Program::Idle, (160, 48));
    for step in 0..1200_u64 {
        let name = ["first", "second", "third"][step as usize / 400];
        let stack = stack(&[("/srv/app/batch.py", "main", 1, 2), ("/srv/app/batch.py", name, 5, 6)]);
        let at = Micros(START.0 + step * 50_000);
        let thread = ThreadId { tid: 1, interpreter: 0, seat: 0 };
        let threads = vec![ThreadSample { thread, stack, flags: Flags::HOLDS_GIL }];
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
        session.act(Action::Now(at));
    }
    let trend = |session: &Session, name: &str| {
        let row = session.lines().into_iter().find(|row| row.contains(&format!(" {name}  "))).unwrap();
        row.chars().filter(|sign| ('▁'..='█').contains(sign)).collect::<String>()
    };
    session.press(&["4", "c"]);
    session.expect("trend 1m00s");
    assert_eq!(trend(&session, "third").chars().count(), 4);
    let second = |seconds: u64| Micros(START.0 + seconds * 1_000_000);
    session.act(Action::Drag { from: second(15), to: second(26), done: true });
    session.press(&["4"]);
    session.expect("trend 11 s");
    assert_eq!(trend(&session, "main"), "████████████");
    assert_eq!((trend(&session, "first"), trend(&session, "second")), ("█████▂".into(), "▆██████".into()));
    // It stands still while time goes on, and goes with the span.
    session.press(&["Esc"]);
    session.expect("trend 1m00s");
}
