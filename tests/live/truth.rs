//! `truth.py` says what its own stacks are; a dump must say exactly that.

use std::time::Duration;

use serde_json::Value;

use crate::folded::{Block, Frame, dump};
use crate::interpreters::Interpreter;
use crate::profiler::profile;
use crate::subject::Subject;

/// How much was compared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Compared {
    pub(crate) threads: usize,
    pub(crate) frames: usize,
}

/// A thread as it says itself.
struct Told {
    tid: u64,
    name: Option<String>,
    frames: Vec<Frame>,
}

/// Threads of the library's own that `truth.py` does not know of: the executor's worker.
const UNTOLD: usize = 1;

/// Compares one dump, frame by frame.
pub(crate) fn compare(python: &Interpreter) -> Result<Compared, String> {
    let mut subject = Subject::program(python, "truth.py", &[]);
    let line = subject.await_line("{\"", Duration::from_secs(120))?;
    let told = told(&line);
    let ran = profile(&["--dump", &subject.pid().to_string()]);
    if ran.code() != 0 || !ran.err.is_empty() {
        return Err(format!("status {}: {}", ran.code(), ran.err));
    }
    let mut blocks = dump(ran.text())?;
    let mut compared = Compared::default();
    let mut wrong = Vec::new();
    for told in &told {
        compared.threads += 1;
        compared.frames += told.frames.len();
        // A thread that entered a sub-interpreter has a stack in each.
        let same = |block: &Block| block.tid == told.tid && block.frames == told.frames;
        let Some(place) = blocks.iter().position(same) else {
            wrong.push(difference(told, &blocks));
            continue;
        };
        let block = blocks.swap_remove(place);
        if told.name.as_ref().is_some_and(|name| *name != block.name) {
            wrong.push(format!("thread {:?} is called {:?}", told.name, block.name));
        }
        if block.holds_gil {
            wrong.push(format!("{:?} rests and holds no GIL", told.name));
        }
    }
    blocks.retain(|block| !told.iter().any(|told| told.tid == block.tid));
    if blocks.len() > UNTOLD {
        wrong.push(format!("nobody told of {blocks:?}"));
    }
    if wrong.is_empty() { Ok(compared) } else { Err(wrong.join("\n    ")) }
}

fn told(line: &str) -> Vec<Told> {
    let truth: Value = serde_json::from_str(line).unwrap();
    let thread = |thread: &Value| Told {
        tid: thread["tid"].as_u64().unwrap(),
        name: thread["name"].as_str().map(str::to_owned),
        frames: thread["frames"].as_array().unwrap().iter().map(frame).collect(),
    };
    truth["threads"].as_array().unwrap().iter().map(thread).collect()
}

fn frame(frame: &Value) -> Frame {
    let text = |index: usize| frame[index].as_str().unwrap().to_owned();
    (text(0), text(1), frame[2].as_u64().unwrap_or(0))
}

/// Where a thread's two stacks part.
fn difference(told: &Told, blocks: &[Block]) -> String {
    let name = told.name.as_deref().unwrap_or("(nameless)");
    let Some(block) = blocks.iter().find(|block| block.tid == told.tid) else {
        return format!("{name}: not in the dump");
    };
    let place = told.frames.iter().zip(&block.frames).take_while(|(told, seen)| told == seen).count();
    let lengths = (told.frames.len(), block.frames.len());
    format!(
        "{name}: frame {place} is {:?}, and we say {:?} (of {lengths:?})",
        told.frames.get(place),
        block.frames.get(place)
    )
}
