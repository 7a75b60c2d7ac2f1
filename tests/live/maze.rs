//! The maze: a program in which a stack that never was shows itself.

use std::time::Duration;

use crate::folded::{Figures, Verdict, judge};
use crate::interpreters::Interpreter;
use crate::profiler::{profiler, start};
use crate::subject::Subject;

/// How to sample it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) busy: u32,
    pub(crate) seconds: f64,
    /// Between two samples.
    pub(crate) interval: f64,
    /// Each sample takes all threads.
    pub(crate) all_threads: bool,
}

/// A walk through the maze, and what was seen of it.
pub(crate) fn walk(python: &Interpreter, walk: Walk) -> Result<(Verdict, Figures), String> {
    let busy = walk.busy.to_string();
    let mut subject = Subject::program(python, "maze.py", &["--busy", &busy, "--rules", "{room}/rules.json"]);
    subject.await_line("ready", Duration::from_secs(120))?;
    let room = &subject.room().here;
    let (rules, profile) = (room.join("rules.json"), room.join("profile.folded"));
    let (seconds, interval) = (walk.seconds.to_string(), walk.interval.to_string());
    let pid = subject.pid().to_string();
    let mut command = profiler(&["--stats", "-s", &seconds, "-r", &interval, "-o"]);
    command.arg(&profile).arg(pid);
    if walk.all_threads {
        command.arg("--threads");
    }
    let ran = start(&mut command).end(Duration::from_secs_f64(walk.seconds * 2.0 + 60.0));
    if ran.code() != 0 {
        return Err(ran.err);
    }
    if !subject.is_alive() {
        return Err("the maze has ended".into());
    }
    let verdict = judge(&rules, &profile)?;
    if verdict.impossible > 0 {
        return Err(format!("{} impossible: {}", verdict.impossible, verdict.examples));
    }
    Ok((verdict, Figures::parse(&ran.err)))
}
