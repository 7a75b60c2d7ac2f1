//! Long runs: nothing grows, nothing drifts, and a sleep of ours is not made up for.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::folded::Figures;
use crate::heart::Heart;
use crate::interpreters::python3;
use crate::profiler::{profiler, start};
use crate::screen::live;
use crate::subject::Subject;
use crate::{eventually, is_long, is_untraced};

/// How many minutes the long run takes: an hour is `PYFLAME_TEST_MINUTES=60`.
fn minutes() -> Option<u32> {
    let wish = std::env::var("PYFLAME_TEST_MINUTES").ok().map(|word| word.parse().unwrap());
    wish.or(is_long().then_some(10))
}

/// What a process of ours has taken.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Resident memory, in KiB.
    memory: u64,
    /// CPU time in the kernel's ticks.
    ticks: u64,
}

impl Cost {
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        Self { memory, ticks: fields.map(|field| field.parse::<u64>().unwrap()).sum() }
    }
}

/// What it has taken at the start and after each minute. The first quarter is warm-up; then each look costs what the
/// others do, and what grows is the part of the profile that remembers each of them, which took so many KiB at the end.
#[track_caller]
fn is_flat(what: &str, costs: &[Cost], remembered: u64) {
    let last = costs.len() - 1;
    let (quarter, some) = (last / 4, (last / 4).max(1));
    let worked = |from: usize| costs[from + some].ticks - costs[from].ticks;
    assert!(worked(last - some) * 2 <= worked(quarter) * 3 + 20, "{what}: each look costs more: {costs:?}");
    let grown = costs[last].memory.saturating_sub(costs[quarter].memory);
    println!("{what}: {grown} KiB more since the first quarter; the profile remembers {remembered} KiB");
    assert!(
        grown <= remembered * 15 / 16 + 768,
        "{what}: it grows by {grown} KiB, not {remembered}: {costs:?}"
    );
    assert!(costs[last].memory <= 64 << 10, "{what}: it is large: {costs:?}");
}

/// The number in front of this word, with commas in it.
#[track_caller]
fn number_before(text: &str, word: &str) -> u64 {
    let number = text.split_once(word).and_then(|(before, _)| before.split_whitespace().last());
    number.unwrap_or_else(|| panic!("no {word:?} in\n{text}")).replace(',', "").parse().unwrap()
}

/// The clock does not drift, memory does not grow, and the last look costs what the first did: without a screen, and
/// with one, each on a service of its own.
#[test]
fn a_long_run_at_a_thousand_a_second_costs_no_more_than_its_beginning() {
    let Some(minutes) = minutes() else {
        eprintln!("not tried: it takes ten minutes; PYFLAME_TEST_LONG=1 does it");
        return;
    };
    // Both at once, and nobody is to wait for a CPU: services that mostly think.
    let service = || Subject::program(python3(), "service.py", &["1000000", "{room}/board", "0.05"]).ready();
    let mut services = [service(), service()];
    let [headless, watched] = services.each_ref().map(|service| service.pid().to_string());
    let (seconds, asked) = ((minutes * 60).to_string(), 60_000 * u64::from(minutes));
    let pace = ["-r", "0.001", "-s", &seconds];
    let mut running =
        start(&mut profiler(&[&pace[..], &["--threads", "--stats", "-o", "/dev/null", &headless]].concat()));
    let mut screen = live(&[&pace[..], &["--stats", &watched]].concat());
    screen.shows("Timeline");
    let (ours, began) = ([running.child.id(), screen.child.id()], Instant::now());
    let mut costs = vec![ours.map(Cost::of)];
    for minute in 1..=minutes {
        // The last is cut a little short: who has ended cannot be asked.
        let until = 60 * u64::from(minute) - if minute == minutes { 5 } else { 0 };
        std::thread::sleep(Duration::from_secs(until).saturating_sub(began.elapsed()));
        let (before, now) = (*costs.last().unwrap(), ours.map(Cost::of));
        let [headless, live] = [0, 1].map(|at| (now[at].memory, now[at].ticks - before[at].ticks));
        println!("minute {minute}: headless {headless:?}, live {live:?}, in KiB and ticks");
        costs.push(now);
    }
    assert!(running.child.try_wait().unwrap().is_none(), "it has ended early");
    let ran = running.end(Duration::from_secs(60));
    println!("{}", ran.err);
    assert_eq!(ran.code(), 0);
    let figures = Figures::parse(&ran.err);
    assert_eq!(figures.samples + figures.late, asked, "the clock has drifted: {}", ran.err);
    screen.shows("detached");
    let late = number_before(&screen.text(), " late");
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.is_given_back();
    screen.shows(" samples ");
    println!("{}", screen.text());
    let samples = number_before(&screen.text(), " samples ");
    assert_eq!(samples + late, asked, "the clock has drifted: {late} late, {}", screen.text());
    let [sums, remembered] = [&ran.err, &screen.text()].map(|said| number_before(said, " KiB"));
    println!("without a screen only sums are kept: {sums} KiB");
    for (what, at, remembered) in [("headless", 0, 0), ("live", 1, remembered)] {
        let costs: Vec<_> = costs.iter().map(|pair| pair[at]).collect();
        is_flat(what, &costs, remembered);
    }
    for service in &mut services {
        assert!(service.is_alive());
        is_untraced(service.pid());
    }
}

#[test]
fn a_sleep_of_ours_is_not_made_up_for_in_a_burst() {
    let (heart, _subject) = Heart::beating(1, 0);
    let running = start(&mut profiler(&["-T", "-s", "5", "-r", "0.001", &heart.pid().to_string()]));
    running.looks(40);
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
    is_untraced(heart.beat().pid);
}
