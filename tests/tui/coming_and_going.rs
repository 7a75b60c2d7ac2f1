//! Programs whose stacks and threads come and go while somebody looks.

use pyflame_tui::profile::Profile;
use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, Stack, ThreadId, ThreadSample};
use pyflame_tui::tui::action::Action;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Chance, Program, START};

const NAMES: [&str; 8] = ["rule_0", "rule_1", "rule_2", "rule_3", "rule_4", "rule_5", "rule_6", "rule_7"];

fn thread(tid: u32, stack: Stack, flags: Flags) -> ThreadSample {
    ThreadSample { thread: ThreadId { tid, interpreter: 0, seat: 0 }, stack, flags }
}

fn look(session: &mut Session, at: Micros, threads: Vec<ThreadSample>) {
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
        // Counted anew, by a key.
        session.press(&["2", "3"]);
        session.expect("thread 2 CPU ");
    }
}
