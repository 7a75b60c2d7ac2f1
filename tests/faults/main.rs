//! Whatever happens to us, nothing happens to the target; and whatever the target does, nothing happens to us. Each test
//! makes it happen. What takes longer than seconds is for `PYFLAME_TEST_LONG=1`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
#[path = "../target/thirty_two.rs"]
mod thirty_two;
#[path = "../terminal/whole.rs"]
mod whole;

mod builds;
mod death;
mod doctor;
mod heart;
mod hostile;
mod life;
mod long;
mod mapped;
mod panics;
mod places;
mod screen;
mod security;
mod signals;
mod sources;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use installed::copy_program;
use interpreters::python3;
use profiler::program;

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

/// How often something is tried: as often as `PYFLAME_TEST_TRIES` says, else so often, or with time so often.
fn tries(short: u32, long: u32) -> u32 {
    let wish = std::env::var("PYFLAME_TEST_TRIES").ok().and_then(|word| word.parse().ok());
    wish.unwrap_or(if is_long() { long } else { short })
}

/// Nobody traces any of its threads, and none is stopped.
#[track_caller]
fn is_untraced(pid: u32) {
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap();
        assert!(!state.contains("stop") && status.contains("TracerPid:\t0\n"), "{status}");
    }
}

/// Nobody's number, on most systems; any that is not root's would do.
const NOBODY: u32 = 65534;

/// A Python that an ordinary user can run: one below root's home cannot be.
fn python_for_everybody() -> Option<PathBuf> {
    let runs = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import ctypes"]).uid(NOBODY).gid(NOBODY).current_dir("/").stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    [python3().command.clone(), "/usr/bin/python3".into()].into_iter().find(runs)
}

/// The program where everybody can run it.
fn program_for_everybody() -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("pyflame-tui");
    copy_program(program(), &copy);
    (folder, copy)
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
