//! Made-up targets for the tests of the profile: numbers that look random and are the same each time,
//! and a service whose threads do what those of a service do.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::pedantic, clippy::unwrap_used, reason = "made-up numbers")]

use std::sync::Arc;

use pyflame_tui::export::{Format, write};
use pyflame_tui::profile::{CallId, CallTree, Profile, Selection, Step};
use pyflame_tui::sample::{
    Event, Failure, Flags, Frame, Function, Micros, Outcome, Sample, Stack, ThreadId, ThreadSample,
};

/// One that works, one that waits, a look that failed and one at nobody.
pub fn two_threads() -> Profile {
    let main = stack("main:3 work:8");
    let other = stack("main:3 work:10 deep:1");
    let idler = stack("serve:5");
    let holds = Flags::HOLDS_GIL | Flags::ON_CPU;
    profile_of([
        taken(1_000_001, vec![seen(1, &main, holds), seen(2, &idler, Flags::WAITING)]),
        taken(1_001_002, vec![seen(1, &other, holds), seen(2, &idler, Flags::WAITING)]),
        taken(1_002_003, vec![seen(1, &main, Flags::ON_CPU), seen(2, &idler, Flags::WAITING)]),
        failed(1_003_004, Failure::HolderFled),
        taken(1_004_005, vec![seen(1, &main, holds), seen(2, &idler, Flags::WAITING)]),
        taken(1_005_006, vec![]),
    ])
}

/// What is written of a profile.
pub fn text(format: Format, profile: &Profile, selection: &Selection) -> String {
    let mut out = Vec::new();
    write(format, profile, selection, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The same, folded.
pub fn folded(profile: &Profile, selection: &Selection) -> String {
    text(Format::Folded, profile, selection)
}

/// A generator of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Below `end`, small ones far more often.
    pub fn skewed(&mut self, end: u64) -> u64 {
        let end = end as f64;
        (end.powf(self.below(1 << 40) as f64 / (1_u64 << 40) as f64) - 1.0) as u64
    }
}

pub fn function(file: &str, name: &str) -> Arc<Function> {
    Arc::new(Function { file: file.into(), name: name.into(), first_line: 1 })
}

pub fn frame(file: &str, name: &str, line: u32) -> Frame {
    Frame { function: function(file, name), line }
}

/// `a:1 b:2` as frames of the file `app.py`, root first.
pub fn stack(text: &str) -> Stack {
    let frames = text.split_whitespace().map(|word| {
        let (name, line) = word.split_once(':').unwrap();
        frame("app.py", name, line.parse().unwrap())
    });
    frames.collect()
}

pub const fn thread(tid: u32) -> ThreadId {
    ThreadId { tid, interpreter: 0, seat: 0 }
}

pub fn seen(tid: u32, stack: &Stack, flags: Flags) -> ThreadSample {
    ThreadSample { thread: thread(tid), stack: stack.clone(), flags }
}

pub fn taken(at: u64, threads: Vec<ThreadSample>) -> Sample {
    Sample { at: Micros(at), outcome: Outcome::Taken(threads) }
}

pub fn failed(at: u64, failure: Failure) -> Sample {
    Sample { at: Micros(at), outcome: Outcome::Failed(failure) }
}

pub fn profile_of(samples: impl IntoIterator<Item = Sample>) -> Profile {
    let mut profile = Profile::new();
    for sample in samples {
        profile.record(&Event::Sample(sample));
    }
    profile
}

/// A web service of nine threads: two that work in turn, holding the GIL or waiting for it, and seven
/// that wait for work. A working thread stands in another of `stacks` stacks nearly every time.
pub struct Service {
    pub numbers: Numbers,
    pool: Vec<Stack>,
    idle: Vec<Stack>,
    at: u64,
    current: [usize; 2],
}

impl Service {
    pub fn new(seed: u64, stacks: usize) -> Self {
        let mut numbers = Numbers(seed);
        let functions: Vec<_> = (0..800)
            .map(|n| {
                let file =
                    format!("/srv/app/lib/python3.11/site-packages/package{}/module_{}.py", n % 40, n % 97);
                Arc::new(Function {
                    file: file.into(),
                    name: format!("Class{}.method_{n}", n % 60).into(),
                    first_line: n,
                })
            })
            .collect();
        let mut pool: Vec<Stack> = Vec::new();
        while pool.len() < stacks {
            // Stacks of one program share most of their way: begin with a part of an earlier one.
            let mut frames: Vec<Frame> = match pool.get(numbers.skewed(pool.len().max(1) as u64) as usize) {
                Some(other) => {
                    other.iter().take(numbers.below(other.len() as u64) as usize).cloned().collect()
                }
                None => Vec::new(),
            };
            let depth = 14 + numbers.below(13) as usize;
            while frames.len() < depth {
                let function = &functions[numbers.skewed(800) as usize];
                frames.push(Frame { function: Arc::clone(function), line: 10 + numbers.below(40) as u32 });
            }
            pool.push(frames.into());
        }
        let wait = function("/usr/lib/python3.11/threading.py", "Condition.wait");
        let idle = (0..7)
            .map(|n| [frame("main.py", "serve", n + 1), Frame { function: Arc::clone(&wait), line: 320 }]);
        let idle = idle.map(Stack::from).collect();
        Self { numbers, pool, idle, at: 1_700_000_000_000_000, current: [0, 1] }
    }

    pub fn sample(&mut self) -> Sample {
        self.at += 500 + self.numbers.below(1000);
        let holder = self.numbers.below(2) as usize;
        let mut threads = Vec::with_capacity(9);
        for n in 0..2 {
            if self.numbers.below(20) > 0 {
                self.current[n] = self.numbers.skewed(self.pool.len() as u64) as usize;
            }
            let flags = match (n == holder, self.numbers.below(4)) {
                (true, _) => Flags::HOLDS_GIL | Flags::ON_CPU,
                (false, 0) => Flags::ON_CPU,
                (false, _) => Flags::WAITING,
            };
            // A new `Arc` each time, as a sampler hands out what changed.
            let stack = self.pool[self.current[n]].iter().cloned().collect();
            threads.push(ThreadSample { thread: thread(100 + n as u32), stack, flags });
        }
        for (n, stack) in (0..).zip(&self.idle) {
            threads.push(seen(200 + n, stack, Flags::WAITING));
        }
        taken(self.at, threads)
    }
}

/// The functions on the way to a call.
pub fn names(profile: &Profile, tree: &CallTree, id: CallId) -> Vec<String> {
    let name = |step: Step| profile.function(step.function).name.to_string();
    tree.path(id).into_iter().map(name).collect()
}

/// `name×repeats total/own`, indented.
pub fn drawn(profile: &Profile, tree: &CallTree) -> String {
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
