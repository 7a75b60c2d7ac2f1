//! How many samples, of which threads, of what.

use std::process::Command;

use crate::assert_untouched;
use crate::cpus;
use crate::folded::{Figures, dump, folded, frame, share};
use crate::interpreters::python3;
use crate::profiler::{profile, profiler, program, start};
use crate::subject;
use crate::subject::Subject;

/// All samples of a profile: stacks, idle and failed.
fn total(text: &str) -> u64 {
    folded(text).iter().map(|(_, count)| count).sum()
}

/// As many as were asked for, but for those that were late: the machine may be busy.
#[track_caller]
fn assert_as_many(words: &[&str], asked: u64) {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let ran = profile(&[words, &["--stats", &pid]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let figures = Figures::parse(&ran.err);
    assert_eq!(figures.samples + figures.late, asked, "{}", ran.err);
    assert_eq!(total(ran.text()), figures.samples - figures.dropped);
}

#[test]
fn a_second_at_a_thousand_when_nothing_is_said() {
    assert_as_many(&[], 1000);
}

#[test]
fn as_long_and_as_often_as_is_said() {
    assert_as_many(&["-s", "0.5", "-r", "0.01"], 50);
    assert_as_many(&["--seconds=0.3", "--rate=.0005"], 600);
}

#[test]
fn zero_seconds_are_one_sample() {
    let mut subject = subject("shares.py", &[]);
    let ran = profile(&["-s", "0", "-p", &subject.pid().to_string()]).well();
    assert_eq!(total(ran.text()), 1, "{}", ran.text());
    assert_eq!(ran.text().lines().count(), 1);
    assert_untouched(&mut subject);
}

#[test]
fn a_run_shorter_than_the_time_between_two_looks_has_one() {
    assert_as_many(&["-s", "0.1", "-r", "5"], 1);
}

#[test]
fn shares_of_time_are_shares_of_samples() {
    let subject = subject("shares.py", &[]);
    let ran = profile(&["-s", "2", "-r", "0.001", &subject.pid().to_string()]).well();
    for (function, percent) in [("seventy", 70), ("twenty", 20), ("ten", 10)] {
        let (some, all) = share(ran.text(), function);
        let seen = 100 * some / all;
        // Four standard deviations of 1,000 samples; the exact figure is the business of tests/matrix.
        assert!(seen.abs_diff(percent) <= 6, "{function}: {seen} %, not {percent} %");
    }
}

#[test]
fn who_waits_is_idle_and_may_be_left_out() {
    let subject = subject("idle.py", &[]);
    let pid = subject.pid().to_string();
    let ran = profile(&["-s", "0.3", "-r", "0.01", &pid]).well();
    let stacks = folded(ran.text());
    assert!(matches!(&stacks[..], [(stack, 1..=30)] if stack[..] == ["(idle)"]), "{}", ran.text());
    assert!(profile(&["-x", "-s", "0.3", "-r", "0.01", &pid]).well().out.is_empty());
    // All threads: where it waits, unless what waits is left out.
    let ran = profile(&["--threads", "-s", "0.3", "-r", "0.01", &pid]).well();
    assert!(folded(ran.text())[0].0.last().unwrap().contains(":sleeper:"), "{}", ran.text());
    assert!(profile(&["--threads", "-x", "-s", "0.3", "-r", "0.01", &pid]).well().out.is_empty());
}

#[test]
fn who_computes_without_the_gil_is_not_called_idle_without_a_word() {
    let subject = subject("native.py", &[]);
    let pid = subject.pid().to_string();
    let ran = profile(&["-s", "0.3", "-r", "0.01", &pid]);
    assert_eq!(ran.code(), 0, "{}", ran.err);
    assert!(ran.text().starts_with("(idle) "), "{}", ran.text());
    assert!(ran.err.contains("--threads"), "{}", ran.err);
    let ran = profile(&["--threads", "-x", "-s", "0.3", "-r", "0.01", &pid]).well();
    assert!(ran.text().contains(":native:"), "{}", ran.text());
}

#[test]
fn who_sleeps_is_not_read_again_but_seen_to_move() {
    let subject = subject("naps.py", &[]);
    let ran = profile(&["--threads", "--stats", "-s", "2", "-r", "0.001", &subject.pid().to_string()]);
    let (long, short) = (share(ran.text(), "long_nap").0, share(ran.text(), "short_nap").0);
    let percent = 100 * long / (long + short);
    assert!(percent.abs_diff(67) <= 4, "{percent} % in the naps that last twice as long: {}", ran.text());
    // Of the looks at a nap at least the first three read more than the lock and the scheduler's count, but not ten: there
    // are 15 or so, or fewer on a busy machine. In these two seconds it naps 133 times.
    let counted =
        |line: &str| line.rsplit_once("in which nothing had moved since the last, ")?.1.parse().ok();
    let asleep: u64 = ran.err.lines().find_map(counted).unwrap();
    let figures = Figures::parse(&ran.err);
    assert!(figures.samples - asleep < 10 * 133 && asleep * 10 < figures.samples * 9, "{}", ran.err);
}

#[test]
fn where_both_have_one_cpu_it_is_said_that_we_are_on_the_targets() {
    let subject = subject("shares.py", &[]);
    let cpu = cpus::ours()[0];
    cpus::pin(subject.pid(), cpu);
    let pid = subject.pid().to_string();
    let ran = cpus::on(cpu, || profile(&["--stats", "-s", "1", "-r", "0.001", &pid]));
    assert_eq!(ran.code(), 0, "{}", ran.err);
    let (_, said) = ran.err.split_once("on the target's CPU ").unwrap();
    let [there, all] = [0, 2].map(|word| said.split(' ').nth(word).unwrap().parse::<u32>().unwrap());
    assert!(there == all && all > 0, "{said}");
}

#[test]
fn one_thread_at_a_time_or_all() {
    let subject = subject("threads.py", &["2", "2"]);
    let pid = subject.pid().to_string();
    let one = profile(&["-s", "1", "-r", "0.002", &pid]).well();
    assert!(total(one.text()) <= 500);
    assert_eq!(share(one.text(), "wait").0, 0, "who waits holds no GIL");
    let all = profile(&["-s", "1", "-r", "0.002", "--threads", &pid]).well();
    for function in ["busy_0", "busy_1", "main"] {
        let seen = share(all.text(), function).0;
        assert!(seen > 0 && seen <= 500, "{function}: {seen}");
    }
    let (first, second) = (share(all.text(), "busy_0").0, share(all.text(), "busy_1").0);
    assert_eq!(first, second, "each sample has all threads");
    assert_eq!(share(all.text(), "wait").0, 2 * first);
    let running = profile(&["-s", "1", "-r", "0.002", "--threads", "-x", &pid]).well();
    assert_eq!(share(running.text(), "wait").0, 0, "{}", running.text());
    assert!(share(running.text(), "busy_0").0 > 0 && share(running.text(), "busy_1").0 > 0);
}

#[test]
fn functions_without_lines() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    let ran = profile(&["-n", "-s", "0.3", "-r", "0.01", &pid]).well();
    let stacks = folded(ran.text());
    let mut seen: Vec<_> = stacks.iter().map(|(stack, _)| stack.clone()).collect();
    seen.dedup();
    assert_eq!(seen.len(), stacks.len(), "each stack once");
    for frame in stacks.iter().flat_map(|(stack, _)| stack) {
        assert_eq!(frame.split(':').count(), 2, "{frame}");
    }
}

#[test]
fn a_dump_has_all_threads_and_a_star() {
    let mut subject = subject("threads.py", &["1", "3"]);
    let ran = profile(&["-d", &subject.pid().to_string()]).well();
    let blocks = dump(ran.text()).unwrap();
    assert_eq!(blocks.len(), 5, "{}", ran.text());
    let leaf = |name: &str| {
        let block =
            blocks.iter().find(|block| block.name == name).unwrap_or_else(|| panic!("{}", ran.text()));
        block.frames[0].1.clone()
    };
    for name in ["idle-0", "idle-1", "idle-2"] {
        assert_eq!(leaf(name), "wait");
    }
    assert!(["busy_0", "work_0"].contains(&leaf("busy-0").as_str()));
    let main = blocks.iter().find(|block| block.tid == u64::from(subject.pid())).unwrap();
    assert_eq!(main.name, "MainThread");
    // It may be on its way back from saying that it is ready.
    assert!(["main", "ready"].contains(&main.frames[0].1.as_str()), "{}", ran.text());
    let stars: Vec<_> =
        blocks.iter().filter(|block| block.holds_gil).map(|block| block.name.as_str()).collect();
    assert!(stars.is_empty() || stars == ["busy-0"], "{stars:?}");
    assert_untouched(&mut subject);
}

#[test]
fn a_dump_that_fails_says_so() {
    let subject = subject("threads.py", &["1", "1"]);
    let mut failed = 0;
    // With so few open files not every look can succeed; from which number on is not promised.
    for files in 5..=8 {
        let line = format!("ulimit -n {files}; exec \"$0\" -d \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &line]).arg(program()).arg(subject.pid().to_string());
        let ran = start(&mut command).end(std::time::Duration::from_secs(20));
        assert_eq!(ran.code(), i32::from(ran.out.is_empty()), "{files}: {}", ran.err);
        assert_eq!(ran.out.is_empty(), !ran.err.is_empty(), "{files}: {}", ran.err);
        failed += ran.code();
    }
    assert!(failed > 0);
}

#[test]
fn names_of_all_kinds() {
    let subject = subject("unicode.py", &[]);
    let ran = profile(&["-s", "0.5", "-r", "0.002", &subject.pid().to_string()]).well();
    for name in ["файл.py:début", "größe", "функция", "関数", "𐐷𠀀"] {
        assert!(
            ran.text().contains(&format!("{name}:")) || ran.text().contains(&format!(":{name}")),
            "{name}"
        );
    }
}

#[test]
fn a_stack_stays_one_line() {
    let source = "import tracee\n\
        file = 'semi;colon:4\\nline\\t\\x1b[31m\\x7f\\\\.py'\n\
        exec(compile('def busy():\\n  while True: sum(range(9))\\ntracee.ready()\\nbusy()', file, 'exec'))";
    let subject = Subject::lines(python3(), source).ready();
    let ran = profile(&["-s", "0.3", "-r", "0.01", &subject.pid().to_string()]).well();
    assert!(!ran.text().contains(|c: char| c.is_control() && c != '\n'), "{}", ran.text());
    let stacks = folded(ran.text());
    let (stack, _) = stacks.iter().find(|(stack, _)| stack.len() == 3).expect("three frames");
    let (file, function, _) = frame(stack[2]).unwrap();
    assert_eq!((file.as_str(), function.as_str()), ("semi;colon:4\nline\t\x1b[31m\x7f\\.py", "busy"));
}

#[test]
fn a_target_that_ends_early_is_no_mistake() {
    let subject = subject("short.py", &["{room}/end"]);
    let running = start(&mut profiler(&["-s", "60", "-r", "0.005", &subject.pid().to_string()]));
    running.looks(100);
    let began = std::time::Instant::now();
    std::fs::write(subject.room().here.join("end"), "").unwrap();
    let ran = running.end(std::time::Duration::from_secs(50)).well();
    assert!(began.elapsed().as_secs() < 15);
    assert!(share(ran.text(), "work").0 > 0, "{}", ran.text());
}
