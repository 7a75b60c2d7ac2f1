//! Lists that are longer than the screen.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::tui::keys::Pane;

use crate::session::Session;
use crate::simulation::Program;

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
