//! The auto window on made-up programs: it keeps still, sees a change soon, and is not fooled by bursts.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use pyflame_tui::profile::{AutoWindow, Change, Idle, Profile, Selection, Span, Timeline, Who};
use pyflame_tui::sample::{About, Event, Flags, Micros, Stack};
use workload::{Numbers, seen, stack, taken};

const SECOND: u64 = 1_000_000;

/// Runs a program of so many seconds and follows it ten times a second. Tells each change: when it was
/// noticed, and when it is said to have begun, in seconds.
fn followed(
    seconds: u64,
    rate: u64,
    selection: &Selection,
    look: impl FnMut(f64) -> Vec<(Stack, Flags)>,
) -> (Vec<(f64, f64)>, AutoWindow, Profile) {
    let profile = Profile::new();
    followed_into(profile, seconds, rate, selection, look)
}

/// The same in a profile that knows something already.
fn followed_into(
    mut profile: Profile,
    seconds: u64,
    rate: u64,
    selection: &Selection,
    mut look: impl FnMut(f64) -> Vec<(Stack, Flags)>,
) -> (Vec<(f64, f64)>, AutoWindow, Profile) {
    let mut timeline = Timeline::new(selection, Micros(60 * SECOND));
    let mut window = AutoWindow::new();
    let mut changes = Vec::new();
    for n in 0..seconds * rate {
        let at = n * SECOND / rate;
        let now = at as f64 / SECOND as f64;
        let threads = look(now).into_iter().enumerate();
        let threads = threads.map(|(tid, (stack, flags))| seen(tid as u32 + 1, &stack, flags)).collect();
        profile.push(&taken(at, threads));
        if n % (rate / 10).max(1) == 0 {
            timeline.advance(&profile);
            if let Some(Change { at }) = window.follow(&profile, &timeline) {
                changes.push((now, at.0 as f64 / SECOND as f64));
            }
        }
    }
    (changes, window, profile)
}

/// A program that stands in a function for a spell (20 ms on average), then in another.
struct Spells {
    numbers: Numbers,
    stacks: Vec<Stack>,
    left: u64,
    current: usize,
}

impl Spells {
    fn new(seed: u64) -> Self {
        let stacks = (0..30).map(|n| stack(&format!("main:1 handle:{n} f{n}:{n}"))).collect();
        Self { numbers: Numbers(seed), stacks, left: 0, current: 0 }
    }

    /// A stack of the mix `phase`: each prefers others.
    fn next(&mut self, phase: usize, mean: u64) -> Stack {
        if self.left == 0 {
            self.left = 1 + self.numbers.below(2 * mean);
            self.current = (self.numbers.skewed(15) as usize + phase * 7) % 30;
        }
        self.left -= 1;
        self.stacks[self.current].clone()
    }
}

/// So many seeds; more where `SEEDS` says by how much more.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let times = std::env::var("SEEDS").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    0..usual * times
}

const HOLDS: Flags = Flags::HOLDS_GIL;

#[test]
fn steady_load_is_never_a_change() {
    for seed in seeds(5) {
        for mean in [1, 20, 60] {
            let mut spells = Spells::new(seed);
            let one = Selection::default();
            let (changes, window, profile) =
                followed(45, 1000, &one, |_| vec![(spells.next(0, mean), HOLDS)]);
            assert_eq!(changes, [], "seed {seed}, spells of {mean} ms");
            assert_eq!(window.span(&profile), Span::Last(Micros(15 * SECOND)));
        }
    }
}

#[test]
fn steady_load_at_a_hundred_a_second() {
    for seed in seeds(5) {
        let mut spells = Spells::new(seed);
        let (changes, ..) = followed(45, 100, &Selection::default(), |_| vec![(spells.next(0, 2), HOLDS)]);
        assert_eq!(changes, [], "seed {seed}");
    }
}

/// Where looks are dear there are fewer, and each stands for many: they are no more samples for that.
#[test]
fn few_looks_are_few() {
    let governed = |rate: u64| {
        let (age, interval) = (Micros(0), Micros(1000));
        let (command, python) = ("app".into(), "3.12.1".into());
        let mut profile = Profile::new();
        let about = About { pid: 7, command, python, age, interval, tasks: false };
        profile.record(&Event::About(about));
        profile.record(&Event::Interval(Micros(SECOND / rate)));
        profile
    };
    let one = Selection::default();
    let (old, new) = (stack("main:1 old:2"), stack("main:1 new:3"));
    for rate in [5, 10, 20, 50] {
        for seed in seeds(200) {
            let mut numbers = Numbers(seed);
            let look = |_| vec![(if numbers.below(2) == 0 { old.clone() } else { new.clone() }, HOLDS)];
            let (changes, ..) = followed_into(governed(rate), 8, rate, &one, look);
            assert_eq!(changes, [], "seed {seed}, {rate}/s");
        }
    }
    for rate in [20, 50] {
        let look = |now| vec![(if now < 5.0 { old.clone() } else { new.clone() }, HOLDS)];
        let (changes, ..) = followed_into(governed(rate), 12, rate, &one, look);
        assert!(changes.len() == 1 && changes[0].0 <= 7.0, "{rate}/s: {changes:?}");
    }
}

/// Threads in all states, of which two work: the same stillness.
#[test]
fn steady_threads_are_never_a_change() {
    let busy = Selection { who: Who::AllThreads, idle: Idle::Excluded, ..Selection::default() };
    for seed in seeds(3) {
        let (mut a, mut b, mut numbers) = (Spells::new(seed), Spells::new(seed + 100), Numbers(seed));
        let (changes, ..) = followed(45, 1000, &busy, |_| {
            let (first, second) =
                if numbers.below(2) == 0 { (HOLDS, Flags::WAITING) } else { (Flags::ON_CPU, HOLDS) };
            vec![(a.next(0, 20), first), (b.next(0, 20), second), (stack("serve:1"), Flags::WAITING)]
        });
        assert_eq!(changes, [], "seed {seed}");
    }
}

#[test]
fn phases_are_seen_soon_and_once() {
    for seed in seeds(5) {
        for offset in [0.0, 0.1, 0.2] {
            let mut spells = Spells::new(seed);
            let phase = |now: f64| ((now + offset) / 10.0) as usize % 2;
            let look = |now| vec![(spells.next(phase(now), 5), HOLDS)];
            let (changes, ..) = followed(45, 1000, &Selection::default(), look);
            assert_eq!(changes.len(), 4, "seed {seed}: {changes:?}");
            for ((noticed, begun), switch) in changes.iter().zip([10.0, 20.0, 30.0, 40.0]) {
                let switch = switch - offset;
                assert!(*noticed <= switch + 1.5, "seed {seed}: {switch} noticed at {noticed}");
                assert!((begun - switch).abs() <= 0.5, "seed {seed}: {switch} said to begin at {begun}");
            }
        }
    }
}

/// Whenever a view is attached: no switch is missed because it comes soon, and none for an earlier one.
#[test]
fn phases_are_seen_from_any_moment_on() {
    for (rate, mixed) in [(1000, true), (1000, false), (100, false), (50, false)] {
        for half_seconds in 1..20 {
            let offset = half_seconds as f64 / 2.0;
            let mut spells = Spells::new(half_seconds);
            let alone: Vec<Stack> = (0..3).map(|n| stack(&format!("main:1 phase:{n} work{n}:1"))).collect();
            let look = |now: f64| {
                let phase = ((now + offset) / 10.0) as usize % 3;
                vec![(if mixed { spells.next(phase, 2) } else { alone[phase].clone() }, HOLDS)]
            };
            let (changes, ..) = followed((32.0 - offset) as u64, rate, &Selection::default(), look);
            let switches = (1..4).map(|n| n as f64 * 10.0 - offset).filter(|switch| *switch >= 1.0);
            let late = changes.iter().filter(|(_, begun)| *begun >= 0.75);
            for (switch, (noticed, begun)) in switches.clone().zip(late.clone()) {
                assert!(
                    *noticed <= switch + 2.0 && (begun - switch).abs() <= 0.5,
                    "{rate}/s, {switch}: noticed at {noticed}, said to begin at {begun}"
                );
            }
            assert_eq!(late.count(), switches.count(), "{rate}/s from {offset} s on: {changes:?}");
        }
    }
}

/// A program that does something else from its first seconds on, and for ever.
#[test]
fn a_step_soon_after_the_start_is_seen() {
    let (old, new) = (stack("main:1 old:2"), stack("main:1 new:3"));
    for rate in [1000, 100, 50] {
        for tenths in 10..50 {
            let switch = tenths as f64 / 10.0;
            let look = |now| vec![(if now < switch { old.clone() } else { new.clone() }, HOLDS)];
            let (changes, window, profile) = followed(12, rate, &Selection::default(), look);
            let [(noticed, begun)] = changes[..] else { panic!("{rate}/s, {switch}: {changes:?}") };
            assert!(noticed <= switch + 2.0 && (begun - switch).abs() <= 0.25, "{switch}: {changes:?}");
            assert!(matches!(window.span(&profile), Span::Since(_)));
        }
    }
}

/// A second change soon after the first.
#[test]
fn a_change_soon_after_another_is_seen() {
    for between in [1.5, 2.5, 3.5, 4.5] {
        let mut spells = Spells::new(7);
        let phase = |now: f64| if now < 12.0 { 0 } else { 1 + usize::from(now >= 12.0 + between) };
        let look = |now| vec![(spells.next(phase(now), 5), HOLDS)];
        let (changes, ..) = followed(25, 1000, &Selection::default(), look);
        let begun: Vec<f64> = changes.iter().map(|(_, begun)| *begun).collect();
        assert!(
            begun.len() == 2 && (begun[1] - 12.0 - between).abs() <= 0.5,
            "{between} s after another: {changes:?}"
        );
    }
}

/// One new hot function among others that stay.
#[test]
fn a_new_hot_function_is_seen() {
    for seed in seeds(3) {
        let (mut spells, mut numbers, hot) = (Spells::new(seed), Numbers(seed), stack("main:1 hot:7"));
        let (changes, window, profile) = followed(25, 1000, &Selection::default(), |now| {
            let is_hot = now >= 20.0 && numbers.below(10) < 4;
            vec![(if is_hot { hot.clone() } else { spells.next(0, 5) }, HOLDS)]
        });
        assert_eq!(changes.len(), 1, "seed {seed}: {changes:?}");
        assert!(changes[0].0 <= 21.5 && (changes[0].1 - 20.0).abs() <= 0.5, "seed {seed}: {changes:?}");
        assert_eq!(window.span(&profile), Span::Since(Micros((changes[0].1 * 1e6) as u64)));
    }
}

/// A service that falls idle and wakes again, seen as `(idle)`.
#[test]
fn falling_idle_is_a_change() {
    let mut spells = Spells::new(1);
    let (changes, ..) = followed(30, 1000, &Selection::default(), |now| {
        if (10.0..20.0).contains(&now) { Vec::new() } else { vec![(spells.next(0, 5), HOLDS)] }
    });
    assert_eq!(changes.len(), 2, "{changes:?}");
}

#[test]
fn a_burst_is_at_most_one_change() {
    for seed in seeds(3) {
        for (every, long) in
            [(5.0, 1.0), (5.0, 2.0), (8.0, 2.0), (8.0, 3.0), (3.0, 0.5), (12.0, 1.5), (2.0, 1.0)]
        {
            let mut spells = Spells::new(seed);
            let look = |now: f64| vec![(spells.next(usize::from(now % every < long), 5), HOLDS)];
            let (changes, ..) = followed(60, 1000, &Selection::default(), look);
            let bursts = (60.0 / every) as usize;
            assert!(changes.len() <= bursts, "seed {seed}, {long} s every {every} s: {changes:?}");
            assert!(changes.len() <= 2, "they are known by then: {long} s every {every} s: {changes:?}");
        }
    }
}

#[test]
fn forgetting_the_past_begins_anew() {
    let mut spells = Spells::new(3);
    let (_, mut window, profile) =
        followed(20, 1000, &Selection::default(), |_| vec![(spells.next(0, 5), HOLDS)]);
    window.restart(&profile, Micros(19 * SECOND));
    assert_eq!(window.span(&profile), Span::Since(Micros(19 * SECOND)));
}
