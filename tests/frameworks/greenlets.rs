//! Greenlets swap the stack under a thread's feet.

use std::time::Duration;

use crate::folded::{Figures, folded};
use crate::interpreters::{Interpreter, pythons};
use crate::profiler::profile;
use crate::subject::Subject;
use crate::{is_wanted, packages, say};

/// Between two samples: five thousand a second, of which a busy machine leaves some.
const RATE: &str = "0.0002";

#[test]
fn each_greenlet_has_its_own_stack() {
    if !is_wanted() {
        return;
    }
    // Packages for a Python in a root of its own would have to be fetched in there.
    let able =
        |python: &&Interpreter| python.root.is_none() && python.version >= (3, 8) && python.is_cpython();
    for python in pythons().there.iter().filter(able) {
        let watched = match packages::fetch(python, &["greenlet"]) {
            Ok(folder) => watch(python, folder.to_str().unwrap())
                .unwrap_or_else(|wrong| panic!("{}: {wrong}", python.name)),
            Err(why) => format!("not tried: {why}"),
        };
        say(&format!("greenlets, {:12} {watched}", python.name));
    }
}

fn watch(python: &Interpreter, folder: &str) -> Result<String, String> {
    let mut subject = Subject::adjusted(python, "greenlets.py", |command| {
        command.env("PYTHONPATH", folder);
    });
    subject.await_line("ready", Duration::from_secs(60))?;
    let subject = subject.at_work();
    let ran = profile(&["--stats", "-s", "4", "-r", RATE, &subject.pid().to_string()]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    let figures = Figures::parse(&ran.err);
    let mut own = 0;
    for (stack, count) in folded(ran.text()) {
        if !is_possible(&stack) {
            return Err(format!("{count} times {stack:?}"));
        }
        own += if part(stack[0], 1) == "run" { count } else { 0 };
    }
    if own * 4 < figures.samples || figures.failed() * 1000 > figures.samples {
        return Err(format!("{own} of greenlets: {}", ran.err));
    }
    Ok(format!("{own} of {} samples are of greenlets, {} failed", figures.samples, figures.failed()))
}

/// All of one greenlet, from its first frame on; or of the main one, which runs none of their functions.
fn is_possible(stack: &[&str]) -> bool {
    let is_own = |frame: &str| matches!(part(frame, 1), "run" | "middle" | "leaf");
    match stack {
        [first, rest @ ..] if is_own(first) => {
            part(first, 1) == "run"
                && rest.iter().all(|frame| is_own(frame) && part(frame, 0) == part(first, 0))
        }
        stack => !stack.iter().any(|frame| is_own(frame)),
    }
}

/// The file or the function of a frame.
fn part(frame: &str, index: usize) -> &str {
    frame.split(':').nth(index).unwrap_or_default()
}
