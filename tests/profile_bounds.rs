//! What a profile costs: bytes for an hour, microseconds a sample, and what is left when it is too much.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::time::Instant;

use pyflame_tui::profile::{CallTree, Idle, NodeId, Profile, Selection, Span, Who, Window, thread_rows};
use pyflame_tui::sample::{About, Event, Flags, Frame, Micros, Outcome, Sample};
use workload::{Service, function, seen, stack, taken, thread};

/// Looks of an hour at 1,000 a second.
const HOUR: u64 = 3_600_000;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// `looks` of a service with 20,000 different stacks.
fn filled(looks: u64) -> Profile {
    let mut service = Service::new(1, 20_000);
    let mut profile = Profile::with_cap(usize::MAX);
    for _ in 0..looks {
        profile.push(&service.sample());
    }
    profile
}

/// What takes long, or says something only in a release build, is asked for.
fn long() -> bool {
    let asked = std::env::var_os("PYFLAME_TEST_LONG").is_some();
    if !asked {
        println!(
            "skipped; PYFLAME_TEST_LONG=1 cargo test --release --test profile_bounds -- --nocapture runs it"
        );
    }
    asked
}

/// Part of an hour tells what an hour takes: stacks are there early, looks come evenly.
#[test]
fn an_hour_of_a_service_would_fit() {
    let (tenth, fifth) = (filled(HOUR / 60).memory(), filled(HOUR / 30).memory());
    let hour = tenth + (fifth - tenth) * 59;
    println!("a minute {tenth} bytes, two {fifth}: an hour {hour}");
    assert!(hour < 64 << 20, "an hour would take {hour} bytes");
}

#[test]
fn an_hour_of_a_service() {
    if !long() {
        return;
    }
    let before = resident();
    let mut service = Service::new(1, 20_000);
    let empty = resident();
    let mut profile = Profile::with_cap(usize::MAX);
    for _ in 0..HOUR {
        profile.push(&service.sample());
    }
    let (own, grown) = (profile.memory(), resident() - empty);
    println!("service {} bytes; profile says {own} bytes, resident {grown}", empty - before);
    println!("{} nodes, {:.2} bytes a look", profile.node_count(), own as f64 / HOUR as f64);
    let begin = Instant::now();
    let tree = CallTree::of(&profile, &Selection { who: Who::AllThreads, ..Selection::default() });
    println!("call tree of all: {:?}, {} calls", begin.elapsed(), tree.len());
    assert!(own < 64 << 20);
    assert!(grown < 64 << 20);
}

#[test]
fn what_a_sample_costs() {
    if !long() {
        return;
    }
    for stacks in [1, 2000, 20_000] {
        let mut service = Service::new(1, stacks);
        let mut profile = Profile::new();
        for _ in 0..200_000 {
            profile.push(&service.sample());
        }
        // Each sample is made just before it is pushed, as in life, and its making is not counted.
        let time = |profile: &mut Profile, sample: Sample| {
            let begin = Instant::now();
            profile.push(&sample);
            begin.elapsed().as_nanos()
        };
        let mut nine: Vec<u128> = (0..200_000).map(|_| time(&mut profile, service.sample())).collect();
        let one = |_| {
            let mut sample = service.sample();
            let Outcome::Taken(threads) = &mut sample.outcome else { unreachable!() };
            threads.truncate(1);
            time(&mut profile, sample)
        };
        let mut one: Vec<u128> = (0..200_000).map(one).collect();
        nine.sort_unstable();
        one.sort_unstable();
        println!(
            "{stacks:6} stacks: median of nine threads, two changing: {} ns; of one, changing: {} ns",
            nine[100_000], one[100_000]
        );
    }
    let mut profile = Profile::new();
    let still =
        stack("a:1 b:2 c:3 d:4 e:5 f:6 g:7 h:8 i:9 j:10 k:11 l:12 m:13 n:14 o:15 p:16 q:17 r:18 s:19 t:20");
    let begin = Instant::now();
    for at in 0..1_000_000 {
        profile.push(&taken(at * 1000, vec![seen(1, &still, Flags::HOLDS_GIL)]));
    }
    println!("the same Arc: {} ns a sample", begin.elapsed().as_nanos() / 1_000_000);
}

#[test]
fn what_following_costs() {
    if !long() {
        return;
    }
    let mut service = Service::new(3, 5000);
    let mut profile = Profile::new();
    for _ in 0..120_000 {
        profile.push(&service.sample());
    }
    let selection = Selection { who: Who::AllThreads, idle: Idle::Excluded, ..Selection::default() };
    let span = Span::Last(Micros(15_000_000));
    let mut window = Window::new();
    window.advance(&profile, span);
    let mut timeline = pyflame_tui::profile::Timeline::new(&selection, Micros(300_000_000));
    let mut trend = pyflame_tui::profile::Trend::new(&selection);
    let mut auto = pyflame_tui::profile::AutoWindow::new();
    timeline.advance(&profile);
    trend.advance(&profile);
    auto.follow(&profile, &timeline);
    let mut costs = [0_u128; 5];
    for _ in 0..100 {
        for _ in 0..100 {
            profile.push(&service.sample());
        }
        let mut lap = Instant::now();
        let mut stop = |place: usize| {
            costs[place] += lap.elapsed().as_nanos();
            lap = Instant::now();
        };
        window.advance(&profile, span);
        stop(0);
        let tree = CallTree::build(&profile, &window, &selection);
        stop(1);
        timeline.advance(&profile);
        stop(2);
        trend.advance(&profile);
        stop(3);
        auto.follow(&profile, &timeline);
        stop(4);
        assert!(tree.total() > 0);
    }
    for (what, cost) in ["window", "call tree", "timeline", "trend", "auto window"].iter().zip(costs) {
        println!("{what}: {} µs a draw", cost / 100_000);
    }
}

#[test]
fn past_the_cap_counts_stay_exact_and_times_get_coarse() {
    for every in [7_001, 100] {
        past_the_cap(every);
    }
}

/// The interval changes every so many looks.
fn past_the_cap(every: u64) {
    let mut service = Service::new(5, 1000);
    let (mut small, mut large) = (Profile::with_cap(1 << 20), Profile::with_cap(usize::MAX));
    let (age, interval) = (Micros(0), Micros(1000));
    let about = About { pid: 7, command: "app".into(), python: "3.12.1".into(), age, interval, tasks: false };
    for n in 0..150_000 {
        let sample = service.sample();
        for profile in [&mut small, &mut large] {
            if n == 0 {
                profile.record(&Event::About(about.clone()));
            }
            // Some of them stand for several.
            if n % every == 0 {
                profile.record(&Event::Interval(Micros(1000 + n / every % 3 * 1000)));
            }
            profile.push(&sample);
        }
    }
    assert!(small.memory() <= 1 << 20, "{} bytes", small.memory());
    assert!(small.thinned_before().is_some() && large.thinned_before().is_none());
    assert!(small.revision() > 0);
    assert_eq!(small.looks(), large.looks());
    for who in [Who::GilHolder, Who::AllThreads] {
        let selection = Selection { who, ..Selection::default() };
        let (few, all) = (CallTree::of(&small, &selection), CallTree::of(&large, &selection));
        assert_eq!(few.total(), all.total());
        assert_eq!((few.looks(), few.idle(), few.failed()), (all.looks(), all.idle(), all.failed()));
        assert_eq!(few, all, "nothing had to be forgotten: the same tree");
    }
    // The newest 15 s are as they were.
    let selection = Selection { span: Span::Last(Micros(15_000_000)), ..Selection::default() };
    assert_eq!(CallTree::of(&small, &selection), CallTree::of(&large, &selection));
}

/// Where nobody asks for times an hour takes no more than some minutes, and is counted to the last look.
#[test]
fn sums_do_not_grow_with_time() {
    let mut service = Service::new(5, 1000);
    let (mut sums, mut exact) = (Profile::of_sums(), Profile::with_cap(usize::MAX));
    let mut memory = Vec::new();
    for n in 1..=300_000 {
        let sample = service.sample();
        sums.push(&sample);
        exact.push(&sample);
        if n % 50_000 == 0 {
            memory.push((sums.memory() >> 10, exact.memory() >> 10));
        }
    }
    let [first, _, half, _, _, last] = memory[..] else { panic!("{memory:?}") };
    assert!(last.0 < half.0 + half.0 / 4, "{memory:?} KiB");
    assert!(last.1 > first.1 * 3, "what is compared with does grow: {memory:?} KiB");
    assert_eq!(sums.looks(), exact.looks());
    for who in [Who::GilHolder, Who::AllThreads] {
        let selection = Selection { who, ..Selection::default() };
        assert!(CallTree::of(&sums, &selection) == CallTree::of(&exact, &selection), "{who:?}");
    }
}

/// A program that never stands in the same stack twice: the stacks are what must be bounded.
#[test]
fn ever_new_stacks_stay_within_the_cap() {
    let cap = 4 << 20;
    let mut numbers = workload::Numbers(9);
    let mut profile = Profile::with_cap(cap);
    let functions: Vec<_> = (0..8).map(|n| function("parser.py", &format!("rule_{n}"))).collect();
    let looks = 60_000;
    for n in 0..looks {
        let frame = |_| Frame {
            function: functions[numbers.below(8) as usize].clone(),
            line: numbers.below(5) as u32,
        };
        let stack = (0..25).map(frame).collect();
        profile.push(&taken(n * 1000, vec![seen(1, &stack, Flags::HOLDS_GIL)]));
    }
    assert!(profile.memory() <= cap, "{} of {cap} bytes", profile.memory());
    let tree = CallTree::of(&profile, &Selection::default());
    assert_eq!(tree.total(), looks, "no weight is lost");
    let forgotten = tree.calls().filter_map(|(_, call)| call.step.map(|step| (step, call.own)));
    let forgotten = forgotten.filter(|(step, _)| &*profile.function(step.function).name == "(forgotten)");
    let weight: u64 = forgotten.map(|(_, own)| own).sum();
    assert!(weight > 0, "cut stacks say that they were cut");
}

/// A program that makes its functions as it goes.
#[test]
fn ever_new_functions_stay_within_the_cap() {
    let cap = 4 << 20;
    let mut profile = Profile::with_cap(cap);
    // Room is made at the end of a segment.
    for n in 0..96 * 1024 {
        let made = Frame { function: function("<string>", &format!("made_{n}")), line: 1 };
        profile.push(&taken(n * 1000, vec![seen(1, &[made].into(), Flags::HOLDS_GIL)]));
    }
    assert!(profile.memory() <= cap, "{} of {cap} bytes", profile.memory());
    let newest = profile.range(Span::Last(Micros(1_000_000))).start;
    assert!(profile.thinned_before() < profile.at(newest), "history is not given up for it");
}

/// A server with a thread for each request: a million of them come and go.
#[test]
fn threads_that_come_and_go_stay_within_the_cap() {
    let cap = 8 << 20;
    let (work, rest) = (stack("serve:1 request:2"), stack("serve:1 accept:3"));
    let mut profile = Profile::with_cap(cap);
    let (looks, each) = (244 * 1024, 4);
    for n in 0..looks {
        // The first one stays.
        let mut threads = vec![seen(1, &rest, Flags::HOLDS_GIL)];
        for n in n * each..(n + 1) * each {
            let tid = n as u32 + 2;
            profile.record(&Event::Thread(thread(tid), format!("Thread-{tid} (process_request_thread)")));
            threads.push(seen(tid, &work, Flags::WAITING));
        }
        profile.push(&taken(n * 1000, threads));
        if n % 5_000 == 0 {
            assert!(profile.memory() <= cap + cap / 2, "{} of {cap} bytes", profile.memory());
        }
    }
    assert!(profile.memory() <= cap, "{} of {cap} bytes", profile.memory());
    assert!(profile.threads().count() < 20_000);
    assert!(profile.revision() < looks / 1024 / 4, "room is made every second: {}", profile.revision());
    let everybody = Selection { who: Who::AllThreads, ..Selection::default() };
    assert_eq!(CallTree::of(&profile, &everybody).total(), looks * (each + 1), "no weight is lost");
    // The newest are told apart, and a refresh does not cost as many as there ever were.
    let window = Window::of(&profile, Span::Last(Micros(100_000)));
    let rows = thread_rows(&profile, &window, &everybody);
    assert_eq!(rows.len() as u64, 100 * each + 1);
    assert_eq!(rows.last().map(|row| profile.thread(row.thread).id.tid), Some((looks * each) as u32 + 1));
    // The others are one.
    let window = Window::of(&profile, Span::All);
    let rows = thread_rows(&profile, &window, &everybody);
    assert!(rows.len() < 20_000, "{} rows", rows.len());
    assert_eq!(profile.thread(rows[0].thread).name, "(ended threads)");
    assert_eq!((profile.thread(rows[1].thread).id, rows[1].looks()), (thread(1), looks));
    // What was forgotten is somebody new when it comes back.
    profile.push(&taken(looks * 1000, vec![seen(2, &work, Flags::HOLDS_GIL)]));
    assert_eq!(profile.threads().last().unwrap().1.id, thread(2));
}

#[test]
fn a_hundred_thousand_frames_deep() {
    let functions: Vec<_> = (0..3).map(|n| function("deep.py", &format!("f{n}"))).collect();
    let frames = (0..100_000_usize).map(|n| Frame { function: functions[n % 3].clone(), line: n as u32 % 7 });
    let frames: Vec<Frame> = frames.collect();
    let mut profile = Profile::new();
    for n in 0..20 {
        let stack = frames[..100_000 - n * 10].into();
        profile.push(&taken(n as u64 * 1000, vec![seen(1, &stack, Flags::HOLDS_GIL)]));
    }
    assert_eq!(profile.node_count(), 100_001);
    let (_, thread) = profile.threads().next().unwrap();
    assert_eq!(profile.path(thread.node).count(), 100_000 - 190);
    assert_ne!(thread.node, NodeId::ROOT);
    let tree = CallTree::of(&profile, &Selection { fold_recursion: true, ..Selection::default() });
    assert_eq!((tree.total(), tree.depth()), (20, 100_000));
    let top = pyflame_tui::profile::Top::of(&profile, &Selection::default());
    assert_eq!(top.rows.iter().map(|row| row.own).sum::<u64>(), 20);
    let mut out = Vec::new();
    pyflame_tui::export::write_folded(&profile, &Selection::default(), &mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 20);
}

#[test]
fn the_newest_stack_of_a_thread_and_since_when() {
    let (a, b) = (stack("a:1"), stack("a:1 b:2"));
    let mut profile = Profile::new();
    for (at, stack) in [(1, &a), (2, &b), (3, &b)] {
        profile.record(&Event::Sample(taken(at * 1000, vec![seen(7, stack, Flags::HOLDS_GIL)])));
    }
    profile.push(&workload::failed(3500, pyflame_tui::sample::Failure::Broken));
    profile.push(&taken(4000, vec![seen(7, &b, Flags::WAITING)]));
    let (no, known) = profile.threads().next().unwrap();
    assert_eq!((known.id, known.since, known.seen), (thread(7), Micros(2000), Micros(4000)));
    assert!(profile.is_present(no), "a failed look does not make it go away");
    profile.push(&taken(5000, vec![]));
    assert!(!profile.is_present(no));
}
