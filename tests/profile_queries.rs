//! What the profile answers: against a list of rows that cannot be wrong, and against itself.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pyflame_tui::profile::{
    Bucket, CallId, CallTree, Diff, Direction, Heat, Idle, Lines, MarkKind, Profile, Selection, Span, State,
    Step, Threads, Timeline, Top, Trend, Went, Who, Window, callers, thread_rows,
};
use pyflame_tui::sample::{
    About, Event, Failure, Flags, Frame, Micros, Outcome, Sample, Stack, ThreadSample,
};
use workload::{frame, profile_of, seen, stack, taken, thread};

/// Any flags that there are.
fn any_flags() -> impl Strategy<Value = Flags> {
    (0_u8..32).prop_map(Flags::from_bits)
}

fn any_stack() -> impl Strategy<Value = Stack> {
    let frame = (0_u32..4, 0_u32..3).prop_map(|(name, line)| frame("app.py", &format!("f{name}"), line));
    prop::collection::vec(frame, 0..6).prop_map(Stack::from)
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let seen = (any_stack(), any_flags(), any::<bool>());
    let threads = prop::collection::vec(seen, 4).prop_map(|threads| {
        let threads = threads.into_iter().enumerate().filter(|(_, (_, _, there))| *there);
        Outcome::Taken(threads.map(|(tid, (stack, flags, _))| seen_by(tid, &stack, flags)).collect())
    });
    let failed = (0_usize..4).prop_map(|kind| Outcome::Failed(Failure::ALL[kind]));
    prop_oneof![9 => threads, 1 => failed]
}

fn seen_by(tid: usize, stack: &Stack, flags: Flags) -> ThreadSample {
    ThreadSample { thread: thread(tid as u32 + 10), stack: stack.clone(), flags }
}

/// Looks with repetitions, so that there are runs; longer than a segment.
fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let spell = (any_outcome(), 1_usize..80, 0_u64..3000);
    prop::collection::vec(spell, 1..60).prop_map(|spells| {
        let mut at = 1_700_000_000_000_000;
        let mut samples = Vec::new();
        for (outcome, times, step) in spells {
            for _ in 0..times {
                samples.push(Sample { at: Micros(at), outcome: outcome.clone() });
                at += step;
            }
        }
        samples
    })
}

const START: u64 = 1_700_000_000_000_000;

/// A look as a row: thread, frames and the bits of its flags.
type Row = (Micros, Option<Failure>, Vec<(u32, Vec<Frame>, u8)>);

fn rows_of(samples: &[Sample]) -> Vec<Row> {
    let row = |sample: &Sample| match &sample.outcome {
        Outcome::Failed(failure) => (sample.at, Some(*failure), Vec::new()),
        Outcome::Taken(threads) => {
            let row = |part: &ThreadSample| (part.thread.tid, part.stack.to_vec(), part.flags.bits());
            let mut threads: Vec<_> = threads.iter().map(row).collect();
            threads.sort();
            (sample.at, None, threads)
        }
    };
    samples.iter().map(row).collect()
}

fn rows_in(profile: &Profile, span: Span) -> Vec<Row> {
    let mut rows = Vec::new();
    let walked: Result<(), ()> = profile.visit(profile.range(span), |look| {
        let failed = if let Went::Failed(failure) = look.went { Some(failure) } else { None };
        let threads = look.threads.iter().map(|(no, node, flags)| {
            let frames = profile.path(*node).filter_map(|node| profile.frame(node));
            let frames = frames.map(|(id, line)| Frame { function: profile.function(id).clone(), line });
            let mut frames: Vec<Frame> = frames.collect();
            frames.reverse();
            (profile.thread(*no).id.tid, frames, flags.bits())
        });
        let mut threads: Vec<_> = threads.collect();
        threads.sort();
        rows.push((look.at, failed, threads));
        Ok(())
    });
    assert!(walked.is_ok());
    rows
}

/// Weights by stack, `(idle)` and failed, found the slow way.
fn expected(rows: &[Row], selection: &Selection) -> (BTreeMap<Vec<Frame>, u64>, u64, u64) {
    let (mut weights, mut idle, mut failed) = (BTreeMap::new(), 0, 0);
    for (_, failure, threads) in rows {
        if failure.is_some() {
            failed += 1;
            continue;
        }
        let framed = threads.iter().filter(|(_, stack, _)| !stack.is_empty());
        let has = |bits: u8, flag: Flags| Flags::from_bits(bits).has(flag);
        let holds = |bits: u8| has(bits, Flags::HOLDS_GIL);
        let none = match selection.who {
            Who::GilHolder => !framed.clone().any(|(_, _, bits)| holds(*bits)),
            Who::AllThreads => framed.clone().next().is_none(),
        };
        if none && selection.idle == Idle::Shown {
            idle += 1;
        }
        for (_, stack, bits) in framed {
            let works = holds(*bits) || has(*bits, Flags::ON_CPU);
            let counts = match selection.who {
                Who::GilHolder => holds(*bits),
                Who::AllThreads => selection.idle == Idle::Shown || works,
            };
            if counts {
                *weights.entry(stack.clone()).or_default() += 1;
            }
        }
    }
    (weights, idle, failed)
}

fn weights_of(profile: &Profile, tree: &CallTree) -> BTreeMap<Vec<Frame>, u64> {
    let own = tree.calls().filter(|(_, call)| call.own > 0);
    let path = |id| {
        let frame = |step: Step| Frame {
            function: profile.function(step.function).clone(),
            line: step.line.unwrap(),
        };
        tree.path(id).into_iter().map(frame).collect()
    };
    own.map(|(id, call)| (path(id), call.own)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// What went in comes out: moments, stacks, flags, failures; of any part.
    #[test]
    fn looks_come_back(samples in any_samples(), from in 0_u64..200_000, length in 0_u64..200_000) {
        let profile = profile_of(samples.clone());
        prop_assert_eq!(rows_in(&profile, Span::All), rows_of(&samples));
        let (from, to) = (Micros(START + from), Micros(START + from + length));
        let mut part = samples;
        part.retain(|sample| sample.at >= from && sample.at < to);
        prop_assert_eq!(rows_in(&profile, Span::Between(from, to)), rows_of(&part));
    }

    /// A tree's weights are those that a slow count finds.
    #[test]
    fn trees_weigh_right(samples in any_samples(), all in any::<bool>(), drop in any::<bool>()) {
        let profile = profile_of(samples.clone());
        let who = if all { Who::AllThreads } else { Who::GilHolder };
        let idle = if drop { Idle::Excluded } else { Idle::Shown };
        let selection = Selection { who, idle, ..Selection::default() };
        let tree = CallTree::of(&profile, &selection);
        let (weights, idle, failed) = expected(&rows_of(&samples), &selection);
        prop_assert_eq!(tree.total(), weights.values().sum::<u64>());
        prop_assert_eq!((tree.idle(), tree.failed()), (idle, failed));
        prop_assert_eq!(weights_of(&profile, &tree), weights);
        for (id, call) in tree.calls() {
            let below: u64 = tree.children(id).iter().map(|child| tree.call(*child).total).sum();
            prop_assert_eq!(call.total, call.own + below);
            prop_assert_eq!(tree.find(&tree.path(id)), Some(id));
        }
    }

    /// Following a span gives what a fresh count gives, wherever the span jumps to.
    #[test]
    fn a_window_that_follows_equals_a_fresh_one(
        samples in any_samples(),
        steps in prop::collection::vec((0_usize..400, 0_u8..4, 0_u64..200_000, 0_u64..200_000), 1..30),
    ) {
        let mut profile = Profile::new();
        let (mut window, mut rest) = (Window::new(), samples.iter());
        for (more, kind, a, b) in steps {
            rest.by_ref().take(more).for_each(|sample| profile.push(sample));
            let span = match kind {
                0 => Span::All,
                1 => Span::Last(Micros(a)),
                2 => Span::Since(Micros(START + a)),
                _ => Span::Between(Micros(START + a), Micros(START + b)),
            };
            window.advance(&profile, span);
            prop_assert_eq!(&window, &Window::of(&profile, span));
            prop_assert_eq!(Window::of(&profile, span.pinned(&profile)), Window::of(&profile, span));
        }
    }

    /// A timeline that follows equals one that is made at the end.
    #[test]
    fn a_timeline_that_follows_equals_a_fresh_one(samples in any_samples(), steps in 1_usize..500) {
        let selection = Selection { who: Who::AllThreads, ..Selection::default() };
        let mut profile = Profile::new();
        let mut timeline = Timeline::new(&selection, Micros(2_000_000));
        for part in samples.chunks(steps) {
            part.iter().for_each(|sample| profile.push(sample));
            timeline.advance(&profile);
        }
        let mut fresh = Timeline::new(&selection, Micros(2_000_000));
        fresh.advance(&profile);
        prop_assert_eq!(timeline.buckets(), fresh.buckets());
        prop_assert_eq!(timeline.first_number(), fresh.first_number());
    }

    /// Top and heat agree with the stacks: each stack once, however often a function is in it.
    #[test]
    fn tops_count_each_stack_once(samples in any_samples()) {
        let profile = profile_of(samples.clone());
        let selection = Selection { who: Who::AllThreads, lines: Lines::Merged, ..Selection::default() };
        let (weights, _, _) = expected(&rows_of(&samples), &selection);
        let top = Top::of(&profile, &selection);
        let window = Window::of(&profile, Span::All);
        for row in &top.rows {
            let name = profile.function(row.step.function);
            let is = |frame: &Frame| frame.function == *name;
            let total: u64 = weights.iter().filter(|(stack, _)| stack.iter().any(is)).map(|(_, n)| n).sum();
            let own: u64 = weights.iter().filter(|(stack, _)| stack.last().is_some_and(is)).map(|(_, n)| n).sum();
            prop_assert_eq!((row.total, row.own), (total, own));
            let heat = Heat::of(&profile, &window, &selection, row.step.function);
            prop_assert_eq!((heat.total, heat.own), (total, own));
            prop_assert_eq!(heat.lines.iter().map(|line| line.own).sum::<u64>(), own);
            for line in heat.lines {
                let is = |frame: &Frame| is(frame) && frame.line == line.line;
                let total: u64 = weights.iter().filter(|(stack, _)| stack.iter().any(is)).map(|(_, n)| n).sum();
                prop_assert_eq!(line.total, total);
            }
            let callers = callers(&profile, &window, &selection, row.step.function);
            prop_assert_eq!(callers.iter().map(|caller| caller.weight).sum::<u64>(), total);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    /// The same when the profile gives up its past on the way.
    #[test]
    fn a_window_follows_a_profile_that_is_thinned(seed in 0_u64..1000, cap in 450_000_usize..700_000) {
        let mut service = workload::Service::new(seed, 200);
        let mut profile = Profile::with_cap(cap);
        let mut windows = [Span::All, Span::Last(Micros(3_000_000)), Span::Last(Micros(60_000_000))]
            .map(|span| (span, Window::new()));
        for _ in 0..15 {
            for _ in 0..4000 {
                profile.push(&service.sample());
            }
            prop_assert!(profile.memory() <= cap + 100_000);
            for (span, window) in &mut windows {
                window.advance(&profile, *span);
                prop_assert_eq!(&*window, &Window::of(&profile, *span));
            }
        }
        prop_assert_eq!(windows[0].1.looks(), 60_000);
    }
}

fn holder(at: u64, text: &str) -> Sample {
    taken(at, vec![seen(1, &stack(text), Flags::HOLDS_GIL)])
}

fn names(profile: &Profile, tree: &CallTree, id: CallId) -> Vec<String> {
    let name = |step: Step| profile.function(step.function).name.to_string();
    tree.path(id).into_iter().map(name).collect()
}

/// `name×repeats total/own`, indented.
fn drawn(profile: &Profile, tree: &CallTree) -> String {
    let mut text = String::new();
    let mut pending = vec![CallId::ROOT];
    while let Some(id) = pending.pop() {
        let call = tree.call(id);
        let name = names(profile, tree, id).pop().unwrap_or("all".into());
        let line = call.step.and_then(|step| step.line).map_or(String::new(), |line| format!(":{line}"));
        let times = if call.repeats > 1 { format!("×{}", call.repeats) } else { String::new() };
        let indent = " ".repeat(call.depth as usize);
        text += &format!("{indent}{name}{line}{times} {}/{}\n", call.total, call.own);
        pending.extend(tree.children(id).iter().rev());
    }
    text
}

#[test]
fn folds_make_a_tree_readable() {
    let bootstrap = frame("/usr/lib/python3.11/threading.py", "Thread._bootstrap", 995);
    let with = |text: &str| {
        let frames: Vec<Frame> =
            std::iter::once(bootstrap.clone()).chain(stack(text).iter().cloned()).collect();
        Stack::from(frames)
    };
    let texts = ["main:1 fib:3 fib:3 fib:3", "main:1 fib:3 fib:2", "main:2 log:9", "main:1 fib:3 log:9"];
    let samples = texts.iter().map(|text| taken(1, vec![seen(1, &with(text), Flags::HOLDS_GIL)]));
    let profile = profile_of(samples);
    let folded =
        Selection { lines: Lines::Merged, hide_plumbing: true, fold_recursion: true, ..Selection::default() };
    let tree = CallTree::of(&profile, &folded);
    assert_eq!(drawn(&profile, &tree), "all 4/0\n main 4/0\n  fib×3 3/2\n   log 1/1\n  log 1/1\n");

    let turned = Selection { direction: Direction::Callers, ..folded.clone() };
    let tree = CallTree::of(&profile, &turned);
    let expected = "all 4/0\n fib×3 2/0\n  main 2/2\n log 2/0\n  main 1/1\n  fib 1/0\n   main 1/1\n";
    assert_eq!(drawn(&profile, &tree), expected);
}

#[test]
fn a_root_keeps_what_passes_through_it() {
    let profile = profile_of([holder(1, "a:1 b:1 c:1"), holder(2, "a:1 d:1 c:1"), holder(3, "a:1 b:2")]);
    let all = Selection { lines: Lines::Merged, ..Selection::default() };
    let tree = CallTree::of(&profile, &all);
    let b = tree.calls().find(|(id, _)| names(&profile, &tree, *id) == ["a", "b"]).unwrap().0;
    let root = tree.path(b);
    let zoomed = Selection { root: root.clone(), ..all.clone() };
    let tree = CallTree::of(&profile, &zoomed);
    assert_eq!(drawn(&profile, &tree), "all 2/0\n a 2/0\n  b 2/1\n   c 1/1\n");
    assert_eq!(tree.find_nearest(&root), (tree.find(&root).unwrap(), 2));
    assert_eq!(Top::of(&profile, &zoomed).total, 2);
    let apart = CallTree::stacks(&profile, &Window::of(&profile, Span::All), &zoomed);
    assert_eq!(apart.total(), 2);

    let turned = Selection { direction: Direction::Callers, ..all };
    let tree = CallTree::of(&profile, &turned);
    let c = tree.children(CallId::ROOT)[0];
    let zoomed = Selection { root: tree.path(c), ..turned };
    let expected = "all 2/0\n c 2/0\n  b 1/0\n   a 1/1\n  d 1/0\n   a 1/1\n";
    assert_eq!(drawn(&profile, &CallTree::of(&profile, &zoomed)), expected);
}

#[test]
fn chains_end_where_work_begins() {
    let texts = ["a:1 b:1 c:1 d:1 e:1", "a:1 b:1 c:1 d:1 e:1", "a:1 b:1 c:1", "a:1 b:1 f:1"];
    let profile = profile_of(texts.iter().map(|text| holder(1, text)));
    let tree = CallTree::of(&profile, &Selection::default());
    let name = |id| names(&profile, &tree, id).pop();
    let chain = |from: &str, share| {
        let (id, _) = tree.calls().find(|(id, _)| name(*id).is_some_and(|name| name == from)).unwrap();
        name(*tree.chain(id, share).last().unwrap()).unwrap()
    };
    assert_eq!(chain("a", 0.01), "b", "b branches");
    assert_eq!(chain("c", 0.01), "c", "c works itself");
    assert_eq!(chain("c", 0.5), "e", "too little to matter");
}

#[test]
fn keys_outlive_trees_and_weights() {
    let mut profile = profile_of([holder(1, "a:1 b:1"), holder(2, "a:1 c:1")]);
    let before = CallTree::of(&profile, &Selection::default());
    for at in 3..7 {
        profile.push(&holder(at, "a:1 c:1"));
    }
    let after = CallTree::of(&profile, &Selection::default());
    let keys = |tree: &CallTree| tree.calls().map(|(_, call)| call.key).collect::<BTreeSet<_>>();
    assert_eq!(keys(&before), keys(&after));
    assert_eq!(keys(&before).len(), before.len());
    let diff = Diff::against(&before);
    let c = after.calls().find(|(id, _)| names(&profile, &after, *id) == ["a", "c"]).unwrap().1;
    let growth = diff.growth(&after, c).unwrap();
    assert!((growth - (5.0 / 6.0 - 0.5)).abs() < 1e-9);
}

#[test]
fn threads_say_what_they_do() {
    let wait = frame("/usr/lib/python3.11/threading.py", "Condition.wait", 320);
    let get = frame("/usr/lib/python3.11/queue.py", "Queue.get", 171);
    let resting: Stack = [frame("app.py", "work", 3), get, wait].into();
    let locked = stack("work:4 store:9");
    let at = |n: u64, second: Flags| {
        let waits = seen(2, &locked, second);
        taken(
            n,
            vec![
                seen(1, &resting, Flags::WAITING),
                waits,
                seen(3, &locked, Flags::HOLDS_GIL | Flags::ON_CPU),
            ],
        )
    };
    let profile =
        profile_of([at(1000, Flags::WANTS_GIL), at(2000, Flags::WAITING), at(9000, Flags::WAITING)]);
    let window = Window::of(&profile, Span::All);
    let rows = thread_rows(&profile, &window, &Selection::default());
    let facts: Vec<_> = rows.iter().map(|row| (row.now.unwrap(), row.states, row.standing.0)).collect();
    assert_eq!(facts[0], (State::Idle, [0, 0, 0, 3], 8000));
    assert_eq!(facts[1], (State::Waiting, [0, 1, 2, 0], 8000));
    assert_eq!(facts[2], (State::Running, [3, 0, 0, 0], 8000));
    let only = Selection { threads: Threads::Only([rows[1].thread].into()), ..Selection::default() };
    assert_eq!(thread_rows(&profile, &window, &only).len(), 1);

    let hidden = Selection { who: Who::AllThreads, idle: Idle::RestingHidden, ..Selection::default() };
    assert_eq!(CallTree::of(&profile, &hidden).total(), 6, "who waits for a lock stays");
    let excluded = Selection { idle: Idle::Excluded, ..hidden };
    assert_eq!(CallTree::of(&profile, &excluded).total(), 3);
}

#[test]
fn marks_and_trends() {
    let about = |pid| {
        let (age, interval) = (Micros(0), Micros(1000));
        Event::About(About { pid, command: "app".into(), python: "3.12.1".into(), age, interval })
    };
    let mut profile = Profile::new();
    profile.record(&about(7));
    let second = 1_000_000;
    for n in 0..20_000 {
        let text = if n < 10_000 { "a:1" } else { "a:1 b:1" };
        profile.push(&holder(n * 1000, text));
    }
    profile.record(&about(7));
    profile.push(&holder(25 * second, "b:1"));
    profile.mark(Micros(10 * second), MarkKind::Change);
    let kinds: Vec<_> = profile.marks().iter().map(|mark| (mark.at.0, mark.kind.clone())).collect();
    let last = 19_999_000;
    let gap = MarkKind::Gap(Micros(25 * second));
    assert_eq!(kinds, [(10 * second, MarkKind::Change), (last, MarkKind::Exec), (last, gap)]);

    let mut trend = Trend::new(&Selection::default());
    trend.advance(&profile);
    let a = profile.frame(profile.parent(profile.threads().next().unwrap().1.node));
    assert_eq!(a, None, "the newest stack has one frame");
    let top = Top::of(&profile, &Selection { lines: Lines::Merged, ..Selection::default() });
    let a = top.rows.iter().find(|row| &*profile.function(row.step.function).name == "a").unwrap();
    let own: Vec<f64> = trend.of(a.step.function).map(|(own, _)| own).collect();
    assert_eq!(own, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn steps_of_time_add_up() {
    let samples = (0..3000).map(|n| holder(n * 1000, if n < 1500 { "a:1" } else { "b:1" }));
    let profile = profile_of(samples);
    let mut timeline = Timeline::new(&Selection::default(), Micros(60_000_000));
    timeline.advance(&profile);
    assert_eq!(timeline.buckets().len(), 12);
    let mut sum = Bucket::default();
    timeline.buckets().iter().for_each(|bucket| sum.add(bucket));
    assert_eq!((sum.looks, sum.states), (3000, [3000, 0, 0, 0]));
    assert_eq!(timeline.buckets()[5].leaves.len(), 1);
    assert_eq!(timeline.start(&profile), Some(Micros(0)));
}
