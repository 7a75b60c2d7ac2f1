//! The source of a function that is longer than the screen.

use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample};
use pyflame_tui::tui::Text;
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::keys::Pane;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Program, START};

const FILE: &str = "/srv/app/long.py";

/// A function of 500 lines that burns in line 300, and one below it that is called now and then.
fn long() -> Session {
    let mut session = Session::new(Program::Idle, (120, 30));
    let lines = (1..=600).map(|number| format!("line {number}")).collect();
    session.act(Action::Read(FILE.into(), Ok(Text { lines, newer: false })));
    for look in 0..400 {
        let at = Micros(START.0 + look * 1000);
        let stack = match look % 40 {
            0..8 => stack(&[(FILE, "small", 550, 551)]),
            place if place < 16 => stack(&[(FILE, "big", 2, 10 * place as u32)]),
            _ => stack(&[(FILE, "big", 2, 300)]),
        };
        let thread = ThreadId { tid: 24060, interpreter: 0, seat: 0 };
        let threads = vec![ThreadSample { thread, stack, flags: Flags::HOLDS_GIL }];
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
    }
    session.act(Action::Now(Micros(START.0 + 400_000)));
    session
}

#[test]
fn one_scrolls_from_where_it_burns() {
    for keys in [&["5", "j"][..], &["5", "k"]] {
        let mut session = long();
        session.press(keys);
        session.expect("line 300");
        session.expect("line 299");
        session.expect("line 301");
    }
}

#[test]
fn where_one_scrolled_is_of_one_function() {
    let mut session = long();
    session.press(&["4", "5", "j", "j"]);
    session.expect("line 303");
    session.press(&["4", "j"]);
    session.expect("small");
    session.expect("line 551");
    session.press(&["2", "g", "j"]);
    session.expect("big /srv");
    session.act(Action::Scroll(Pane::Source, 3));
    session.press(&["h"]);
    session.expect("small /srv");
    session.expect("line 551");
}

/// Who waits for work is in no picture while the idle are hidden, but has a line in which it stands.
#[test]
fn a_threads_source_shows_the_line_in_which_it_stands() {
    let mut session = Session::new(Program::Idle, (120, 30));
    let lines = (1..=600).map(|number| format!("line {number}")).collect();
    session.act(Action::Read(FILE.into(), Ok(Text { lines, newer: false })));
    let queue = ("/usr/lib/python3.11/queue.py", "Queue.get", 154, 171);
    for look in 0..400 {
        let at = Micros(START.0 + look * 1000);
        let of = |tid, frames: &[(&str, &str, u32, u32)], flags| ThreadSample {
            thread: ThreadId { tid, interpreter: 0, seat: 0 },
            stack: stack(frames),
            flags,
        };
        let threads = vec![
            of(1, &[(FILE, "small", 550, 551)], Flags::HOLDS_GIL),
            of(2, &[(FILE, "big", 2, 420), queue], Flags::WAITING),
        ];
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
    }
    session.act(Action::Now(Micros(START.0 + 400_000)));
    for (row, words, line) in [("g", "small /srv", "551 ▶ line 551"), ("G", "big /srv", "420 ▶ line 420")]
    {
        session.press(&["3", row]);
        session.expect(words);
        session.expect(line);
        session.press(&["5"]);
        session.expect(words);
        session.expect(line);
    }
}

/// A zoom and a search are further back than the source that hides them.
#[test]
fn the_way_back_leads_to_where_it_was_opened() {
    let mut session = long();
    session.press(&["/", "b", "i", "g", "Enter", "Enter"]);
    session.expect("zoomed (Esc)");
    for (key, pane) in [("2", Pane::Flame), ("3", Pane::Threads), ("4", Pane::Top)] {
        for way in ["Esc", "s"] {
            session.press(&[key, "5"]);
            assert_eq!(session.state.pane, Pane::Source);
            session.press(&[way]);
            assert_eq!(session.state.pane, pane, "{way}");
        }
    }
    session.press(&["2"]);
    session.expect("zoomed (Esc)");
}
