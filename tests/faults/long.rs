//! Long runs: nothing grows, nothing drifts, and a sleep of ours is not made up for.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::folded::Figures;
use crate::heart::Heart;
use crate::profiler::{profiler, start};
use crate::subject::Subject;
use crate::{eventually, is_long};

/// Resident memory in KiB and CPU time in the kernel's ticks, of a process of ours.
fn cost(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some((line.split_whitespace().nth(1)?.parse().ok()?, ticks))
}

#[test]
fn ten_minutes_at_a_thousand_a_second_cost_no_more_than_the_first() {
    if !is_long() {
        eprintln!("not tried: it takes ten minutes; PYFLAME_TEST_LONG=1 does it");
        return;
    }
    let mut subject = Subject::program(crate::interpreters::python3(), "service.py", &[]).ready();
    let pid = subject.pid().to_string();
    let words = ["--threads", "--stats", "-s", "600", "-r", "0.001", "-o", "/dev/null", &pid];
    let mut running = start(&mut profiler(&words));
    let (us, began) = (running.child.id(), Instant::now());
    let mut minutes = vec![cost(us).unwrap()];
    while running.child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_secs(1));
        if began.elapsed().as_secs() >= 60 * u64::try_from(minutes.len()).unwrap() {
            minutes.extend(cost(us));
        }
        assert!(began.elapsed() < Duration::from_secs(700), "it does not end");
    }
    let ran = running.end(Duration::from_secs(10));
    println!("{}", ran.err);
    for (minute, pair) in minutes.windows(2).enumerate() {
        println!("minute {}: {} KiB, {} ticks", minute + 1, pair[1].0, pair[1].1 - pair[0].1);
    }
    let figures = Figures::parse(&ran.err);
    assert_eq!(figures.samples + figures.late, 600_000, "the clock has drifted: {}", ran.err);
    let memory = |minute: usize| minutes[minute].0;
    assert!(memory(9) <= memory(4) + memory(4) / 10 + 2048, "it grows: {minutes:?}");
    // For each look: fewer of them, on a machine that has other things to do, are cheaper together.
    let worked = |minute: usize| minutes[minute + 1].1 - minutes[minute].1;
    assert!(worked(8) * 2 <= worked(1) * 3 + 20, "each look costs more: {minutes:?}");
    assert!(subject.is_alive());
}

#[test]
fn a_sleep_of_ours_is_not_made_up_for_in_a_burst() {
    let (heart, _subject) = Heart::beating(1, 0);
    let running = start(&mut profiler(&["-T", "-s", "5", "-r", "0.001", &heart.pid().to_string()]));
    std::thread::sleep(Duration::from_millis(1200));
    // As a laptop's lid does it: nothing of ours runs, and nobody has told us.
    running.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(2500));
    running.signal(Signal::SIGCONT);
    let ran = running.end(Duration::from_secs(60)).well();
    let times: Vec<u64> = ran.text().lines().step_by(2).map(|line| line.parse().unwrap()).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest > 2_000_000, "it slept: {longest} us");
    // Two looks are in the same two milliseconds by chance; in no hundredth of a second are there more than its own.
    let busiest =
        times.iter().map(|at| times.iter().filter(|other| (*at..*at + 100_000).contains(*other)).count());
    assert!(busiest.max().unwrap() <= 102, "a burst");
    assert!(times.len() < 2800, "{} looks in 2.5 s", times.len());
    let before = heart.beat().beats;
    eventually("it beats on", || heart.beat().beats > before + 2);
    crate::is_untraced(heart.beat().pid);
}
