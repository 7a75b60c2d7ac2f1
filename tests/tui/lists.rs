//! Lists that are longer than the screen.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample};
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::keys::Pane;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Program, START};

fn click(session: &mut Session, row: u16) {
    let (kind, modifiers) = (MouseEventKind::Down(MouseButton::Left), KeyModifiers::NONE);
    session.point(MouseEvent { kind, column: 4, row, modifiers });
}

/// The name in a line of the list.
fn name(line: &str) -> String {
    line.trim_matches(['│', ' '])
        .split(' ')
        .find(|word| word.len() > 1 && word.contains('_'))
        .unwrap()
        .to_owned()
}

#[test]
fn a_click_in_a_scrolled_list_selects_what_was_clicked() {
    let mut session = Session::new(Program::Wide, (80, 24));
    session.run(3.0);
    session.press(&["s", "s", "4", "G"]);
    for row in [8, 12, 8] {
        let line = session.lines()[usize::from(row)].clone();
        click(&mut session, row);
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        assert_eq!(session.state.profile.function(function).name.to_string(), name(&line), "{line}");
        assert_eq!(session.lines()[usize::from(row)], line, "it stays where it is");
    }
}

#[test]
fn a_click_on_a_thread_selects_what_was_clicked() {
    let mut session = Session::new(Program::Steady, (80, 14));
    session.run(3.0);
    session.press(&["3", "G"]);
    session.expect_not("worker ×6");
    let line = session.lines()[7].clone();
    click(&mut session, 7);
    assert_eq!(session.lines()[7], line);
    session.press(&["Enter"]);
    let chosen = session.state.threads.as_ref().and_then(|set| set.first().copied()).unwrap();
    let thread = &session.state.profile.thread(chosen).name;
    assert!(line.contains(&thread["worker".len()..]), "{thread}: {line}");
}

#[test]
fn a_click_in_a_flame_that_became_lower_selects_what_was_clicked() {
    let mut session = Session::new(Program::Tower, (80, 24));
    session.run(3.0);
    session.press(&["g"]);
    session.state.scroll = 100_000;
    let row = session.lines().iter().position(|line| line.contains("work")).unwrap() as u16;
    click(&mut session, row);
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    assert_eq!(&*session.state.profile.function(call.function).name, "work");
}

#[test]
fn the_next_match_in_the_top_list() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["4", "/", "v", "i", "e", "w", "_", "Enter"]);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        seen.push(session.state.profile.function(function).name.to_string());
        session.press(&["n"]);
    }
    assert!(seen.iter().all(|name| name.starts_with("view_")), "{seen:?}");
    assert!(seen[0] != seen[1], "{seen:?}");
    let before = session.state.top_list.cursor;
    session.press(&["n", "N"]);
    assert_eq!((session.state.pane, session.state.top_list.cursor), (Pane::Top, before));
}

#[test]
fn the_threads_have_one_order_and_the_functions_keep_theirs() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    session.press(&["3"]);
    session.expect("own code");
    session.press(&["s"]);
    session.expect_not("own code");
    session.press(&["s", "4"]);
    session.expect("by self (s)");
    session.press(&["s"]);
    session.expect("by total (s)");
}

#[test]
fn a_click_on_a_row_of_a_list_over_the_panes_does_what_it_says() {
    for size in [(160, 48), (80, 24), (40, 10)] {
        let mut session = Session::new(Program::Steady, size);
        session.run(3.0);
        session.press(&["2", ":", "t", "h", "e", " ", "t", "i", "m"]);
        session.click(session.place(&format!(" {:<12}the timeline", "1")));
        session.expect_not("Commands");
        let there = if size.0 == 40 { "no room for a timeline" } else { "1 Timeline" };
        session.expect(there);
        assert_eq!(session.state.pane == Pane::Timeline, size.0 > 40, "{}", session.text());
    }
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    // Below the first screen of them.
    session.press(&[":"]);
    for _ in 0..40 {
        session.press(&["Down"]);
    }
    session.click(session.place("functions by weight"));
    assert_eq!(session.state.pane, Pane::Top);
    // Beside the list it is closed.
    session.press(&["2", ":"]);
    session.click((0, 10));
    session.expect_not("Commands");
    assert_eq!(session.state.pane, Pane::Flame);
    let mut session = Session::new(Program::Wide, (100, 30));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "$", "Enter"]);
    session.expect("calls too small for a box");
    let (column, row) = session.place("calls too small");
    let line = session.lines()[usize::from(row) + 4].clone();
    session.click((column, row + 4));
    session.expect("zoomed (Esc)");
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    let function = session.state.profile.function(call.function).name.to_string();
    assert!(line.contains(&function), "{function}: {line}");
}

#[test]
fn the_wheel_turns_what_is_seen() {
    let mut session = Session::new(Program::Steady, (120, 20));
    session.run(3.0);
    session.expect_not("reaper");
    let place = session.place("more (3)");
    let before = session.state.cursor.clone();
    for _ in 0..5 {
        session.mouse(MouseEventKind::ScrollDown, place);
    }
    session.expect("reaper");
    session.expect_not("more (3)");
    session.mouse(MouseEventKind::ScrollUp, place);
    session.expect_not("reaper");
    assert_eq!((session.state.pane, session.state.thread_list.cursor), (Pane::Flame, 0));
    assert_eq!(session.state.cursor, before);
}

#[test]
fn the_wheel_does_not_turn_away_a_flame_that_fits() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    let place = session.place(" all ");
    session.mouse(MouseEventKind::ScrollDown, place);
    session.expect(" all ");
    // Of one that does not, the end is the last that is seen.
    let mut session = Session::new(Program::Idle, (80, 24));
    let names = ["rule_0", "rule_1", "rule_2"].into_iter().cycle().take(40);
    let frames: Vec<_> = names.map(|name| ("/srv/app/parser.py", name, 1, 2)).collect();
    for depth in 1..=40 {
        let at = Micros(START.0 + depth * 1000);
        let id = ThreadId { tid: 1, interpreter: 0, seat: 0 };
        let stack = stack(&frames[..depth as usize]);
        let threads = vec![ThreadSample { thread: id, stack, flags: Flags::HOLDS_GIL }];
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
    }
    session.act(Action::Now(Micros(START.0 + 1_000_000)));
    session.press(&["g"]);
    let (rows, (x, y)) = (session.state.view.flame.rows.len(), session.place("all "));
    assert!(rows > 40, "{rows}");
    for _ in 0..rows {
        session.mouse(MouseEventKind::ScrollDown, (x, y));
    }
    let shown = session.lines()[usize::from(y)..].iter().take_while(|line| !line.starts_with('├')).count();
    assert_eq!(session.state.scroll, rows - shown, "{}", session.text());
}

#[test]
fn the_end_of_the_help_is_left_with_the_next_key() {
    for key in ["?", "F"] {
        let mut session = Session::new(Program::Steady, (80, 24));
        session.run(1.0);
        session.press(&[key]);
        if key == "F" {
            session.act(Action::HelpAll);
        }
        session.press(&["G"]);
        let end = session.text();
        session.press(&["k"]);
        let above = session.text();
        assert_ne!(above, end);
        session.press(&["j", "j", "j"]);
        assert_eq!(session.text(), end);
        session.press(&["k"]);
        assert_eq!(session.text(), above);
    }
}
