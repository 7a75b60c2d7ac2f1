//! However it ends, the terminal is as it was, and the summary stands on it.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::{Subject, Terminal, shows_pictures, subject, watching};

/// Ends it in some way; what is left must be whole.
#[track_caller]
fn leaves_all_well(end: impl FnOnce(&mut Terminal)) {
    let mut subject = subject("shares.py");
    let mut terminal = watching(&subject, (100, 30));
    terminal.assert_taken();
    end(&mut terminal);
    terminal.end();
    terminal.assert_given_back();
    terminal.until("the summary", |text| {
        text.contains("pyflame-tui: watched") && text.contains(" % of the time")
    });
    assert_untouched(&mut subject);
}

#[track_caller]
fn assert_untouched(subject: &mut Subject) {
    assert!(subject.is_alive());
    let status = std::fs::read_to_string(format!("/proc/{}/status", subject.pid())).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    assert_ne!(subject.state(), 'T');
}

#[test]
fn q() {
    leaves_all_well(|terminal| terminal.press("q"));
}

#[test]
fn control_c() {
    leaves_all_well(|terminal| terminal.press("\x03"));
}

#[test]
fn sigterm() {
    leaves_all_well(|terminal| terminal.signal(Signal::SIGTERM));
}

#[test]
fn sigint() {
    leaves_all_well(|terminal| terminal.signal(Signal::SIGINT));
}

#[test]
fn sigquit() {
    leaves_all_well(|terminal| terminal.signal(Signal::SIGQUIT));
}

#[test]
fn sighup() {
    leaves_all_well(|terminal| terminal.signal(Signal::SIGHUP));
}

#[test]
fn a_line_that_is_cut_ends_it() {
    let mut subject = subject("shares.py");
    let mut terminal = watching(&subject, (100, 30));
    terminal.hang_up();
    terminal.end();
    assert_untouched(&mut subject);
}

/// In the middle of a sequence: whoever waits for the rest of it would do so for ever.
#[test]
fn a_line_that_is_cut_behind_half_a_key_ends_it() {
    let mut subject = subject("shares.py");
    let mut terminal = watching(&subject, (100, 30));
    terminal.press("\x1b[");
    terminal.goes_on();
    terminal.hang_up();
    terminal.end();
    assert_untouched(&mut subject);
}

/// A terminal that is stopped, a connection that hangs: no write comes to an end.
#[test]
fn sigterm_while_nobody_reads() {
    let mut subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    terminal.assert_taken();
    terminal.fill(&["?", "\x1b", "4", "3", "5", "2"]);
    terminal.signal(Signal::SIGTERM);
    terminal.end_unread();
    terminal.assert_given_back();
    terminal.until("the summary", |text| text.contains("pyflame-tui: watched"));
    assert_untouched(&mut subject);
}

#[test]
fn left_at_once_it_tells_what_it_did() {
    let subject = subject("shares.py");
    for _ in 0..5 {
        let mut terminal = watching(&subject, (100, 30));
        terminal.press("q");
        terminal.end();
        terminal.shows(" samples ");
        assert!(!terminal.text().contains(" 0 samples "), "{}", terminal.text());
    }
}

#[test]
fn suspended_and_back() {
    let mut subject = subject("shares.py");
    let mut terminal = Terminal::start_under_shell(&[&subject.pid().to_string()], (100, 30));
    shows_pictures(&mut terminal);
    terminal.press("\x1a");
    terminal.until_state('T');
    while terminal.listen(Duration::from_millis(50)) > 0 {}
    terminal.assert_given_back();
    // Whoever is suspended must not hold up others.
    let deadline = Instant::now() + Duration::from_secs(40);
    let before = subject.ticks();
    while subject.ticks() < before + 5 {
        assert!(Instant::now() < deadline, "the target stands still");
        std::thread::sleep(Duration::from_millis(5));
    }
    let written = terminal.bytes.len();
    terminal.signal(Signal::SIGCONT);
    terminal.until("the picture is back", |text| text.contains("WHERE") && text.contains("q quit"));
    terminal.assert_taken();
    assert!(terminal.bytes.len() > written);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_given_back();
    assert_untouched(&mut subject);
}

#[test]
fn nobody_stands_still_whom_no_shell_could_continue() {
    let mut subject = subject("shares.py");
    // A session's leader, as under `ssh -t` and `docker exec -it`.
    let mut terminal = watching(&subject, (100, 30));
    terminal.press("\x1a");
    terminal.shows("nobody here could continue us");
    terminal.assert_taken();
    assert_ne!(terminal.state(), Some('T'));
    terminal.press("P");
    terminal.shows("Which Python shall be watched?");
    terminal.press("\x1a");
    terminal.shows("nobody here could continue us");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_given_back();
    assert_untouched(&mut subject);
}
