//! Threads that are in no Python code: they are there, and what they do is said of them, but no stack is.

use std::collections::BTreeMap;
use std::time::Duration;

use pyflame_tui::sample::{Event, Flags, Outcome, Sample};

use crate::folded::{dump, folded};
use crate::interpreters::{Build, Interpreter};
use crate::looks;
use crate::profiler::profile;
use crate::subject::Subject;

/// How often a thread was seen, in how many of these without a frame, and what was said of it then.
#[derive(Debug, Default)]
struct Seen {
    all: u32,
    bare: u32,
    on_cpu: u32,
    waiting: u32,
}

impl Seen {
    fn mostly(&self, count: u32) -> bool {
        self.bare * 20 > self.all * 19 && count * 10 > self.bare * 8
    }
}

/// Looks at `bare.py` for two seconds: at its prompt, at who sleeps, at who computes in C, and at who runs Python.
fn sampled(python: &Interpreter, subject: &Subject) -> Result<(), String> {
    let sampler = looks::at_all(subject, Duration::from_millis(1), Duration::from_secs(2))?;
    let (mut threads, mut looks) = (BTreeMap::<u32, Seen>::new(), 0);
    for event in &sampler.events {
        let Event::Sample(Sample { outcome: Outcome::Taken(taken), .. }) = event else { continue };
        // It has said that it is ready while it was still on its way to the prompt.
        let at_prompt = taken.iter().any(|one| one.thread.tid == subject.pid() && one.stack.is_empty());
        if looks == 0 && !at_prompt {
            continue;
        }
        looks += 1;
        for sample in taken {
            let seen = threads.entry(sample.thread.tid).or_default();
            seen.all += 1;
            if sample.stack.is_empty() {
                seen.bare += 1;
                seen.on_cpu += u32::from(sample.flags.has(Flags::ON_CPU));
                seen.waiting += u32::from(sample.flags.has(Flags::WAITING));
            }
        }
    }
    let (first, others): (Vec<_>, Vec<_>) = threads.iter().partition(|(tid, _)| **tid == subject.pid());
    let at_prompt = first.iter().all(|(_, seen)| seen.mostly(seen.waiting));
    let count = |is: &dyn Fn(&Seen) -> bool| others.iter().filter(|(_, seen)| is(seen)).count();
    let kinds = [
        count(&|seen| seen.mostly(seen.waiting)),
        count(&|seen| seen.mostly(seen.on_cpu)),
        count(&|seen| seen.bare == 0),
    ];
    let in_each = threads.values().all(|seen| seen.all + left_out(python, looks) >= looks);
    if at_prompt && first.len() == 1 && kinds == [1, 1, 1] && others.len() == 3 && in_each && looks > 50 {
        Ok(())
    } else {
        Err(format!("{looks} looks, {threads:?}"))
    }
}

/// In how many of so many looks a thread may be missing: without a GIL each is read by itself, and one that has just begun or
/// ceased to run Python since they were listed is in none of both: one in 41 looks where neighbours kept the machine busy.
fn left_out(python: &Interpreter, looks: u32) -> u32 {
    if python.build == Build::FreeThreaded { looks.div_ceil(20) } else { 0 }
}

/// What the formats say of them.
pub(crate) fn watch(python: &Interpreter) -> Result<(), String> {
    let subject = Subject::program(python, "bare.py", &["busy"]).ready();
    sampled(python, &subject)?;
    let pid = subject.pid().to_string();
    let dumped = profile(&["-d", &pid]).well();
    let blocks = dump(dumped.text())?;
    let bare = blocks.iter().filter(|block| block.frames.is_empty()).count();
    if (blocks.len(), bare, dumped.text().matches("\n(no Python code)\n").count()) != (4, 3, 3) {
        return Err(dumped.text().to_owned());
    }
    let text = profile(&["--threads", "-s", "0.3", "-r", "0.002", &pid]).text().to_owned();
    let of_python = |stack: &[&str]| stack.iter().all(|frame| frame.split(':').count() == 3);
    let stacks = folded(&text);
    let all: u64 = stacks.iter().map(|(_, count)| count).sum();
    let is_told = |(stack, count): &(Vec<&str>, u64)| match stack[..] {
        ["(failed)"] => true,
        ["(idle)"] => *count <= u64::from(left_out(python, u32::try_from(all).unwrap())),
        _ => of_python(stack),
    };
    if !stacks.iter().all(is_told) {
        return Err(text);
    }
    drop(subject);
    let alone = Subject::program(python, "bare.py", &[]).ready();
    let pid = alone.pid().to_string();
    // What pyflame said of a thread without a frame.
    for words in [&["-s", "0.3", "-r", "0.002", &pid][..], &["--threads", "-s", "0.3", "-r", "0.002", &pid]] {
        let ran = profile(words);
        let stacks = folded(ran.text());
        let idle = stacks.iter().find(|(stack, _)| stack[..] == ["(idle)"]).map_or(0, |(_, count)| *count);
        let all: u64 = stacks.iter().map(|(_, count)| count).sum();
        if idle < 10 || (all - idle) * 10 > all {
            return Err(format!("{words:?}: {}", ran.text()));
        }
    }
    for words in [&["-d", &pid][..], &["-d", "--nonblocking", &pid]] {
        let text = profile(words).well().text().to_owned();
        if text.matches("\n(no Python code)\n").count() != 3 || dump(&text)?.len() != 3 {
            return Err(text);
        }
    }
    Ok(())
}
