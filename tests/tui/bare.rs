//! Threads that are in no Python code.

use pyflame_tui::sample::{About, Event, Flags, Micros, Stack};
use pyflame_tui::tui::action::Action;

use crate::coming_and_going::{at_work, look, thread};
use crate::session::Session;
use crate::simulation::{Program, START};

/// Three seconds of threads with these stacks and flags, from number 7 on, which is the process's.
fn watched(size: (u16, u16), threads: &[(Stack, Flags)]) -> Session {
    let mut session = Session::new(Program::Idle, size);
    let (age, interval) = (Micros(9_000_000), Micros(10_000));
    let (command, python) = ("python3".to_owned(), "3.12.1".to_owned());
    let about = About { pid: 7, command, python, age, interval, tasks: false };
    session.act(Action::Sampled(Event::About(about)));
    for turn in 0..300_u64 {
        let at = Micros(START.0 + turn * 10_000);
        let all = (7..).zip(threads).map(|(tid, (stack, flags))| thread(tid, stack.clone(), *flags));
        look(&mut session, at, all.collect());
        session.act(Action::Now(at));
    }
    session
}

fn line(session: &Session, words: &str) -> String {
    session.lines()[usize::from(session.place(words).1)].clone()
}

/// A prompt at which nobody says anything.
#[test]
fn a_thread_at_its_prompt_is_there_and_idle() {
    for size in [(160, 48), (80, 24), (40, 10)] {
        let mut session = watched(size, &[(Stack::default(), Flags::WAITING)]);
        session.expect(if size.0 == 40 { "no Python frame" } else { "no thread had a Python frame" });
        if size.0 > 40 {
            session.expect("idle 1.0  of 1 thread");
        }
        session.press(&["3"]);
        session.expect_not("gone");
        let row = line(&session, " MainThread ");
        assert!(row.contains("idle     no Python code ") && row.contains(" 2 s"), "{row}");
        // Nothing of it can be copied, or looked at more closely.
        session.press(&["y", "Enter", "2", "o", "Enter", "x", "L", "="]);
    }
}

#[test]
fn who_computes_in_no_python_code_has_a_share_and_no_box() {
    let all = [
        (Stack::default(), Flags::WAITING),
        (at_work("compute"), Flags::HOLDS_GIL),
        (Stack::default(), Flags::ON_CPU),
    ];
    let mut session = watched((160, 48), &all);
    session.expect("CPU 2.0  ▒ waiting 0.0  ░ idle 1.0  of 3 threads");
    session.expect(" all  2.0 threads  100 %  no Python code 50 % ");
    session.expect("compute  50 %");
    session.expect("3 Threads · 3 ");
    let row = line(&session, " thread 9 ");
    assert!(row.contains("thread 9   CPU      no Python code"), "{row}");
    session.press(&["4"]);
    session.expect("by self (s) · no Python code 50 %");
    session.expect("   50 %   50 % ");
    // With those that idle; then of those that hold the GIL.
    session.press(&["2", "x", "x"]);
    session.expect(" all  3.0 threads  100 %  no Python code 67 % ");
    session.press(&["x", "a"]);
    session.expect(" all  1.0 threads  100 % ");
    session.expect_not("no Python code 50 %");
}

/// Idle threads with frames are hidden: it is not so that nobody has one.
#[test]
fn why_there_is_no_box_is_said_of_those_who_are_counted() {
    let resting = crate::programs::stack(&[("/usr/lib/python3.12/queue.py", "get", 1, 4)]);
    let all = [(Stack::default(), Flags::ON_CPU), (resting, Flags::WAITING)];
    let session = watched((160, 48), &all);
    session.expect("nobody who is counted here had a Python frame in this window");
}
