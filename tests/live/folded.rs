//! Reading what the program writes: escapes, folded stacks, dumps, figures; and the maze's judge.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::interpreters::python3;

/// A frame as text: file, function, line.
pub(crate) type Frame = (String, String, u64);

/// A thread of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) tid: u64,
    pub(crate) holds_gil: bool,
    pub(crate) name: String,
    /// Leaf first.
    pub(crate) frames: Vec<Frame>,
}

/// What an escaped name says.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let number = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
        match rest.next().expect("an escape has a letter") {
            '\\' => out.push('\\'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'x' => out.push(number(&rest.by_ref().take(2).collect::<String>())),
            'u' => {
                assert_eq!(rest.next(), Some('{'), "{text}");
                out.push(number(&rest.by_ref().take_while(|c| *c != '}').collect::<String>()));
            }
            other => panic!("the escape {other:?} in {text}"),
        }
    }
    out
}

/// `file:function:line`.
pub(crate) fn frame(text: &str) -> Result<Frame, String> {
    let parts: Vec<_> = text.split(':').collect();
    let [file, function, line] = parts[..] else { return Err(format!("no frame: {text:?}")) };
    let line = line.parse().map_err(|_| format!("no line number: {text:?}"))?;
    Ok((unescape(file), unescape(function), line))
}

/// The threads of a dump.
pub(crate) fn dump(text: &str) -> Result<Vec<Block>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_suffix('\n').ok_or("a dump ends in a line end")?;
    text.split("\n\n")
        .map(|block| {
            let mut lines = block.split('\n');
            let head = lines.next().unwrap_or_default();
            let (tid, name) = head.split_once(':').ok_or_else(|| format!("no head: {head:?}"))?;
            let holds_gil = tid.ends_with('*');
            let tid = tid.trim_end_matches('*').parse().map_err(|_| format!("no thread: {head:?}"))?;
            let name = unescape(name.strip_prefix(' ').unwrap_or(name));
            let frames = lines.filter(|line| *line != "(no Python code)").map(frame);
            Ok(Block { tid, holds_gil, name, frames: frames.collect::<Result<_, _>>()? })
        })
        .collect()
}

/// Folded stacks: root first, as their lines spell them, each with its count; `(idle)` and `(failed)` are stacks too.
pub(crate) fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has its end");
    let line = |line: &'_ str| -> (usize, u64) {
        let (stack, count) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no count: {line:?}"));
        (stack.len(), count.parse().unwrap_or_else(|_| panic!("no count: {line:?}")))
    };
    text.lines()
        .map(|whole| {
            let (end, count) = line(whole);
            (whole[..end].split(';').collect(), count)
        })
        .collect()
}

/// Samples of stacks in which a function has this name (without its class), and of all that are stacks.
pub(crate) fn share(text: &str, function: &str) -> (u64, u64) {
    let is_it = |frame: &&str| -> bool {
        let name = frame.split(':').nth(1).unwrap_or_default();
        name.rsplit('.').next() == Some(function)
    };
    let stacks = folded(text);
    let stacks = stacks.iter().filter(|(stack, _)| !matches!(stack[..], ["(idle)" | "(failed)"]));
    stacks.fold((0, 0), |(some, all), (stack, count)| {
        (some + if stack.iter().any(is_it) { *count } else { 0 }, all + count)
    })
}

/// What `--stats` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) samples: u64,
    failed: u64,
    /// How many of those for which reason, in words.
    pub(crate) failures: String,
    pub(crate) late: u64,
    pub(crate) dropped: u64,
    /// Microseconds that one stop lasts.
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) retried: u64,
}

impl Figures {
    /// Looks that came to nothing.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Reads them from standard error.
    pub(crate) fn parse(text: &str) -> Self {
        let after = |words: &str| {
            let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("no {words:?} in {text:?}"));
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            rest[..end].to_owned()
        };
        let count = |words| after(words).parse().unwrap();
        Self {
            samples: count("samples "),
            failed: count("failed "),
            failures: text
                .split("failed ")
                .nth(1)
                .and_then(|rest| rest.split(';').next())
                .unwrap()
                .to_owned(),
            late: count("late "),
            dropped: count("dropped "),
            median: after("median ").parse().unwrap(),
            p99: after("p99 ").parse().unwrap(),
            retried: count("looks retried "),
        }
    }
}

impl std::ops::AddAssign<&Self> for Figures {
    /// Counts are added; of times the worst stays.
    fn add_assign(&mut self, other: &Self) {
        self.samples += other.samples;
        self.late += other.late;
        self.dropped += other.dropped;
        self.retried += other.retried;
        self.failed += other.failed;
        self.failures = format!("{} {}", self.failures, other.failures);
        self.median = self.median.max(other.median);
        self.p99 = self.p99.max(other.p99);
    }
}

/// What the judge says of a maze's profile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) samples: u64,
    pub(crate) impossible: u64,
    pub(crate) idle: u64,
    pub(crate) failed: u64,
    pub(crate) examples: String,
}

impl std::ops::AddAssign<&Self> for Verdict {
    fn add_assign(&mut self, other: &Self) {
        self.samples += other.samples;
        self.impossible += other.impossible;
        self.idle += other.idle;
        self.failed += other.failed;
    }
}

/// Has a profile judged by `tests/programs/maze_judge.py`.
pub(crate) fn judge(rules: &Path, profile: &Path) -> Result<Verdict, String> {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/maze_judge.py");
    let judged = Command::new(&python3().command).arg(judge).arg(rules).arg(profile).output().unwrap();
    let verdict: Value = serde_json::from_slice(&judged.stdout)
        .map_err(|_| format!("the judge: {}", String::from_utf8_lossy(&judged.stderr)))?;
    let count = |name: &str| verdict[name].as_u64().unwrap();
    Ok(Verdict {
        samples: count("samples"),
        impossible: count("impossible"),
        idle: count("idle"),
        failed: count("failed"),
        examples: verdict["examples"].to_string(),
    })
}
