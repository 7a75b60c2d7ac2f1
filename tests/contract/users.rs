//! As an ordinary user, tried when the tests themselves run as root: what is not permitted is explained, what is works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::folder;
use crate::installed::copy_program;
use crate::interpreters::python3;
use crate::profiler::{program, start};
use crate::subject;
use crate::subject::Subject;

/// `nobody`, on most systems; any number that is not root's would do.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("not tried: it takes root to become somebody else");
    }
    root
}

/// The program where everybody can run it.
fn for_everybody() -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("pyflame-tui");
    copy_program(program(), &copy);
    (folder, copy)
}

#[test]
fn roots_process_is_not_ours() {
    if !is_root() {
        return;
    }
    let subject = subject("idle.py", &[]);
    let (_folder, copy) = for_everybody();
    let pid = subject.pid().to_string();
    let mut command = Command::new(copy);
    let ran = start(command.args(["-s", "0", &pid]).uid(NOBODY).gid(NOBODY).current_dir("/"));
    let ran = ran.end(Duration::from_secs(20));
    assert_eq!(ran.code(), 1, "{}", ran.err);
    let (first, rest) = ran.err.split_once('\n').unwrap();
    assert!(first.starts_with(&format!("Failed to seize PID {pid}")), "{}", ran.err);
    assert!(rest.contains("user 0") && rest.contains(&format!("user {NOBODY}")), "{}", ran.err);
    // By sudo, or by what does the same for a container.
    assert!(rest.contains(&format!("pyflame-tui {pid}")), "{}", ran.err);
}

#[test]
fn an_ordinary_users_own_process_is() {
    if !is_root() {
        return;
    }
    // A Python that an ordinary user can run: one below root's home cannot be.
    let runs = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", ""]).uid(NOBODY).gid(NOBODY).current_dir("/").stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let Some(python) = [python3().command.clone(), "/usr/bin/python3".into()].into_iter().find(runs) else {
        eprintln!("not tried: no Python that an ordinary user can run");
        return;
    };
    let source = "import ctypes\n\
        try: ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)\nexcept Exception: pass\n\
        def busy():\n  while True: pass\nprint('ready', flush=True)\nbusy()";
    let mut command = Command::new(python);
    let subject = Subject::of(command.args(["-c", source]).uid(NOBODY).gid(NOBODY).current_dir("/")).ready();
    let (_folder, copy) = for_everybody();
    let pid = subject.pid().to_string();
    let mut command = Command::new(copy);
    let ran = start(command.args(["-s", "0.2", "-r", "0.01", &pid]).uid(NOBODY).gid(NOBODY).current_dir("/"));
    let ran = ran.end(Duration::from_secs(20)).well();
    assert!(ran.text().contains(":busy:"), "{}", ran.text());
}
