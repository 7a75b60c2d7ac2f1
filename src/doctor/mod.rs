//! `--doctor`: may we trace at all, and with a PID, what stands between us and its stacks, step by step. A line a step:
//! `ok`, or `!!` with the cause and the cure.

pub(crate) mod cause;

use std::fmt::{self, Display, Write as _};
use std::fs;

use crate::error::{Error, clean};
use crate::python::version::{Build, Version};
use crate::sample::{Event, Outcome};
use crate::sampler::look::Scope;
use crate::sampler::{Length, Plan, Sampler, StartError, Stopping, Subprocesses, Watch, find};
use crate::target::attach::{other_tracer, trial};
use crate::target::{Container, Denied, Pid, Target, process};

/// What was found, as text.
#[derive(Debug, Default)]
pub(crate) struct Report {
    text: String,
    wrong: bool,
}

impl Report {
    fn fine(&mut self, what: &str, found: impl Display) {
        self.line("ok", what, &found.to_string());
    }

    /// Something that may matter, or not.
    fn note(&mut self, what: &str, found: impl Display) {
        self.line("--", what, &found.to_string());
    }

    fn wrong(&mut self, what: &str, found: impl Display) {
        self.wrong = true;
        self.line("!!", what, &found.to_string());
    }

    fn line(&mut self, mark: &str, what: &str, found: &str) {
        // Writing to a string does not fail.
        let mut rest = found.lines();
        let _ = writeln!(self.text, "{mark} {what:<12} {}", rest.next().unwrap_or_default());
        for line in rest {
            let _ = writeln!(self.text, "{:<15} {line}", "");
        }
    }

    /// Is anything wrong?
    pub(crate) fn status(&self) -> u8 {
        u8::from(self.wrong)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Looks at ourselves, and at a process if one is named.
pub(crate) fn examine(pid: Option<u32>, abi: Option<Version>) -> Report {
    let mut report = Report::default();
    ourselves(&mut report, &Denied::ourselves());
    if let Some(pid) = pid {
        them(&mut report, pid, abi);
    }
    report
}

fn ourselves(report: &mut Report, facts: &Denied) {
    let file = |path: &str| clean_lines(&fs::read_to_string(path).unwrap_or_default());
    let kernel = file("/proc/sys/kernel/osrelease");
    report.fine("kernel", format!("Linux {}, {}", kernel.trim(), std::env::consts::ARCH));
    let place = match facts.container {
        Container::None => "on the machine itself".to_owned(),
        Container::Other => "in a container".to_owned(),
        kind => format!("in a container of {kind:?}'s, {}", clean(&facts.host)),
    };
    report.fine("we live", place);
    rights(report, facts);
    let memory = file("/proc/meminfo");
    let free =
        memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")).map_or("unknown", str::trim);
    report.fine("memory", format!("{free} available"));
    match trial() {
        None => report.note("trial", "not made: there is no `sleep` to be started"),
        Some(Ok(())) => report.fine("trial", "a process of ours was stopped and let go"),
        Some(Err((pid, error))) => report.wrong("trial", Error::Start(StartError::Attach(pid.0, error))),
    }
}

fn clean_lines(text: &str) -> String {
    text.lines().map(|line| clean(line) + "\n").collect()
}

/// What may be in the way. Whether it is, the trial says.
fn rights(report: &mut Report, facts: &Denied) {
    match (facts.our_user, facts.in_user_namespace) {
        (0, false) => report.fine("user", "root"),
        (user, false) => report.note("user", format!("{user}: other users' processes are not ours to trace")),
        (user, true) => report.note("user", format!("{user}, in a user namespace: rights end at its border")),
    }
    match (facts.we_have_capability, facts.we_may_have_capability) {
        (true, _) => report.fine("capability", "SYS_PTRACE is in effect"),
        (false, true) => report.note("capability", "SYS_PTRACE is not in effect; with sudo it would be"),
        (false, false) => {
            report.note("capability", "SYS_PTRACE is not in our bounding set: not even sudo gives it");
        }
    }
    match facts.yama_scope {
        None => report.fine("Yama", "there is none"),
        Some(0) => report.fine("Yama", "ptrace_scope is 0: of one's own processes all may be traced"),
        Some(scope @ 1..=2) if facts.we_have_capability => {
            report.fine("Yama", format!("ptrace_scope is {scope}, which does not concern us"));
        }
        Some(1) => report.note("Yama", "ptrace_scope is 1: only what we start ourselves (-t)"),
        Some(2) => report.note("Yama", "ptrace_scope is 2: only root may trace"),
        Some(_) => {
            report.note("Yama", "ptrace_scope is 3: nobody may trace until the machine is started anew");
        }
    }
    if facts.seccomp == 0 {
        report.fine("seccomp", "no filter");
    } else {
        report.note("seccomp", "a filter decides which system calls we may use");
    }
    if facts.no_new_privileges {
        report.note("privileges", "no_new_privs: sudo is of no use here");
    } else {
        report.fine("privileges", "sudo may give us more");
    }
}

/// The steps to its stacks, to the first that fails.
fn them(report: &mut Report, pid: u32, abi: Option<Version>) {
    let mut target = match Target::attach(Pid(pid)) {
        Ok(target) => target,
        Err(error) => return report.wrong("attach", Error::Start(StartError::Attach(pid, error))),
    };
    let words: Vec<_> =
        process::command_line(target.pid()).iter().map(|word| word.to_string_lossy().into_owned()).collect();
    report.fine("process", format!("{pid}: {}", clean(words.join(" "))));
    match other_tracer(&target) {
        None => report.fine("attach", "one thread was traced for a moment"),
        Some(error) => return report.wrong("attach", Error::Start(StartError::Attach(pid, error))),
    }
    match process::executable(target.pid()) {
        Ok(path) => report.fine("program", clean(path.display())),
        Err(error) => report.note("program", format!("its link cannot be read: {error}")),
    }
    let python = match find::patiently(&mut target, abi) {
        Ok(python) => python,
        Err(error) => return report.wrong("Python", Error::Start(StartError::Find(error))),
    };
    let version = python.layout.version;
    report.fine("version", version);
    let build = match python.layout.build {
        Build::Ordinary => "as released",
        Build::TraceRefs => "debug, with a longer head on every object",
        Build::FreeThreaded => "free-threaded",
    };
    report.fine("build", build);
    let source = if version.minor() >= (3, 13) {
        "published by the process itself, every field checked".to_owned()
    } else {
        format!("from the table for {}.{}", version.major, version.minor)
    };
    report.fine("layout", source);
    // Another thread is going to trace it.
    drop(target);
    look(report, pid, abi);
}

/// One look, as `-d` takes it.
fn look(report: &mut Report, pid: u32, abi: Option<Version>) {
    let plan = Plan {
        watch: Watch::Process(pid),
        user: None,
        abi,
        interval: crate::INTERVAL,
        governed: false,
        scope: Scope::All,
        subprocesses: Subprocesses::Ignored,
        stopping: Stopping::Brief,
        length: Length::Once,
    };
    let sampler = match Sampler::start(plan) {
        Ok(sampler) => sampler,
        Err(error) => return report.wrong("stacks", Error::Start(error)),
    };
    let outcome = sampler.events.iter().find_map(|event| match event {
        Event::Sample(sample) => Some(sample.outcome),
        _ => None,
    });
    match outcome {
        Some(Outcome::Taken(threads)) => {
            let deepest = threads.iter().map(|thread| thread.stack.len()).max().unwrap_or(0);
            report.fine("stacks", format!("{} threads, the deepest {deepest} frames", threads.len()));
        }
        Some(Outcome::Failed(failure)) => report.wrong(
            "stacks",
            format!(
                "this look came to nothing ({failure:?}). One of many may: pyflame-tui --stats -o FILE {pid}"
            ),
        ),
        None => report.wrong("stacks", "it has ended meanwhile"),
    }
    sampler.join();
}
