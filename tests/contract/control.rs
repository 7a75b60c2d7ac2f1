//! What happens to a target, and what a target does, while it is sampled.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::folded::{Figures, share};
use crate::interpreters::python3;
use crate::profiler::{profile, profiler, start};
use crate::subject::Subject;
use crate::{assert_untouched, eventually, folder, subject};

const LONGEST: Duration = Duration::from_secs(60);

#[test]
fn job_control_works_as_without_us() {
    let mut subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let running = start(profiler(&["--stats", "-s", "4", "-r", "0.001", &pid]).stdin(Stdio::null()));
    running.looks(40);
    for _ in 0..3 {
        subject.signal(Signal::SIGSTOP);
        eventually("it is stopped", || subject.state() == 'T');
        let worked = subject.ticks();
        std::thread::sleep(Duration::from_millis(200));
        // Whatever the kernel does with it, its program does not go on.
        assert_eq!(subject.ticks(), worked);
        assert!(matches!(subject.state(), 'T' | 't'), "{}", subject.state());
        subject.signal(Signal::SIGCONT);
        eventually("it goes on", || subject.state() == 'R');
        std::thread::sleep(Duration::from_millis(100));
    }
    let ran = running.end(LONGEST);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let figures = Figures::parse(&ran.err);
    assert_eq!(figures.samples + figures.late, 4000, "{}", ran.err);
    assert!(figures.failed() * 100 <= figures.samples, "{}", ran.err);
    assert!(share(ran.text(), "seventy").0 > 0);
    assert_untouched(&mut subject);
}

#[test]
fn one_that_stands_already_stays_so() {
    let mut subject = subject("shares.py", &[]).at_work();
    subject.signal(Signal::SIGSTOP);
    eventually("it is stopped", || subject.state() == 'T');
    let pid = subject.pid().to_string();
    // Where it stands can be seen all the same.
    let ran = profile(&["-s", "0.3", "-r", "0.01", &pid]).well();
    assert!(share(ran.text(), "main").0 > 0, "{}", ran.text());
    assert_eq!(subject.state(), 'T');
    let ran = profile(&["-d", &pid]).well();
    assert!(ran.text().contains(":main:"), "{}", ran.text());
    assert_eq!(subject.state(), 'T');
    subject.signal(Signal::SIGCONT);
    eventually("it goes on", || subject.state() == 'R');
    assert_untouched(&mut subject);
}

#[test]
fn its_signals_reach_it() {
    let source = "import os, signal, tracee\n\
        def got(number, frame):\n  os.write(1, b'got %d\\n' % number)\n\
        signal.signal(signal.SIGUSR1, got); signal.signal(signal.SIGCHLD, got)\n\
        tracee.ready()\nwhile True: sum(range(100))";
    let mut subject = Subject::lines(python3(), source).ready();
    let pid = subject.pid().to_string();
    let running = start(profiler(&["-s", "3", "-r", "0.0003", &pid]).stdin(Stdio::null()));
    for _ in 0..60 {
        for signal in [Signal::SIGUSR1, Signal::SIGCHLD] {
            subject.signal(signal);
            subject.await_line(&format!("got {}", signal as i32), LONGEST).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    running.end(LONGEST).well();
    // The one that ends it, too, and it is no mistake of ours.
    let running = start(profiler(&["-s", "30", "-r", "0.0003", &pid]).stdin(Stdio::null()));
    running.looks(100);
    subject.signal(Signal::SIGTERM);
    let ran = running.end(LONGEST).well();
    assert!(!ran.out.is_empty());
    // We know of it as soon as the kernel has begun with it; its parent when that is done.
    let how = std::os::unix::process::ExitStatusExt::signal(&subject.end(LONGEST));
    assert_eq!(how, Some(Signal::SIGTERM as i32));
}

#[test]
fn it_becomes_another_python() {
    let python = python3().command.to_str().unwrap();
    let mut subject = Subject::program(python3(), "execs.py", &["2", python]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let file = folder.path().join("profile");
    subject.await_line("ready 2", LONGEST).unwrap();
    let running = start(&mut profiler(&["-s", "inf", "-r", "0.002", "-o", file.to_str().unwrap(), &pid]));
    for generation in [2, 1, 0] {
        let is_seen = |text: &str| share(text, &format!("generation_{generation}")).0 > 0;
        running.saves_until(&file, is_seen);
        if generation > 0 {
            std::fs::write(subject.room().here.join(format!("end_{generation}")), "").unwrap();
        }
    }
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end(LONGEST).code(), 0);
    let profile = std::fs::read_to_string(file).unwrap();
    for generation in ["generation_2", "generation_1", "generation_0"] {
        assert!(share(&profile, generation).0 > 0, "{generation}: {profile}");
    }
    assert_untouched(&mut subject);
}

#[test]
fn it_becomes_no_python() {
    let mut subject = Subject::program(python3(), "execs.py", &["1", "/bin/sleep", "1000"]);
    subject.await_line("ready 1", LONGEST).unwrap();
    let pid = subject.pid().to_string();
    let running = start(&mut profiler(&["-s", "60", "-r", "0.002", &pid]));
    running.looks(100);
    std::fs::write(subject.room().here.join("end_1"), "").unwrap();
    let ran = running.end(LONGEST);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(ran.err.contains("no Python"), "with a note: {}", ran.err);
    assert!(share(ran.text(), "generation_1").0 > 0, "{}", ran.text());
    assert_untouched(&mut subject);
}

#[test]
fn its_children_are_not_it() {
    let mut subject = subject("forks.py", &[]);
    let ran = profile(&["-s", "1", "-r", "0.002", &subject.pid().to_string()]).well();
    assert!(share(ran.text(), "in_parent").0 > 0, "{}", ran.text());
    assert_eq!(share(ran.text(), "in_child").0, 0, "{}", ran.text());
    assert_untouched(&mut subject);
}
