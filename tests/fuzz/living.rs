//! Live Pythons at rest, each with many threads in odd places, read through memory that lies: published tables, lists,
//! frame walks, code objects, names, and finding the Python itself.

use std::time::{Duration, Instant};

use pyflame_tui::python::capture::Capture;
use pyflame_tui::python::code::Codes;
use pyflame_tui::python::layout::Layout;
use pyflame_tui::python::locate::{Python, locate};
use pyflame_tui::python::names::{NameLayout, thread_names};
use pyflame_tui::python::published;
use pyflame_tui::python::snapshot::Snapshot;
use pyflame_tui::python::tasks::{self, TaskReader};
use pyflame_tui::python::threads::{interpreters, threads};
use pyflame_tui::sample::Flags;
use pyflame_tui::target::elf::Elf;
use pyflame_tui::target::memory::{Address, Memory};
use pyflame_tui::target::{Maps, Pid, Target};

use crate::interpreters::{Interpreter, pythons};
use crate::mutant::Mutant;
use crate::subject::Subject;
use crate::{Numbers, alone, hunt};

/// A Python that rests, and what is known of it.
struct Resting {
    target: Target,
    maps: Maps,
    python: Python,
    /// Where its tasks are, if it says so.
    tasks: Option<TaskReader>,
    /// Addresses of its structures.
    leads: Vec<u64>,
    name: String,
    /// Killed when this is dropped, last of all.
    _subject: Subject,
}

impl Resting {
    /// Waits until it rests.
    fn of(python: &Interpreter, mut subject: Subject) -> Self {
        subject.await_line("{\"", Duration::from_secs(120)).unwrap();
        let target = Target::attach(Pid(subject.pid())).unwrap();
        let maps = target.maps().unwrap();
        let found = locate(target.memory(), &maps, None, |module| target.elf(module)).unwrap();
        let mut leads = vec![found.roots.runtime.0, found.code_type.0];
        let mut tasks = tasks::locate(target.memory(), &maps, &found, |module| target.elf(module));
        if let Some(tasks) = &mut tasks {
            let mut all = Vec::new();
            interpreters(&found.layout, target.memory(), found.roots, &mut all).unwrap();
            tasks.follow(&found.layout, target.memory(), &all, Instant::now());
        }
        let capture = capture(&found, tasks.as_ref(), target.memory(), usize::MAX);
        let waits = capture.threads().iter().any(|seen| seen.label.is_some());
        assert_eq!(tasks.is_some(), waits, "{}", python.name);
        leads.extend(capture.threads().iter().map(|seen| seen.thread.0));
        for frame in capture.all_frames() {
            let code = &found.layout.code;
            let parts = [code.file, code.name, code.lines];
            leads.extend(parts.map(|part| part.of(target.memory(), frame.code).unwrap().0));
            leads.push(frame.code.0);
        }
        leads.sort_unstable();
        leads.dedup();
        Self { target, maps, python: found, tasks, leads, name: python.name.clone(), _subject: subject }
    }
}

/// One Python of each version and build, at rest.
fn all() -> Vec<Resting> {
    let mut known = Vec::new();
    let mut chosen: Vec<_> = pythons().there.iter().filter(|python| python.takes_programs()).collect();
    chosen.retain(|python| {
        let kind = (python.version, python.build.clone());
        let new = !known.contains(&kind);
        known.push(kind);
        new
    });
    assert!(!chosen.is_empty(), "the tests need a Python");
    // All start at once, and then are waited for.
    let subjects: Vec<_> = chosen.iter().map(|python| Subject::program(python, "truth.py", &[])).collect();
    chosen.into_iter().zip(subjects).map(|(python, subject)| Resting::of(python, subject)).collect()
}

/// All threads and their tasks, or as many threads as are wanted, as a look takes them.
fn capture(python: &Python, tasks: Option<&TaskReader>, memory: &impl Memory, most: usize) -> Capture {
    let mut reader = tasks.cloned();
    let (mut found, mut list, mut capture) = (Vec::new(), Vec::new(), Capture::default());
    let _ = interpreters(&python.layout, memory, python.roots, &mut found);
    for interpreter in found.iter().take(most) {
        let _ = interpreter.lock.holder(memory);
        list.clear();
        let _ = threads(&python.layout, memory, interpreter.address, &mut list);
        for thread in list.iter().take(most) {
            let before = capture.all_frames().len();
            let flags = if thread.0 & 16 == 0 { Flags::HOLDS_GIL } else { Flags::default() };
            let added = capture.add(python, memory, interpreter, *thread, flags);
            assert!(added.is_ok() || capture.all_frames().len() == before);
            if added.is_ok() {
                let _ = capture.add_tasks(&python.layout, memory, reader.as_mut());
            }
        }
    }
    capture
}

/// What stands for this Python after its published table was read again, if it has one and it still makes sense.
fn as_published(resting: &Resting, memory: &impl Memory) -> Python {
    let layout: Option<Layout> = published::layout(memory, resting.python.roots.runtime).ok();
    let python = resting.python.clone();
    Python { layout: layout.unwrap_or(python.layout), ..python }
}

/// A walk is bounded by 65,536 frames, a list by 131,072 threads; each step takes a few reads, and of each of the
/// lists some threads are walked.
const MOST_READS: u64 = 4_000_000;

#[test]
fn live_pythons() {
    alone(|| {
        let pythons = all();
        are_alive(&pythons);
        lists_walks_and_code(&pythons);
        names_of_threads(&pythons);
        finding_python(&pythons);
    });
}

fn lists_walks_and_code(pythons: &[Resting]) {
    let mut frames = 0;
    // 64 MiB of names and line tables for a stack, and lines take more room than their tables.
    hunt("lists, walks and code", 640 << 20, |numbers| {
        let resting = &pythons[numbers.below(pythons.len())];
        let memory = Mutant::new(resting.target.memory(), &resting.leads, numbers, MOST_READS);
        let python = as_published(resting, &memory);
        let snapshot = Snapshot::new();
        let capture = if numbers.one_in(2) {
            capture(&python, resting.tasks.as_ref(), &memory, 4)
        } else {
            capture(&python, resting.tasks.as_ref(), &snapshot.of(&memory), 4)
        };
        frames += decode(&python, &memory, &capture);
    });
    assert!(frames > 0, "no frame was ever read");
}

/// Reads the code of what was captured, twice; how many frames came of it.
fn decode(python: &Python, memory: &impl Memory, capture: &Capture) -> usize {
    let mut codes = Codes::new(python.layout.clone(), python.code_type);
    let (mut stack, mut frames) = (Vec::new(), 0);
    for _ in 0..2 {
        let _ = codes.learn(memory, capture);
        codes.meet(capture);
        let _ = codes.confirm(memory);
        for seen in capture.threads() {
            codes.decode(capture, seen, &mut stack);
            assert!(stack.len() <= capture.frames(seen).len());
            frames += stack.len();
        }
    }
    frames
}

fn names_of_threads(pythons: &[Resting]) {
    let mut named = 0;
    // A snapshot copies 128 MiB at the most, and its buffer is twice there while it grows.
    hunt("names of threads", 320 << 20, |numbers| {
        let resting = &pythons[numbers.below(pythons.len())];
        let memory = Mutant::new(resting.target.memory(), &resting.leads, numbers, 1 << 23);
        let python = as_published(resting, &memory);
        let Some(layout) = NameLayout::of(&python.layout) else { return };
        let mut found = Vec::new();
        let _ = interpreters(&python.layout, &memory, python.roots, &mut found);
        for interpreter in found.iter().take(2) {
            let told = thread_names(&python.layout, &layout, &memory, interpreter.address, |_| true);
            named += told.map_or(0, |told| told.len());
        }
    });
    assert!(named > 0, "no name was ever read");
}

fn finding_python(pythons: &[Resting]) {
    let mut found = 0;
    hunt("finding Python", 640 << 20, |numbers| {
        let resting = &pythons[numbers.below(pythons.len())];
        let memory = Mutant::new(resting.target.memory(), &resting.leads, numbers, 1 << 24);
        let abi = Some(resting.python.layout.version).filter(|_| numbers.one_in(4));
        // The files are gone, so that they are read from memory; or they are as they are.
        let files_are_gone = numbers.one_in(2);
        let load = |module: &pyflame_tui::target::Module| {
            if files_are_gone { Elf::of_memory(&memory, module) } else { resting.target.elf(module) }
        };
        found += usize::from(locate(&memory, &resting.maps, abi, load).is_ok());
    });
    assert!(found > 0, "no Python was ever found");
}

/// The addresses that are put in the place of others lead somewhere, and a memory of which little is replaced is
/// mostly true: else all of this would only ever read the first word.
fn are_alive(pythons: &[Resting]) {
    for resting in pythons {
        assert!(resting.leads.len() > 100, "{} is no subject", resting.name);
        let memory = resting.target.memory();
        let mapped = resting.leads.iter().filter(|lead| memory.u64(Address(**lead)).is_ok());
        assert_eq!(mapped.count(), resting.leads.len(), "{}", resting.name);
        let alive = (0..20).filter(|seed| {
            let memory = Mutant::new(memory, &resting.leads, &mut Numbers(*seed), MOST_READS);
            !capture(&resting.python, resting.tasks.as_ref(), &memory, 4).threads().is_empty()
        });
        assert!(alive.count() > 3, "{}", resting.name);
    }
}
