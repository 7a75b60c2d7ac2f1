//! The source pane of root's viewer shows what the target's own user could read, and nothing else; and it waits for nobody.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::screen::live;
use crate::subject::Subject;
use crate::{NOBODY, folder, is_root, python_for_everybody};

/// A program of nobody's that claims to come from this file; what root's viewer shows of it.
#[track_caller]
fn shows(python: &Path, programs: &Path, file: &Path, awaited: &str) -> String {
    let mut command = Command::new(python);
    command.args(["-B", programs.join("evil.py").to_str().unwrap()]).arg(file);
    let subject = Subject::of(command.uid(NOBODY).gid(NOBODY).current_dir("/")).ready();
    let mut screen = live(&[&subject.pid().to_string()]);
    screen.shows("leaf");
    screen.shows(awaited);
    screen.press("5");
    std::thread::sleep(std::time::Duration::from_millis(400));
    let text = screen.text();
    screen.press("q");
    assert_eq!(screen.end(), 0);
    // As it looks, and all that was ever written to the terminal.
    text + &String::from_utf8_lossy(&screen.bytes())
}

#[test]
fn roots_viewer_shows_no_source_that_the_targets_user_may_not_read() {
    let Some(python) = is_root().then(python_for_everybody).flatten() else {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["evil.py", "tracee.py"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name);
        fs::copy(from, at(name)).unwrap();
        fs::set_permissions(at(name), Permissions::from_mode(0o644)).unwrap();
    }
    // All have it in many lines: whichever is shown has it.
    let secret = "TOPSECRET = 1\n".repeat(200);
    let write = |name: &str, mode: u32, owner: u32| {
        fs::write(at(name), &secret).unwrap();
        fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        chown(at(name), Some(owner), Some(owner)).unwrap();
    };
    let show = |name: &str, awaited: &str| shows(&python, folder.path(), &at(name), awaited);

    // That the pane does show what may be seen, also of a process whose name is no UTF-8: else the rest says nothing.
    write("open.py", 0o644, 0);
    assert!(show("open.py", "TOPSECRET").contains("TOPSECRET"));

    let refused = "the target itself may not read";
    write("secret.py", 0o600, 0);
    assert!(!show("secret.py", refused).contains("TOPSECRET"));
    symlink(at("secret.py"), at("link.py")).unwrap();
    assert!(!show("link.py", refused).contains("TOPSECRET"));
    // Behind a door that is shut.
    fs::create_dir(at("shut")).unwrap();
    write("shut/open.py", 0o644, 0);
    fs::set_permissions(at("shut"), Permissions::from_mode(0o700)).unwrap();
    assert!(!show("shut/open.py", refused).contains("TOPSECRET"));
    // Of a group that root is in, and it is not.
    write("group.py", 0o640, 0);
    assert!(!show("group.py", refused).contains("TOPSECRET"));

    nix::unistd::mkfifo(&at("pipe.py"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    show("pipe.py", "no regular file");
    symlink("/dev/zero", at("zero.py")).unwrap();
    show("zero.py", "no regular file");
    write("huge.py", 0o644, NOBODY);
    fs::File::options().write(true).open(at("huge.py")).unwrap().set_len(1 << 40).unwrap();
    show("huge.py", "larger than 4 MiB");
}
