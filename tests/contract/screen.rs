//! What opens on a terminal: under `-t` a command with a terminal of its own, which is seen and reached through ours; and
//! without any word a list of processes.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pyflame_tui::target::End;

use crate::interpreters::python3;
use crate::targets::tracer_of;
use crate::terminal::Terminal;
use crate::{assert_untouched, eventually, subject};

fn trace(program: &str, size: (u16, u16)) -> Terminal {
    let python = python3().command.to_str().unwrap();
    let path = format!("{}/tests/programs/{program}", env!("CARGO_MANIFEST_DIR"));
    Terminal::start(&["-t", python, &path], size)
}

/// The command's PID, as the screen has it.
fn pid(terminal: &mut Terminal) -> Pid {
    terminal.until("a PID in the first line", |terminal| pid_on(terminal).is_some());
    Pid::from_raw(pid_on(terminal).unwrap())
}

fn pid_on(terminal: &Terminal) -> Option<i32> {
    terminal.text().split_whitespace().next()?.parse().ok()
}

#[test]
fn a_command_is_seen_and_reached() {
    let mut terminal = trace("asks.py", (160, 48));
    terminal.expect("ready 158x43 xterm-256color True");
    terminal.expect("name?");
    terminal.expect("<module> asks.py");
    terminal.press("6");
    terminal.expect("it has the keys");
    terminal.press("Ada\r");
    terminal.expect("hello Ada");
    terminal.resize(90, 30);
    terminal.expect("now 88x25");
    terminal.press("end\r");
    terminal.expect("exited, status 7");
    assert!(terminal.is_taken(), "the picture stays");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(7));
    terminal.expect("it exited, status 7");
    terminal.expect("hello Ada");
    assert!(!terminal.is_taken());
    let written = String::from_utf8_lossy(terminal.written()).into_owned();
    assert!(!written.contains("not for others"), "its title is not ours");
}

#[test]
fn a_command_without_a_screen_has_the_terminal_for_itself() {
    let python = python3().command.to_str().unwrap();
    let say = "import time; print('half a', end='', flush=True); time.sleep(.5); print(' line')";
    let mut terminal = Terminal::start(&["--headless", "-o", "/dev/null", "-t", python, "-c", say], (80, 24));
    assert_eq!(terminal.end(), End::Exited(0));
    assert_eq!(String::from_utf8_lossy(terminal.written()), "half a line\r\n");
    // What is packed says nothing to anybody there.
    let pid = subject("threads.py", &["1", "1"]).pid().to_string();
    let mut terminal = Terminal::start(&["--headless", "--pprof", &pid], (80, 24));
    assert_eq!(terminal.end(), End::Exited(1));
    terminal.expect("pyflame-tui --pprof -o profile.pb.gz PID");
    // Of a process it is told how far we are.
    let subject = subject("idle.py", &[]);
    let pid = subject.pid().to_string();
    let mut terminal = Terminal::start(&["--headless", "-s", "0.5", "-o", "/dev/null", &pid], (80, 24));
    assert_eq!(terminal.end(), End::Exited(0));
    assert!(String::from_utf8_lossy(terminal.written()).contains(" of 0.5 s · "));
}

#[test]
fn a_flood_holds_nobody_up_and_loses_nothing() {
    let mut terminal = trace("asks.py", (120, 40));
    terminal.expect("name?");
    terminal.press("6");
    terminal.expect("it has the keys");
    // 3.5 MB, fourteen times what may wait.
    terminal.press("flood\r");
    terminal.press("\x1d2");
    terminal.expect("2 Flame");
    terminal.press("6");
    terminal.expect("it has the keys");
    terminal.expect("hello flood");
    let text = terminal.text();
    let last = (39_990..40_000).filter(|number| text.contains(&format!("{number} xxx"))).count();
    assert_eq!(last, 10, "{text}");
    terminal.press("\x04");
    terminal.expect("exited, status 1");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(1));
}

#[test]
fn leaving_hangs_it_up_if_that_is_meant() {
    let mut terminal = trace("asks.py", (80, 24));
    let command = pid(&mut terminal);
    terminal.expect("name?");
    terminal.press("q");
    terminal.expect("still runs");
    terminal.press("\x1b");
    terminal.expect("q quit");
    kill(command, None).expect("it runs on");
    terminal.press("q");
    terminal.expect("still runs");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(128 + Signal::SIGHUP as i32));
    eventually("it is hung up", || kill(command, None).is_err());
}

#[test]
fn it_goes_with_its_terminal_when_we_are_killed() {
    let mut terminal = trace("asks.py", (80, 24));
    let command = pid(&mut terminal);
    terminal.expect("name?");
    kill(Pid::from_raw(terminal.child.pid().0.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(terminal.end(), End::Killed(Signal::SIGKILL as i32));
    eventually("it is hung up", || !is_alive(command));
}

/// A zombie whose new parent takes its time is as good as dead.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn the_signal_that_ends_it_is_named() {
    let mut terminal = trace("asks.py", (80, 24));
    let command = pid(&mut terminal);
    kill(command, Signal::SIGTERM).unwrap();
    terminal.expect("killed by SIGTERM");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(128 + Signal::SIGTERM as i32));
}

#[test]
fn a_process_is_chosen_from_a_list() {
    let mut subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let mut terminal = Terminal::start(&[], (120, 40));
    terminal.expect("Which Python");
    terminal.press(&pid);
    terminal.expect("1 of ");
    terminal.expect("shares.py");
    assert!(terminal.is_taken());
    terminal.press("\r");
    terminal.expect("2 Flame");
    terminal.expect("<module> shares.py");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(0));
    terminal.expect(&format!("watched {pid}"));
    let written = String::from_utf8_lossy(terminal.written()).into_owned();
    assert_eq!(written.matches("\x1b[?1049l").count(), 1, "the shell's screen is not shown in between");
    assert_untouched(&mut subject);
}

#[test]
fn what_cannot_be_attached_to_is_told_in_the_list() {
    let mut subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let Some(tracer) = tracer_of(&pid) else { return };
    let mut terminal = Terminal::start(&[], (120, 40));
    terminal.press(&pid);
    terminal.expect("traced");
    terminal.press("\r");
    terminal.expect(&format!("process {}", tracer.pid()));
    assert!(terminal.text().contains("Which Python"), "the list stays");
    drop(tracer);
    terminal.expect(" yes ");
    terminal.press("\r");
    terminal.expect("<module> shares.py");
    terminal.press("q");
    assert_eq!(terminal.end(), End::Exited(0));
    assert_untouched(&mut subject);
}
