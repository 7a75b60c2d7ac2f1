//! Files that appear whole or not at all, pipes that are written straight, and signals that end us early.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pyflame_tui::target::was_ignored;

use crate::folded::{folded, share};
use crate::interpreters::python3;
use crate::profiler::{profile, profiler, program, start};
use crate::{assert_untouched, eventually, folder, subject};

const LONGEST: Duration = Duration::from_secs(30);

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_there_is_replaced_at_the_end() {
    let subject = subject("shares.py", &[]);
    let folder = folder();
    let file = folder.path().join("profile");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let pid = subject.pid().to_string();
    let mut running = start(&mut profiler(&["-s", "1", "-r", "0.01", "-o", file.to_str().unwrap(), &pid]));
    let mut before = 0;
    while running.child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text == "old" || share(&text, "main").0 > 0, "{text}");
        before += u32::from(text == "old");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(before > 10, "{before}");
    let ran = running.end(LONGEST).well();
    assert!(ran.out.is_empty());
    assert!(share(&fs::read_to_string(&file).unwrap(), "main").0 > 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(folder.path()), ["profile"]);
}

#[test]
fn killed_in_the_middle_there_is_no_file() {
    let mut subject = subject("shares.py", &[]);
    let folder = folder();
    let (new, old) = (folder.path().join("new"), folder.path().join("old"));
    fs::write(&old, "old").unwrap();
    let pid = subject.pid().to_string();
    for file in [&new, &old] {
        let running = start(&mut profiler(&["-s", "30", "-r", "0.001", "-o", file.to_str().unwrap(), &pid]));
        std::thread::sleep(Duration::from_millis(700));
        running.signal(Signal::SIGKILL);
        assert_eq!(running.end(LONGEST).code(), 137);
    }
    assert_eq!(names(folder.path()), ["old"], "nothing hidden either");
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    eventually("it runs on", || subject.state() == 'R');
    assert_untouched(&mut subject);
}

#[test]
fn a_pipe_and_a_device_are_written_straight() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let running = start(&mut profiler(&["-s", "0.3", "-r", "0.01", "-o", pipe.to_str().unwrap(), &pid]));
    let mut text = String::new();
    fs::File::open(&pipe).unwrap().read_to_string(&mut text).unwrap();
    running.end(LONGEST).well();
    assert!(share(&text, "main").0 > 0, "{text}");
    assert_eq!(names(folder.path()), ["pipe"], "and it is a pipe still");

    let ran = profile(&["-s", "0.3", "-r", "0.01", "-o", "/dev/stdout", &pid]).well();
    assert!(share(ran.text(), "main").0 > 0, "{}", ran.text());
    profile(&["-s", "0.1", "-o", "/dev/null", &pid]).well();
}

#[test]
fn what_the_shell_has_opened_is_gone_on_with() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let log = folder.path().join("log");
    std::os::unix::fs::symlink("/dev/stdout", folder.path().join("link")).unwrap();
    for (place, to, before) in [
        ("/dev/stdout", ">>", "old\n"),
        ("/dev/stdout", ">", ""),
        ("/proc/self/fd/1", ">>", "old\n"),
        ("link", ">>", "old\n"),
        ("/dev/stderr", "2>>", "old\n"),
        ("/dev/stderr", "2>", ""),
        ("/dev/fd/3", "3>>", "old\n"),
        ("/dev/fd/3", "3>", ""),
    ] {
        fs::write(&log, "old\n").unwrap();
        let number = to.trim_end_matches('>');
        let line = format!(
            "{{ echo head >&{0}; \"$0\" --headless -s .2 -r .01 -o {place} \"$1\"; echo foot >&{0}; }} {to}\"$2\"",
            if number.is_empty() { "1" } else { number }
        );
        let mut command = Command::new("sh");
        command.args(["-c", &line]).arg(program()).arg(&pid).arg(&log).current_dir(folder.path());
        start(&mut command).end(LONGEST).well();
        let text = fs::read_to_string(&log).unwrap();
        let profile =
            text.strip_prefix(&format!("{before}head\n")).and_then(|rest| rest.strip_suffix("foot\n"));
        assert!(share(profile.unwrap_or_default(), "main").0 > 0, "{place} {to}: {text}");
    }
    let line = "exec \"$0\" -o /dev/stdout -t \"$1\" -c 'import time; print(\"said\", flush=True); time.sleep(.3)' >\"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(program()).arg(&python3().command).arg(&log);
    start(&mut command).end(LONGEST).well();
    let text = fs::read_to_string(&log).unwrap();
    assert!(!folded(text.strip_prefix("said\n").expect("the command comes first")).is_empty());
    // What is open under this number is not ours to write to, or nothing is.
    for (place, to) in [("/dev/stdout", "1</dev/null"), ("/dev/stdout", "1>&-"), ("/dev/fd/9", "")] {
        let mut command = Command::new("sh");
        let line = format!("exec \"$0\" --headless -o {place} 4194304 {to}");
        let ran = start(command.args(["-c", &line]).arg(program())).end(LONGEST);
        assert_eq!(ran.code(), 1, "{place} {to}");
        assert!(ran.err.starts_with(&format!("cannot open file \"{place}\" as output\n")), "{}", ran.err);
    }
}

#[test]
fn where_nothing_was_sampled_nothing_is_written() {
    let folder = folder();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::write(&old, "good").unwrap();
    let python = python3().command.to_str().unwrap();
    let sleep = "import time; time.sleep(.5)";
    let other = if python3().version == (3, 6) { "--abi=39" } else { "--abi=36" };
    for (words, status, said) in [
        (&["-t", "sleep", "0.3"][..], 1, "Name the Python itself"),
        (&[other, "-t", python, "-c", sleep], 1, "Leave --abi out"),
    ] {
        for file in [&old, &new] {
            let ran = start(profiler(&["-o", file.to_str().unwrap()]).args(words)).end(LONGEST);
            assert_eq!(ran.code(), status, "{words:?}: {}", ran.err);
            assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
        }
    }
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    // The chance that its first look is due before we are stopped is a thousandth.
    let words = ["-s", "2000", "-r", "1000", "-o", old.to_str().unwrap(), &pid];
    let running = start(&mut profiler(&words));
    running.looks(1);
    running.signal(Signal::SIGTERM);
    let ran = running.end(LONGEST);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(ran.err.starts_with("Nothing was sampled, and nothing is written"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&old).unwrap(), "good");
    assert_eq!(names(folder.path()), ["old"]);
}

#[test]
fn a_link_to_where_nothing_is_yet_is_followed() {
    let subject = subject("shares.py", &[]);
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("below")).unwrap();
    std::os::unix::fs::symlink("second", at("first")).unwrap();
    std::os::unix::fs::symlink("below/file", at("second")).unwrap();
    let (link, pid) = (at("first"), subject.pid().to_string());
    let words = ["-s", "0.2", "-r", "0.01", "-o", link.to_str().unwrap(), &pid];
    profile(&words).well();
    assert!(share(&fs::read_to_string(at("below/file")).unwrap(), "main").0 > 0);
    assert!(fs::symlink_metadata(at("first")).unwrap().is_symlink());
}

#[test]
fn a_signal_that_is_not_for_us_leaves_nothing_behind() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let file = folder.path().join("profile");
    for signal in [Signal::SIGUSR2, Signal::SIGALRM] {
        let running = start(&mut profiler(&["-s", "30", "-o", file.to_str().unwrap(), &pid]));
        std::thread::sleep(Duration::from_millis(500));
        running.signal(signal);
        assert_eq!(running.end(LONGEST).code(), 128 + signal as i32);
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}

#[test]
fn what_there_is_can_be_had_before_the_end() {
    let mut subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let file = folder.path().join("profile");
    let samples = |text: &str| -> u64 { folded(text).into_iter().map(|(_, count)| count).sum() };
    let running = start(&mut profiler(&["-s", "inf", "-o", file.to_str().unwrap(), &pid]));
    for _ in 0..2 {
        let before = samples(&fs::read_to_string(&file).unwrap_or_default());
        running.saves_until(&file, |text| samples(text) > before);
    }
    let before = samples(&fs::read_to_string(&file).unwrap());
    running.signal(Signal::SIGTERM);
    let ran = running.end(LONGEST);
    assert_eq!(ran.code(), 0);
    assert!(samples(&fs::read_to_string(&file).unwrap()) > before);
    let said = format!("pyflame-tui: {} has what there is, ", file.display());
    assert!(ran.err.matches(&said).count() >= 2, "{}", ran.err);
    assert_eq!(names(folder.path()), ["profile"]);

    // A pipe takes nothing back.
    let running = start(&mut profiler(&["-s", "inf", &pid]));
    running.looks(100);
    running.signal(Signal::SIGUSR1);
    running.signal(Signal::SIGTERM);
    let ran = running.end(LONGEST);
    assert_eq!(ran.err, "pyflame-tui: only a file of -o can be saved before the end\n");
    assert!(share(ran.text(), "main").0 > 0);
    assert_untouched(&mut subject);
}

#[test]
fn whoever_stops_us_gets_what_there_is() {
    let mut subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let folder = folder();
    let file = folder.path().join("profile");
    // What our own starter has ignored (nohup: SIGHUP) is not for the profiler to obey.
    let ours = |signal: &Signal| !was_ignored(*signal as i32);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().filter(ours) {
        let began = Instant::now();
        let running = start(&mut profiler(&["-s", "60", "-r", "0.001", &pid]));
        running.looks(100);
        running.signal(signal);
        let ran = running.end(LONGEST).well();
        assert!(share(ran.text(), "main").0 > 0, "{signal}: {}", ran.text());
        assert!(began.elapsed() < LONGEST);

        let running = start(&mut profiler(&["-s", "60", "-o", file.to_str().unwrap(), &pid]));
        running.looks(100);
        running.signal(signal);
        running.end(LONGEST).well();
        assert!(share(&fs::read_to_string(&file).unwrap(), "main").0 > 0, "{signal}");
        fs::remove_file(&file).unwrap();
    }
    assert_untouched(&mut subject);
}

#[test]
fn a_reader_that_has_seen_enough_ends_us_in_silence() {
    let subject = subject("deep.py", &["3000", "--busy"]);
    let mut command = Command::new(program());
    // More than a pipe holds, so that we must find out.
    command.args(["-T", "-s", "0.5", "-r", "0.001", &subject.pid().to_string()]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.trim_end().parse::<u64>().is_ok(), "{line}");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn the_folded_stacks_are_in_a_fixed_order() {
    let subject = subject("threads.py", &["2", "1"]);
    let ran = profile(&["--threads", "-s", "0.5", "-r", "0.005", &subject.pid().to_string()]).well();
    let stacks: Vec<_> = folded(ran.text()).into_iter().map(|(stack, _)| stack).collect();
    let rest: Vec<_> =
        stacks.iter().filter(|stack| !matches!(stack[..], ["(idle)" | "(failed)"])).cloned().collect();
    let mut sorted = rest.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(rest, sorted);
    assert!(stacks.ends_with(&rest), "(idle) and (failed) come first");
}
