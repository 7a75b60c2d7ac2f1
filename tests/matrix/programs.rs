//! The programs of everyday life, on every Python: one that divides its time, one that waits, a deep one, one with
//! names in every script, one that ends, one that forks.

use std::time::{Duration, Instant};

use crate::folded::{Figures, dump, folded, share};
use crate::interpreters::Interpreter;
use crate::profiler::{Ran, profile, profiler, start};
use crate::subject::Subject;
use crate::table::Row;
use crate::tasks;
use crate::walks::per_mille;

pub(crate) const COLUMNS: [&str; 8] =
    ["70 %", "20 %", "10 %", "on time %", "p99 µs", "deep", "others", "tasks"];

/// What is wrong, or what is to be shown.
type Told = Result<Vec<String>, String>;

/// A row of the table.
pub(crate) fn run_all(python: &Interpreter) -> Row {
    let mut row = Row::of(python);
    for (name, program) in
        [("shares", shares as fn(&Interpreter) -> Told), ("deep", deep), ("others", others), ("tasks", waits)]
    {
        match program(python) {
            Ok(cells) => row.figures(cells),
            Err(wrong) => row.wrong(name, &wrong),
        }
    }
    row
}

/// asyncio's tasks, at rest and in a maze.
fn waits(python: &Interpreter) -> Told {
    if !tasks::are_told(python) {
        return Ok(vec!["–".to_owned()]);
    }
    tasks::compare(python)?;
    let seen = tasks::relay(python, &["60", "20"])? + tasks::relay(python, &["60", "100", "short"])?;
    Ok(vec![seen.to_string()])
}

/// Starts a program and awaits its `ready`.
fn ready(python: &Interpreter, program: &str, words: &[&str]) -> Result<Subject, String> {
    let mut subject = Subject::program(python, program, words);
    subject.await_line("ready", Duration::from_secs(120))?;
    Ok(subject)
}

/// Ends well, in silence.
fn well(ran: Ran) -> Result<Ran, String> {
    if ran.code() == 0 && ran.err.is_empty() {
        Ok(ran)
    } else {
        Err(format!("status {}: {}", ran.code(), ran.err))
    }
}

/// 70, 20 and 10 %, to a point and a half, of 10,000 samples at 1,000 a second.
fn shares(python: &Interpreter) -> Told {
    let subject = ready(python, "shares.py", &[])?.at_work();
    let ran = profile(&["--stats", "-s", "10", "-r", "0.001", &subject.pid().to_string()]);
    if ran.code() != 0 {
        return Err(ran.err);
    }
    let mut cells = Vec::new();
    for (function, wanted) in [("seventy", 700.0), ("twenty", 200.0), ("ten", 100.0)] {
        let (some, all) = share(ran.text(), function);
        let seen = per_mille(some, all);
        cells.push(format!("{:.2}", seen / 10.0));
        if (seen - wanted).abs() > 15.0 {
            return Err(format!("{function}: {seen} ‰, not {wanted}"));
        }
    }
    let figures = Figures::parse(&ran.err);
    if figures.samples + figures.late != 10_000 {
        return Err(format!("{} samples and {} late are not 10,000", figures.samples, figures.late));
    }
    cells.push(format!("{:.2}", per_mille(figures.samples, 10_000) / 10.0));
    cells.push(format!("{:.0}", figures.p99));
    Ok(cells)
}

/// Ten thousand frames, at rest and at work.
fn deep(python: &Interpreter) -> Told {
    let subject = ready(python, "deep.py", &["10000"])?;
    let ran = well(profile(&["-d", &subject.pid().to_string()]))?;
    let blocks = dump(ran.text())?;
    let frames = blocks.iter().map(|block| block.frames.len()).max().unwrap_or(0);
    let downs =
        |block: &crate::folded::Block| block.frames.iter().filter(|(_, name, _)| name == "down").count();
    if !blocks.iter().any(|block| downs(block) == 10_000) {
        return Err(format!("{frames} frames are not 10,000 of down()"));
    }
    drop(subject);
    let subject = ready(python, "deep.py", &["10000", "--busy"])?.at_work();
    let ran = well(profile(&["-s", "2", "-r", "0.005", &subject.pid().to_string()]))?;
    let stacks = folded(ran.text());
    let deep = stacks.iter().filter(|(stack, _)| stack.len() >= 10_000).map(|(_, count)| count).sum::<u64>();
    let all = stacks.iter().map(|(_, count)| count).sum::<u64>();
    if deep * 100 < all * 99 || deep == 0 {
        return Err(format!("{deep} of {all} samples are deep"));
    }
    Ok(vec![frames.to_string()])
}

fn others(python: &Interpreter) -> Told {
    let subject = ready(python, "idle.py", &[])?;
    let ran = well(profile(&["-s", "0.5", "-r", "0.005", &subject.pid().to_string()]))?;
    if folded(ran.text()).iter().any(|(stack, _)| stack[..] != ["(idle)"]) {
        return Err(format!("idle: {}", ran.text()));
    }
    if python.version.0 == 3 {
        let subject = ready(python, "unicode.py", &[])?.at_work();
        let ran = well(profile(&["-s", "0.5", "-r", "0.002", &subject.pid().to_string()]))?;
        for name in ["файл.py:début:", ":größe:", ":функция:", ":関数:", ":𐐷𠀀:"] {
            if !ran.text().contains(name) {
                return Err(format!("{name}: {}", ran.text()));
            }
        }
    }
    let subject = ready(python, "short.py", &["{room}/end"])?;
    let pid = subject.pid().to_string();
    let running = start(&mut profiler(&["-s", "60", "-r", "0.002", &pid]));
    running.looks(100);
    let began = Instant::now();
    std::fs::write(subject.room().here.join("end"), "").map_err(|error| error.to_string())?;
    let ran = well(running.end(Duration::from_secs(30)))?;
    if share(ran.text(), "work").0 == 0 || began.elapsed() > Duration::from_secs(20) {
        return Err(format!("short: {}", ran.text()));
    }
    let mut subject = ready(python, "forks.py", &[])?;
    let ran = well(profile(&["-s", "1", "-r", "0.002", &subject.pid().to_string()]))?;
    if share(ran.text(), "in_parent").0 == 0 || share(ran.text(), "in_child").0 > 0 || !subject.is_alive() {
        return Err(format!("forks: {}", ran.text()));
    }
    Ok(vec!["as said".into()])
}
