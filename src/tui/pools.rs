//! The order of the thread list, and which of its threads are one pool's: those whose names differ in a number only.

use std::collections::HashMap;
use std::ops::Range;

use super::threads_pane::is_gone;
use crate::profile::{State as Doing, ThreadNo, ThreadRow};

/// Fewer threads than these are listed as they are.
const LEAST: usize = 3;
/// A larger pool is folded until somebody opens it: it would be all that there is room for.
const MOST: usize = 8;

/// Are the threads of a pool listed one by one?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// They are.
    Open,
    /// Only the pool is.
    Closed,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A pool; if it is open, its threads follow.
    Pool {
        /// What their names have in common.
        stem: String,
        /// Which rows.
        rows: Range<usize>,
        /// Are they listed?
        fold: Fold,
    },
    /// A thread.
    Thread {
        /// Which row.
        row: usize,
        /// What tells it from the others of its pool, if it is in one.
        suffix: Option<String>,
    },
}

impl Line {
    /// The rows that it stands for.
    pub fn rows(&self) -> Range<usize> {
        match self {
            Self::Pool { rows, .. } => rows.clone(),
            Self::Thread { row, .. } => *row..*row + 1,
        }
    }
}

/// A name without its number, and the number: `worker` and `-3`; `Thread (handle)` and `-7` of `Thread-7 (handle)`.
/// Nothing where nothing else is left.
fn parts(name: &str) -> Option<(String, String)> {
    let (head, tail) = match name.find(" (") {
        Some(place) if name.ends_with(')') => name.split_at(place),
        _ => (name, ""),
    };
    let stem = head.trim_end_matches(|sign: char| sign.is_ascii_digit());
    let stem = if stem.len() < head.len() {
        stem.strip_suffix(['-', '_', ' ', '#', ':']).unwrap_or(stem)
    } else {
        stem
    };
    (!stem.is_empty()).then(|| (format!("{stem}{tail}"), head[stem.len()..].to_owned()))
}

/// Each thread's name in parts, as far as it has them.
fn parts_of_all(
    rows: &[ThreadRow],
    name: impl Fn(ThreadNo) -> Option<String>,
) -> HashMap<ThreadNo, (String, String)> {
    let names: Vec<(ThreadNo, String)> =
        rows.iter().filter_map(|row| Some((row.thread, name(row.thread)?))).collect();
    let mut times: HashMap<&str, usize> = HashMap::new();
    for (_, name) in &names {
        *times.entry(name).or_default() += 1;
    }
    let parts_of = |name: &String| {
        // Names that are the same differ in no number.
        let same = times.get(name.as_str()).is_some_and(|times| *times > 1);
        if same { Some((name.clone(), String::new())) } else { parts(name) }
    };
    names.iter().filter_map(|(thread, name)| Some((*thread, parts_of(name)?))).collect()
}

/// Sorts the rows, those of a pool beside each other, and lists them. `name` gives nothing for a thread that nobody has
/// named; `folds` is what a person chose.
pub(super) fn arrange(
    rows: &mut [ThreadRow],
    name: impl Fn(ThreadNo) -> Option<String>,
    folds: &HashMap<String, Fold>,
) -> Vec<Line> {
    sort(rows);
    let parts = parts_of_all(rows, name);
    // How many threads each pool has, and where the first of them stands.
    let mut pools: HashMap<&str, (usize, usize)> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        if let Some((stem, _)) = parts.get(&row.thread) {
            pools.entry(stem).or_insert((0, place)).0 += 1;
        }
    }
    let pool = |thread: ThreadNo| {
        let (stem, suffix) = parts.get(&thread)?;
        let (count, first) = pools.get(stem.as_str())?;
        (*count >= LEAST).then_some((stem, suffix, *count, *first))
    };
    let places: HashMap<ThreadNo, usize> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (row.thread, pool(row.thread).map_or(place, |(.., first)| first)))
        .collect();
    rows.sort_by_key(|row| places.get(&row.thread).copied());
    let mut lines = Vec::new();
    let mut fold = Fold::Open;
    for (place, row) in rows.iter().enumerate() {
        let Some((stem, suffix, count, _)) = pool(row.thread) else {
            lines.push(Line::Thread { row: place, suffix: None });
            continue;
        };
        let begins = place
            .checked_sub(1)
            .is_none_or(|before| pool(rows[before].thread).is_none_or(|(before, ..)| before != stem));
        if begins {
            let usual = if count > MOST { Fold::Closed } else { Fold::Open };
            fold = folds.get(stem).copied().unwrap_or(usual);
            lines.push(Line::Pool { stem: stem.clone(), rows: place..place + count, fold });
        }
        if fold == Fold::Open {
            lines.push(Line::Thread { row: place, suffix: Some(suffix.clone()) });
        }
    }
    lines
}

/// The stuck first: those that do not idle, by how long they have stood in one stack; then the idle; then who is gone.
fn sort(rows: &mut [ThreadRow]) {
    // Whole seconds: rows that change places at every picture cannot be read.
    rows.sort_by_key(|row| {
        let idle = row.states[Doing::Idle.index()] * 2 > row.looks();
        let stuck = row.now.is_some_and(|now| now != Doing::Idle && row.standing.0 >= 1_000_000);
        (
            is_gone(row),
            idle,
            !stuck,
            std::cmp::Reverse(if stuck { row.standing.0 / 1_000_000 } else { 0 }),
            row.thread,
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_stem_and_a_number() {
        for (name, stem, number) in [
            ("worker-3", "worker", "-3"),
            ("ThreadPoolExecutor-0_11", "ThreadPoolExecutor-0", "_11"),
            ("Thread-7 (handle)", "Thread (handle)", "-7"),
            ("asyncio_0", "asyncio", "_0"),
            ("python3", "python", "3"),
            ("reaper", "reaper", ""),
            ("a (b", "a (b", ""),
        ] {
            assert_eq!(parts(name), Some((stem.to_owned(), number.to_owned())), "{name}");
        }
        for name in ["", "17", "-17"] {
            assert_eq!(parts(name), None, "{name}");
        }
    }
}
