//! The maze: a program in which a stack that never was shows itself.

#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::cpus;
use crate::folded::{Figures, Verdict, judge};
use crate::interpreters::Interpreter;
use crate::profiler::{Running, profiler, start};
use crate::subject::Subject;

/// How to look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) seconds: f64,
    /// Between two samples.
    pub(crate) interval: f64,
    /// Each sample takes all threads.
    pub(crate) all_threads: bool,
    /// Nothing is stopped.
    pub(crate) nonblocking: bool,
    /// The profiler may not run where the maze does.
    pub(crate) apart: bool,
}

/// A maze with people in it.
pub(crate) struct Maze {
    subject: Subject,
    rules: PathBuf,
}

impl Maze {
    /// Starts one; so many threads walk in it until it is dropped, without a rest or letting go of the GIL all the time.
    pub(crate) fn enter(python: &Interpreter, busy: u32, rests: bool) -> Result<Self, String> {
        let busy = busy.to_string();
        let words = ["--busy", &busy, "--rules", "{room}/rules.json", "--rests"];
        let words = if rests { &words[..] } else { &words[..words.len() - 1] };
        let mut subject = Subject::program(python, "maze.py", words);
        subject.await_line("ready", Duration::from_secs(120))?;
        let rules = subject.room().here.join("rules.json");
        Ok(Self { subject, rules })
    }

    /// Who walks in it.
    pub(crate) fn pid(&self) -> u32 {
        self.subject.pid()
    }

    /// Samples it once. An impossible stack is an error.
    pub(crate) fn look(&mut self, look: Look) -> Result<(Verdict, Figures), String> {
        let profile = self.subject.room().here.join("profile.folded");
        let (seconds, interval) = (look.seconds.to_string(), look.interval.to_string());
        let mut command = profiler(&["--stats", "-s", &seconds, "-r", &interval, "-o"]);
        command.arg(&profile).arg(self.subject.pid().to_string());
        for (wanted, word) in [(look.all_threads, "--threads"), (look.nonblocking, "--nonblocking")] {
            command.args(wanted.then_some(word));
        }
        let running = if look.apart { self.start_apart(&mut command) } else { start(&mut command) };
        let ran = running.end(Duration::from_secs_f64(look.seconds * 2.0 + 60.0));
        if ran.code() != 0 {
            return Err(ran.err);
        }
        if !self.subject.is_alive() {
            return Err("the maze has ended".into());
        }
        let verdict = judge(&self.rules, &profile)?;
        let figures = Figures::parse(&ran.err);
        // Without a stop one in 100,000 may be.
        if verdict.impossible > if look.nonblocking { 1 + verdict.samples / 100_000 } else { 0 } {
            let Verdict { impossible, samples, examples, .. } = verdict;
            return Err(format!("{impossible} of {samples} impossible: {examples}\n{}", ran.err));
        }
        // From another CPU hardly anything can be proven where all is soon over.
        if verdict.samples + verdict.idle == 0 && !look.apart {
            return Err(format!("nothing was seen: {}", ran.err));
        }
        Ok((verdict, figures))
    }

    /// Starts it on one CPU, and leaves the maze another. Where there is but one it is that.
    fn start_apart(&self, command: &mut Command) -> Running {
        let cpus = cpus::ours();
        cpus::pin(self.pid(), *cpus.last().unwrap());
        cpus::on(*cpus.first().unwrap(), || start(command))
    }
}
