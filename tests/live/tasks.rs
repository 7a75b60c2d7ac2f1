//! asyncio's tasks: where they stand is what they say themselves; and however they move, no look shows what cannot be.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::folded::{dump, frame};
use crate::interpreters::{Build, Interpreter};
use crate::profiler::profile;
use crate::subject::Subject;

/// Does this Python say where its tasks are?
pub(crate) fn are_told(python: &Interpreter) -> bool {
    python.version >= (3, 11) && python.build != Build::FreeThreaded
}

/// Where nobody says where tasks are, that is said, before anything is done.
pub(crate) fn are_refused(python: &Interpreter) -> Result<(), String> {
    let subject = Subject::program(python, "idle.py", &[]).ready();
    let ran = profile(&["--tasks", "-s", "0.1", &subject.pid().to_string()]);
    let says_so = ran.err.contains("does not say where asyncio's tasks are") && ran.err.contains("--threads");
    if ran.code() == 1 && ran.out.is_empty() && says_so { Ok(()) } else { Err(ran.err) }
}

/// Each task that waits is where it says it is, in a dump and in samples; how many there are.
pub(crate) fn compare(python: &Interpreter) -> Result<usize, String> {
    let mut subject = Subject::program(python, "waits.py", &["60"]);
    let mut expected = BTreeMap::new();
    loop {
        let line = subject.await_line("", Duration::from_secs(60))?;
        if line == "ready" {
            break;
        }
        let (name, stack) = line.split_once('\t').ok_or_else(|| format!("it says {line:?}"))?;
        expected.insert(name.to_owned(), stack.to_owned());
    }
    let pid = subject.pid().to_string();
    let ran = profile(&["-d", "--tasks", &pid]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    // The first block is the thread.
    let blocks = dump(ran.text())?;
    let mut seen = BTreeMap::new();
    for block in blocks.iter().skip(1) {
        let name = block.name.rsplit_once(" (").map_or("", |(name, _)| name);
        let frames = block.frames.iter().rev().filter(|(file, ..)| file.ends_with("waits.py"));
        let frames: Vec<_> = frames.map(|(_, function, line)| format!("{function}:{line}")).collect();
        seen.insert(name.to_owned(), frames.join(";"));
    }
    let main = seen.remove("Task-1").unwrap_or_default();
    if !main.starts_with("main:") || seen != expected {
        return Err(format!("expected {expected:#?}\nseen {seen:#?}\n{}", ran.text()));
    }
    let ran = profile(&["--tasks", "-s", "0.5", "-r", "0.01", &pid]);
    let stacks: BTreeSet<_> = ran.text().lines().filter(|line| line.contains("waits.py:")).collect();
    // `plain` stands at one place under two names, and two tasks await each other; there is the first task, too.
    if ran.code() != 0 || stacks.len() != expected.len() - 1 {
        return Err(format!("{}\n{}", ran.text(), ran.err));
    }
    let counts: BTreeSet<_> = stacks.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    // All are in all looks, and those two twice.
    if counts.len() > 2 { Err(format!("{counts:?}")) } else { Ok(expected.len()) }
}

/// Tasks that were made in other threads than the one that runs their loop are seen where they are: as often in one place
/// as in the other. How often they are seen.
pub(crate) fn elsewhere(python: &Interpreter) -> Result<u64, String> {
    let both = &["of_the_past", "of_the_main_thread"][..];
    let mut all = 0;
    for (arguments, tasks) in [(&["60"][..], both), (&["60", "alone"], &both[1..])] {
        let subject = Subject::program(python, "elsewhere.py", arguments).ready();
        let ran = profile(&["--tasks", "-n", "-s", "2", "-r", "0.01", &subject.pid().to_string()]);
        for task in tasks {
            let [one, other] = ["one", "other"].map(|place| {
                let task = format!("elsewhere.py:{task};");
                let is_it = |stack: &&str| {
                    stack.contains(&format!("elsewhere.py:{place};"))
                        && stack.split_inclusive(';').next().is_some_and(|first| first.ends_with(&task))
                };
                let counts = ran.text().lines().filter(is_it).filter_map(|stack| stack.rsplit(' ').next());
                counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>()
            });
            if one.min(other) * 4 < one.max(other) || one + other < 20 {
                return Err(format!("{task} {arguments:?}: {one}, {other}\n{}{}", ran.text(), ran.err));
            }
            all += one + other;
        }
    }
    Ok(all)
}

/// Whoever is called something is called like its function; how many were.
pub(crate) fn called(python: &Interpreter) -> Result<usize, String> {
    let subject = Subject::program(python, "called.py", &[]).ready();
    let pid = subject.pid().to_string();
    let (mut good, mut all) = (0, 0);
    for _ in 0..40 {
        let ran = profile(&["-d", "--tasks", &pid]);
        if ran.code() != 0 {
            return Err(ran.err);
        }
        for block in dump(ran.text())?.iter().skip(1) {
            let Some((name, function)) = block.name.rsplit_once(" (f") else { continue };
            all += 1;
            if let Some((kind, _)) = name.strip_prefix('n').and_then(|name| name.split_once('-')) {
                good += 1;
                if function.strip_suffix(')') != Some(kind) {
                    return Err(block.name.clone());
                }
            }
        }
    }
    // Up to 3.13 it has another name for a moment.
    if good * 10 > all * 9 && good > 0 { Ok(good) } else { Err(format!("{good} of {all} have names")) }
}

/// Looks that are wanted, and how often a second of them is taken for that: the machine may be busy.
const LOOKS: usize = 200;
const SECONDS: usize = 60;

/// Watches tasks that never rest; how many of them were seen.
pub(crate) fn relay(python: &Interpreter, arguments: &[&str]) -> Result<usize, String> {
    let subject = Subject::program(python, "relay.py", arguments).ready();
    let pid = subject.pid().to_string();
    let (mut looks, mut held, mut failed, mut seen) = (0, 0, 0, 0);
    for _ in 0..SECONDS {
        let ran = profile(&["--tasks", "-T", "-s", "1", "-r", "0.002", &pid]);
        if ran.code() != 0 {
            return Err(ran.err);
        }
        let mut inside = BTreeMap::<&str, usize>::new();
        let mut lines = ran.text().lines();
        while let (Some(at), Some(stack)) = (lines.next(), lines.next()) {
            if stack == "(failed)" {
                failed += 1;
                continue;
            }
            seen += 1;
            let frames = stack.trim_end_matches(';').split(';').map(frame).collect::<Result<Vec<_>, _>>()?;
            judge(&frames).map_err(|wrong| format!("{wrong}: {stack}"))?;
            let is_inside = frames.iter().any(|(_, function, _)| function == "inside");
            *inside.entry(at).or_default() += usize::from(is_inside);
        }
        if let Some((at, count)) = inside.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{count} tasks had the lock at {at}"));
        }
        looks += inside.len();
        held += inside.values().filter(|count| **count == 1).count();
        if looks >= LOOKS {
            break;
        }
    }
    if looks < LOOKS || failed * 50 > looks || held == 0 {
        return Err(format!("{looks} looks, {failed} failed, in {held} the lock was held"));
    }
    Ok(seen)
}

/// Can this stack be?
fn judge(frames: &[(String, String, u64)]) -> Result<(), &'static str> {
    let Some((_, first, _)) = frames.first() else { return Err("no frames") };
    // A task whose parent has just been told that it is done, or does not wait for it yet, is alone.
    if first != "main" && first != "walk" && place(first).is_none() {
        return Err("it begins elsewhere");
    }
    let own = frames.iter().filter(|(file, ..)| !file.ends_with("taskgroups.py")).collect::<Vec<_>>();
    for pair in own.windows(2) {
        let [(_, from, line), (_, called, _)] = pair else { continue };
        if called == "walk" && from != "_wait" || called == "main" {
            return Err("nobody awaits that there");
        }
        let Some((level, number)) = place(from) else { continue };
        // Eight lines a function: its head, its turn, and three times an `if` and an `await`.
        let turn = line.wrapping_sub(8 * (6 * level + number) + 1).wrapping_sub(3) / 2;
        let awaited = if level == 4 { None } else { Some((level + 1, (number * 3 + turn) % 6)) };
        if turn > 2 || place(called) != awaited || awaited.is_none() && called != "end" {
            return Err("nobody awaits that there");
        }
    }
    let (file, leaf, _) = frames.last().ok_or("no frames")?;
    // Who has not begun stands in its own function, and so does who awaits a task that has just ended.
    match leaf.as_str() {
        "__sleep0" | "acquire" | "Lock.acquire" | "_wait" | "wait" | "walk" => Ok(()),
        _ if place(leaf).is_some() || file.ends_with("taskgroups.py") => Ok(()),
        _ => Err("nobody waits there"),
    }
}

/// Which function of the maze this is.
fn place(name: &str) -> Option<(u64, u64)> {
    let (level, number) = name.strip_prefix('s')?.split_once('_')?;
    Some((level.parse().ok()?, number.parse().ok()?))
}
