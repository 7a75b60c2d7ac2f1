//! `--nonblocking`: a target that is held by somebody else's ptrace, so that it cannot be stopped by us.

use std::fmt::Write;

use nix::sys::ptrace;

use crate::folded::Verdict;
use crate::interpreters::Interpreter;
use crate::maze::{Look, Maze};
use crate::profiler::profile;

/// Looks at a maze that we trace ourselves meanwhile.
fn look_at_traced(python: &Interpreter, busy: u32) -> Result<String, String> {
    let mut maze = Maze::enter(python, busy, false)?;
    let pid = maze.pid();
    let subject = nix::unistd::Pid::from_raw(pid.cast_signed());
    ptrace::seize(subject, ptrace::Options::empty()).map_err(|errno| format!("seize: {errno}"))?;
    let refused = profile(&["-s", "0.1", &pid.to_string()]);
    if refused.code() != 1 || !refused.err.contains("trace") {
        return Err(format!("it is traced, and yet: status {}, {}", refused.code(), refused.err));
    }
    let look = Look { seconds: 2.0, interval: 0.001, all_threads: busy > 1, nonblocking: true, apart: false };
    let mut said = python.name.clone();
    for apart in [false, true] {
        let (Verdict { samples, impossible, .. }, figures) = maze.look(Look { apart, ..look })?;
        let failed = figures.failed();
        if figures.median > 0.0 || samples <= failed && !apart {
            return Err(format!("apart {apart}: {samples}, {figures:?}"));
        }
        write!(said, "; apart {apart}: {samples} stacks, {impossible} impossible, {failed} failed").unwrap();
    }
    Ok(said)
}

/// The oldest, the newest, and some between.
pub(crate) fn look_at_some(pythons: &[Interpreter]) -> Vec<Result<String, String>> {
    let all: Vec<_> = pythons.iter().filter(|python| python.is_cpython()).collect();
    let step = all.len().div_ceil(4).max(1);
    let some = all.iter().step_by(step).chain(all.last()).zip([1, 4].into_iter().cycle());
    some.map(|(python, busy)| {
        look_at_traced(python, busy).map_err(|wrong| format!("{}: {wrong}", python.name))
    })
    .collect()
}
