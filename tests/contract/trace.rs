//! `-t`: a command of ours finds everything as without us, and is followed from its first Python to its end.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folded::{folded, frame, share};
use crate::interpreters::python3;
use crate::profiler::{Ran, profiler, start};
use crate::{eventually, folder};

const LONGEST: Duration = Duration::from_secs(60);

fn python() -> &'static str {
    python3().command.to_str().unwrap()
}

fn program(name: &str) -> String {
    format!("{}/tests/programs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Works for half a second of CPU time: on a busy machine it can take longer to find a Python than to start one.
const WORKS: &str = "\nimport time\nwhile time.process_time() < 0.5: pass\n";

/// Follows a command; its profile and how it ended.
fn follow(words: &[&str]) -> (String, Ran) {
    let folder = folder();
    let file = folder.path().join("profile");
    let mut command = profiler(&["-o", file.to_str().unwrap()]);
    let ran = start(command.args(words).env("PYTHONDONTWRITEBYTECODE", "1")).end(LONGEST);
    (fs::read_to_string(file).unwrap_or_default(), ran)
}

#[test]
fn every_word_is_the_commands() {
    let say = ["import sys; print(sys.argv[1:])", WORKS].concat();
    let (_, ran) = follow(&["-t", python(), "-c", &say, "-s", "-t", "--live", "--", "-h"]);
    assert_eq!((ran.code(), ran.err.as_str()), (0, ""));
    assert_eq!(ran.text(), "['-s', '-t', '--live', '--', '-h']\n");
}

#[test]
fn its_threads_are_told_apart_though_they_are_called_alike() {
    let say = "import threading, time\n\
               def work(end):\n    while time.time() < end: sum(range(100))\n\
               def one(): work(time.time() + 1)\n\
               def two(): work(time.time() + 1)\n\
               for run in one, two: threading.Thread(target=run, name='tw;in:1\\n\\x1b 7').start()\n";
    let (profile, ran) = follow(&["--threads", "--by-thread", "-t", python(), "-c", say]);
    assert_eq!((ran.code(), ran.err.as_str()), (0, ""));
    let roots_of = |function: &str| -> BTreeSet<_> {
        let stacks = folded(&profile).into_iter().map(|(stack, _)| stack);
        let of_it = stacks.filter(|stack| {
            stack
                .iter()
                .any(|frame| frame.starts_with("<string>:") && frame.split(':').nth(1) == Some(function))
        });
        of_it.map(|stack| frame(stack[0]).unwrap()).collect()
    };
    let both = [roots_of("one"), roots_of("two")].map(Vec::from_iter);
    let [[one], [other]] = [&both[0][..], &both[1][..]] else { panic!("{both:?}\n{profile}") };
    assert!(one.0 == "thread" && one.1 == "tw;in:1\n\x1b 7" && one.1 == other.1, "{one:?} {other:?}");
    assert_ne!(one.2, other.2);
}

#[test]
fn its_status_is_ours() {
    assert_eq!(follow(&["-t", python(), &program("short.py"), "0.1"]).1.code(), 3);
    for (signal, status) in [("SIGTERM", 143), ("SIGKILL", 137), ("SIGSEGV", 139)] {
        let end = format!("import os, signal{WORKS}os.kill(os.getpid(), signal.{signal})");
        let (_, ran) = follow(&["-t", python(), "-c", &end]);
        assert_eq!(ran.code(), status, "{signal}: {}", ran.err);
    }
}

#[test]
fn its_status_is_ours_though_nobody_reads_our_output() {
    let end = "import time; time.sleep(0.3); raise SystemExit(7)";
    let mut command = Command::new(crate::profiler::program());
    command.args(["-n", "-t", python(), "-c", end]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    drop(running.stdout.take());
    assert_eq!(running.wait().unwrap().code(), Some(7));
}

#[test]
fn it_inherits_everything() {
    let folder = folder();
    let file = folder.path().join("profile");
    let say = "import os, signal, sys; print(sys.stdin.read() + os.getcwd() + os.environ['OF_OURS'] + \
        str(signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL)); sys.stderr.write('and here')";
    let say = [say, WORKS].concat();
    let mut command = profiler(&["-o", file.to_str().unwrap(), "-t", python(), "-c", &say]);
    command.stdin(Stdio::piped()).current_dir(folder.path()).env("OF_OURS", "!");
    let mut running = start(&mut command);
    running.child.stdin.take().unwrap().write_all(b"spoken to it ").unwrap();
    let ran = running.end(LONGEST);
    let here = fs::canonicalize(folder.path()).unwrap();
    assert_eq!(ran.text(), format!("spoken to it {}!True\n", here.display()));
    assert_eq!(ran.err, "and here");
}

#[test]
fn it_is_seen_from_the_start() {
    let (profile, ran) = follow(&["-r", "0.001", "-t", python(), &program("short.py"), "0.4"]);
    assert_eq!(ran.text(), "ready\n");
    assert!(ran.err.is_empty(), "{}", ran.err);
    let (work, all) = share(&profile, "work");
    assert!(work > 0 && all >= work, "{profile}");
    // While Python itself begins it imports: that is seen, too.
    assert!(
        folded(&profile)
            .iter()
            .any(|(stack, _)| stack[0].contains("frozen") || stack[0].contains("<module>"))
    );
}

#[test]
fn a_script_that_becomes_a_python() {
    let script = format!("sleep 0.3; exec '{}' '{}' 0.4", python(), program("short.py"));
    let (profile, ran) = follow(&["-t", "sh", "-c", &script]);
    assert_eq!(ran.code(), 3, "{}", ran.err);
    assert!(share(&profile, "work").0 > 0, "{profile}");
}

#[test]
fn one_that_never_is_a_python() {
    for words in [&["-t", "sleep", "0.3"][..], &["-t", "true"]] {
        let (profile, ran) = follow(words);
        assert_eq!(ran.code(), 1, "{words:?}");
        assert!(ran.err.starts_with("Failed to locate libpython"), "{}", ran.err);
        assert!(profile.is_empty());
    }
}

#[test]
fn all_its_threads() {
    let (profile, ran) = follow(&[
        "--threads",
        "-t",
        python(),
        "-c",
        "import threading, time\n\
        def first():\n  while time.process_time() < 1: pass\n\
        def second():\n  while time.process_time() < 1: pass\n\
        threads = [threading.Thread(target=target) for target in (first, second)]\n\
        [thread.start() for thread in threads]\n[thread.join() for thread in threads]",
    ]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(share(&profile, "first").0 > 0 && share(&profile, "second").0 > 0, "{profile}");
}

#[test]
fn the_right_abi_can_be_told() {
    let (major, minor) = python3().version;
    let abi = format!("--abi={major}{minor}");
    let (profile, ran) = follow(&[&abi, "-t", python(), &program("short.py")]);
    assert_eq!(ran.code(), 3, "{}", ran.err);
    assert!(share(&profile, "work").0 > 0, "{profile}");
}

/// The only child of a process, when it has one.
fn child_of(pid: u32) -> Pid {
    let mut child = None;
    eventually("it has a child", || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let children =
            tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
        child = children.collect::<String>().split_whitespace().next().map(|pid| pid.parse().unwrap());
        child.is_some()
    });
    Pid::from_raw(child.unwrap())
}

#[test]
fn we_may_be_sent_away_and_it_runs_on() {
    let folder = folder();
    let file = folder.path().join("profile");
    let words = ["-o", file.to_str().unwrap(), "-t", python(), &program("shares.py")];
    let mut running = start(profiler(&words).stdin(Stdio::null()));
    let child = child_of(running.child.id());
    running.saves_until(&file, |text| !text.is_empty());
    running.signal(Signal::SIGTERM);
    eventually("we have ended", || running.child.try_wait().unwrap().is_some());
    let status = running.child.try_wait().unwrap().unwrap();
    assert_eq!(status.code(), Some(143));
    assert!(file.exists());
    kill(child, None).expect("the command runs on");
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    kill(child, Signal::SIGKILL).unwrap();
    drop(running);
}

#[test]
fn the_profile_follows_what_the_command_said() {
    let mut command = Command::new(crate::profiler::program());
    command.args(["-t", python(), &program("short.py"), "0.3"]).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut running = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    running.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(3));
    let profile = text.strip_prefix("ready\n").expect("the command comes first");
    assert!(share(profile, "work").0 > 0, "{profile}");
}

/// The next look would be in minutes.
#[test]
fn its_end_is_not_waited_for_with_the_next_look() {
    let begun = std::time::Instant::now();
    let (_, ran) =
        follow(&["-r", "500", "-t", python(), "-c", "import time; time.sleep(1); raise SystemExit(5)"]);
    assert_eq!(ran.code(), 5, "{}", ran.err);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// A supervisor that does not want to know how its children end still may hear from us how ours did.
#[test]
fn its_status_is_ours_whoever_starts_us() {
    let ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); \
        os.execv(sys.argv[1], sys.argv[1:])";
    let end = "import signal, sys, time; time.sleep(0.3); \
        sys.exit(9 if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN else 1)";
    let ours = env!("CARGO_BIN_EXE_pyflame-tui");
    let ran = Command::new(python())
        .args(["-c", ignore, ours, "-o", "/dev/null", "-t", python(), "-c", end])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(9), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// So quick that there is nothing to be looked at, mostly: its status is ours all the same.
#[test]
fn a_python_that_is_over_at_once_has_its_status() {
    for _ in 0..10 {
        let (_, ran) = follow(&["-t", python(), "-I", "-S", "-c", "import os; os._exit(7)"]);
        assert_eq!(ran.code(), 7, "{}", ran.err);
    }
}

/// As scripts may have it that ran pyflame, which took it and followed the command to its end.
#[test]
fn a_time_does_not_count() {
    let end = [WORKS, "raise SystemExit(4)"].concat();
    let (profile, ran) = follow(&["-T", "-s", "0.1", "-t", python(), "-c", &end]);
    assert_eq!((ran.code(), ran.err.lines().count()), (4, 1), "{}", ran.err);
    assert!(ran.err.contains("-s does not count with -t"), "{}", ran.err);
    let times: Vec<u64> = profile.lines().step_by(2).map(|line| line.parse().unwrap()).collect();
    let watched = times.last().unwrap() - times[0];
    assert!(watched > 200_000, "{watched} us");
}
