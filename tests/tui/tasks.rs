//! asyncio's tasks: a picture of their own, which counts them and no thread.

use pyflame_tui::profile::Who;
use pyflame_tui::sample::{Ending, Event};
use pyflame_tui::tui::Options;
use pyflame_tui::tui::action::{Action, Effect};

use crate::screens::{SIZES, same};
use crate::session::Session;
use crate::simulation::Program;

fn is_tasks(effect: &Effect) -> Option<bool> {
    match effect {
        Effect::Tasks(too) => Some(*too),
        _ => None,
    }
}

#[test]
fn tasks_have_a_picture_of_their_own() {
    for size in SIZES {
        let mut session = Session::with(Program::Coroutines, size, Options::default());
        session.run(4.0);
        session.expect_not("handle");
        session.press(&["A"]);
        session.run(8.0);
        for (key, name) in [("2", "flame"), ("3", "threads"), ("4", "top")] {
            session.press(&[key]);
            same(&format!("tasks-{name}-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
        }
        session.press(&["2", "A"]);
        session.run(1.0);
        session.expect_not("handle");
        let told: Vec<_> = session.effects.iter().filter_map(is_tasks).collect();
        assert_eq!(told, [true, false]);
    }
}

/// Before they are asked for they are not read: what was then would count as a time without any.
#[test]
fn tasks_count_from_when_they_were_asked_for() {
    let mut session = Session::with(Program::Coroutines, (160, 48), Options::default());
    session.run(6.0);
    session.press(&["A"]);
    session.run(2.5);
    session.expect("last 2 s");
    session.expect("all  6.0 tasks");
    // The way back, by the other key.
    session.press(&["a"]);
    assert_eq!(session.state.who, Who::AllThreads);
    assert_eq!(session.effects.iter().filter_map(is_tasks).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn who_does_not_tell_of_tasks_says_so() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(2.0);
    session.press(&["A"]);
    session.expect("asyncio's tasks can be read from Python 3.11 on");
    assert_eq!(session.state.who, Who::AllThreads);
    assert!(session.effects.iter().find_map(is_tasks).is_none());
}

#[test]
fn who_has_ended_keeps_its_picture() {
    let mut session = Session::new(Program::Coroutines, (160, 48));
    session.run(5.0);
    session.act(Action::Sampled(Event::Ended(Ending::Exited(Some(0)))));
    let picture = |session: &Session| session.lines()[1..47].join("\n");
    let before = picture(&session);
    session.press(&["r"]);
    session.expect("nothing comes any more");
    assert_eq!(picture(&session), before);
    session.press(&["A"]);
    session.expect("tasks that were seen while it ran");
    session.expect("all  6.0 tasks");
    session.press(&["A"]);
    assert_eq!(picture(&session), before);
}
