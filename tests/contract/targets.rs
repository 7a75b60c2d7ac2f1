//! Targets that cannot be looked at, or not as asked: what is said, and that they are left alone.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::installed::copy_program;
use crate::interpreters::{Build, Interpreter, python3, pythons};
use crate::profiler::{profile, profiler, program, start};
use crate::subject::Subject;
use crate::{assert_untouched, eventually, folder, subject};

/// It failed with status 1 and this first line; the rest is returned.
#[track_caller]
fn fails(words: &[&str], first_line: &str) -> String {
    let ran = profile(words);
    assert_eq!(ran.code(), 1, "{}", ran.err);
    assert!(ran.out.is_empty());
    let (first, rest) = ran.err.split_once('\n').expect("a cause and a cure");
    assert!(first.starts_with(first_line), "{}", ran.err);
    rest.to_owned()
}

fn sleeper() -> Subject {
    Subject::of(Command::new("sleep").arg("1000"))
}

#[test]
fn nobodys_pid() {
    let mut short = Subject::of(&mut Command::new("true"));
    let pid = short.pid().to_string();
    short.end(Duration::from_secs(20));
    fails(&["-p", &pid], &format!("Failed to seize PID {pid}"));
}

#[test]
fn a_threads_pid() {
    let subject = subject("threads.py", &["0", "1"]);
    let pid = subject.pid().to_string();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    let tid = names.into_iter().find(|name| *name != pid).unwrap();
    let rest = fails(&[&tid], &format!("Failed to seize PID {tid}: it is a thread of process {pid}."));
    assert!(rest.contains(&format!("pyflame-tui {pid}")), "{rest}");
}

#[test]
fn a_zombie() {
    // A shell that has become sleep does not know of the child that it has.
    let mut parent =
        Subject::of(Command::new("sh").args(["-c", "sleep 0.1 & echo child $!; exec sleep 1000"]));
    let line = parent.await_line("child ", Duration::from_secs(20)).unwrap();
    let pid = line.trim_start_matches("child ").to_owned();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    eventually("a zombie", || stat().contains(") Z "));
    fails(&[&pid], &format!("Failed to seize PID {pid}"));
}

#[test]
fn no_python() {
    let mut sleeper = sleeper();
    let began = Instant::now();
    let pid = sleeper.pid().to_string();
    let rest = fails(&["-p", &pid], "Failed to locate libpython");
    assert!(rest.contains("sleep"), "{rest}");
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_untouched(&mut sleeper);
}

/// Linked to a library or not, and under another name, as in a bundle: then its extension modules tell.
#[test]
fn the_python_below_it_is_named() {
    let ours = |python: &&Interpreter| python.root.is_none() && python.takes_programs();
    for python in pythons().there.iter().filter(ours).filter(|python| python.version > (3, 0)) {
        let prefix = ["-c", "import sys; print(sys.base_prefix)"];
        let home = Command::new(&python.command).args(prefix).output().unwrap();
        let dir = folder();
        let bundle = dir.path().join("bundle");
        copy_program(&python.command, &bundle);
        let script = "PYTHONHOME=\"$1\" \"$0\" -c 'import _json, time; print(\"ready\", flush=True); \
            time.sleep(1000)' & echo child $!; wait";
        let words = [bundle.to_str().unwrap(), str::from_utf8(&home.stdout).unwrap().trim_end()];
        let mut shell = Subject::of(Command::new("sh").args(["-c", script]).args(words));
        let line = shell.await_line("child ", Duration::from_secs(20)).unwrap();
        let child = line.trim_start_matches("child ").to_owned();
        shell.await_line("ready", Duration::from_secs(20)).unwrap();
        let rest = fails(&[&shell.pid().to_string()], "Failed to locate libpython");
        assert!(
            rest.contains(&format!("Its child {child} is one: pyflame-tui {child}")),
            "{}: {rest}",
            python.name
        );
        let pid = nix::unistd::Pid::from_raw(child.parse().unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    }
}

#[test]
fn a_pypy() {
    let Some(pypy) = pythons().there.iter().find(|python| python.build == Build::PyPy) else {
        eprintln!("not tried: no PyPy");
        return;
    };
    let mut subject = Subject::program(pypy, "idle.py", &[]).ready();
    let rest = fails(&[&subject.pid().to_string()], "Failed to locate libpython");
    assert!(rest.contains("PyPy"), "{rest}");
    assert_untouched(&mut subject);
}

#[test]
fn ourselves() {
    // The shell's PID is ours after exec.
    let ours = program().to_str().unwrap();
    let ran = start(Command::new("sh").args(["-c", "exec \"$0\" -p $$", ours])).end(Duration::from_secs(20));
    assert_eq!(ran.code(), 1);
    assert!(ran.err.starts_with("You tried to pyflame a pyflame, naughty!\n"), "{}", ran.err);
}

#[test]
fn the_right_abi_and_the_wrong_one() {
    let (major, minor) = python3().version;
    let mut subject = subject("idle.py", &[]);
    let pid = subject.pid().to_string();
    for abi in [format!("{major}{minor}"), format!("{major}.{minor}")] {
        let ran = profile(&["--abi", &abi, "-s", "0", "--threads", &pid]).well();
        assert!(ran.text().contains(":sleeper:"), "{}", ran.text());
    }
    for abi in
        ["27", "36", "39", "311", "312", "313", "315"].iter().filter(|abi| **abi != format!("{major}{minor}"))
    {
        fails(&["--abi", abi, "-s", "0", &pid], "Failed to locate libpython");
        assert_untouched(&mut subject);
    }
}

/// Somebody who traces the process; none if this machine has nobody who could.
pub(crate) fn tracer_of(pid: &str) -> Option<Subject> {
    let shown = "import ctypes, sys, time\nlibc = ctypes.CDLL(None)\n\
        libc.ptrace(0x4206, int(sys.argv[1]), 0, 0)\nprint('ready', flush=True)\ntime.sleep(1000)";
    let tracer = Subject::of(Command::new(&python3().command).args(["-c", shown, pid])).ready();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    if status.contains("TracerPid:\t0\n") {
        eprintln!("not tried: this Python has no ptrace");
        return None;
    }
    Some(tracer)
}

#[test]
fn one_that_somebody_traces_already() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let Some(mut tracer) = tracer_of(&pid) else { return };
    let ran = start(&mut profiler(&["-s", "0", &pid])).end(Duration::from_secs(20));
    assert_eq!(ran.code(), 1);
    assert!(ran.err.starts_with(&format!("Failed to seize PID {pid}")), "{}", ran.err);
    assert!(ran.err.contains(&format!("process {}", tracer.pid())), "{}", ran.err);
    assert!(ran.err.ends_with(&format!("kill {}\n", tracer.pid())), "{}", ran.err);
    // One that is stopped would not be ended by that, and holds what it holds.
    tracer.signal(Signal::SIGSTOP);
    eventually("the tracer stands", || tracer.state() == 'T');
    for words in [&["-s", "0", &pid][..], &["--doctor", &pid]] {
        let ran = profile(words);
        let told = format!("{}{}", ran.text(), ran.err);
        let cure = format!("kill -CONT {}\n", tracer.pid());
        assert!(ran.code() == 1 && told.contains("is stopped itself") && told.ends_with(&cure), "{told}");
    }
    assert!(tracer.is_alive());
}

#[test]
fn one_of_whose_threads_is_held_by_somebody_who_is_stopped() {
    let mut subject = subject("threads.py", &["1", "1"]);
    let pid = subject.pid().to_string();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    let tid = names.into_iter().find(|name| *name != pid).unwrap();
    let Some(tracer) = tracer_of(&tid) else { return };
    tracer.signal(Signal::SIGSTOP);
    eventually("the tracer stands", || tracer.state() == 'T');
    let ran = profile(&["--doctor", &pid]);
    let cure = format!(
        "is stopped itself.\n{:16}What it holds stands until it goes on: kill -CONT {}\n",
        "",
        tracer.pid()
    );
    assert!(ran.code() == 1 && ran.text().ends_with(&cure), "{}", ran.text());
    drop(tracer);
    assert_untouched(&mut subject);
}
