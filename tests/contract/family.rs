//! `--subprocesses`: a process and those below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::folded::{Figures, dump, folded, frame, share};
use crate::installed::copy_program;
use crate::interpreters::python3;
use crate::profiler::{Ran, profile, profiler, start};
use crate::subject::Subject;
use crate::{assert_untouched, eventually, subject};

/// Some programs work for seconds of CPU time: on a busy machine that is a while.
const LONGEST: Duration = Duration::from_secs(300);
const WORKERS: [&str; 3] = ["first", "second", "third"];

fn python() -> &'static str {
    python3().command.to_str().unwrap()
}

fn program(name: &str) -> String {
    format!("{}/tests/programs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Below a shell.
fn script() -> Subject {
    let lines = "PYTHONDONTWRITEBYTECODE=1 \"$0\" \"$1\" & wait";
    Subject::of(Command::new("sh").args(["-c", lines, python(), &program("family.py")])).all_ready(WORKERS)
}

/// Watched, with those below it, until the three workers have been seen.
#[track_caller]
fn watched_until_seen(pid: &str) -> Ran {
    let folder = crate::folder();
    let file = folder.path().join("profile");
    let words = ["--subprocesses", "--stats", "-s", "inf", "-r", "0.005", "-o", file.to_str().unwrap(), pid];
    let running = start(&mut profiler(&words));
    running.saves_until(&file, |text| seen_in(text) == [true; 3]);
    running.signal(Signal::SIGTERM);
    let ran = running.end(LONGEST);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    ran
}

fn seen_in(text: &str) -> [bool; 3] {
    WORKERS.map(|name| share(text, &format!("work_in_{name}")).0 > 0)
}

#[test]
fn all_that_run_below_it_are_seen() {
    let mut family = Subject::program(python3(), "family.py", &[]).all_ready(WORKERS);
    let pid = family.pid().to_string();
    let ran = watched_until_seen(&pid);
    // And what is no Python is not taken for one.
    assert!(ran.err.contains("Pythons that were watched 3, other programs 1, "), "{}", ran.err);
    let ran = profile(&["--subprocesses", "--stats", "-s", "0.5", "-r", "0.005", &pid]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let figures = Figures::parse(&ran.err);
    assert_eq!(figures.samples + figures.late, 100, "{}", ran.err);
    // Who did not ask for them does not get them.
    let ran = profile(&["--threads", "-s", "0.2", &pid]).well();
    assert_eq!(seen_in(ran.text()), [false; 3], "{}", ran.text());
    // But who would see nothing at all is told.
    let ran = profile(&["-s", "0.2", &pid]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(ran.text().starts_with("(idle) "), "{}", ran.text());
    assert!(ran.err.ends_with(&format!("pyflame-tui --subprocesses {pid}\n")), "{}", ran.err);
    assert_untouched(&mut family);
}

#[test]
fn a_dump_says_whose_threads_they_are() {
    let family = Subject::program(python3(), "family.py", &[]).all_ready(WORKERS);
    let ran = profile(&["--subprocesses", "-d", &family.pid().to_string()]).well();
    let threads = dump(ran.text()).unwrap();
    assert_eq!(threads.len(), 4, "{}", ran.text());
    for thread in &threads {
        let is_first = thread.tid == u64::from(family.pid());
        let name = if is_first { "MainThread".to_owned() } else { format!("MainThread {}", thread.tid) };
        assert_eq!(thread.name, name);
        let works = thread.frames.iter().any(|(_, function, _)| function.starts_with("work_in_"));
        assert_ne!(works, is_first, "{}", ran.text());
    }
}

#[test]
fn a_file_says_whose_stacks_they_are() {
    let family = Subject::program(python3(), "family.py", &[]).all_ready(WORKERS);
    let pid = family.pid().to_string();
    let words = ["--subprocesses", "--threads", "--by-thread", "-s", "2", "-r", "0.005"];
    let ran = profile(&[&words[..], &[&pid]].concat()).well();
    let mut workers = BTreeMap::new();
    for (stack, _) in folded(ran.text()).into_iter().filter(|(stack, _)| stack.len() > 1) {
        let [process, thread] = [stack[0], stack[1]].map(|text| frame(text).unwrap());
        assert!(process.0 == "process" && process.1.starts_with("python"), "{stack:?}");
        // Each has its main thread only, which has the number of its process.
        assert_eq!(thread, ("thread".to_owned(), "MainThread".to_owned(), process.2), "{stack:?}");
        let mut functions = stack.iter().filter_map(|frame| frame.split(':').nth(1));
        let work = functions.find_map(|function| function.strip_prefix("work_in_"));
        if let Some(work) = work {
            assert_eq!(*workers.entry(work).or_insert(process.2), process.2, "{}", ran.text());
        }
        assert!(work.is_none() || process.2 != u64::from(family.pid()), "{stack:?}");
    }
    let processes: BTreeSet<_> = workers.values().collect();
    assert_eq!((workers.len(), processes.len()), (3, 3), "{}", ran.text());
}

#[test]
fn a_script_that_starts_a_python_will_do() {
    let mut script = script();
    let pid = script.pid().to_string();
    let refused = profile(&["-s", "0.2", &pid]);
    assert_eq!(refused.code(), 1);
    assert!(refused.err.ends_with(&format!("pyflame-tui --subprocesses {pid}\n")), "{}", refused.err);
    watched_until_seen(&pid);
    assert!(script.is_alive());
}

#[test]
fn who_waits_for_a_python_that_another_one_is_hears_of_it_in_time() {
    let lines = "\"$0\" \"$1\" 4; exit 5";
    let words = ["-t", "sh", "-c", lines, python(), &program("short.py")];
    let ran = start(profiler(&[]).args(words).env("PYTHONDONTWRITEBYTECODE", "1")).end(LONGEST);
    assert_eq!(ran.code(), 1, "{}", ran.err);
    let told = ran
        .err
        .lines()
        .filter(|line| line.ends_with("which it started, is: --subprocesses looks at that"))
        .count();
    assert_eq!(told, 1, "{}", ran.err);
    assert!(ran.err.starts_with("pyflame-tui: the command is no Python, but "), "{}", ran.err);
}

#[test]
fn a_command_that_starts_a_python_is_followed_to_its_own_end() {
    let lines = "\"$0\" \"$1\" 0.5; \"$0\" \"$1\" 0.5; exit 5";
    let words = ["--subprocesses", "-t", "sh", "-c", lines, python(), &program("short.py")];
    let ran = start(profiler(&["--stats"]).args(words).env("PYTHONDONTWRITEBYTECODE", "1")).end(LONGEST);
    assert_eq!(ran.code(), 5, "{}", ran.err);
    assert!(ran.err.contains("Pythons that were watched 2, "), "{}", ran.err);
    let profile = ran.text().strip_prefix("ready\nready\n").unwrap();
    assert!(share(profile, "work").0 > 0, "{profile}");
}

#[test]
fn workers_come_and_go() {
    let mut family = subject("family.py", &["successors"]);
    let ran = profile(&["--subprocesses", "--stats", "-s", "3", "-r", "0.002", &family.pid().to_string()]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(share(ran.text(), "work_in_successor").0 > 0, "{}\n{}", ran.text(), ran.err);
    let figures = Figures::parse(&ran.err);
    assert!(figures.failed() * 20 <= figures.samples, "{}", ran.err);
    let met = ran.err.split("Pythons that were watched ").nth(1).and_then(|rest| rest.split(',').next());
    assert!(met.unwrap().parse::<u32>().unwrap() > 2, "{}", ran.err);
    assert_untouched(&mut family);
}

#[test]
fn children_that_are_over_at_once_do_no_harm() {
    let mut family = subject("forks.py", &[]);
    let ran = profile(&["--subprocesses", "-s", "2", "-r", "0.002", &family.pid().to_string()]).well();
    assert!(share(ran.text(), "in_parent").0 > 0, "{}", ran.text());
    assert_untouched(&mut family);
}

#[test]
fn nobody_to_watch_is_an_error() {
    let sleeper = Subject::of(Command::new("sleep").arg("1000"));
    let ran = profile(&["--subprocesses", &sleeper.pid().to_string()]);
    assert_eq!(ran.code(), 1);
    assert!(ran.err.starts_with("Failed to locate libpython in PID "), "{}", ran.err);
    let ran = profile(&["--subprocesses", "-t", "sleep", "0.2"]);
    assert_eq!(ran.code(), 1);
    assert!(ran.err.starts_with("Failed to locate libpython in the command."), "{}", ran.err);
}

/// A program that is called like a Python, below a shell.
#[test]
fn where_there_is_none_that_is_said() {
    let folder = crate::folder();
    let fake = folder.path().join("python3");
    copy_program(Path::new("/bin/sleep"), &fake);
    let lines = "\"$0\" 60 & wait";
    let shell = Subject::of(Command::new("sh").args(["-c", lines, fake.to_str().unwrap()]));
    let children = format!("/proc/{0}/task/{0}/children", shell.pid());
    let child = || std::fs::read_to_string(&children).unwrap();
    eventually("it runs below the shell", || {
        std::fs::read_link(format!("/proc/{}/exe", child().trim())).is_ok_and(|exe| exe == fake)
    });
    let ran = profile(&["--subprocesses", "-s", "1", &shell.pid().to_string()]);
    assert_eq!((ran.code(), ran.text()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("of the processes there 1 run something else, and 0 could not"), "{}", ran.err);
    let child = child();
    drop(shell);
    let child = nix::unistd::Pid::from_raw(child.trim().parse().unwrap());
    nix::sys::signal::kill(child, Signal::SIGKILL).unwrap();
}
