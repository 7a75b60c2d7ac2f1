//! What the parts cost, each alone: `cargo bench --bench parts`, or with `-- store` only those of that name. What they
//! cost together, and the target, `peers.py` tells.

#![allow(dead_code, reason = "made-up targets and sessions, of which this takes a part")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]
#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "simulated shares and times")]

mod picture;
#[path = "../tui/programs.rs"]
mod programs;
#[path = "../tui/session.rs"]
mod session;
#[path = "../tui/simulation.rs"]
mod simulation;
#[path = "../workload/mod.rs"]
mod workload;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use picture::Picture;
use pyflame_tui::export::{self, Format};
use pyflame_tui::profile::{CallTree, Profile, Selection, Top, Window};
use pyflame_tui::python::capture::Capture;
use pyflame_tui::python::code::Codes;
use pyflame_tui::sample::{Flags, Sample};
use session::Session;
use simulation::Program;

/// A usual depth, and one that is not.
const DEPTHS: [u64; 2] = [30, 1000];

/// Between the stop and the end of a look: walk, compare with what is known, decode.
fn stacks(criterion: &mut Criterion) {
    for depth in DEPTHS {
        let picture = Picture::of(depth);
        let python = picture.python();
        let mut capture = Capture::default();
        let mut codes = Codes::new(python.layout.clone(), python.code_type);
        let take = |capture: &mut Capture| {
            capture.clear();
            capture.add(&python, &picture, &Picture::INTERPRETER, Picture::THREAD, Flags::HOLDS_GIL).unwrap();
        };
        criterion
            .bench_function(&format!("stack/walk {depth} frames"), |bench| bench.iter(|| take(&mut capture)));
        take(&mut capture);
        criterion.bench_function(&format!("stack/read {depth} code objects"), |bench| {
            let empty = || Codes::new(python.layout.clone(), python.code_type);
            let read = |mut codes: Codes| {
                codes.learn(&picture, &capture).unwrap();
                codes
            };
            bench.iter_batched(empty, read, BatchSize::SmallInput);
        });
        codes.learn(&picture, &capture).unwrap();
        let mut stack = Vec::new();
        criterion.bench_function(&format!("stack/find {depth} code objects known"), |bench| {
            bench.iter(|| codes.meet(&capture).known && codes.confirm(&picture).unwrap());
        });
        criterion.bench_function(&format!("stack/decode {depth} frames"), |bench| {
            bench.iter(|| codes.decode(&capture, &capture.threads()[0], &mut stack));
        });
        // Where only other parts were asked for it has not run.
        codes.decode(&capture, &capture.threads()[0], &mut stack);
        assert_eq!(stack.len() as u64, depth);
    }
}

/// A service of nine threads in 4,000 different stacks: so many looks.
fn looks(count: usize) -> Vec<Sample> {
    let mut service = workload::Service::new(1, 4000);
    (0..count).map(|_| service.sample()).collect()
}

fn store(criterion: &mut Criterion) {
    let looks = looks(20_000);
    let (first, rest) = looks.split_at(10_000);
    let mut profile = workload::profile_of(first.iter().cloned());
    criterion.bench_function("store/insert 1,000 looks of 9 threads", |bench| {
        let fresh = || (Profile::new(), &rest[..1000]);
        let insert = |(mut profile, looks): (Profile, &[Sample])| {
            for look in looks {
                profile.push(look);
            }
            profile
        };
        bench.iter_batched(fresh, insert, BatchSize::LargeInput);
    });
    for look in rest {
        profile.push(look);
    }
    let selection = Selection::default();
    let window = Window::of(&profile, selection.span);
    criterion.bench_function("query/count 20,000 looks", |bench| {
        bench.iter(|| Window::of(black_box(&profile), selection.span));
    });
    criterion.bench_function("query/call tree of 20,000 looks", |bench| {
        bench.iter(|| CallTree::build(black_box(&profile), &window, &selection));
    });
    criterion.bench_function("query/functions of 20,000 looks", |bench| {
        bench.iter(|| Top::build(black_box(&profile), &window, &selection));
    });
    criterion.bench_function("export/20,000 looks, folded", |bench| {
        bench.iter(|| {
            let mut out = Vec::new();
            export::write(Format::Folded, &profile, &selection, &mut out).unwrap();
            out
        });
    });
}

fn screen(criterion: &mut Criterion) {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(20.0);
    criterion.bench_function("screen/draw 160x48", |bench| bench.iter(|| session.buffer()));
    criterion.bench_function("screen/50 ms of a session at 1,000/s", |bench| bench.iter(|| session.turn()));
}

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = stacks, store, screen
}
criterion_main!(parts);
