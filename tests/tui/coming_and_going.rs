//! Programs whose stacks and threads come and go while somebody looks.

use pyflame_tui::profile::Profile;
use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, Stack, ThreadId, ThreadSample};
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::state::Reach;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Chance, Program, START};

const NAMES: [&str; 8] = ["rule_0", "rule_1", "rule_2", "rule_3", "rule_4", "rule_5", "rule_6", "rule_7"];

pub(crate) fn thread(tid: u32, stack: Stack, flags: Flags) -> ThreadSample {
    ThreadSample { thread: ThreadId { tid, interpreter: 0, seat: 0 }, stack, flags }
}

pub(crate) fn look(session: &mut Session, at: Micros, threads: Vec<ThreadSample>) {
    session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
}

/// A stack that nothing else stands in.
fn new_stack(chance: &mut Chance) -> Stack {
    let mut below = |end: f64| (chance.next() * end) as u32;
    let frames: Vec<_> =
        (0..25).map(|_| ("/srv/app/parser.py", NAMES[below(8.0) as usize], 1, below(50.0))).collect();
    stack(&frames)
}

/// Nodes have other numbers when stacks were given up: who keeps them asks beyond the end, or for another stack.
#[test]
fn a_picture_outlives_the_numbers_of_its_stacks() {
    for frozen in [true, false] {
        let mut session = Session::new(Program::Idle, (160, 48));
        session.state.profile = Profile::with_cap(4 << 20);
        let mut chance = Chance(9);
        let mut at = START;
        let mut parse = |session: &mut Session, until: &dyn Fn(&Profile) -> bool| {
            while !until(&session.state.profile) {
                at.0 += 1000;
                let parsers = (1..=2).map(|tid| thread(tid, new_stack(&mut chance), Flags::HOLDS_GIL));
                look(session, at, parsers.collect());
            }
            at
        };
        // The newest stacks have the largest numbers.
        let now = parse(&mut session, &|profile| profile.node_count() > 60_000);
        assert_eq!(session.state.profile.revision(), 0);
        session.act(Action::Now(now));
        session.press(&["3"]);
        if frozen {
            session.press(&[" "]);
        }
        let rows = |session: &Session| session.lines()[5..8].join("\n");
        let before = rows(&session);
        let count = session.state.profile.node_count();
        parse(&mut session, &|profile| profile.node_count() < count);
        assert!(session.state.profile.revision() > 0);
        assert_eq!(rows(&session), before, "what is painted is as it was");
        // Counted anew, by a key, when there are looks again that were not thinned.
        let count = session.state.profile.node_count();
        parse(&mut session, &|profile| profile.node_count() > count + 5000);
        session.press(&["2", "3"]);
        session.expect("thread 2 CPU ");
    }
}

pub(crate) fn at_work(name: &'static str) -> Stack {
    stack(&[("/srv/app/compute.py", name, 1, 4)])
}

/// A thread every 50 ms, beside two that stay.
fn short_threads(size: (u16, u16)) -> Session {
    let mut session = Session::new(Program::Idle, size);
    for turn in 0..400_u32 {
        let at = Micros(START.0 + u64::from(turn) * 10_000);
        let short = thread(100 + turn / 5, at_work("compute"), Flags::ON_CPU);
        let name = Event::Thread(short.thread, format!("compute-{}", turn / 5));
        session.act(Action::Sampled(name));
        let stays = (1..3).map(|tid| thread(tid, at_work("rest"), Flags::WAITING));
        let all = stays.chain((turn < 200).then_some(short)).collect();
        look(&mut session, at, all);
        session.act(Action::Now(at));
    }
    session.act(Action::Now(Micros(START.0 + 5_000_000)));
    session
}

#[test]
fn as_many_threads_are_told_of_as_there_are() {
    let mut session = short_threads((160, 48));
    session.press(&["c"]);
    session.expect("CPU 0.5  ▒ waiting 2.0  ░ idle 0.0  of 3 threads");
}

#[test]
fn threads_that_have_ended_say_so_and_come_last() {
    let mut session = short_threads((160, 48));
    session.press(&["c", "3"]);
    session.expect("3 Threads · 2 · 40 gone");
    let rows: Vec<String> = session.lines()[6..].to_vec();
    assert!(rows[0].contains("thread 1") && rows[0].contains(" waiting "), "{rows:#?}");
    assert!(rows[1].contains("thread 2") && rows[1].contains(" waiting "), "{rows:#?}");
    assert!(rows[2].contains("+compute ×40 gone "), "{rows:#?}");
    session.press(&["Down", "Down", "l"]);
    let row = session.lines()[9].clone();
    assert!(row.contains("-0") && row.contains(" gone     compute:4 "), "{row}");
}

/// What has ended since is told as it was.
#[test]
fn threads_of_a_time_in_the_past_are_told_of_as_of_then() {
    let mut session = short_threads((160, 48));
    session.state.reach = Reach::Between(START, Micros(START.0 + 1_000_000));
    session.press(&["3"]);
    session.expect("of 3 threads");
    session.expect("3 Threads · 3 · 15 gone");
    session.expect("+compute ×1 ");
    session.expect_not("+compute ×1 gone");
}

/// What lives on is told as it was, too: where it stands now, and since when, is no part of that time.
#[test]
fn a_thread_that_lives_on_is_told_of_as_it_was() {
    let mut session = Session::new(Program::Idle, (160, 48));
    for turn in 0..2400_u64 {
        let at = Micros(START.0 + turn * 10_000);
        let (works, flags) = if turn < 1000 {
            (at_work("crunch"), Flags::ON_CPU)
        } else {
            (at_work("stand_still"), Flags::WAITING)
        };
        look(&mut session, at, vec![thread(1, works, flags), thread(2, at_work("rest"), Flags::WAITING)]);
        session.act(Action::Now(at));
    }
    session.act(Action::Now(Micros(START.0 + 24_000_000)));
    session.press(&["3"]);
    let row = |session: &Session, name: &str| {
        session.lines().into_iter().find(|line| line.contains(name)).expect(name)
    };
    let now = row(&session, "thread 1 ");
    assert!(now.contains(" waiting  stand_still:4 ") && now.contains("13 s"), "{now}");
    let span = |session: &mut Session, from, to| {
        session.state.reach = Reach::Between(Micros(START.0 + from), Micros(START.0 + to));
        session.press(&["3"]);
    };
    span(&mut session, 2_000_000, 8_000_000);
    let then = row(&session, "thread 1 ");
    assert!(then.contains(" CPU      crunch:4 ") && !then.contains(" s "), "{then}");
    // Thirty-two steps lie before the end of the span.
    assert!(then.contains(&format!(" {}│", "█".repeat(32))), "{then}");
    // Nobody is stuck before anybody else there.
    let rows = session.lines()[6..8].to_vec();
    assert!(rows[0].contains("thread 1 ") && rows[1].contains("thread 2 "), "{rows:#?}");
    // The same at the newest look as without a span.
    span(&mut session, 12_000_000, 30_000_000);
    assert_eq!(row(&session, "thread 1 "), now);
}

#[test]
fn a_pool_says_what_its_threads_say() {
    // Flags of four threads of a pool, and what the pool says.
    let (none, waits, runs) = (Flags::default(), Flags::WAITING, Flags::ON_CPU);
    for (flags, words) in [
        ([waits; 4], "waiting "),
        ([none; 4], "unknown "),
        ([waits, waits, none, none], "2.0 wait "),
        ([runs, runs, none, none], "2.0 CPU "),
        ([runs, waits, waits, waits], "4.0 busy "),
        ([none, none, none, waits], "1.0 wait "),
    ] {
        let mut session = Session::new(Program::Idle, (160, 48));
        for turn in 0..300 {
            let at = Micros(START.0 + turn * 10_000);
            let workers = (1..).zip(flags).map(|(tid, flags)| thread(tid, at_work("work"), flags));
            let workers: Vec<ThreadSample> = workers.collect();
            for worker in &workers {
                let name = format!("worker-{}", worker.thread.tid);
                session.act(Action::Sampled(Event::Thread(worker.thread, name)));
            }
            look(&mut session, at, workers);
        }
        session.act(Action::Now(Micros(START.0 + 4_000_000)));
        session.press(&["3"]);
        session.expect(&format!("worker ×4 {words}"));
    }
}

/// Collecting garbage is told: the line that allocates when it is due is not to blame.
#[test]
fn what_is_spent_on_garbage_is_said() {
    for size in [(160, 48), (80, 24)] {
        let mut session = Session::new(Program::Idle, size);
        for turn in 0..400_u64 {
            let at = Micros(START.0 + turn * 10_000);
            let garbage = if turn % 10 < 4 { Flags::GC } else { Flags::default() };
            let works = thread(1, at_work("compute"), Flags::HOLDS_GIL | garbage);
            look(&mut session, at, vec![works, thread(2, at_work("rest"), Flags::WAITING)]);
            session.act(Action::Now(at));
        }
        let said = "CPU 1.0 (GC 0.4)  ";
        let line = session.lines().into_iter().find(|line| line.contains(said)).expect(said);
        assert!(line.contains("waiting 1.0") && line.contains("of 2 threads"), "{line}");
    }
}
