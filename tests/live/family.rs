//! Two processes at work below a third, looked at in the same looks: in neither may there be a stack that never was.

use std::time::Duration;

use crate::folded::judge;
use crate::interpreters::Interpreter;
use crate::profiler::profile;
use crate::subject::Subject;

const BOTH: &str = r#"
import os, signal, subprocess, sys
import tracee
tracee.end_with_parent()
here = os.path.dirname(os.path.abspath(__file__))
for name in ("one", "other"):
    words = ["--busy", "1", "--rules", os.path.join(here, name + ".json")]
    command = [sys.executable, os.path.join(here, "maze.py")] + words
    subprocess.Popen(command, preexec_fn=tracee.end_with_parent)
# One that woke up now and then would be seen, too.
signal.pause()
"#;

/// Watches both for three seconds.
pub(crate) fn walk(python: &Interpreter) -> Result<(), String> {
    let mut parent = Subject::lines(python, BOTH);
    for _ in 0..2 {
        parent.await_line("ready", Duration::from_secs(120))?;
    }
    let folded = parent.room().here.join("both.folded");
    let (file, pid) = (folded.to_str().unwrap(), parent.pid().to_string());
    let ran = profile(&["--subprocesses", "--stats", "-s", "3", "-r", "0.001", "-o", file, &pid]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    // The same maze twice: either's rules are both's.
    let verdict = judge(&parent.room().here.join("one.json"), &folded)?;
    let were_both_watched = ran.err.contains("Pythons that were watched 2, ");
    if verdict.impossible > 0 || verdict.samples < 100 || !were_both_watched {
        return Err(format!("{verdict:?}\n{}", ran.err));
    }
    Ok(())
}
