//! The program against every Python that this machine has: dumps that must be what the target says of itself, the
//! layouts against the target's own words, and a short walk through the maze. The long walks are in `tests/matrix`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bare;
mod cpus;
mod crowd;
mod doing;
mod family;
mod folded;
mod heirs;
mod homes;
mod installed;
mod interpreters;
mod layout;
mod looks;
mod maze;
mod profiler;
mod realtime;
mod requests;
mod reused;
mod subject;
mod subs;
mod succeed;
mod table;
mod tasks;
mod truth;
mod unstopped;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use interpreters::{Build, Interpreter, pythons};
use maze::{Look, Maze};
use table::{Row, Table};

/// Most are about time, and take it from others: they run one after the other.
static CPUS: Mutex<()> = Mutex::new(());

/// What [`look_at`] says of a Python, in this order.
const COLUMNS: [&str; 12] = [
    "threads",
    "frames",
    "members",
    "maze",
    "impossible",
    "failed",
    "idle",
    "subs",
    "heirs",
    "reused",
    "successors",
    "stacks",
];

/// Looks at every Python, two at a time, and ends with the table of what was looked at and what could not be.
#[test]
fn every_python_of_this_machine_is_read_truly() {
    let _alone = CPUS.lock();
    let pythons = &pythons().there;
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let name = format!("worker {worker}");
            let work = || {
                while let Some(python) = pythons.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = look_at(python);
                    rows.lock().unwrap().push(row);
                }
            };
            std::thread::Builder::new().name(name).spawn_scoped(scope, work).unwrap();
        }
    });
    let mut table = Table::new(&COLUMNS);
    for row in rows.into_inner().unwrap() {
        table.add(row);
    }
    table.finish();
}

/// What may not be stopped is read all the same.
#[test]
fn nothing_is_stopped_where_nothing_may_be() {
    let _alone = CPUS.lock();
    let seen = unstopped::look_at_some(&pythons().there);
    let wrong: Vec<_> = seen.iter().filter_map(|one| one.as_ref().err()).collect();
    assert!(wrong.is_empty() && !seen.is_empty(), "{wrong:#?}");
    for said in seen.into_iter().flatten() {
        println!("{said}");
    }
}

/// The oldest and the newest.
#[test]
fn threads_that_come_and_go_are_sampled_in_time_beside_hundreds_that_wait() {
    let _alone = CPUS.lock();
    let all = cpythons();
    assert!(!all.is_empty());
    for python in all.first().into_iter().chain(all.last()) {
        let requests = right(python, requests::watch(python));
        println!("{}: {requests} samples of requests", python.name);
    }
}

/// The oldest and the newest: a thread has no name but its own.
#[test]
fn threads_that_end_soon_have_their_own_names() {
    let _alone = CPUS.lock();
    let all = cpythons();
    let all = || all.iter().filter(|python| python.takes_programs());
    for python in all().next().into_iter().chain(all().next_back()) {
        let seen = right(python, requests::named(python));
        println!("{}: {seen} names", python.name);
    }
}

/// Those that can have threads that run at the same time: without a GIL, and the newest, with interpreters.
#[test]
fn many_threads_that_run_at_once_are_sampled_on_few_cpus() {
    let _alone = CPUS.lock();
    let all = cpythons();
    let free = all.iter().filter(|python| python.build == Build::FreeThreaded);
    for python in free.chain(all.last()) {
        match right(python, crowd::watch(python)) {
            Some(samples) => println!("{}: {samples} samples", python.name),
            None => println!("{}: one at a time", python.name),
        }
    }
}

/// Any one: it is the kernel that has to be shared.
#[test]
fn who_leaves_its_cpu_to_nobody_is_sampled_in_time_from_another() {
    let _alone = CPUS.lock();
    match realtime::watch(cpythons().first().unwrap()) {
        Some(seen) => println!("{} samples", seen.unwrap_or_else(|wrong| panic!("{wrong}"))),
        None => println!("nobody may be a real-time thread here, or there is but one CPU"),
    }
}

/// The oldest, the newest and those without a GIL: a thread that waits is not said to be on a CPU, and one that computes
/// is.
#[test]
fn what_a_thread_does_is_said_of_the_stack_where_it_does_it() {
    let _alone = CPUS.lock();
    let all = cpythons();
    let free = all.iter().filter(|python| python.build == Build::FreeThreaded);
    let mut some: Vec<_> = all.first().into_iter().chain(all.last()).chain(free).collect();
    some.dedup_by_key(|python| &python.command);
    assert!(!some.is_empty());
    for python in some {
        println!("{}: {:?}", python.name, right(python, doing::watch(python)));
    }
}

/// The oldest, the newest, those without a GIL, and one of each way to keep frames between.
#[test]
fn a_thread_in_no_python_code_is_there_and_has_no_stack() {
    let _alone = CPUS.lock();
    let ways = [(2, 7), (3, 8), (3, 12), (3, 15)];
    let is_one = |python: &&Interpreter| {
        python.build == Build::FreeThreaded
            || python.build == Build::Release && ways.contains(&python.version)
    };
    let some: Vec<_> = cpythons().into_iter().filter(is_one).collect();
    assert!(!some.is_empty());
    for python in some {
        right(python, bare::watch(python));
        println!("{}", python.name);
    }
}

/// From 3.7 on, where there is a GIL: who wants to compute and may not is not said to wait for something.
#[test]
fn who_waits_for_the_gil_is_said_to() {
    let _alone = CPUS.lock();
    let with_gil = |python: &&Interpreter| python.version >= (3, 7) && python.build == Build::Release;
    for python in cpythons().into_iter().filter(with_gil) {
        let seen = right(python, doing::contend(python));
        println!("{}: {seen:?}", python.name);
    }
}

/// The oldest and the newest: who lets go of the GIL for a moment is not waited for, nor any of two who do. (Of 2.7 it is
/// not seen who waits for the GIL, and two may.)
#[test]
fn a_thread_has_the_gil_as_often_as_it_is_seen_with_it() {
    let _alone = CPUS.lock();
    let all = cpythons();
    let locked = || all.iter().filter(|one| one.build != Build::FreeThreaded && one.takes_programs());
    let sure = || locked().filter(|one| one.version >= (3, 0));
    let one = locked().next().into_iter().chain(locked().next_back()).map(|python| (python, 1));
    let two = sure().next().into_iter().chain(sure().next_back()).map(|python| (python, 2));
    for (python, threads) in one.chain(two) {
        let shares = right(python, doing::share(python, threads));
        println!("{} with {threads}: {shares:.0?} %", python.name);
    }
}

/// Those that say where they are.
#[test]
fn tasks_that_wait_are_seen_where_they_wait() {
    let _alone = CPUS.lock();
    let programs = cpythons().into_iter().filter(|python| python.takes_programs());
    let (told, silent): (Vec<_>, Vec<_>) = programs.partition(|python| tasks::are_told(python));
    for python in silent.first().into_iter().chain(silent.last()) {
        right(python, tasks::are_refused(python));
    }
    for python in told {
        let tasks = right(python, tasks::compare(python));
        for arguments in [&["60", "20"][..], &["60", "100", "short"]] {
            let seen = right(python, tasks::relay(python, arguments));
            println!("{}: {tasks} tasks where they say, {seen} seen in a maze", python.name);
        }
    }
}

/// Those that say where they are.
#[test]
fn tasks_are_seen_where_their_loop_runs() {
    let _alone = CPUS.lock();
    let programs = cpythons().into_iter().filter(|python| python.takes_programs());
    for python in programs.filter(|python| tasks::are_told(python)) {
        let seen = right(python, tasks::elsewhere(python));
        println!("{}: {seen} seen", python.name);
    }
}

/// The oldest and the newest of them: what a task is called is known of that one.
#[test]
fn tasks_that_end_at_once_have_their_own_names() {
    let _alone = CPUS.lock();
    let told: Vec<_> = cpythons().into_iter().filter(|python| tasks::are_told(python)).collect();
    for python in told.first().into_iter().chain(told.last()).filter(|python| python.takes_programs()) {
        let seen = right(python, tasks::called(python));
        println!("{}: {seen} names", python.name);
    }
}

/// What was seen of a Python, if that was right.
fn right<T>(python: &Interpreter, seen: Result<T, String>) -> T {
    seen.unwrap_or_else(|wrong| panic!("{}: {wrong}", python.name))
}

/// Those that can be looked at.
fn cpythons() -> Vec<&'static Interpreter> {
    pythons().there.iter().filter(|python| python.is_cpython()).collect()
}

/// Two seconds in the maze, with one thread or, on every other Python, with four.
fn short_walk(python: &Interpreter) -> Result<[u64; 4], String> {
    let busy = if python.version.1.is_multiple_of(2) { 4 } else { 1 };
    let look =
        Look { seconds: 2.0, interval: 0.001, all_threads: busy == 4, nonblocking: false, apart: false };
    let (verdict, figures) = Maze::enter(python, busy, false)?.look(look)?;
    Ok([verdict.samples, verdict.impossible, figures.failed(), verdict.idle])
}

fn look_at(python: &Interpreter) -> Row {
    let mut row = Row::of(python);
    if !python.is_cpython() {
        row.note(refused(python));
        return row;
    }
    match truth::compare(python) {
        Ok(compared) => row.figures([compared.threads, compared.frames]),
        Err(wrong) => row.wrong("truth", &wrong),
    }
    match layout::compare(python) {
        Ok(members) => row.figures([members]),
        Err(wrong) => row.wrong("layout", &wrong),
    }
    match short_walk(python) {
        Ok(figures) => row.figures(figures),
        Err(wrong) => row.wrong("maze", &wrong),
    }
    match subs::watch(python) {
        Ok(samples) => row.figures([samples]),
        Err(wrong) => row.wrong("sub-interpreters", &wrong),
    }
    match heirs::watch(python) {
        Ok(seen) => row.figures([seen]),
        Err(wrong) => row.wrong("heirs", &wrong),
    }
    match reused::watch(python) {
        Ok(samples) => row.figures([samples]),
        Err(wrong) => row.wrong("reused", &wrong),
    }
    match succeed::watch(python) {
        Ok(figures) => row.figures(figures),
        Err(wrong) => row.wrong("succeed", &wrong),
    }
    // The oldest and the newest: it is the same for all.
    let mut all = pythons().there.iter().filter(|python| python.is_cpython());
    let ends = [all.next(), all.next_back()];
    if ends.into_iter().flatten().any(|end| end.command == python.command)
        && let Err(wrong) = family::walk(python)
    {
        row.wrong("family", &wrong);
    }
    match homes::visit(python) {
        Ok(homes) => row.note(Ok(homes.join(", "))),
        Err(wrong) => row.wrong("home", &wrong),
    }
    row
}

/// PyPy is recognised, and said to be what it is.
fn refused(python: &Interpreter) -> Result<String, String> {
    let subject = subject::Subject::program(python, "idle.py", &[]).ready();
    let ran = profiler::profile(&[&subject.pid().to_string()]);
    let says_so = ran.err.starts_with("Failed to locate libpython") && ran.err.contains("is a PyPy");
    if python.build == Build::PyPy && ran.code() == 1 && says_so {
        Ok("refused, as it must be".into())
    } else {
        Err(format!("status {}: {}", ran.code(), ran.err))
    }
}
