//! Threads that take one another's place: each is to be known by its own number and name.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pyflame_tui::sample::{Event, Outcome, Sample};

use crate::interpreters::Interpreter;
use crate::looks;
use crate::subject::Subject;

/// How many threads were seen, and in how many stacks, each of them as the thread that it was of.
pub(crate) fn watch(python: &Interpreter) -> Result<[usize; 2], String> {
    if !python.takes_programs() {
        return Ok([0; 2]);
    }
    let subject = Subject::program(python, "succeed.py", &[]).ready();
    let sampler = looks::at_all(&subject, Duration::from_millis(2), Duration::from_secs(60))?;
    let begun = Instant::now();
    let (mut names, mut seen) = (HashMap::new(), HashSet::new());
    let (mut stacks, mut with_name) = (0, 0);
    let mut wrong = Vec::new();
    for event in &sampler.events {
        // A second, or on a busy machine as long as it takes.
        if seen.len() >= 5 && begun.elapsed() > Duration::from_secs(1) {
            break;
        }
        let threads = match event {
            Event::Thread(thread, name) => {
                names.insert(thread, name);
                continue;
            }
            Event::Sample(Sample { outcome: Outcome::Taken(threads), .. }) => threads,
            _ => continue,
        };
        for thread in &threads {
            let own = thread.stack.iter().find_map(|frame| frame.function.name.strip_prefix("stands_"));
            let Some((number, name)) = own.and_then(|own| own.split_once('_')) else { continue };
            stacks += 1;
            seen.insert(name.to_owned());
            let told = names.get(&thread.thread).map(String::as_str);
            // The kernel's name, which all have, stands for one that is still to be read.
            let is_ours = |name: &str| name.strip_prefix('t').is_some_and(|rest| rest.parse::<u32>().is_ok());
            with_name += usize::from(told == Some(name));
            if number != thread.thread.tid.to_string() || told != Some(name) && told.is_some_and(is_ours) {
                wrong.push(format!("{number} {name} is said to be {} {told:?}", thread.thread.tid));
            }
        }
    }
    sampler.join();
    if seen.len() >= 5 && with_name * 2 > stacks && wrong.is_empty() {
        return Ok([seen.len(), stacks]);
    }
    let count = wrong.len();
    wrong.truncate(5);
    Err(format!(
        "{} threads, of {stacks} stacks {with_name} with their names, {count} wrong: {wrong:?}",
        seen.len()
    ))
}
