//! Threads that live for milliseconds, beside hundreds that wait: who turns up is found without looking at the others.

use crate::folded::{Figures, dump, share};
use crate::interpreters::Interpreter;
use crate::profiler::profile;
use crate::subject::Subject;

/// So often it is tried: where others take the CPUs a request waits for its first one, and nobody is there to be seen.
const TRIES: usize = 3;

/// Looks two hundred times a second; most of these looks have to be taken, and nearly all that do not show who starts the
/// requests show one.
pub(crate) fn watch(python: &Interpreter) -> Result<u64, String> {
    let subject = Subject::program(python, "per_request.py", &[]).ready();
    let mut said = Vec::new();
    for _ in 0..TRIES {
        let ran = profile(&["--stats", "-x", "-s", "2", "-r", "0.005", &subject.pid().to_string()]);
        if ran.code() != 0 {
            return Err(ran.err);
        }
        let (requests, _) = share(ran.text(), "handle");
        let (starts, _) = share(ran.text(), "main");
        let samples = Figures::parse(&ran.err).samples;
        if samples > 200 && requests > 100 && requests * 10 > (samples - starts) * 8 {
            return Ok(requests);
        }
        said.push(format!("{requests} of requests, {starts} of their starts: {}", ran.err));
    }
    Err(said.join("\n"))
}

/// Whoever is called something is called like its function; how many were.
pub(crate) fn named(python: &Interpreter) -> Result<usize, String> {
    let subject = Subject::program(python, "named.py", &[]).ready();
    let pid = subject.pid().to_string();
    let (mut good, mut dumps) = (0, 0);
    // On a slow machine most are over by the time that names are read.
    while dumps < 60 || good == 0 && dumps < 600 {
        dumps += 1;
        let ran = profile(&["-d", &pid]);
        if ran.code() != 0 {
            return Err(ran.err);
        }
        for block in dump(ran.text())? {
            let kind =
                block.frames.iter().find_map(|(_, function, _)| function.strip_prefix('w')?.parse().ok());
            let name = block.name.strip_prefix('n').and_then(|name| name.split_once('-')?.0.parse().ok());
            // One that is over by the time that names are read has none.
            let (Some(kind), Some(name)) = (kind, name) else { continue };
            let (kind, name): (u32, u32) = (kind, name);
            if kind != name {
                return Err(format!("{} is in w{kind}", block.name));
            }
            good += 1;
        }
    }
    if good > 0 { Ok(good) } else { Err("nobody has a name".to_owned()) }
}
