//! What is copied, lit up and shown below is of what the cursor of the pane with the keys stands on.

use pyflame_tui::tui::action::Effect;

use crate::session::Session;
use crate::simulation::Program;

fn copied(session: &mut Session) -> String {
    session.effects.clear();
    session.press(&["y"]);
    match session.effects.pop() {
        Some(Effect::Copy(stack)) => stack,
        other => panic!("{other:?}\n{}", session.text()),
    }
}

/// The last function and its line that a row of the thread list names, if it has room for one.
fn place(row: &str) -> Option<(&str, &str)> {
    let mut places = row.split_whitespace().filter_map(|word| word.split_once(':'));
    places.rfind(|(_, line)| line.chars().all(|sign| sign.is_ascii_digit()))
}

fn lit(session: &Session) -> String {
    let function = session.state.find.exact.expect("a function");
    session.state.profile.function(function).name.to_string()
}

#[test]
fn a_threads_own_stack_and_source_are_told_in_the_list_of_threads() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["3"]);
    let mut seen = Vec::new();
    for at in 6..16 {
        let row = session.lines()[at].clone();
        let stack = copied(&mut session);
        if let Some((name, line)) = place(&row) {
            let frame = |frame: &str| frame.starts_with(name) && frame.ends_with(&format!(":{line})"));
            assert!(stack.lines().any(frame), "{row}\n{stack}");
            let own = row.split_whitespace().find_map(|word| word.split_once(':')).unwrap().0;
            session.expect(&format!("├ {own} /"));
            session.press(&["*"]);
            assert_eq!(lit(&session), own);
            session.press(&["Esc"]);
            seen.push(own.to_owned());
        }
        session.press(&["Down"]);
    }
    seen.dedup();
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn a_frozen_threads_stack_is_that_in_which_it_stood_then() {
    let mut session = Session::new(Program::Phases, (160, 48));
    session.run(5.0);
    session.press(&["3", " "]);
    session.run(10.0);
    session.expect(" parse:");
    assert!(copied(&mut session).contains("parse ("));
    session.press(&[" "]);
    session.run(0.5);
    assert!(copied(&mut session).contains("transform ("));
}

#[test]
fn the_heaviest_stack_of_a_function_is_copied_in_the_top_list() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["4"]);
    for _ in 0..5 {
        session.press(&["Down"]);
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        let name = session.state.profile.function(function).name.to_string();
        let stack = copied(&mut session);
        assert!(stack.lines().last().unwrap().starts_with(&format!("{name} (")), "{name}: {stack}");
        assert!(stack.starts_with("worker ("), "{stack}");
        session.press(&["*"]);
        assert_eq!(lit(&session), name);
        session.press(&["Esc"]);
    }
    session.press(&["2", "g", "y"]);
    session.expect("there is no stack under the cursor");
}

/// The source, full size, is that of the row under the cursor of the list that it was opened from.
#[test]
fn a_rows_source_is_opened_full_size() {
    for list in ["3", "4"] {
        let mut session = Session::new(Program::Steady, (160, 48));
        session.run(5.0);
        session.press(&[list]);
        let mut seen = Vec::new();
        for _ in 0..5 {
            session.press(&["Down"]);
            let Some(function) = session.state.function() else { continue };
            let below = session.state.view.heat.clone();
            session.press(&["5"]);
            assert_eq!(session.state.function(), Some(function), "{}", session.text());
            session.expect(&format!("5 Source  {} ", session.state.profile.function(function).name));
            assert_eq!(session.state.view.heat, below);
            assert!(copied(&mut session).contains(&*session.state.profile.function(function).name));
            session.press(&[list]);
            seen.push(function);
        }
        seen.dedup();
        assert!(seen.len() > 1, "{list}: {seen:?}");
    }
}
