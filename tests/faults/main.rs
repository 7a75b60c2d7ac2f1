//! Whatever happens to us, nothing happens to the target; and whatever the target does, nothing happens to us. Each test
//! makes it happen. What takes longer than seconds is for `PYFLAME_TEST_LONG=1`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../live/folded.rs"]
mod folded;
#[path = "../live/interpreters.rs"]
mod interpreters;
#[path = "../live/profiler.rs"]
mod profiler;
#[path = "../live/subject.rs"]
mod subject;

mod death;
mod heart;
mod hostile;
mod life;
mod panics;
mod places;
mod screen;
mod signals;
mod sources;

use std::time::{Duration, Instant};

/// Waits until it is so, for thirty seconds.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within thirty seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A new folder, removed when the test is over.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Is there time for what takes minutes?
fn is_long() -> bool {
    std::env::var_os("PYFLAME_TEST_LONG").is_some()
}

/// Nobody traces it, and it is not stopped.
#[track_caller]
fn is_untraced(pid: u32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0\n") && !status.contains("(stopped)"), "{status}");
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
