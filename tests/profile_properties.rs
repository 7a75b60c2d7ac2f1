//! What the profile answers, against a list of rows that cannot be wrong, on any samples.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::collections::BTreeMap;

use proptest::prelude::*;
use pyflame_tui::profile::{
    CallTree, Heat, Idle, Lines, Profile, Selection, Span, Step, Timeline, Top, Went, Who, Window, callers,
};
use pyflame_tui::sample::{Failure, Flags, Frame, Micros, Outcome, Sample, Stack, ThreadSample};
use workload::{frame, profile_of, seen, taken, thread};

/// Any flags that there are.
fn any_flags() -> impl Strategy<Value = Flags> {
    (0_u8..64).prop_map(Flags::from_bits)
}

fn any_stack(depth: usize) -> impl Strategy<Value = Stack> {
    let frame = (0_u32..4, 0_u32..3).prop_map(|(name, line)| frame("app.py", &format!("f{name}"), line));
    prop::collection::vec(frame, 0..depth).prop_map(Stack::from)
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let seen = (any_stack(6), any_flags(), any::<bool>());
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
            let row = |part: &ThreadSample| {
                (part.thread.tid, part.stack.iter().cloned().collect(), part.flags.bits())
            };
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
        let is_task = |bits: u8| has(bits, Flags::TASK);
        let holds = |bits: u8| has(bits, Flags::HOLDS_GIL);
        let none = match selection.who {
            Who::GilHolder => !framed.clone().any(|(_, _, bits)| holds(*bits)),
            Who::AllThreads => framed.clone().next().is_none(),
            Who::Tasks => false,
        };
        if none && selection.idle == Idle::Shown {
            idle += 1;
        }
        for (_, stack, bits) in threads {
            let works = holds(*bits) || has(*bits, Flags::ON_CPU);
            let counts = match selection.who {
                Who::GilHolder => holds(*bits) && !is_task(*bits),
                Who::AllThreads => !is_task(*bits) && (selection.idle == Idle::Shown || works),
                // None of these functions waits for work, but who sleeps without a frame does.
                Who::Tasks => {
                    let rests = stack.is_empty() && has(*bits, Flags::WAITING);
                    let busy = works || has(*bits, Flags::WANTS_GIL);
                    is_task(*bits) && (selection.idle == Idle::Shown || !rests || busy)
                }
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
    fn trees_weigh_right(
        samples in any_samples(),
        who in prop::sample::select(vec![Who::GilHolder, Who::AllThreads, Who::Tasks]),
        drop in any::<bool>(),
    ) {
        let profile = profile_of(samples.clone());
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

    /// It does not matter what a stack shares with the one before it.
    #[test]
    fn a_stack_that_was_changed_is_one_made_anew(
        first in any_stack(60),
        changes in prop::collection::vec((0..99_usize, any_stack(60)), 1..12),
    ) {
        let (mut shared, mut anew) = (Profile::new(), Profile::new());
        let mut stack = first;
        for (at, (kept, called)) in (0..).zip(changes) {
            let frames: Vec<Frame> = stack.iter().take(kept).chain(called.iter()).cloned().collect();
            let before = stack;
            stack = before.change(kept, &mut called.iter().cloned().collect());
            let whole = Stack::from(frames);
            prop_assert_eq!(&stack, &whole);
            prop_assert_eq!(stack.len(), whole.len());
            prop_assert_eq!(stack.common(&stack.clone()), stack.len());
            let common = stack.common(&before);
            prop_assert!(stack.iter().take(common).eq(before.iter().take(common)));
            prop_assert!(common >= kept.min(before.len()));
            shared.push(&taken(at, vec![seen(1, &stack, Flags::HOLDS_GIL)]));
            anew.push(&taken(at, vec![seen(1, &whole, Flags::HOLDS_GIL)]));
            prop_assert_eq!(rows_in(&shared, Span::All), rows_in(&anew, Span::All));
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
