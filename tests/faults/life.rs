//! Whatever the target does with its life, we end in time, with what there was to see, and leave nothing behind. (More of
//! this is in `tests/contract/control.rs`, and in `tests/target` below the program.)

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::folded::{Figures, dump, folded, share};
use crate::heart::Heart;
use crate::interpreters::{Build, python3, pythons};
use crate::profiler::{Running, profile, profiler, program, start};
use crate::screen::live;
use crate::subject::Subject;
use crate::{eventually, is_long, is_root, is_untraced};

const LONGEST: Duration = Duration::from_secs(100);

fn living(words: &[&str]) -> Subject {
    Subject::program(python3(), "lives.py", words).ready()
}

/// Begins to watch, and has begun.
fn watch(subject: &Subject, words: &[&str]) -> Running {
    let running = start(&mut profiler(&[words, &[&subject.pid().to_string()]].concat()));
    running.looks(40);
    running
}

#[test]
fn it_exits_or_is_killed() {
    let end = |subject: &Subject| fs::write(subject.room().here.join("end"), "").unwrap();
    let subject = living(&["exits"]);
    let running = watch(&subject, &["-s", "600"]);
    end(&subject);
    let ran = running.end(LONGEST).well();
    assert!(share(ran.text(), "work").0 > 0, "{}", ran.text());
    let subject = living(&["crowd", "3"]);
    let running = watch(&subject, &["-s", "600"]);
    subject.signal(Signal::SIGKILL);
    assert!(share(running.end(LONGEST).well().text(), "work").0 > 0);

    let subject = living(&["exits"]);
    let mut screen = live(&[&subject.pid().to_string()]);
    screen.shows("work");
    end(&subject);
    screen.shows("exited");
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.is_given_back();
}

#[test]
fn it_becomes_a_daemon() {
    let folder = crate::folder();
    let file = folder.path().join("profile");
    let script = format!("{}/tests/programs/lives.py", env!("CARGO_MANIFEST_DIR"));
    let command = python3().command.to_str().unwrap();
    let mut us =
        Subject::of(&mut profiler(&["-o", file.to_str().unwrap(), "-t", command, &script, "daemon"]));
    let said = us.await_line("daemon ", LONGEST).unwrap();
    let daemon: i32 = said.trim_start_matches("daemon ").parse().unwrap();
    // We follow the command, which ends, and not its children.
    let status = us.end(LONGEST);
    assert_eq!(status.code(), Some(0));
    assert!(share(&fs::read_to_string(file).unwrap(), "work").0 > 0);
    is_untraced(daemon.cast_unsigned());
    kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it lives");
}

#[test]
fn it_has_a_thousand_children() {
    let mut subject = living(&["children", "1000"]);
    let running = watch(&subject, &["--threads", "-s", "5", "-r", "0.001"]);
    let born = subject.await_line("born ", LONGEST).unwrap();
    let ran = running.end(LONGEST).well();
    assert!(share(ran.text(), "children").0 > 0, "{}", ran.text());
    let born: Vec<u32> = born.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
    assert_eq!(born.len(), 1000);
    for &child in &born {
        is_untraced(child);
        kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL).unwrap();
    }
    is_untraced(subject.pid());
}

#[test]
fn it_starts_and_ends_a_thousand_threads_a_second() {
    let mut subject = living(&["threads", "1000"]);
    let ran = watch(&subject, &["--threads", "--stats", "-s", "4", "-r", "0.001"]).end(LONGEST);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let figures = Figures::parse(&ran.err);
    assert!(share(ran.text(), "threads").0 > 0, "{}", ran.text());
    assert!(figures.failed() * 4 < figures.samples, "{}", ran.err);
    let said = subject.await_line("started ", LONGEST).unwrap();
    println!("{said}; {}", ran.err.lines().next().unwrap());
    is_untraced(subject.pid());
}

#[test]
fn it_has_a_crowd_of_threads() {
    let count = if is_long() { 10_000 } else { 1500 };
    let (heart, subject) = match Heart::beating_if_it_can(1, count) {
        Ok(beating) => beating,
        Err(why) if why.contains("can't start new thread") => return eprintln!("not tried: {why}"),
        Err(why) => panic!("{why}"),
    };
    let pid = subject.pid().to_string();
    for words in [&["-d"][..], &["-s", "2"], &["--threads", "-s", "2"]] {
        heart.measure_anew();
        let began = Instant::now();
        let ran = start(&mut profiler(&[words, &["--stats", &pid]].concat())).end(LONGEST);
        let took = began.elapsed();
        let beats = heart.beat().beats;
        eventually("it beats on", || heart.beat().beats > beats + 2);
        let beat = heart.beat();
        // All in one look, and all of it while who has the GIL stands: some 10 µs a thread in a release build.
        assert!(beat.held < Duration::from_secs(3), "{words:?}: {beat:?}");
        println!("{count} threads, {words:?}: {took:?}; {beat:?}; {}", ran.err);
        match words {
            ["-d"] => assert_eq!(dump(ran.text()).unwrap().len(), usize::try_from(count).unwrap() + 1),
            _ => assert!(share(ran.text(), "toil").0 > 0, "{}", ran.err),
        }
    }
    // Not one of them was forgotten.
    heart.measure_anew();
}

#[test]
fn it_stands_a_hundred_thousand_frames_deep() {
    // Up to 3.10 each frame of Python is one of C, too: no stack is that large.
    let is_new = |build: &Build| *build == Build::Release;
    let found = pythons().there.iter().find(|one| one.version >= (3, 11) && is_new(&one.build));
    let Some(python) = found.filter(|one| one.root.is_none()) else {
        eprintln!("not tried: no Python from 3.11 on");
        return;
    };
    let subject = Subject::program(python, "deep.py", &["100000", "--busy"]).ready();
    let ran = profile(&["--stats", "-s", "1", "-r", "0.05", &subject.pid().to_string()]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let stacks = folded(ran.text());
    let (deepest, _) = stacks.iter().max_by_key(|(stack, _)| stack.len()).unwrap();
    assert!(deepest.len() > 100_000, "{}: {}", deepest.len(), ran.err);
    println!("{} frames; {}", deepest.len(), ran.err);
    is_untraced(subject.pid());
}

#[test]
fn it_works_in_a_function_of_a_hundred_thousand_lines() {
    let subject = living(&["lines", "100000"]);
    let ran = profile(&["--stats", "-s", "2", "-r", "0.002", &subject.pid().to_string()]);
    let stacks = folded(ran.text());
    let line = |stack: &[&str]| stack.last().unwrap().strip_prefix("long.py:long:")?.parse::<u32>().ok();
    let lines: Vec<u32> = stacks.iter().filter_map(|(stack, _)| line(stack)).collect();
    assert!(lines.len() > 20 && lines.iter().all(|line| (1..=100_000).contains(line)), "{}", ran.err);
    // Anywhere in it, not only near its start.
    assert!(lines.iter().any(|line| *line > 50_000), "{lines:?}");
    println!("{} lines seen; {}", lines.len(), ran.err);
}

/// A control group that can be frozen; taken away with this.
struct Freezer {
    group: PathBuf,
    /// The file that freezes, and what it is told to freeze and to thaw.
    switch: [&'static str; 3],
}

impl Freezer {
    /// Of cgroup version 1 or 2, where that is mounted and ours to use.
    fn new(root: &str, switch: [&'static str; 3]) -> Option<Self> {
        let group = Path::new(root).join(format!("pyflame-tui-faults-{}", std::process::id()));
        if !is_root() || !fs::exists(Path::new(root).join("cgroup.procs")).unwrap_or(false) {
            return None;
        }
        fs::create_dir(&group).ok()?;
        let freezer = Self { group, switch };
        fs::exists(freezer.group.join(switch[0])).ok()?.then_some(freezer)
    }

    fn take(&self, subject: &Subject) {
        fs::write(self.group.join("cgroup.procs"), subject.pid().to_string()).unwrap();
    }

    fn freeze(&self, subject: &Subject) {
        fs::write(self.group.join(self.switch[0]), self.switch[1]).unwrap();
        let mut ticks = subject.ticks();
        eventually("it is frozen", || {
            std::thread::sleep(Duration::from_millis(60));
            ticks == std::mem::replace(&mut ticks, subject.ticks())
        });
    }

    fn thaw(&self, subject: &Subject) {
        fs::write(self.group.join(self.switch[0]), self.switch[2]).unwrap();
        let before = subject.ticks();
        eventually("it runs on", || subject.ticks() > before + 5);
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.group.join(self.switch[0]), self.switch[2]);
        let procs = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.lines().filter_map(|line| line.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for _ in 0..1000 {
            if fs::remove_dir(&self.group).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What was seen before is there, and we end when we should.
fn be_frozen(kind: &str, freezer: Option<Freezer>) {
    let Some(freezer) = freezer else {
        eprintln!("not tried: no {kind} that could freeze");
        return;
    };
    let subject = living(&["crowd", "3"]);
    let pid = subject.pid().to_string();
    freezer.take(&subject);
    for words in [&[][..], &["--threads"]] {
        let running = watch(&subject, &[words, &["--stats", "-s", "2"]].concat());
        freezer.freeze(&subject);
        let began = Instant::now();
        let ran = running.end(Duration::from_secs(30));
        println!("{kind}: frozen while watched, ended {:?} later: {}", began.elapsed(), ran.err);
        assert!(share(ran.text(), "work").0 > 0, "{}", ran.text());
        let began = Instant::now();
        let ran = start(&mut profiler(&[words, &["-s", "1", &pid]].concat())).end(Duration::from_secs(30));
        println!("{kind}: frozen before, status {} after {:?}: {}", ran.code(), began.elapsed(), ran.text());
        let mut screen = live(&[&pid]);
        screen.shows("Timeline");
        screen.press("q");
        assert_eq!(screen.end(), 0, "the live view of what is frozen");
        freezer.thaw(&subject);
        is_untraced(subject.pid());
    }
}

#[test]
fn its_container_is_frozen_by_cgroup_v1() {
    let switch = ["freezer.state", "FROZEN", "THAWED"];
    be_frozen("cgroup v1", Freezer::new("/sys/fs/cgroup/freezer", switch));
}

#[test]
fn its_container_is_frozen_by_cgroup_v2() {
    let switch = ["cgroup.freeze", "1", "0"];
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    be_frozen("cgroup v2", roots.into_iter().find_map(|root| Freezer::new(root, switch)));
}

/// In a PID namespace of its own, where the next number can be chosen.
const REUSE: &str = "
import os, subprocess, sys, time
us, python, out = sys.argv[1:]
def busy(name):
    code = 'import time\\ndef %s():\\n while 1: sum(range(100))\\n%s()' % (name, name)
    return subprocess.Popen([python, '-c', code])
first = busy('first')
time.sleep(.5)
running = subprocess.Popen([us, '-s', '600', '-o', out, str(first.pid)])
time.sleep(1)
first.kill()
first.wait()
with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
    last.write(str(first.pid - 1))
second = busy('second')
same = second.pid == first.pid
try:
    status = running.wait(30)
except subprocess.TimeoutExpired:
    status = 'none'
tracer = [line for line in open('/proc/%d/status' % second.pid) if line.startswith('TracerPid')]
alive = second.poll() is None
second.kill()
print('same', same, 'status', status, 'alive', alive, tracer[0].split()[1])
";

#[test]
fn its_number_becomes_anothers() {
    if !is_root() || !fs::exists("/proc/sys/kernel/ns_last_pid").unwrap_or(false) {
        eprintln!("not tried: no number can be chosen");
        return;
    }
    let folder = crate::folder();
    let file = folder.path().join("profile");
    let python = &python3().command;
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]).arg(python).args(["-c", REUSE]);
    let ran = start(command.arg(program()).arg(python).arg(&file)).end(LONGEST);
    if ran.err.contains("unshare: ") {
        eprintln!("not tried: {}", ran.err);
        return;
    }
    assert_eq!(ran.text().trim(), "same True status 0 alive True 0", "{}", ran.err);
    let profile = fs::read_to_string(file).unwrap();
    assert!(share(&profile, "first").0 > 0 && share(&profile, "second").0 == 0, "{profile}");
}
