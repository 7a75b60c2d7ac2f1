//! A hundred thousand samples and more of the maze, as fast as it goes.

use crate::folded::{Figures, Verdict};
use crate::interpreters::Interpreter;
use crate::maze::{Look, Maze};
use crate::table::Row;

pub(crate) const COLUMNS: [&str; 10] = [
    "samples",
    "stacks",
    "impossible",
    "failed %",
    "idle %",
    "late %",
    "dropped %",
    "stop µs",
    "p99 µs",
    "retried",
];

/// Between two samples: ten thousand a second, of which a busy machine leaves some.
const INTERVAL: f64 = 0.0001;
/// What a look at the maze lasts. More than one are taken until there are enough.
const SECONDS: f64 = 6.0;
/// So many looks at the most: a machine that is that busy measures nothing.
const LOOKS: u32 = 20;

/// What those who walk do, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They walk all the time.
    Busy,
    /// They let go of the GIL all the time.
    Rests,
    /// They walk all the time, where the profiler may not run.
    Apart,
}

/// Is nothing to be stopped?
pub(crate) fn nonblocking() -> bool {
    std::env::var_os("PYFLAME_TEST_NONBLOCKING").is_some_and(|word| word == "1")
}

/// How many samples are wanted.
fn wanted() -> u64 {
    std::env::var("PYFLAME_TEST_SAMPLES").map_or(100_000, |word| word.parse().expect("PYFLAME_TEST_SAMPLES"))
}

/// A row of the table.
pub(crate) fn walk(python: &Interpreter, busy: u32, manner: Manner) -> Row {
    let what = match manner {
        Manner::Busy => "busy",
        Manner::Rests => "resting",
        Manner::Apart => "on a CPU of its own",
    };
    let mut row = Row::named(python, format!("{}, {busy} {what}", python.name));
    match look_long(python, busy, manner) {
        Ok((verdict, figures)) => {
            row.figures([figures.samples, verdict.samples, verdict.impossible]);
            let percent = |count: u64, all: u64| format!("{:.3}", per_mille(count, all) / 10.0);
            row.figures([
                percent(figures.failed(), figures.samples),
                percent(verdict.idle, figures.samples),
                percent(figures.late, figures.samples + figures.late),
                percent(figures.dropped, figures.samples),
                format!("{:.0}", figures.median),
                format!("{:.0}", figures.p99),
                figures.retried.to_string(),
            ]);
            if manner != Manner::Apart && figures.failed() * 100 >= figures.samples {
                row.wrong("walk", &format!("too many have failed: {:?}", figures.failures));
            }
            if figures.samples < wanted() {
                row.note(Ok(format!("fewer than {}: this machine is too busy for more", wanted())));
            }
        }
        Err(wrong) => row.wrong("walk", &wrong),
    }
    row
}

pub(crate) fn per_mille(count: u64, all: u64) -> f64 {
    let small = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    1000.0 * small(count) / small(all.max(1))
}

/// Looks again and again until there are enough samples.
fn look_long(python: &Interpreter, busy: u32, manner: Manner) -> Result<(Verdict, Figures), String> {
    let rests = manner == Manner::Rests;
    let mut maze = Maze::enter(python, busy, rests)?;
    let (mut verdict, mut figures) = (Verdict::default(), Figures::default());
    for turn in 0..LOOKS.max(u32::try_from(wanted() / 10_000).unwrap_or(u32::MAX)) {
        // With four threads, every other time all of them: that is read in another way. So it is while nobody has the GIL.
        let all_threads = rests || busy > 1 && turn % 2 == 1;
        let (seen, cost) = maze.look(Look {
            seconds: SECONDS,
            interval: INTERVAL,
            all_threads,
            nonblocking: nonblocking(),
            apart: manner == Manner::Apart,
        })?;
        verdict += &seen;
        figures += &cost;
        if figures.samples >= wanted() && (busy == 1 || turn > 0) {
            break;
        }
    }
    Ok((verdict, figures))
}
