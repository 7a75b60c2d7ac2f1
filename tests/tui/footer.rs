//! The last line and the first: what they say is of the pane that has the keys, and true at this moment.

use pyflame_tui::sample::{Event, Totals};
use pyflame_tui::tui::action::{Action, Effect};
use pyflame_tui::tui::keys::Pane;

use crate::session::Session;
use crate::simulation::Program;

fn footer(session: &Session) -> String {
    session.lines().pop().unwrap()
}

#[test]
fn what_was_said_of_the_picture_before_goes_with_the_next_key() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.press(&["r"]);
    session.expect("the past is forgotten");
    session.press(&["c"]);
    session.expect_not("the past is forgotten");
    session.press(&["Esc", "Esc", "Esc", "Esc"]);
    session.expect("nothing to go back to");
    session.press(&["/", "r", "e", "q", "Enter"]);
    assert!(footer(&session).contains("/req"), "{}", footer(&session));
    // A key that means nothing says nothing of the picture either.
    session.press(&["Esc", "x", "!"]);
    session.expect("only threads that run or hold the GIL");
}

#[test]
fn the_weight_at_the_foot_is_that_of_the_pane_with_the_keys() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.press(&["4", "Down"]);
    let total = footer(&session).split("sel ").nth(1).unwrap().split(" ±").next().unwrap().to_owned();
    let (threads, share) = total.split_once(" threads ").unwrap();
    session.expect(&format!("total {share} ({threads} threads)"));
    session.press(&["3"]);
    assert!(!footer(&session).contains("sel "), "{}", footer(&session));
    let mut session = Session::new(Program::Wide, (100, 30));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "$"]);
    let lines = session.lines();
    let crowd = lines.iter().find_map(|line| line.split("▶+").nth(1)).unwrap();
    let share = crowd.split_whitespace().nth(1).unwrap();
    assert!(footer(&session).contains(&format!("threads {share} % ±")), "{}", session.text());
}

#[test]
fn the_end_of_what_is_typed_is_seen() {
    for width in [40, 80] {
        let mut session = Session::new(Program::Web, (width, 24));
        session.run(1.0);
        for lead in ["E", "/", ":"] {
            session.press(&[lead]);
            for character in "a/very/long/name/".repeat(8).chars().chain("end".chars()) {
                session.press(&[&character.to_string()]);
            }
            session.expect("/end");
            session.press(&["Esc"]);
        }
    }
}

#[test]
fn keys_do_not_go_to_a_pane_that_is_not_there() {
    let mut session = Session::new(Program::Web, (40, 10));
    session.run(1.0);
    session.press(&["1"]);
    session.expect("there is no room for a timeline");
    assert_eq!(session.state.pane, Pane::Top);
    session.press(&["v"]);
    assert_eq!(session.state.pane, Pane::Top);
    for _ in 0..6 {
        session.press(&["Tab"]);
        assert_ne!(session.state.pane, Pane::Timeline);
    }
    session.act(Action::Resized(100, 30));
    session.press(&["1"]);
    session.act(Action::Resized(40, 10));
    assert_eq!(session.state.pane, Pane::Top);
}

#[test]
fn the_flame_comes_back_when_there_is_room_for_it() {
    let mut session = Session::new(Program::Steady, (45, 10));
    session.run(1.0);
    assert_eq!(session.state.pane, Pane::Top);
    for pane in [Pane::Flame, Pane::Timeline] {
        session.act(Action::Resized(120, 24));
        assert_eq!(session.state.pane, Pane::Flame);
        session.act(Action::Focus(pane));
        session.act(Action::Resized(45, 10));
        assert_eq!(session.state.pane, Pane::Top);
        session.act(Action::Resized(44, 9));
    }
    // What was chosen stays.
    session.press(&["4"]);
    session.act(Action::Resized(120, 24));
    assert_eq!(session.state.pane, Pane::Top);
    for key in ["3", "4"] {
        session.press(&[key]);
        let chosen = session.state.pane;
        session.act(Action::Resized(45, 10));
        session.act(Action::Resized(120, 24));
        assert_eq!(session.state.pane, chosen);
    }
}

#[test]
fn hints_are_of_what_has_the_keys() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(1.0);
    for (keys, has, has_not) in [
        (&["?"][..], "Esc close", "zoom"),
        (&["Esc", ":"], "↵ do it", "zoom"),
        (&["Esc", "5"], "↵ edit", "zoom"),
        (&["1"], "h move", "↵ zoom"),
        (&["v"], "v take it", "freeze"),
        (&["Esc", "3"], "s source", "sort"),
        (&["4"], "↵ show", "zoom"),
    ] {
        session.press(keys);
        let footer = footer(&session);
        assert!(footer.contains(has) && !footer.contains(has_not), "{keys:?}: {footer}");
    }
}

/// Clicks on each column of the last line but those of these hints.
fn click_beside(session: &mut Session, hints: &[&str]) {
    let (width, height) = session.state.size;
    let line = footer(session);
    let left = |hint: &str| line[..line.find(hint).expect(hint)].chars().count() as u16;
    let shown = hints.iter().map(|hint| left(hint)..left(hint) + hint.chars().count() as u16);
    let shown: Vec<_> = shown.collect();
    let before = session.text();
    session.effects.clear();
    for column in (0..width).filter(|column| !shown.iter().any(|hint| hint.contains(column))) {
        session.click((column, height - 1));
        assert_eq!(session.text(), before, "a click on column {column}");
        assert_eq!(session.effects, [], "a click on column {column}");
    }
}

#[test]
fn a_click_presses_only_what_is_shown() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    // What is said.
    session.press(&["r"]);
    session.expect("the past is forgotten");
    click_beside(&mut session, &[]);
    session.run(10.0);
    // What is typed.
    session.press(&["/", "v", "i", "e", "w"]);
    click_beside(&mut session, &[]);
    // What was searched for.
    session.press(&["Enter"]);
    let keys = ["n N next", "* same", "Esc done"];
    click_beside(&mut session, &keys);
    let before = session.state.cursor.clone();
    session.click(session.place("n N next"));
    assert_ne!(session.state.cursor, before);
    session.click(session.place("Esc done"));
    session.expect_not("Esc done");
    // A span that has begun.
    session.press(&["v", "h"]);
    click_beside(&mut session, &["v take it", "Esc let go"]);
    session.click(session.place("Esc let go"));
    assert_eq!(session.state.timeline.anchor, None);
    // Help and lists.
    session.press(&["2", "?"]);
    click_beside(&mut session, &["Esc close"]);
    session.press(&["Esc", ":"]);
    click_beside(&mut session, &["↵ do it", "Esc close"]);
    session.click(session.place("Esc close"));
    // What can be pressed here.
    session.click(session.place("space freeze"));
    session.expect("FROZEN");
    session.click(session.place("q quit"));
    assert!(session.effects.contains(&Effect::Quit), "{:?}", session.effects);
}

#[test]
fn the_first_line_says_no_more_than_is_seen() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(4.0);
    session.press(&["["]);
    let first = |session: &Session| session.lines().remove(0);
    assert!(first(&session).contains("LIVE ● last 3 s of 10 s"), "{}", first(&session));
    session.press(&["1", "v", "h", "h", "v"]);
    assert!(first(&session).contains("PAST ■"), "{}", first(&session));
}

#[test]
fn a_target_that_a_signal_has_stopped_is_told_to_be() {
    for (size, words) in [((160, 48), "STOPPED ■ (kill -CONT 24060) last"), ((40, 10), "STOPPED ■")] {
        let mut session = Session::new(Program::Steady, size);
        session.run(5.0);
        let totals = session.state.profile.totals().clone();
        session.expect_not("STOPPED");
        session.state.profile.record(&Event::Totals(Totals { stands: true, ..totals }));
        session.expect(words);
        session.expect_not("LIVE");
    }
}

#[test]
fn who_copies_nothing_is_told_so() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.press(&["y"]);
    session.expect("there is no stack under the cursor");
}

#[test]
fn who_looks_for_nothing_is_told_so() {
    for pane in ["2", "4"] {
        for key in ["n", "N", "&"] {
            let mut session = Session::new(Program::Steady, (160, 48));
            session.run(1.0);
            session.press(&[pane, key]);
            session.expect("nothing is searched for: / or * first");
        }
    }
}
