//! What is said of threads that do not hold the GIL: on a CPU, or waiting. It must be true of the stack it is said with.

use std::time::Duration;

use pyflame_tui::sample::{Event, Flags, Outcome, Sample};

use crate::interpreters::Interpreter;
use crate::looks;
use crate::subject::Subject;

/// How often threads without the GIL were seen at a place, and what was said of them.
#[derive(Debug, Default)]
pub(crate) struct Place {
    seen: u32,
    on_cpu: u32,
    waiting: u32,
}

/// Where `turns.py` computes, and everywhere else, where it waits.
pub(crate) fn watch(python: &Interpreter) -> Result<[Place; 2], String> {
    let subject = Subject::program(python, "turns.py", &[]).ready();
    let sampler = looks::at_all(&subject, Duration::from_millis(1), Duration::from_secs(2))?;
    let mut places = [Place::default(), Place::default()];
    for event in &sampler.events {
        let Event::Sample(Sample { outcome: Outcome::Taken(threads), .. }) = event else { continue };
        for thread in threads.iter().filter(|thread| !thread.flags.has(Flags::HOLDS_GIL)) {
            let leaf = thread.stack.iter().next_back().ok_or("a stack without a frame")?;
            let place = &mut places[usize::from(&*leaf.function.name != "compute")];
            place.seen += 1;
            place.on_cpu += u32::from(thread.flags.has(Flags::ON_CPU));
            place.waiting += u32::from(thread.flags.has(Flags::WAITING));
        }
    }
    // What nobody was asked about would prove nothing, and a thread that has just been woken is ready to run.
    let [computes, waits] = &places;
    let many = |place: &Place| place.seen > 200 && (place.on_cpu + place.waiting) * 10 > place.seen * 9;
    let good = many(computes) && computes.on_cpu * 10 > computes.seen * 8;
    if good && many(waits) && waits.on_cpu * 10 < waits.seen {
        Ok(places)
    } else {
        Err(format!("{places:?}"))
    }
}
