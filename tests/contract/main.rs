//! What the command line promises, tried on the program itself: options, errors, outputs, signals, `-t`. With
//! whatever Python 3 the machine has; all Pythons are the business of `tests/live`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../live/cpus.rs"]
mod cpus;
#[path = "../live/folded.rs"]
mod folded;
#[path = "../live/installed.rs"]
mod installed;
#[path = "../live/interpreters.rs"]
mod interpreters;
#[path = "../live/profiler.rs"]
mod profiler;
#[path = "../live/subject.rs"]
mod subject;
#[path = "../terminal/whole.rs"]
mod whole;

mod control;
mod family;
mod formats;
mod output;
mod sampling;
mod screen;
mod targets;
mod terminal;
mod trace;
mod usage;
mod users;

use std::time::{Duration, Instant};

use interpreters::python3;
use subject::Subject;

/// A program of `tests/programs`, by the machine's Python 3, when it has said that it is ready.
fn subject(program: &str, arguments: &[&str]) -> Subject {
    Subject::program(python3(), program, arguments).ready()
}

/// Waits until it is so, for twenty seconds.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within twenty seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Nobody traces the process, and it is there.
#[track_caller]
fn assert_untouched(subject: &mut Subject) {
    assert!(subject.is_alive());
    let status = std::fs::read_to_string(format!("/proc/{}/status", subject.pid())).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
}

/// A new folder, removed when the test is over.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
