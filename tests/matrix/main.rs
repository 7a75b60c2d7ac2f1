//! The long walks: every Python of this machine in the maze, with one busy thread and with four, a hundred thousand
//! samples each; and the programs of everyday life on each. A quarter of an hour on two cores, so only when asked:
//!
//! ```text
//! PYFLAME_TEST_LONG=1 cargo test --test matrix
//! ```
//!
//! `PYFLAME_TEST_ONLY=3.12.1` looks at one Python, `PYFLAME_TEST_SAMPLES=1000000` makes the walks longer, and
//! `PYFLAME_TEST_NONBLOCKING=1` looks without a stop, and from another CPU, too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../live/cpus.rs"]
mod cpus;
#[path = "../live/folded.rs"]
mod folded;
#[path = "../live/interpreters.rs"]
mod interpreters;
#[path = "../live/maze.rs"]
mod maze;
#[path = "../live/profiler.rs"]
mod profiler;
mod programs;
#[path = "../live/subject.rs"]
mod subject;
#[path = "../live/table.rs"]
mod table;
#[path = "../live/tasks.rs"]
mod tasks;
mod walks;

use std::io::Write;

use interpreters::{Interpreter, pythons};
use table::{Row, Table};
use walks::Manner;

/// Both tables; in one test, because what is measured must not be disturbed by another.
#[test]
fn every_python_for_long() {
    if std::env::var_os("PYFLAME_TEST_LONG").is_none_or(|word| word != "1") {
        say(
            "not tried: the long walks take a quarter of an hour; PYFLAME_TEST_LONG=1 cargo test --test matrix\n",
        );
        return;
    }
    let mut walked = Table::new(&walks::COLUMNS);
    say(&walked.head());
    for python in chosen() {
        for (busy, manner) in [(1, Manner::Busy), (4, Manner::Busy), (3, Manner::Rests)] {
            add(&mut walked, walks::walk(python, busy, manner));
        }
        if walks::nonblocking() {
            add(&mut walked, walks::walk(python, 1, Manner::Apart));
        }
    }
    let mut lived = Table::new(&programs::COLUMNS);
    say(&lived.head());
    for python in chosen().filter(|python| python.takes_programs()) {
        add(&mut lived, programs::run_all(python));
    }
    let wrong = [walked.print(), lived.print()].concat();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    table::require_all();
}

/// All that can be profiled, or the one that was asked for.
fn chosen() -> impl Iterator<Item = &'static Interpreter> {
    let only = std::env::var("PYFLAME_TEST_ONLY").ok();
    let is_it = move |python: &&Interpreter| only.as_ref().is_none_or(|only| python.name == *only);
    pythons().there.iter().filter(|python| python.is_cpython()).filter(is_it)
}

/// Shows a row as soon as it is there: the whole takes long.
fn add(table: &mut Table, row: Row) {
    say(&row.line());
    row.wrongs().iter().for_each(|wrong| say(&format!("    {wrong}\n")));
    table.add(row);
}

/// libtest keeps what is printed to itself, but not this.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
