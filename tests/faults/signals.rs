//! Signals to us: those that end us, and those that make us stand still, headless and live. In no case does the target
//! stand with us.

use std::fs;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pyflame_tui::target::was_ignored;

use crate::folded::share;
use crate::heart::Heart;
use crate::profiler::{profiler, start};
use crate::screen::{live, live_under_shell};
use crate::{eventually, tries};

/// The letter of a process's state.
fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[test]
fn a_signal_that_ends_us_ends_the_live_view_in_order() {
    let (heart, _subject) = Heart::beating(1, 2);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut screen = live(&[&heart.pid().to_string()]);
        screen.is_live();
        screen.signal(signal);
        assert_eq!(screen.end(), 0, "{signal}: {}", screen.text());
        screen.is_given_back();
        heart.goes_on(signal.as_str());
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_live_view() {
    let (heart, _subject) = Heart::beating(1, 2);
    let mut screen = live(&[&heart.pid().to_string()]);
    screen.is_live();
    let pid = screen.child.id();
    // The reader holds the other end: what a hang-up does is send this, and make reading fail.
    screen.signal(Signal::SIGHUP);
    screen.end();
    assert!(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists());
    heart.goes_on("the terminal is gone");
}

#[test]
fn a_broken_pipes_signal_does_nothing() {
    let (heart, _subject) = Heart::beating(1, 0);
    let pid = heart.pid().to_string();
    let running = start(&mut profiler(&["-s", "1", &pid]));
    running.looks(1);
    running.signal(Signal::SIGPIPE);
    let ran = running.end(Duration::from_secs(30)).well();
    assert!(share(ran.text(), "beat").1 > 0);
    heart.goes_on("SIGPIPE");
}

/// ^Z must not stop us while we hold a thread: it would stand until `fg`.
fn stand_still(signal: Signal, times: u32, words: &[&str], busy: u32, idle: u32) {
    if was_ignored(signal as i32) {
        eprintln!("not tried: our starter ignores {signal}");
        return;
    }
    let (heart, _subject) = Heart::beating(busy, idle);
    let pid = heart.pid().to_string();
    let words = [words, &["-s", "600", "-r", "0.0002", "-o", "/dev/null", &pid]].concat();
    // A group of its own, with us outside of it: else it is orphaned, and ^Z stops nobody.
    let mut running = start(profiler(&words).process_group(0));
    let us = running.child.id();
    running.looks(100);
    for number in 0..times {
        std::thread::sleep(Duration::from_micros(u64::from(number) * 773 % 5000));
        running.signal(signal);
        eventually("we stand", || state(us) == 'T');
        heart.goes_on("while we stand");
        assert_eq!(state(us), 'T');
        running.signal(Signal::SIGCONT);
        eventually("we go on", || state(us) != 'T');
    }
    running.signal(Signal::SIGTERM);
    eventually("we end", || running.child.try_wait().unwrap().is_some());
    assert!(running.child.try_wait().unwrap().unwrap().success());
    let beat = heart.goes_on("we have ended");
    println!("{signal}: stood still {times} times; it was held for {:?} at most", beat.held);
}

#[test]
fn the_target_does_not_stand_with_us() {
    stand_still(Signal::SIGTSTP, tries(15, 300), &[], 1, 0);
}

#[test]
fn no_thread_of_the_target_stands_with_us() {
    stand_still(Signal::SIGTSTP, tries(10, 300), &["--threads"], 4, 20);
    stand_still(Signal::SIGTTIN, 3, &[], 1, 0);
}

#[test]
fn the_live_view_gives_the_terminal_back_while_it_stands() {
    let (heart, _subject) = Heart::beating(1, 2);
    let mut screen = live_under_shell(&[&heart.pid().to_string()]);
    screen.is_live();
    let shell = screen.child.id();
    let us = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let us: u32 = us.trim().parse().unwrap();
    let signal = |signal| kill(Pid::from_raw(us.cast_signed()), signal).unwrap();
    for number in 0..6 {
        if number % 2 == 0 {
            signal(Signal::SIGTSTP);
        } else {
            screen.press("\x1a");
        }
        eventually("we stand", || state(us) == 'T');
        screen.is_given_back();
        heart.goes_on("while the view stands");
        signal(Signal::SIGCONT);
        eventually("the screen is ours again", || screen.is_taken());
        screen.is_live();
    }
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.is_given_back();
    heart.goes_on("the view has ended");
}
