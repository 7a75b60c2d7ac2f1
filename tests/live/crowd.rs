//! More threads that may run than there are CPUs: who waits for one is not waited for.

use std::time::Duration;

use crate::folded::Figures;
use crate::interpreters::Interpreter;
use crate::profiler::profile;
use crate::subject::Subject;

/// Looks five hundred times a second at each of many threads; `None` where only one of them can run at a time.
pub(crate) fn watch(python: &Interpreter) -> Result<Option<u64>, String> {
    let mut subject = Subject::program(python, "crowd.py", &[]);
    if subject.await_line("", Duration::from_secs(60))? == "none" {
        return Ok(None);
    }
    let ran = profile(&["--stats", "-s", "2", "-r", "0.002", &subject.pid().to_string()]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    let Figures { samples, median, .. } = Figures::parse(&ran.err);
    // A turn lasts some 3,000 µs; hardly one in twenty looks was taken in time when each waited for several, or the threads
    // stood still for that long.
    if samples > 80 && median < 1000.0 { Ok(Some(samples)) } else { Err(ran.err) }
}
