//! Rights: what we write, as whom we run what, and what a capability on our file gives to whom.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::folded::share;
use crate::interpreters::python3;
use crate::profiler::{Ran, profile, profiler, start};
use crate::screen::on_screen;
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
    std::thread::sleep(Duration::from_millis(700));
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
    command.args(["--ctty"]).arg(crate::profiler::program()).args(["--live", "-t"]).arg(python);
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
