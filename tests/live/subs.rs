//! Sub-interpreters at work: one thread makes them, another runs them, with the main one's GIL or with their own.

use std::time::Duration;

use crate::folded::{Figures, folded};
use crate::interpreters::{Build, Interpreter};
use crate::profiler::profile;
use crate::subject::Subject;

/// The kinds of sub-interpreters that there are, as `truth3.py` numbers them.
pub(crate) fn kinds(python: &Interpreter) -> &'static [&'static str] {
    match python.version {
        _ if !python.takes_programs() => &[],
        (3, 8..=11) => &["0"],
        // Without a GIL to share there is one kind.
        (3, 12..) if python.build == Build::FreeThreaded => &["1"],
        (3, 12..) => &["0", "1"],
        _ => &[],
    }
}

/// Samples of sub-interpreters at work, none of which may be impossible; 0 where there are no sub-interpreters.
pub(crate) fn watch(python: &Interpreter) -> Result<u64, String> {
    let one = |kind: &&str| watch_one(python, kind).map_err(|error| format!("kind {kind}: {error}"));
    kinds(python).iter().map(one).sum()
}

fn watch_one(python: &Interpreter, kind: &str) -> Result<u64, String> {
    let mut subject = Subject::program(python, "subs.py", &[kind]);
    subject.await_line("ready", Duration::from_secs(60))?;
    let subject = subject.at_work();
    let ran = profile(&["--stats", "-x", "-s", "1", "-r", "0.0005", &subject.pid().to_string()]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    let mut samples = 0;
    for (stack, count) in folded(ran.text()) {
        // The code of the sub-interpreter comes from a string; the other stacks are of the main one.
        if !stack[0].starts_with('<') {
            continue;
        }
        let names: Vec<_> = stack.iter().map(|frame| frame.split(':').nth(1).unwrap_or_default()).collect();
        let is_of = |letter: &str| {
            let chain = (1..=5).map(|number| format!("{letter}{number}"));
            names.len() <= 6 && names[1..].iter().zip(chain).all(|(name, wanted)| *name == wanted)
        };
        if names[0] != "<module>" || !(is_of("a") || is_of("b")) {
            return Err(format!("{count} times {stack:?}\n{}", ran.err));
        }
        samples += count;
    }
    let figures = Figures::parse(&ran.err);
    if samples * 2 < figures.samples {
        Err(format!("only {samples}: {}{}", ran.err, ran.text()))
    } else {
        Ok(samples)
    }
}
