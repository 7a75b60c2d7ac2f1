//! Rights: what we write, as whom we run what, and what a capability on our file gives to whom; and that nothing of a
//! target's is run.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::folded::share;
use crate::installed::copy_program;
use crate::interpreters::python3;
use crate::profiler::{Ran, profile, profiler, program, start};
use crate::screen::{live, on_screen};
use crate::subject::Subject;
use crate::{NOBODY, folder, is_root, program_for_everybody, python_for_everybody};

const LONGEST: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_written_through_what_another_user_has_planted() {
    if !is_root() {
        eprintln!("not tried: it takes root to be another user as well");
        return;
    }
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let open = at("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    fs::create_dir(at("ours")).unwrap();
    fs::write(at("ours/precious"), "as it was").unwrap();
    let plant = |name: &str, target: &Path| {
        symlink(target, open.join(name)).unwrap();
        lchown(open.join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    };
    plant("link", &at("ours/precious"));
    plant("nowhere", &at("ours/new"));
    plant("folder", &at("ours"));
    plant("console", Path::new("/dev/null"));
    symlink(open.join("link"), at("ours/link-to-link")).unwrap();
    nix::unistd::mkfifo(&open.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    chown(open.join("pipe"), Some(NOBODY), Some(NOBODY)).unwrap();
    for name in [
        "open/link",
        "open/nowhere",
        "open/folder/precious",
        "open/console",
        "open/pipe",
        "ours/link-to-link",
    ] {
        let path = at(name);
        // The number is nobody's: nothing has been touched yet.
        let ran = profile(&["-o", path.to_str().unwrap(), "-p", "4194304"]);
        assert_eq!(ran.code(), 1, "{name}");
        assert!(ran.err.contains(&format!("user {NOBODY}'s")), "{name}: {}", ran.err);
    }
    assert_eq!(fs::read_to_string(at("ours/precious")).unwrap(), "as it was");
    assert!(!at("ours/new").exists());
}

#[test]
fn a_link_of_our_own_is_followed_and_what_is_planted_meanwhile_is_replaced() {
    let subject = Subject::program(python3(), "shares.py", &[]).ready();
    let pid = subject.pid().to_string();
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    symlink("file", at("link")).unwrap();
    fs::write(at("file"), "old").unwrap();
    profile(&["-s", "0.2", "-o", at("link").to_str().unwrap(), &pid]).well();
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    assert!(share(&fs::read_to_string(at("file")).unwrap(), "main").0 > 0);

    fs::write(at("precious"), "as it was").unwrap();
    let running = start(&mut profiler(&["-s", "1.5", "-o", at("new").to_str().unwrap(), &pid]));
    running.looks(1);
    symlink("precious", at("new")).unwrap();
    running.end(LONGEST).well();
    assert_eq!(fs::read_to_string(at("precious")).unwrap(), "as it was");
    assert!(fs::symlink_metadata(at("new")).unwrap().is_file());
}

/// Says who it is.
const WHO: &str = "import os\nprint(os.getresuid(), os.getresgid(), os.getgroups(), os.environ.get('USER'), \
    [line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')])\n\
    def work():\n  for _ in range(3000000): pass\nwork()";

/// Runs it with `-t`, under what sudo leaves in the environment.
fn under_sudo(python: &Path, words: &[&str]) -> Ran {
    let mut command = profiler(&[words, &["-o", "/dev/null", "-t"]].concat());
    command.arg(python).args(["-c", WHO]).current_dir("/");
    start(command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string())).end(LONGEST)
}

#[test]
fn under_sudo_a_command_runs_as_who_called_it() {
    let Some(python) = is_root().then(python_for_everybody).flatten() else {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    };
    let ran = under_sudo(&python, &[]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let who = format!("({NOBODY}, {NOBODY}, {NOBODY})");
    assert!(ran.text().starts_with(&format!("{who} {who} [{NOBODY}] ")), "{}", ran.text());
    assert!(ran.text().contains("['0000000000000000']"), "no capability is left: {}", ran.text());
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.contains(&format!("({NOBODY})")) || ran.err.contains("number"), "{}", ran.err);
    assert!(ran.err.contains("--keep-root"), "{}", ran.err);

    let ran = under_sudo(&python, &["--keep-root"]).well();
    assert!(ran.text().starts_with("(0, 0, 0) (0, 0, 0) "), "{}", ran.text());
    // Root who is nobody else.
    let mut command = profiler(&["-o", "/dev/null", "-t"]);
    command.arg(&python).args(["-c", WHO]);
    let ran = start(command.env("SUDO_UID", "0").env("SUDO_GID", "0")).end(LONGEST).well();
    assert!(ran.text().starts_with("(0, 0, 0)"), "{}", ran.text());
}

#[test]
fn under_sudo_a_command_has_the_terminal_of_its_pane_for_its_own() {
    let Some(python) = is_root().then(python_for_everybody).flatten() else {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    };
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    let said = folder.path().join("said");
    let source = format!(
        "import os, time\nopen({said:?}, 'w').write('%d %s' % (os.getuid(), \
         os.access(os.ttyname(0), os.R_OK | os.W_OK)))\ntime.sleep(1000)"
    );
    let mut command = Command::new("setsid");
    command.args(["--ctty"]).arg(program()).args(["--live", "-t"]).arg(python);
    command.args(["-c", &source]).current_dir("/");
    let mut screen =
        on_screen(command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string()));
    crate::eventually("it has said who it is", || {
        fs::read_to_string(&said).is_ok_and(|text| text == format!("{NOBODY} True"))
    });
    // It asks first: the command still runs.
    screen.press("q");
    screen.shows("hangs it up");
    screen.press("q");
    screen.end();
    screen.is_given_back();
    assert!(screen.text().contains("--keep-root"), "{}", screen.text());
}

#[test]
fn the_capability_on_our_file_lets_others_look_and_is_not_passed_on() {
    let Some(python) = is_root().then(python_for_everybody).flatten() else {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    };
    let (folder, program) = program_for_everybody();
    let set = Command::new("setcap").arg("cap_sys_ptrace+ep").arg(&program).status();
    if !set.is_ok_and(|status| status.success()) {
        eprintln!("not tried: no setcap, or a file system without capabilities");
        return;
    }
    let roots = Subject::program(python3(), "shares.py", &[]).ready();
    let us = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).uid(NOBODY).gid(NOBODY).current_dir("/");
        start(&mut command).end(LONGEST)
    };
    let ran = us(&["-s", "0.3", &roots.pid().to_string()]).well();
    assert!(share(ran.text(), "main").0 > 0, "root's process is looked at: {}", ran.text());
    let ran = us(&["-o", "/dev/null", "-t", python.to_str().unwrap(), "-c", WHO]).well();
    assert!(ran.text().contains("['0000000000000000']"), "{}", ran.text());
    // It gives no right to write where its user may not.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("profile");
    let ran = us(&["-s", "0.1", "-o", file.to_str().unwrap(), &roots.pid().to_string()]);
    assert!(ran.err.contains("Permission denied"), "{}", ran.err);
}

/// What a Python needs to start from a folder of its own: where its modules are, and each library that it has loaded.
const NEEDS: &str = "import json, sys, tracee
print(sys.base_prefix + ':' + sys.base_exec_prefix)
for line in open('/proc/self/maps'):
    words = line.split(None, 5)
    if 'x' in words[1] and '.so' in words[-1]: print(words[-1].strip())";

/// Notes each Python that starts with it.
const NOTES: &str = "import os
with open(os.path.join(os.path.dirname(__file__), 'starts'), 'a') as starts:
    starts.write('%d\\n' % os.getpid())";

const TOILS: &str = "import json, tracee
def toil():
    while True: json.dumps([1.5] * 20)
tracee.ready()
toil()";

/// A Python whose executable and libraries are copies in this folder, where no other program looks for any.
fn by_itself(folder: &Path) -> Subject {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let python = python3().command.canonicalize().unwrap();
    let asked = Command::new(&python).args(["-c", NEEDS]).env("PYTHONPATH", &programs).output().unwrap();
    let said = String::from_utf8(asked.stdout).unwrap();
    let (home, libraries) = said.split_once('\n').unwrap();
    // The loader's path is written in the executable: it is everybody's.
    let copied = libraries.lines().map(Path::new).filter(|path| !is_loader(path));
    for path in copied.chain([python.as_path()]) {
        copy_program(path, folder);
    }
    fs::write(folder.join("sitecustomize.py"), NOTES).unwrap();
    fs::write(folder.join("toils.py"), TOILS).unwrap();
    let mut command = Command::new(folder.join(python.file_name().unwrap()));
    let path = std::env::join_paths([folder, &programs]).unwrap();
    command.arg("-B").arg(folder.join("toils.py")).env("PYTHONHOME", home).env("PYTHONPATH", path);
    Subject::of(command.env("LD_LIBRARY_PATH", folder)).ready()
}

fn is_loader(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-"))
}

/// The files of which a process can run something; an empty path is memory of no file.
fn runnable(pid: u32) -> BTreeSet<PathBuf> {
    // Gone is whoever has ended.
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let words = maps.lines().map(|line| line.splitn(6, ' ').collect::<Vec<_>>());
    words.filter(|words| words[1].contains('x')).map(|words| words[5].trim().into()).collect()
}

/// All processes whose parent it is.
fn children(pid: u32) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let parent = format!("\nPPid:\t{pid}\n");
    all.filter(|path| fs::read_to_string(path.join("status")).is_ok_and(|text| text.contains(&parent)))
        .collect()
}

/// Looks at one of our runs again and again, until it is over: how often. What is there for less than a millisecond may
/// pass unseen.
fn runs_nothing_of(theirs: &BTreeSet<PathBuf>, us: u32, mut is_over: impl FnMut() -> bool) -> u32 {
    let mut seen = 0;
    while !is_over() {
        let ours = runnable(us);
        let loaded: Vec<_> = ours.intersection(theirs).collect();
        assert!(loaded.is_empty(), "loaded: {loaded:?}");
        assert!(!ours.contains(Path::new("")), "code that is in no file: {ours:?}");
        let children = children(us);
        assert!(children.is_empty(), "started: {children:?}");
        seen += u32::from(ours.contains(program()));
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

#[test]
fn nothing_of_the_targets_is_run_or_loaded() {
    let folder = folder();
    let at = folder.path().canonicalize().unwrap();
    let subject = by_itself(&at);
    let pid = subject.pid().to_string();
    let mut theirs = runnable(subject.pid());
    theirs.retain(|path| path.is_absolute() && !is_loader(path));
    assert!(theirs.iter().any(|path| path.starts_with(&at)), "{theirs:?}");
    let starts = || fs::read_to_string(at.join("starts")).unwrap();
    assert_eq!(starts(), format!("{pid}\n"));

    let written = at.join("profile").to_str().unwrap().to_owned();
    let mut running = start(&mut profiler(&["--threads", "-r", "0.001", "-s", "2", "-o", &written, &pid]));
    let us = running.child.id();
    let seen = runs_nothing_of(&theirs, us, || running.child.try_wait().unwrap().is_some());
    running.end(LONGEST).well();
    // It was read, all the same, and somebody looked at how.
    assert!(seen > 10, "{seen}");
    assert!(share(&fs::read_to_string(written).unwrap(), "toil").0 > 0);

    let mut screen = live(&[&pid]);
    screen.is_live();
    // The source of what is under the cursor.
    screen.press("5");
    let (us, began) = (screen.child.id(), Instant::now());
    assert!(runs_nothing_of(&theirs, us, || began.elapsed() > Duration::from_secs(2)) > 10);
    screen.press("q");
    assert_eq!(screen.end(), 0);
    // This one starts a process, to try its rights: a `sleep`.
    assert_eq!(profile(&["--doctor", &pid]).code(), 0);
    assert_eq!(starts(), format!("{pid}\n"), "a Python was started");
}
