//! Nowhere to write to: a clear error, in time where it can be known in time, and the samples kept elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::folded::share;
use crate::heart::Heart;
use crate::profiler::{Ran, profiler, program, start};
use crate::{NOBODY, folder, is_root, program_for_everybody, python_for_everybody};

const LONGEST: Duration = Duration::from_secs(60);

/// It failed, said so in two lines, and kept what it had; where.
#[track_caller]
fn kept(ran: &Ran) -> PathBuf {
    assert_eq!(ran.code(), 1, "{}", ran.err);
    let (first, rest) = ran.err.trim_end().split_once('\n').expect("two lines");
    assert!(first.starts_with("The result could not be written: "), "{}", ran.err);
    let path = rest.strip_prefix("What was sampled is kept in ").unwrap_or_else(|| panic!("{}", ran.err));
    let profile = fs::read_to_string(path).unwrap();
    assert!(share(&profile, "toil").0 > 0, "{profile}");
    PathBuf::from(path)
}

#[test]
fn a_full_disk() {
    let (heart, _subject) = Heart::beating(1, 0);
    let pid = heart.pid().to_string();
    let folder = folder();
    for to in ["-o", ">"] {
        // A device that is always full; as a file and as standard output.
        let mut command = profiler(&["-s", "0.5", &pid]);
        command.current_dir(folder.path());
        let ran = if to == "-o" {
            start(command.args(["-o", "/dev/full"])).end(LONGEST)
        } else {
            let mut command = Command::new("sh");
            let line = "exec \"$0\" --headless -s 0.5 \"$1\" >/dev/full";
            start(command.args(["-c", line]).arg(program()).arg(&pid).current_dir(folder.path())).end(LONGEST)
        };
        assert!(ran.err.contains("No space left"), "{}", ran.err);
        let path = kept(&ran);
        assert_eq!(path.parent(), Some(&*fs::canonicalize(folder.path()).unwrap()), "in our directory");
    }
    heart.goes_on("a full disk");
}

#[test]
fn a_file_system_that_is_full() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not tried: it takes root to mount one");
        return;
    }
    let (heart, _subject) = Heart::beating(1, 0);
    let folder = folder();
    // Four KiB, filled, in a mount namespace of its own; our directory is in it too, so that another must do.
    let line = "mount -t tmpfs -o size=8k none \"$1\" && cd \"$1\" && head -c 4096 /dev/zero >full && \
        exec \"$0\" -T -s 1 -o profile \"$2\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", line]).arg(program()).arg(folder.path());
    let ran = start(command.arg(heart.pid().to_string())).end(LONGEST);
    if ran.err.contains("unshare") {
        eprintln!("not tried: {}", ran.err);
        return;
    }
    assert!(ran.err.contains("No space left"), "{}", ran.err);
    let line = ran.err.lines().nth(1).unwrap();
    let path = Path::new(line.strip_prefix("What was sampled is kept in ").unwrap());
    assert_eq!(path.parent(), Some(&*std::env::temp_dir()), "where temporary files go");
    assert!(fs::read_to_string(path).unwrap().contains("toil"));
    fs::remove_file(path).unwrap();
    heart.goes_on("a full file system");
}

#[test]
fn a_directory_that_goes_away_meanwhile() {
    let (heart, _subject) = Heart::beating(1, 0);
    let (folder, other) = (folder(), folder());
    let gone = other.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let (pid, file) = (heart.pid().to_string(), gone.join("profile"));
    let mut command = profiler(&["-s", "1.5", "-o", file.to_str().unwrap(), &pid]);
    let running = start(command.current_dir(folder.path()));
    running.looks(1);
    fs::remove_dir_all(&gone).unwrap();
    let ran = running.end(LONGEST);
    assert!(ran.err.contains("No such file"), "{}", ran.err);
    assert_eq!(kept(&ran).parent(), Some(&*fs::canonicalize(folder.path()).unwrap()));
    heart.goes_on("its directory is gone");
}

#[test]
fn a_file_that_grows_larger_than_it_may() {
    let (heart, _subject) = Heart::beating(1, 0);
    let folder = folder();
    // Wherever else it is to be kept it is too large, too.
    let line = "ulimit -f 1; export TMPDIR=.; exec \"$0\" -T -s 1 -o profile \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(program()).arg(heart.pid().to_string()).current_dir(folder.path());
    let ran = start(&mut command).end(LONGEST);
    assert_eq!(ran.code(), 1, "{}", ran.err);
    assert!(ran.err.contains("File too large") && ran.err.contains("is lost"), "{}", ran.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    heart.goes_on("a file that may not grow");
}

/// A second of a Python by itself, written to this file by somebody who is not root.
fn written_by_another(file: &Path) -> Ran {
    let python = python_for_everybody().expect("a Python that another user can run");
    let (_folder, program) = program_for_everybody();
    let mut command = Command::new(program);
    command
        .arg("-o")
        .arg(file)
        .arg("-t")
        .arg(python)
        .args(["-c", "def toil():\n for _ in range(9**7): 0\ntoil()"]);
    start(command.uid(NOBODY).gid(NOBODY).current_dir("/")).end(LONGEST)
}

#[test]
fn a_file_that_may_be_written_in_a_directory_that_may_not() {
    if !is_root() || python_for_everybody().is_none() {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    }
    let folder = folder();
    let file = folder.path().join("profile");
    fs::write(&file, "old ".repeat(10_000)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let before = fs::metadata(&file).unwrap();
    written_by_another(&file).well();
    let profile = fs::read_to_string(&file).unwrap();
    assert!(share(&profile, "toil").0 > 0 && !profile.contains("old"), "{profile}");
    let after = fs::metadata(&file).unwrap();
    assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
    // Where it may be replaced it is, with all who might write to it.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    written_by_another(&file).well();
    let after = fs::metadata(&file).unwrap();
    assert!(before.ino() != after.ino() && before.mode() == after.mode(), "{after:?}");
}

#[test]
fn a_file_that_is_mounted_by_itself() {
    if !is_root() {
        eprintln!("not tried: it takes root to mount one");
        return;
    }
    let (heart, _subject) = Heart::beating(1, 0);
    let folder = folder();
    fs::write(folder.path().join("outside"), "old").unwrap();
    fs::write(folder.path().join("inside"), "").unwrap();
    let line = "mount --bind outside inside && exec \"$0\" -s 0.5 -o inside \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", line]).arg(program()).arg(heart.pid().to_string());
    let ran = start(command.current_dir(folder.path())).end(LONGEST);
    if ran.err.contains("unshare") {
        eprintln!("not tried: {}", ran.err);
        return;
    }
    let ran = ran.well();
    assert!(ran.out.is_empty());
    let profile = fs::read_to_string(folder.path().join("outside")).unwrap();
    assert!(share(&profile, "toil").0 > 0, "{profile}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    heart.goes_on("a file that is mounted");
}

#[test]
fn nowhere_to_write_to_is_found_out_before_the_target_is_touched() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The number is nobody's, and that is not what is complained about.
    let fails = |place: &str| {
        let ran = start(&mut profiler(&["-o", place, "-p", "4194304"])).end(LONGEST);
        assert_eq!(ran.code(), 1, "{}", ran.err);
        assert!(ran.err.starts_with(&format!("cannot open file \"{place}\" as output\n")), "{}", ran.err);
        ran.err
    };
    assert!(fails(folder.path().to_str().unwrap()).contains("is a directory"));
    let said = fails(pipe.to_str().unwrap());
    assert!(said.contains("nobody has opened to read"), "{said}");
    for (to, why) in [(">&-", "it is closed"), ("1</dev/null", "it is open for reading only")] {
        let mut closed = Command::new("sh");
        closed.args(["-c", &format!("exec \"$0\" --headless 4194304 {to}")]).arg(program());
        let ran = start(&mut closed).end(LONGEST);
        assert_eq!(ran.code(), 1);
        let said = format!("cannot open file \"/dev/stdout\" as output\n{why}");
        assert!(ran.err.starts_with(&said), "{}", ran.err);
    }
}
