//! Code objects that take turns at one address.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use pyflame_tui::python::layout::Generation;

use crate::folded::{Figures, folded};
use crate::interpreters::{Build, Interpreter};
use crate::looks;
use crate::profiler::profile;
use crate::subject::Subject;

/// How often each file's code was seen at the least, of a thousand samples.
const SEEN: u64 = 20;
const FILES: usize = 10;
/// Runs, each of which has to find out anew that addresses are used again.
const RUNS: u32 = 4;
/// Of fewer samples it is chance whether all files are among them: on a busy machine there are more runs.
const ENOUGH: u64 = 400;

/// Samples of them, each of which was known for what it was; 0 where the program cannot be run.
pub(crate) fn watch(python: &Interpreter) -> Result<u64, String> {
    if !python.takes_programs() {
        return Ok(0);
    }
    let subject = start(python, &[])?;
    counts(python, &subject)?;
    let mut all = samples(&["-x"], &subject)?;
    if spend_versions(&subject)? {
        all += samples(&["-x"], &subject)?;
    }
    drop(subject);
    all += samples(&["-x"], &start(python, &["deep"])?)?;
    Ok(all + samples(&["--threads"], &start(python, &["sleep"])?)?)
}

/// As if four billion code objects had been made: the next ones have no version. Can it be done?
fn spend_versions(subject: &Subject) -> Result<bool, String> {
    let pid = subject.pid();
    looks::at_memory(subject, move |target, python| {
        let wrong = |error| format!("its versions: {error}");
        let word = match python.layout.interpreter.generation {
            Some(Generation::MadeByAll(word)) => word,
            Some(Generation::Made(field)) => {
                let main = python.layout.interpreters.of(target.memory(), python.roots.runtime);
                field.within(main.map_err(|error| format!("its interpreter: {error}"))?)
            }
            _ => return Ok(false),
        };
        let memory = OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")).map_err(wrong)?;
        memory.write_all_at(&[0; 4], word.0).map_err(wrong)?;
        Ok(true)
    })
}

fn start(python: &Interpreter, words: &[&str]) -> Result<Subject, String> {
    let mut subject = Subject::program(python, "reused.py", words);
    subject.await_line("ready", Duration::from_secs(60))?;
    Ok(subject.at_work())
}

fn samples(options: &[&str], subject: &Subject) -> Result<u64, String> {
    let pid = subject.pid().to_string();
    let (mut seen, mut samples) = ([0; FILES], 0);
    let (mut runs, deadline) = (0, Instant::now() + Duration::from_secs(60));
    while runs < RUNS || samples < ENOUGH && Instant::now() < deadline {
        runs += 1;
        let ran = profile(&[options, &["--stats", "-s", "0.3", "-r", "0.0005", &pid]].concat());
        if ran.code() != 0 {
            return Err(ran.err);
        }
        for (stack, count) in folded(ran.text()) {
            let number = |frame: &str, before: &str| {
                let rest = frame.split_once(before)?.1;
                rest.chars().next()?.to_digit(10).map(|number| number as usize)
            };
            let file = stack.iter().find_map(|frame| number(frame, "reused-"));
            let function = stack.iter().find_map(|frame| number(frame, ":only_"));
            match (file, function) {
                (Some(file), Some(function)) if file == function => seen[file] += count,
                (_, None) => {}
                _ => return Err(format!("{count} times {stack:?}\n{}", ran.err)),
            }
        }
        samples += Figures::parse(&ran.err).samples;
    }
    if seen.iter().any(|seen| seen * 1000 < samples * SEEN) {
        return Err(format!("{options:?}: {seen:?} of {samples}"));
    }
    Ok(seen.iter().sum())
}

/// Does what says that code objects are made, or die, say so?
fn counts(python: &Interpreter, subject: &Subject) -> Result<(), String> {
    let version = python.version;
    let must = version >= (3, 14) || version == (3, 13) && python.build != Build::FreeThreaded;
    looks::at_memory(subject, move |target, python| {
        let Some(generation) = python.layout.interpreter.generation else {
            return if must { Err("it counts no code objects".to_owned()) } else { Ok(()) };
        };
        let said = |error| format!("what counts its code objects: {error}");
        let main = python.layout.interpreters.of(target.memory(), python.roots.runtime).map_err(said)?;
        let count = || generation.of(target.memory(), main).map_err(said);
        let before = count()?;
        // Some 300 in a tenth of a second in which it runs; what was no count would stand still, or jump.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            std::thread::sleep(Duration::from_millis(10));
            let after = count()?;
            let made = after.zip(before).map_or(0, |(after, before)| after.wrapping_sub(before));
            if (2..10_000).contains(&made) {
                return Ok(());
            }
            if made >= 10_000 || Instant::now() >= deadline {
                return Err(format!("{generation:?} went from {before:?} to {after:?}"));
            }
        }
    })
}
