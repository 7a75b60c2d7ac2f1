//! A fault of ours in any of our threads: the target is let go, the terminal given back, one message said, and what was
//! sampled kept. Only a debug build can be asked for a panic.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::folded::share;
use crate::heart::Heart;
use crate::interpreters::python3;
use crate::profiler::{profiler, program, start};
use crate::screen::on_screen;
use crate::{eventually, folder};

fn can_be_asked() -> bool {
    if !cfg!(debug_assertions) {
        eprintln!("not tried: a release build cannot be asked for a panic");
    }
    cfg!(debug_assertions)
}

#[test]
fn headless_each_thread_may_panic_and_what_was_sampled_is_written() {
    if !can_be_asked() {
        return;
    }
    let (heart, _subject) = Heart::beating(1, 2);
    let pid = heart.pid().to_string();
    for (place, thread) in [("sampler:100", "sampler:"), ("held:100", "sampler:"), ("headless:100", "main:")]
    {
        for words in [&[][..], &["--threads"]] {
            let mut command = profiler(&[words, &["-s", "60", &pid]].concat());
            let ran = start(command.env("PYFLAME_TUI_FAULT", place).env_remove("RUST_BACKTRACE"))
                .end(Duration::from_secs(60));
            assert_eq!(ran.code(), 1, "{place}: {}", ran.err);
            let (first, rest) = ran.err.split_once('\n').unwrap();
            assert_eq!(first, "A fault of ours ended the sampling; the target runs on.", "{place}");
            assert!(rest.contains(thread) && rest.contains("a test has asked for it"), "{place}: {rest}");
            assert_eq!(ran.err.lines().count(), 2, "one message: {}", ran.err);
            assert!(share(ran.text(), "toil").0 > 20, "{place}: {}", ran.text());
            heart.goes_on(place);
        }
    }
}

#[test]
fn a_command_is_not_ended_by_a_fault_of_ours() {
    if !can_be_asked() {
        return;
    }
    for place in ["sampler:50", "held:50", "headless:50"] {
        let mut heart = Heart::new();
        let folder = folder();
        let file = folder.path().join("profile");
        let mut command = profiler(&["-o", file.to_str().unwrap(), "-t"]);
        command.args(heart.words(1, 0)).env("PYFLAME_TUI_FAULT", place).env_remove("RUST_BACKTRACE");
        // Its errors go to a file: the command keeps the pipe open that it has inherited.
        let errors = std::fs::File::create(folder.path().join("errors")).unwrap();
        let mut us = command.stdout(std::process::Stdio::null()).stderr(errors).spawn().unwrap();
        eventually("we end", || us.try_wait().unwrap().is_some());
        let said = std::fs::read_to_string(folder.path().join("errors")).unwrap();
        assert_eq!(us.wait().unwrap().code(), Some(1), "{place}: {said}");
        assert!(said.contains("A fault of ours"), "{place}: {said}");
        assert!(!std::fs::read(&file).unwrap().is_empty(), "{place}");
        heart.beats();
        heart.goes_on(place);
    }
}

/// Where the last words say that what was seen is kept. (They may be longer than the screen is wide.)
fn kept(words: &str) -> PathBuf {
    let rest = words.rsplit_once("kept in ").unwrap_or_else(|| panic!("{words}")).1;
    PathBuf::from(rest.replace('\n', "").trim())
}

#[test]
fn live_each_thread_may_panic_and_the_terminal_is_given_back() {
    if !can_be_asked() {
        return;
    }
    let (heart, _subject) = Heart::beating(1, 2);
    let pid = heart.pid().to_string();
    for place in ["sampler:40", "held:40", "screen:30"] {
        let folder = folder();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program()).arg(&pid).current_dir(folder.path());
        let mut screen = on_screen(command.env("PYFLAME_TUI_FAULT", place).env_remove("RUST_BACKTRACE"));
        assert_eq!(screen.end(), 1, "{place}: {}", screen.text());
        screen.is_given_back();
        screen.shows("kept in ");
        screen.shows(".folded");
        let words = screen.text();
        assert!(words.starts_with("The live view ended: "), "{place}: {words}");
        assert!(words.contains("a test has asked for it"), "{place}: {words}");
        assert!(words.trim().lines().count() <= 5, "one message: {words}");
        let file = kept(&words);
        assert_eq!(file.parent(), Some(&*std::fs::canonicalize(folder.path()).unwrap()), "{words}");
        let profile = std::fs::read_to_string(&file).unwrap();
        assert!(share(&profile, "toil").0 > 0, "{profile}");
        heart.goes_on(place);
    }
}

#[test]
fn reading_a_source_may_panic_and_the_view_ends_in_order() {
    if !can_be_asked() {
        return;
    }
    let (heart, _subject) = Heart::beating(1, 2);
    let folder = folder();
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program()).arg(heart.pid().to_string()).current_dir(folder.path());
    let mut screen = on_screen(command.env("PYFLAME_TUI_FAULT", "source:1").env_remove("RUST_BACKTRACE"));
    assert_eq!(screen.end(), 1, "{}", screen.text());
    screen.is_given_back();
    screen.shows("source: ");
    heart.goes_on("a panic while a source is read");
}

/// Its terminal goes with us, and it is told so.
#[test]
fn the_threads_of_a_commands_terminal_may_panic() {
    if !can_be_asked() {
        return;
    }
    for (place, thread) in [("output:3", "output: "), ("input:1", "input: "), ("sampler:200", "sampler: ")] {
        let folder = folder();
        let said = folder.path().join("said");
        let source = format!(
            "import signal, sys, time\n\
             signal.signal(signal.SIGHUP, lambda *_: (open({said:?}, 'w').write('hung up'), sys.exit()))\n\
             def toil():\n  until = time.time() + .1\n  while time.time() < until: sum(range(100))\n\
             while True: toil(); print('so far', flush=True)"
        );
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program()).args(["--live", "-t"]).arg(&python3().command);
        command.args(["-c", &source]).current_dir(folder.path());
        let mut screen = on_screen(command.env("PYFLAME_TUI_FAULT", place).env_remove("RUST_BACKTRACE"));
        if place.starts_with("input") {
            screen.shows("toil");
            screen.press("6");
            screen.shows("it has the keys");
            screen.press("x");
        }
        assert_eq!(screen.end(), 1, "{place}: {}", screen.text());
        screen.is_given_back();
        screen.shows("The command has lost its terminal");
        let words = screen.text();
        assert!(words.contains(thread) && words.contains("a test has asked for it"), "{place}: {words}");
        assert!(!words.contains("runs on"), "{place}: {words}");
        assert!(words.trim().lines().count() <= 5, "one message: {words}");
        if !place.starts_with("output") {
            screen.shows(".folded");
            // On a machine that is busy it may not have come as far as working.
            assert!(!std::fs::read(kept(&screen.text())).unwrap().is_empty(), "{place}");
        }
        eventually("it is hung up", || std::fs::read_to_string(&said).is_ok_and(|said| said == "hung up"));
    }
}

#[test]
fn listing_processes_may_panic_and_the_terminal_is_given_back() {
    if !can_be_asked() {
        return;
    }
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program());
    let mut screen = on_screen(command.env("PYFLAME_TUI_FAULT", "roster:2").env_remove("RUST_BACKTRACE"));
    assert_eq!(screen.end(), 1, "{}", screen.text());
    screen.is_given_back();
    screen.shows("roster: ");
    assert!(!screen.text().contains("runs on"), "there was no target: {}", screen.text());
}
