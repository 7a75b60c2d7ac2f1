//! What the viewer costs and how quick it is, on the programs of `assets/`: figures for people, printed with the load
//! under which they were taken. On a quiet machine they must keep to their budgets, where that can be had.
//!
//!     PYFLAME_TEST_LONG=1 cargo test --release --test terminal figures -- --nocapture --test-threads 1

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::{Subject, Terminal, python3};

const SIZE: (u16, u16) = (160, 48);
/// For how long the cost is measured.
const WATCHED: Duration = Duration::from_secs(10);

/// Who has not seen a change by then has missed it: the next one comes a second later.
const NEVER: Duration = Duration::from_secs(7);

/// A figure and what it may be.
struct Figure {
    what: String,
    value: f64,
    budget: f64,
    unit: &'static str,
    /// So much of it nobody can save on this machine, as was measured at the same time.
    floor: f64,
}

impl Figure {
    fn new(what: String, value: f64, budget: f64, unit: &'static str) -> Self {
        Self { what, value, budget, unit, floor: 0.0 }
    }

    fn is_over(&self) -> bool {
        self.value > self.budget
    }

    /// Could it be had at all?
    fn can_be_had(&self) -> bool {
        self.floor <= self.budget
    }
}

fn workload(words: &[&str]) -> Subject {
    let mut command = Command::new(&python3().command);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")).args(words);
    Subject::of(command.env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// The machine's load of the last minute.
fn load() -> f64 {
    fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// The CPU time of all threads of a process, and of its first one, which draws.
fn cpu(pid: u32) -> (Duration, Duration) {
    let (mut all, mut first) = (Duration::ZERO, Duration::ZERO);
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let used = Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap());
        all += used;
        if task.file_name().to_string_lossy() == pid.to_string() {
            first = used;
        }
    }
    (all, first)
}

/// What nobody who wakes up to look can save: see `tests/bench/floor.rs`. In percent of a core.
fn floor(pid: &str) -> f64 {
    let binary = Path::new(env!("CARGO_BIN_EXE_pyflame-tui")).with_file_name("examples").join("floor");
    let file = tempfile::NamedTempFile::new().unwrap();
    let seconds = WATCHED.as_secs().to_string();
    let mut command = Command::new(binary);
    command.args(["nap", pid, "1000", &seconds, "8", "4096"]).arg(file.path()).stdout(Stdio::null());
    let before = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    assert!(command.status().expect("cargo build --release --examples makes it").success());
    let after = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let used = |usage: &Usage| {
        let sum = usage.user_time() + usage.system_time();
        sum.tv_sec() as f64 + sum.tv_usec() as f64 / 1e6
    };
    (used(&after) - used(&before)) / WATCHED.as_secs_f64() * 100.0
}

fn has_frames(text: &str) -> bool {
    text.contains("100 %") && text.contains('▶')
}

/// Milliseconds until it is so.
fn time(terminal: &mut Terminal, what: &str, is_so: impl Fn(&str) -> bool) -> f64 {
    let begin = Instant::now();
    while !is_so(&terminal.text()) {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}\n{}", terminal.text());
        terminal.listen(Duration::from_millis(1));
    }
    begin.elapsed().as_secs_f64() * 1e3
}

/// The value below which this share of them is.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn watch(name: &str, words: &[&str], figures: &mut Vec<Figure>) {
    let subject = workload(words);
    // The first half of its second passes with imports.
    std::thread::sleep(Duration::from_millis(1500));
    let pid = subject.pid().to_string();
    let mut add = |what: &str, value: f64, budget: f64, unit: &'static str| {
        figures.push(Figure::new(format!("{name}: {what}"), value, budget, unit));
    };

    let (mut firsts, mut quits) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let begin = Instant::now();
        let mut terminal = Terminal::start(&[&pid], &[], SIZE);
        time(&mut terminal, "the first picture", has_frames);
        firsts.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        terminal.press("q");
        terminal.end();
        quits.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    add("first picture with frames, median", percentile(&mut firsts, 0.5), 150.0, "ms");
    add("first picture with frames, worst of 9", percentile(&mut firsts, 1.0), 150.0, "ms");
    add("quit, worst of 9", percentile(&mut quits, 1.0), 50.0, "ms");

    let floor = floor(&pid);
    add("CPU of the floor: wakes up, copies 4 KiB", floor, f64::INFINITY, "% of a core");
    let mut terminal = Terminal::start(&["-r", "0.001", &pid], &[], SIZE);
    time(&mut terminal, "a picture", has_frames);
    // Ten pictures a second.
    terminal.press("++");
    std::thread::sleep(Duration::from_secs(2));
    while terminal.listen(Duration::from_millis(1)) > 0 {}
    let (bytes, (all, first), begin) = (terminal.bytes.len(), cpu(terminal.child.id()), Instant::now());
    while begin.elapsed() < WATCHED {
        terminal.listen(Duration::from_millis(50));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (all_then, first_then) = cpu(terminal.child.id());
    let share =
        |then: Duration, before: Duration| (then.as_secs_f64() - before.as_secs_f64()) / seconds * 100.0;
    let draws = share(first_then, first);
    add("CPU of the thread that draws", draws, 1.0, "% of a core");
    add("to the terminal", (terminal.bytes.len() - bytes) as f64 / seconds / 1e3, 20.0, "KB/s");

    let mut keys = Vec::new();
    for _ in 0..100 {
        terminal.press("?");
        keys.push(time(&mut terminal, "help", |text| text.contains("Help: Flame")));
        terminal.press("\x1b");
        keys.push(time(&mut terminal, "no help", |text| !text.contains("Help: Flame")));
    }
    add("key to screen, median", percentile(&mut keys, 0.5), 30.0, "ms");
    add("key to screen, p99", percentile(&mut keys, 0.99), 30.0, "ms");
    let what = format!("{name}: CPU of the whole program");
    let whole = Figure::new(what, share(all_then, all), 3.0, "% of a core");
    // A picture is to be drawn whoever takes the samples.
    figures.push(Figure { floor: floor + draws, ..whole });
}

/// A thousand processes that sleep; they end with the test.
struct Crowd(Child);

impl Crowd {
    const SIZE: usize = 1000;

    fn gather() -> Self {
        let script = format!("for i in $(seq {}); do sleep 600 & done; echo; wait", Self::SIZE);
        let mut command = Command::new("sh");
        let shell = command.args(["-c", &script]).stdout(Stdio::piped()).process_group(0).spawn();
        let mut shell = Self(shell.unwrap());
        let said = BufReader::new(shell.0.stdout.take().unwrap()).read_line(&mut String::new());
        assert_eq!(said.unwrap(), 1);
        shell
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// From the start to the first list of Pythons, alone and among many others.
fn choose(figures: &mut Vec<Figure>) {
    let _subject = workload(&["idle.py"]);
    let mut crowd = None;
    for others in [0, Crowd::SIZE] {
        if others > 0 {
            crowd = Some(Crowd::gather());
        }
        let mut firsts = Vec::new();
        for _ in 0..9 {
            let begin = Instant::now();
            let mut terminal = Terminal::start(&[], &[], SIZE);
            time(&mut terminal, "the first list", |text| text.contains("idle.py"));
            firsts.push(begin.elapsed().as_secs_f64() * 1e3);
            terminal.press("q");
            terminal.end();
        }
        for (what, share) in [("median", 0.5), ("worst of 9", 1.0)] {
            let what = format!("the first list, {others} others, {what}");
            figures.push(Figure::new(what, percentile(&mut firsts, share), 50.0, "ms"));
        }
    }
    drop(crowd);
}

/// From the moment at which the program says that it does something else.
fn change(figures: &mut Vec<Figure>) {
    let mut subject = workload(&["phases.py", "8"]);
    // Its full rate: on a busy machine the governor would leave too few samples to tell a change by.
    let mut terminal = Terminal::start(&["-r", "0.001", &subject.pid().to_string()], &[], SIZE);
    let (mut tops, mut marks) = (Vec::new(), Vec::new());
    for phase in 0..5 {
        let line = subject.await_line("", Duration::from_secs(60)).unwrap();
        if phase == 0 {
            continue;
        }
        while terminal.listen(Duration::ZERO) > 0 {}
        let mark = |text: &str| text.split("changed ").nth(1).map(|rest| rest[..8].to_owned());
        let before = mark(&terminal.text());
        let begin = Instant::now();
        let on_top = format!("├ {line} ");
        let (mut top, mut marked) = (None, None);
        while (top.is_none() || marked.is_none()) && begin.elapsed() < NEVER {
            terminal.listen(Duration::from_millis(5));
            let text = terminal.text();
            let now = begin.elapsed().as_secs_f64() * 1e3;
            top = top.or_else(|| text.contains(&on_top).then_some(now));
            marked = marked.or_else(|| (mark(&text) != before).then_some(now));
        }
        let never = NEVER.as_secs_f64() * 1e3;
        tops.push(top.unwrap_or(never));
        marks.push(marked.unwrap_or(never));
    }
    for (what, mut values) in [("under the cursor", tops), ("marked", marks)] {
        let value = percentile(&mut values, 1.0);
        let what = format!("phases: a new hot function is {what}, worst of 4");
        figures.push(Figure::new(what, value, 1500.0, "ms"));
    }
}

#[test]
fn figures() {
    if std::env::var_os("PYFLAME_TEST_LONG").is_none() {
        eprintln!("not measured: PYFLAME_TEST_LONG=1 asks for it");
        return;
    }
    let before = load();
    let mut figures = Vec::new();
    for (name, words) in [
        ("web", &["web.py", "0"][..]),
        ("tower", &["tower.py"]),
        ("siblings", &["siblings.py"]),
        ("coroutines", &["coroutines.py"]),
        ("idle", &["idle.py"]),
    ] {
        watch(name, words, &mut figures);
    }
    choose(&mut figures);
    change(&mut figures);
    println!("load {before:.1} before, {:.1} after", load());
    let mut over = Vec::new();
    for figure in &figures {
        let Figure { what, value, budget, unit, .. } = figure;
        let verdict = match (figure.is_over(), figure.can_be_had()) {
            (false, _) => "",
            (true, true) => "  OVER",
            (true, false) => "  OVER, as the floor is",
        };
        println!("{what:<58} {value:>8.1} {unit}, of {budget}{verdict}");
        if figure.is_over() && figure.can_be_had() {
            over.push(what);
        }
    }
    // What others do to the machine is not ours.
    assert!(over.is_empty() || before > 1.0, "over their budgets on a quiet machine: {over:?}");
}
