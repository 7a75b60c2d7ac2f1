//! Sub-interpreters that come and go: each is to be known by its own number, with its own stacks.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pyflame_tui::sample::{Event, Outcome, Sample};

use crate::interpreters::Interpreter;
use crate::looks;
use crate::subject::Subject;
use crate::subs;

/// How many were seen.
pub(crate) fn watch(python: &Interpreter) -> Result<usize, String> {
    let kinds = subs::kinds(python);
    kinds.iter().map(|kind| watch_one(python, kind).map_err(|error| format!("kind {kind}: {error}"))).sum()
}

fn watch_one(python: &Interpreter, kind: &str) -> Result<usize, String> {
    let subject = Subject::program(python, "heirs.py", &[kind]).ready();
    let sampler = looks::at_all(&subject, Duration::from_millis(1), Duration::from_secs(60))?;
    let begun = Instant::now();
    let (mut seen, mut stacks, mut failed, mut wrong) = (HashSet::new(), 0, 0, Vec::new());
    for event in &sampler.events {
        // A second, or on a slow machine as long as it takes: of a handful one that failed would be too many.
        if seen.len() >= 3 && stacks >= 25 && begun.elapsed() > Duration::from_secs(1) {
            break;
        }
        let Event::Sample(Sample { outcome, .. }) = event else { continue };
        let Outcome::Taken(threads) = outcome else {
            failed += 1;
            continue;
        };
        for thread in &threads {
            let own = thread.stack.iter().find_map(|frame| frame.function.name.strip_prefix("belongs_to_"));
            let Some(number) = own.and_then(|own| own.parse::<u32>().ok()) else { continue };
            stacks += 1;
            seen.insert(number);
            if number != thread.thread.interpreter {
                wrong.push(format!("{number} is said to be {}", thread.thread.interpreter));
            }
        }
    }
    sampler.join();
    if seen.len() >= 3 && failed * 5 < stacks && wrong.is_empty() {
        return Ok(seen.len());
    }
    let count = wrong.len();
    wrong.truncate(5);
    Err(format!("{} seen in {stacks} stacks, {failed} looks failed, {count} wrong: {wrong:?}", seen.len()))
}
