//! Keys, mouse, size and files, as somebody at the terminal has them.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::interpreters::python3;
use crate::pty::window;
use crate::subject::Subject;
use crate::{Terminal, look_around, subject, watching};

#[test]
fn keys_do_what_they_say() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    terminal.assert_taken();
    terminal.press("g");
    terminal.until("the cursor on everything", |text| text.contains("▶all"));
    terminal.press("G");
    // Which of them is the hottest may be another one every second.
    terminal.until("the cursor on a function", |text| {
        ["▶seventy", "▶twenty", "▶ten"].iter().any(|function| text.contains(function))
    });
    terminal.press("\r");
    terminal.shows("zoomed (Esc)");
    terminal.press("\x1b");
    terminal.hides("zoomed (Esc)");
    terminal.press(" ");
    terminal.shows("FROZEN");
    terminal.press(" ");
    terminal.shows("LIVE");
    terminal.press("?");
    terminal.shows("Help: Flame");
    terminal.press("\x1b");
    terminal.hides("Help: Flame");
    terminal.press("/twenty");
    terminal.shows("1 frame,");
    terminal.press("\x1b");
    terminal.hides("1 frame,");
    // An arrow comes as three bytes, the first of which is Escape.
    terminal.press("4");
    terminal.shows("4 Top");
    terminal.press("\x1b[B");
    terminal.press("2");
    terminal.shows("2 Flame");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn workers_are_in_one_picture_with_their_master() {
    let workers = ["first", "second", "third"];
    let family = Subject::program(python3(), "family.py", &[]).all_ready(workers);
    let words = ["--subprocesses", &family.pid().to_string()];
    let mut terminal = Terminal::start(&words, &[], (160, 48));
    terminal.shows("4 threads in 4 processes");
    // Among the boxes of the flame there need not be room for a name: who is found later is marked as a change.
    terminal.press("4");
    terminal.until("all of them", |text| {
        workers.into_iter().all(|name| text.contains(&format!(" work_in_{name} ")))
    });
    terminal.press("3");
    terminal.shows("MainThread ×4");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_new_size_is_a_new_picture() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    for size in [(80, 24), (200, 60), (7, 3), (40, 10), (120, 30)] {
        let before = terminal.bytes.len();
        terminal.resize(size);
        let cleared = b"\x1b[2J";
        let last = usize::from(size.1) - 1;
        let deadline = std::time::Instant::now() + Duration::from_secs(40);
        // The whole screen anew: cleared once, and the last row, where there is room for one, has its hints.
        let whole = |terminal: &Terminal| {
            terminal.bytes[before..].windows(cleared.len()).any(|bytes| bytes == cleared)
                && (size.1 < 8 || terminal.lines()[last].contains("quit"))
        };
        while !whole(&terminal) {
            assert!(std::time::Instant::now() < deadline, "{size:?}\n{}", terminal.text());
            terminal.listen(Duration::from_millis(20));
        }
    }
    terminal.until("all of it at the last size", |text| {
        let lines: Vec<&str> = text.lines().collect();
        lines[0].contains("LIVE") && lines[1].contains("WHERE") && lines[28].starts_with('└')
    });
}

#[test]
fn a_new_size_is_not_lost_over_a_key() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    for size in [(80, 24), (120, 30), (160, 48), (100, 40)].repeat(3) {
        let (key, pane) = if size.0 == 120 { ("2", "├2 Flame") } else { ("3", "├3 Threads") };
        let before = terminal.bytes.len();
        // Both are there when it looks.
        terminal.signal(Signal::SIGSTOP);
        terminal.until_state('T');
        terminal.press(key);
        terminal.resize(size);
        terminal.signal(Signal::SIGCONT);
        let whole = |terminal: &Terminal| {
            let lines = terminal.lines();
            terminal.bytes[before..].windows(4).any(|bytes| bytes == b"\x1b[2J")
                && lines[usize::from(size.1) - 2].starts_with('└')
                && lines.iter().any(|line| line.starts_with(pane))
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(40);
        while !whole(&terminal) {
            assert!(std::time::Instant::now() < deadline, "{size:?}\n{}", terminal.text());
            terminal.listen(Duration::from_millis(20));
        }
    }
}

#[test]
fn the_mouse_points() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    // Else it would stand on the hottest of them, and of a few looks that may be any.
    terminal.press("g");
    terminal.shows("▶all");
    terminal.shows(" twenty ");
    terminal.press(" ");
    terminal.shows("FROZEN");
    terminal.click(" twenty ");
    terminal.until("the cursor where the click was", |text| text.contains("▶twenty"));
    terminal.until("its source below", |text| text.contains("def twenty"));
    terminal.click("? help");
    terminal.shows("Help: Flame");
    terminal.press("\x1b");
    terminal.hides("Help: Flame");
    terminal.press("M");
    terminal.shows("the mouse is the terminal's");
    assert!(terminal.written().rfind("\x1b[?1000l") > terminal.written().rfind("\x1b[?1000h"));
}

/// What the folded file says of a function: its share of all stacks, as the list of functions says it.
fn share(folded: &str, function: &str) -> String {
    let (mut some, mut all) = (0.0, 0.0);
    for line in folded.lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let count: f64 = count.parse().unwrap();
        all += count;
        some += if stack.contains(&format!(":{function}:")) { count } else { 0.0 };
    }
    format!("{:.0} %", some / all * 100.0)
}

/// Alt-[ is the beginning of many keys.
#[test]
fn half_a_key_holds_up_nothing() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    terminal.press("g");
    terminal.shows("▶all");
    terminal.press("\x1b[");
    terminal.goes_on();
    terminal.press("B");
    terminal.hides("▶all");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn what_is_exported_is_what_is_seen() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    terminal.until("two seconds or more to look at", |text| window(text).is_some_and(|seconds| seconds >= 2));
    terminal.press(" ");
    terminal.shows("FROZEN");
    terminal.press("w");
    terminal.shows("wrote ./pyflame-");
    let mut files: Vec<_> =
        fs::read_dir(terminal.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let [folded, picture] = &files[..] else { panic!("{files:?}") };
    assert_eq!(folded.extension().unwrap(), "folded");
    let folded = fs::read_to_string(folded).unwrap();
    // The picture beside it is the screen: all but the line that counts on, and the one that tells of the file.
    let picture = fs::read_to_string(picture).unwrap();
    let (picture, screen): (Vec<&str>, Vec<String>) = (picture.lines().collect(), terminal.lines());
    assert_eq!(picture.len(), 48);
    assert_eq!(picture[1..47], screen[1..47]);
    terminal.press("4");
    terminal.shows("4 Top");
    for function in ["seventy", "twenty", "ten"] {
        let share = share(&folded, function);
        if share == "0 %" {
            continue;
        }
        let row =
            terminal.lines().into_iter().find(|line| line.contains(&format!(" {function}   "))).unwrap();
        assert_eq!(row.matches(&share).count(), 2, "self and total of {function}: {share}, not {row}");
    }
    terminal.press("e");
    let room = terminal.folder.path().to_path_buf();
    let files = || fs::read_dir(&room).unwrap().count();
    terminal.until("a file of its own each time", |_| files() == 3);
    terminal.press("q");
    terminal.end();
    terminal.until("the summary tells of it", |text| text.contains("saved: ./pyflame-"));
}

#[test]
fn an_export_says_whose_stacks_they_are() {
    let subject = Subject::program(python3(), "threads.py", &["2", "2"]).ready();
    let mut terminal = Terminal::start(&["--by-thread", &subject.pid().to_string()], &[], (160, 48));
    terminal.until("both at work", |text| text.contains("busy_0") && text.contains("busy_1"));
    terminal.press(" ");
    terminal.shows("FROZEN");
    terminal.press("e");
    terminal.shows("wrote ./pyflame-");
    terminal.press("E");
    terminal.shows("export to:");
    terminal.press("a.threads.flamechart\r");
    terminal.shows("wrote ./a.threads.flamechart");
    let room = terminal.folder.path();
    let mut files: Vec<_> = fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let stacks = text.lines().filter(|line| line.contains(';'));
        let mut seen = [0, 0];
        for stack in stacks {
            for (number, count) in seen.iter_mut().enumerate() {
                let works = stack.contains(&format!(":busy_{number}:"));
                assert!(!works || stack.starts_with(&format!("thread:busy-{number}:")), "{stack}");
                *count += usize::from(works);
            }
            assert!(stack.starts_with("thread:"), "{stack}");
        }
        assert!(seen.into_iter().all(|count| count > 0), "{}: {text}", file.display());
    }
    terminal.press("q");
    terminal.end();
}

#[test]
fn one_process_after_the_other() {
    let (first, second) = (subject("shares.py"), subject("idle.py"));
    let mut terminal = watching(&first, (160, 48));
    for (one, words) in [(&second, "idle.py"), (&first, "shares.py")] {
        terminal.press("P");
        terminal.shows("Which Python shall be watched?");
        terminal.press(&one.pid().to_string());
        terminal.until("the right one", |text| {
            text.lines().any(|line| line.starts_with('▶') && line.ends_with(words))
        });
        terminal.press("\r");
        terminal.until("its picture", |text| {
            text.contains(&format!("{} ", one.pid())) && text.contains("LIVE") && text.contains("WHERE")
        });
    }
    terminal.press("P");
    terminal.shows("Which Python shall be watched?");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.assert_given_back();
    let text = terminal.text();
    let watched: Vec<&str> = text.lines().filter(|line| line.contains(": watched ")).collect();
    let pids = [&first, &second, &first].map(|one| format!("pyflame-tui: watched {} (", one.pid()));
    assert_eq!(watched.len(), 3, "{text}");
    assert!(watched.iter().zip(&pids).all(|(line, start)| line.starts_with(start)), "{text}");
}

#[test]
fn who_looks_at_the_list_can_come_back() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (100, 30));
    for _ in 0..2 {
        terminal.press("P");
        terminal.shows("Which Python shall be watched?");
        terminal.shows("Esc back");
        terminal.press("\x1b");
        terminal.until("the picture is back", |text| text.contains("WHERE") && text.contains("seventy"));
    }
    // What has ended cannot be attached to anew: its last picture is there still.
    subject.signal(Signal::SIGKILL);
    terminal.shows("killed by SIGKILL");
    terminal.press("P");
    terminal.shows("Which Python shall be watched?");
    terminal.press("\x1b");
    terminal.shows("killed by SIGKILL");
    terminal.press("q");
    terminal.end();
    let text = terminal.text();
    assert_eq!(text.matches("pyflame-tui: watched").count(), 1, "{text}");
}

#[test]
fn told_to_end_while_it_attaches_it_ends() {
    let (first, second) = (subject("shares.py"), subject("idle.py"));
    for wait in [0, 5, 20, 60] {
        let mut terminal = watching(&first, (160, 48));
        terminal.press("P");
        terminal.shows("Which Python shall be watched?");
        terminal.press(&second.pid().to_string());
        terminal.until("the right one", |text| {
            text.lines().any(|line| line.starts_with('▶') && line.ends_with("idle.py"))
        });
        terminal.press("\r");
        terminal.listen(Duration::from_millis(wait));
        terminal.signal(Signal::SIGTERM);
        assert!(terminal.end().success());
        terminal.assert_given_back();
        terminal.shows(&format!("pyflame-tui: watched {}", first.pid()));
    }
}

#[test]
fn an_escape_and_what_comes_with_it_are_told_apart() {
    let subject = subject("shares.py");
    let mut terminal = watching(&subject, (100, 30));
    for keys in ["\x1b\x1b[A", "\x1b\x1bOB", "\x1b\x1b[<35;44;4M", "\x1b\x1b[5~"] {
        terminal.press("?");
        terminal.shows("Help: Flame");
        terminal.press(keys);
        terminal.hides("Help: Flame");
    }
    terminal.press("?");
    terminal.shows("Help: Flame");
    assert!(!terminal.written().contains("asyncio's tasks that wait, from"), "A was pressed");
    terminal.press("\x1b");
    terminal.hides("Help: Flame");
    terminal.press("q");
    terminal.end();
}

#[test]
fn the_targets_death_leaves_the_picture() {
    let mut subject = subject("shares.py");
    let mut terminal = watching(&subject, (160, 48));
    subject.signal(Signal::SIGKILL);
    // Its parent asks only after the viewer has seen it.
    terminal.shows("■ killed by SIGKILL");
    subject.end(Duration::from_secs(20));
    let text = terminal.text();
    assert!(text.contains("seventy"), "{text}");
    look_around(&mut terminal);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.shows("it was killed by SIGKILL");
}

#[test]
fn who_waits_for_others_leads_to_them() {
    let family = Subject::program(python3(), "family.py", &[]).all_ready(["first", "second", "third"]);
    let pid = family.pid().to_string();
    let mut terminal = Terminal::start(&[&pid], &[], (80, 24));
    terminal.until("it does nothing, but has others", |text| text.contains("Pythons below it (B)"));
    terminal.press("B");
    terminal.until("they work", |text| text.contains("busy") && text.contains("of 4 threads"));
    terminal.press("B");
    terminal.until("it alone again", |text| text.contains("Pythons below it (B)"));
    terminal.press("q");
    let status = terminal.end();
    assert!(status.success(), "{status:?}");
    // As without a stop they cannot be.
    let mut terminal = Terminal::start(&["--nonblocking", &pid], &[], (80, 24));
    terminal.shows("Pythons below it (B)");
    terminal.press("B");
    terminal.shows("cannot be watched without a stop");
    terminal.press("q");
    terminal.end();
}
