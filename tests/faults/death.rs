//! We are killed at any moment, and the target does not notice.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::heart::{Beat, Heart};
use crate::interpreters::python3;
use crate::profiler::{Running, profiler, program, start};
use crate::screen::{Screen, live, on_screen};
use crate::{eventually, folder};

/// Tries in each case.
fn tries() -> u32 {
    crate::tries(5, 500)
}

/// Something of ours that can be killed.
trait Mortal {
    fn kill(self);
}

impl Mortal for Running {
    fn kill(self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.end(Duration::from_secs(30)).code(), 137);
    }
}

impl Mortal for Screen {
    fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.end(), 137);
    }
}

/// From the moment of our start to well into the sampling. Each try its own moment.
fn moment(number: u32) -> Duration {
    let (whole, part) = (200_000, 1_000_003);
    Duration::from_micros(u64::from(number) * part % whole)
}

/// Starts us again and again and kills us, while it beats.
fn die(what: &str, busy: u32, idle: u32, us: impl Fn(&str) -> Box<dyn FnOnce()>) {
    let (heart, mut subject) = Heart::beating(busy, idle);
    let (mut gap, mut held) = (Duration::ZERO, Duration::ZERO);
    for number in 0..tries() {
        let kill = us(&heart.pid().to_string());
        std::thread::sleep(moment(number));
        kill();
        let beat = heart.goes_on(&format!("{what}, killed after {:?}", moment(number)));
        (gap, held) = (beat.gap.max(gap), beat.held.max(held));
    }
    assert!(subject.is_alive());
    println!("{what}: {} deaths; held for {held:?} at most, {gap:?} with what the scheduler does", tries());
}

fn headless(words: &'static [&'static str]) -> impl Fn(&str) -> Box<dyn FnOnce()> {
    move |pid| {
        let words = [words, &["-s", "60", "-r", "0.0005", pid]].concat();
        let running = start(&mut profiler(&words));
        Box::new(|| running.kill())
    }
}

fn viewed(pid: &str) -> Box<dyn FnOnce()> {
    let screen = live(&[pid]);
    Box::new(|| screen.kill())
}

#[test]
fn killed_headless_with_one_thread() {
    die("headless, one thread", 1, 0, headless(&[]));
}

#[test]
fn killed_headless_with_many_threads() {
    die("headless, 24 threads", 4, 20, headless(&["--threads"]));
}

#[test]
fn killed_live_with_one_thread() {
    die("live, one thread", 1, 0, viewed);
}

#[test]
fn killed_live_with_many_threads() {
    die("live, 24 threads", 4, 20, viewed);
}

/// A command of ours outlives us.
fn die_and_leave(busy: u32, idle: u32, words: &[&str]) {
    let mut worst: Option<Beat> = None;
    for number in 0..tries().min(100) {
        let mut heart = Heart::new();
        let command = heart.words(busy, idle);
        let mut us: Command = profiler(&[words, &["-r", "0.0005", "-o", "/dev/null", "-t"]].concat());
        us.args(command).stdout(Stdio::null()).stderr(Stdio::null());
        let mut us = us.spawn().unwrap();
        heart.beats();
        std::thread::sleep(moment(number));
        us.kill().unwrap();
        us.wait().unwrap();
        let beat = heart.goes_on(&format!("our command, killed after {:?}", moment(number)));
        worst = worst.filter(|worst| worst.held > beat.held).or(Some(beat));
    }
    println!("a command of {busy} + {idle} threads: {} deaths; at worst {worst:?}", tries().min(100));
}

#[test]
fn killed_with_a_command_of_ours() {
    die_and_leave(1, 0, &[]);
}

#[test]
fn killed_with_a_command_of_ours_of_many_threads() {
    die_and_leave(4, 20, &["--threads"]);
}

/// A command of ours, watched live, that does not mind when its terminal hangs up.
fn die_on_screen(busy: u32, idle: u32) {
    let mut worst: Option<Beat> = None;
    for number in 0..tries().min(100) {
        let mut heart = Heart::new();
        let folder = folder();
        let mut us = Command::new("setsid");
        us.arg("--ctty").arg(program()).args(["--live", "-t", "nohup"]).args(heart.words(busy, idle));
        // It writes what its command says into a file.
        let screen = on_screen(us.current_dir(folder.path()));
        heart.beats();
        std::thread::sleep(moment(number));
        screen.kill();
        let beat = heart.goes_on(&format!("our command on a screen, killed after {:?}", moment(number)));
        worst = worst.filter(|worst| worst.held > beat.held).or(Some(beat));
    }
    println!("live, a command of {busy} + {idle} threads: {} deaths; worst {worst:?}", tries().min(100));
}

#[test]
fn killed_live_with_a_command_of_ours() {
    die_on_screen(1, 0);
}

#[test]
fn killed_live_with_a_command_of_ours_of_many_threads() {
    die_on_screen(4, 20);
}

/// Its terminal is ours to hold: that goes with us, and says so.
#[test]
fn killed_live_a_command_is_told_that_its_terminal_is_gone() {
    let says = "import os, signal, sys, time\n\
        def told(number, frame):\n  os.write(said, b'told %d' % number); os._exit(0)\n\
        signal.signal(signal.SIGHUP, told)\n\
        said = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\nos.write(said, b'ready ')\n\
        while True: sum(range(100))";
    for number in 0..tries().min(100) {
        let folder = folder();
        let path = folder.path().join("said");
        let python = python3().command.to_str().unwrap();
        let screen = live(&["--live", "-t", python, "-c", says, path.to_str().unwrap()]);
        let said = || std::fs::read_to_string(&path).unwrap_or_default();
        eventually("it works", || said() == "ready ");
        std::thread::sleep(moment(number));
        screen.kill();
        eventually("it is hung up, as by a terminal that is closed", || said() == "ready told 1");
    }
}
