//! Targets that mean harm: names that want to drive a terminal or forge a line, and memory that says anything.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::folded::{dump, folded};
use crate::installed::copy_program;
use crate::interpreters::{Interpreter, python3, pythons};
use crate::profiler::{profile, profiler, start};
use crate::screen::{Screen, live};
use crate::subject::Subject;
use crate::{eventually, folder, is_long, is_untraced};

const LONGEST: Duration = Duration::from_secs(100);

/// Under hostile names, in a process with a hostile command line.
fn evil() -> Subject {
    let script = format!("{}/tests/programs/evil.py", env!("CARGO_MANIFEST_DIR"));
    let read = "import sys; sys.path.insert(0, sys.argv[1].rsplit('/', 1)[0]); import evil; \
        sys.argv[1:] = [evil.EVIL]; evil.main()";
    let mut command = Command::new(&python3().command);
    command.args(["-B", "-c", read]).arg(script);
    command.arg(OsStr::from_bytes(b"\x1b]0;owned\x07\x1b[2J\nforged\xe2\x80\xae\x9b5n"));
    Subject::of(&mut command).ready()
}

/// May this character stand in text that is meant for people and programs?
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Nothing but lines of text.
#[track_caller]
fn is_text(text: &str) {
    let bad = text.char_indices().find(|(_, one)| *one != '\n' && !is_harmless(*one));
    assert!(bad.is_none(), "{bad:?} in {text:?}");
}

#[test]
fn no_name_forges_a_line_or_drives_a_terminal() {
    let subject = evil();
    let pid = subject.pid().to_string();
    for words in [&["-s", "1"][..], &["--threads", "-s", "1"], &["-n", "-s", "1"], &["-x", "-s", "1"]] {
        let ran = profile(&[words, &["-r", "0.002", &pid]].concat()).well();
        is_text(ran.text());
        // What a forged line would say, and what a forged frame would be.
        assert!(ran.text().lines().all(|line| !line.starts_with("forged")), "{}", ran.text());
        for (stack, _) in folded(ran.text()) {
            assert!(stack.iter().all(|frame| *frame != "a:b"), "{stack:?}");
            assert!(stack.iter().all(|frame| frame.len() < 100_000), "a name is cut");
        }
        assert!(ran.text().contains("owned"), "{}", ran.text());
    }
    let ran = profile(&["-T", "-s", "0.5", "-r", "0.002", &pid]).well();
    is_text(ran.text());
    for pair in ran.text().lines().collect::<Vec<_>>().chunks(2) {
        assert!(pair[0].bytes().all(|byte| byte.is_ascii_digit()), "{pair:?}");
    }
    let ran = profile(&["-d", &pid]).well();
    is_text(ran.text());
    let blocks = dump(ran.text()).unwrap();
    assert_eq!(blocks.len(), 3, "{}", ran.text());
}

/// What the terminal is told to do, besides showing text: all of it as we would say it.
#[track_caller]
fn is_ours(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    while let Some(at) = rest.find('\x1b') {
        is_text(&rest[..at].replace(['\r'], ""));
        let order = &rest[at + 1..];
        // A CSI with numbers: the cursor, colours, clearing, modes. Nothing else is ours.
        let parameters = order.strip_prefix('[').unwrap_or_else(|| panic!("{:?}", order.get(..40)));
        let end = parameters.find(|c: char| !matches!(c, '0'..='9' | ';' | ':' | '?' | '>')).unwrap();
        let (numbers, last) = parameters.split_at(end);
        let last = last.chars().next().unwrap();
        let known = match last {
            'H' | 'm' | 'J' | 'K' => !numbers.contains('?'),
            'h' | 'l' => numbers.starts_with('?'),
            'A' | 'B' | 'C' | 'D' => true,
            _ => false,
        };
        assert!(known, "ESC [ {numbers} {last}");
        rest = &parameters[end + 1..];
    }
    is_text(&rest.replace('\r', ""));
}

fn looks_at(screen: &mut Screen, keys: &str) {
    for key in keys.chars() {
        screen.press(&key.to_string());
        std::thread::sleep(Duration::from_millis(120));
    }
}

#[test]
fn no_name_drives_the_terminal_of_the_live_view() {
    let subject = evil();
    let mut screen = live(&[&subject.pid().to_string()]);
    screen.shows("hugeAAA");
    // All panes, both ways round, lines, the palette, help.
    looks_at(&mut screen, "jjjsL1j2j3jj4jj5jj2oo?q:q");
    screen.shows("┌ Commands");
    screen.press("\x1b");
    // With the next key in the same breath it would be another key.
    eventually("the palette is closed", || !screen.text().contains("┌ Commands"));
    looks_at(&mut screen, "tTzz");
    screen.press("q");
    assert_eq!(screen.end(), 0, "{}", screen.text());
    screen.is_given_back();
    is_ours(&screen.bytes());
}

/// A program, no Python, whose name wants to clear the screen.
#[test]
fn no_name_drives_the_terminal_through_an_error() {
    let folder = folder();
    let name = OsStr::from_bytes(b"sl\x1b[2Jeep\nforged\xe2\x80\xae");
    let path = folder.path().join(name);
    copy_program(Path::new("/bin/sleep"), &path);
    let subject = Subject::of(Command::new(&path).arg("1000"));
    eventually("it has become that program", || {
        fs::read_link(format!("/proc/{}/exe", subject.pid())).is_ok_and(|exe| exe.ends_with(name))
    });
    let ran = profile(&[&subject.pid().to_string()]);
    assert_eq!(ran.code(), 1);
    is_text(&ran.err);
    assert!(ran.err.contains("eep") && !ran.err.contains("\nforged"), "{}", ran.err);

    let ran = start(profiler(&["-t"]).arg(&path).arg("0.1")).end(LONGEST);
    is_text(&ran.err);
    // A tracer of such a name.
    let shown = "import ctypes, sys, time\nlibc = ctypes.CDLL(None)\n\
        libc.prctl(15, b'\\x1b[2J\\nforged', 0, 0, 0)\n\
        libc.ptrace(0x4206, int(sys.argv[1]), 0, 0)\nprint('ready', flush=True)\ntime.sleep(1000)";
    let pid = subject.pid().to_string();
    let _tracer = Subject::of(Command::new(&python3().command).args(["-c", shown, &pid])).ready();
    let ran = profile(&[&pid]);
    assert!(ran.err.contains("traces it already"), "{}", ran.err);
    is_text(&ran.err);
}

/// The largest that a process of ours has been, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn memory_that_says_anything_does_us_no_harm() {
    if !is_long() {
        return assert!(scribble(python3(), 3), "no ctypes");
    }
    for python in pythons().there.iter().filter(|python| python.takes_programs()) {
        if !scribble(python, 60) {
            eprintln!("not tried: {}, which has no ctypes", python.name);
        }
    }
}

/// Samples a Python while another process writes over it; false if that one cannot.
fn scribble(python: &Interpreter, seconds: u64) -> bool {
    let mut subject = Subject::program(python, "scribbles.py", &[]);
    let Ok(said) = subject.await_line("ready ", Duration::from_secs(30)) else { return false };
    let pid = said.trim_start_matches("ready ").to_owned();
    let (mut runs, mut refused, mut largest) = (0, 0, 0);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        for words in [&["-s", "1"][..], &["--threads", "-s", "1"], &["-d"]] {
            let mut running =
                start(profiler(&[words, &["-r", "0.0005", &pid]].concat()).stdin(Stdio::null()));
            eventually("we end", || {
                largest = peak(running.child.id()).unwrap_or(0).max(largest);
                running.child.try_wait().unwrap().is_some()
            });
            let ran = running.end(LONGEST);
            // That there is no Python to be found in it is an answer, too; and that a single look has come to nothing.
            let is_refusal = ran.code() == 1 && ran.err.starts_with("Failed to locate libpython");
            let is_failure = ran.code() == 1 && ran.err.starts_with("The one look that was taken failed: ");
            let is_answer = ran.code() == 0 || is_refusal || is_failure;
            assert!(is_answer, "{}: status {}: {}", python.name, ran.code(), ran.err);
            is_text(ran.text());
            (runs, refused) = (runs + 1, refused + u32::from(is_refusal));
        }
    }
    is_untraced(pid.parse().unwrap());
    subject.signal(Signal::SIGTERM);
    let said = subject.await_line("scribbled ", LONGEST).unwrap();
    println!("{}: {runs} runs, {refused} found no Python; {largest} KiB at most; {said}", python.name);
    assert!(runs > refused, "some were sampled");
    assert!(said.ends_with("alive True"), "{said}");
    assert!(largest < 300_000, "{largest} KiB");
    true
}
