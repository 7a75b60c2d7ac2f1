//! What is said of threads that do not hold the GIL: on a CPU, or waiting. It must be true of the stack it is said with.

use std::time::Duration;

use pyflame_tui::sample::{Event, Flags, Outcome, Sample};

use crate::folded::folded;
use crate::interpreters::Interpreter;
use crate::looks;
use crate::profiler::profile;
use crate::subject::Subject;

/// How often threads without the GIL were seen at a place, and what was said of them.
#[derive(Debug, Default)]
pub(crate) struct Place {
    seen: u32,
    on_cpu: u32,
    waiting: u32,
    wants_gil: u32,
}

impl Place {
    /// What nobody was asked about would prove nothing.
    fn is_told(&self) -> bool {
        self.seen > 200 && (self.on_cpu + self.waiting + self.wants_gil) * 10 > self.seen * 9
    }
}

/// Looks at a program for two seconds, and counts what is said of threads whose leaf `is_first`, and of all others.
fn places(subject: &Subject, is_first: impl Fn(&str) -> bool) -> Result<[Place; 2], String> {
    let sampler = looks::at_all(subject, Duration::from_millis(1), Duration::from_secs(2))?;
    let mut places = [Place::default(), Place::default()];
    for event in &sampler.events {
        let Event::Sample(Sample { outcome: Outcome::Taken(threads), .. }) = event else { continue };
        for thread in threads.iter().filter(|thread| !thread.flags.has(Flags::HOLDS_GIL)) {
            let leaf = thread.stack.iter().next_back().ok_or("a stack without a frame")?;
            let place = &mut places[usize::from(!is_first(&leaf.function.name))];
            place.seen += 1;
            place.on_cpu += u32::from(thread.flags.has(Flags::ON_CPU));
            place.waiting += u32::from(thread.flags.has(Flags::WAITING));
            place.wants_gil += u32::from(thread.flags.has(Flags::WANTS_GIL));
        }
    }
    Ok(places)
}

/// Where `turns.py` computes, and everywhere else, where it waits.
pub(crate) fn watch(python: &Interpreter) -> Result<[Place; 2], String> {
    let subject = Subject::program(python, "turns.py", &[]).ready();
    let places = places(&subject, |function| function == "compute")?;
    let [computes, waits] = &places;
    let good = computes.is_told() && computes.on_cpu * 10 > computes.seen * 8;
    // A thread that has just been woken is ready to run.
    if good && waits.is_told() && waits.on_cpu * 10 < waits.seen {
        Ok(places)
    } else {
        Err(format!("{places:?}"))
    }
}

/// Four threads that want to compute and have one GIL, and all others, who wait for something else.
pub(crate) fn contend(python: &Interpreter) -> Result<[Place; 2], String> {
    let subject = Subject::program(python, "threads.py", &["4", "2"]).ready();
    let places = places(&subject, |function| function.contains("work_") || function.contains("busy_"))?;
    let [computes, waits] = &places;
    // They wake up every few milliseconds to ask for it.
    let good = computes.is_told() && computes.wants_gil * 10 > computes.seen * 6;
    // Who has just said that he is ready wants it once more, to go and wait.
    if good && waits.is_told() && waits.wants_gil * 20 < waits.seen {
        Ok(places)
    } else {
        Err(format!("{places:?}"))
    }
}

/// `lets_go.py`, of so many threads, is seen with the GIL for as much of its time as it has it: by itself, and by us, in
/// percent.
pub(crate) fn share(python: &Interpreter, threads: u32) -> Result<[f64; 2], String> {
    let mut subject = Subject::program(python, "lets_go.py", &["2.5", &threads.to_string()]);
    subject.await_line("ready", Duration::from_secs(60))?;
    let ran = profile(&["-s", "2", "-r", "0.002", &subject.pid().to_string()]);
    let said = subject.await_line("held ", Duration::from_secs(60))?;
    let held: f64 = said["held ".len()..].parse().map_err(|_| said.clone())?;
    let (mut idle, mut all) = (0, 0);
    for (stack, count) in folded(ran.text()) {
        idle += if stack[..] == ["(idle)"] { count } else { 0 };
        all += count;
    }
    let seen = 100.0
        - 100.0 * f64::from(u32::try_from(idle).unwrap_or(0)) / f64::from(u32::try_from(all).unwrap_or(1));
    let both = [100.0 * held, seen];
    // A busy machine takes the CPU from it where it likes.
    if (both[0] - seen).abs() < 20.0 && all > 50 { Ok(both) } else { Err(format!("{both:?} of {all}")) }
}
