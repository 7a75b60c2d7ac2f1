//! The names of threads, as every interpreter at hand keeps them: each runs `programs/names.py`, which tells
//! what its threads are called, and nothing may differ.

mod pythons;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use pyflame_tui::python::locate::locate;
use pyflame_tui::python::names::{NameLayout, thread_names};
use pyflame_tui::python::threads;
use pyflame_tui::target::{Pid, Target};
use serde_json::Value;

/// A program that is killed in the end, and the line that it printed.
struct Running {
    child: Child,
    told: Value,
}

impl Running {
    fn start(python: &pythons::Python, arguments: &[&str]) -> Self {
        let mut command = python.command();
        let mut child =
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a start");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        let mut running = Self { child, told: Value::Null };
        BufReader::new(output).read_line(&mut line).expect("UTF-8");
        running.told =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{python}: {error}: {line}"));
        running
    }

    /// The version, and what is found in its memory of those that are wanted. Its threads wait, so that none has to be
    /// stopped.
    fn names(&self, wanted: impl Fn(u64) -> bool) -> (String, Vec<(u64, String)>) {
        let target = Target::attach(Pid(self.child.id())).expect("a target");
        let maps = target.maps().expect("maps");
        let python = locate(target.memory(), &maps, None, |module| target.elf(module)).expect("a Python");
        let layout = NameLayout::of(&python.layout).expect("a layout");
        let mut found = Vec::new();
        threads::interpreters(&python.layout, target.memory(), python.roots, &mut found).expect("a list");
        let [interpreter] = found[..] else { panic!("one interpreter, not {}", found.len()) };
        let names = thread_names(&python.layout, &layout, target.memory(), interpreter.address, wanted);
        (format!("{} {:?}", python.layout.version, python.layout.build), names.expect("names"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_python_names_its_threads() {
    let (found, missing) = pythons::all();
    for python in &found {
        let running = Running::start(python, &["-c", include_str!("programs/names.py")]);
        let told = running.told["names"].as_array().expect("pairs");
        let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_str()?.to_owned()));
        let told: Option<BTreeMap<u64, String>> = told.iter().map(pair).collect();
        let told = told.expect("numbers and names");
        let (version, names) = running.names(|_| true);
        assert_eq!(names.len(), told.len(), "{python}: as many names as threads that have one");
        for one in &names {
            assert_eq!(running.names(|wanted| wanted == one.0).1, std::slice::from_ref(one), "{python}");
        }
        assert_eq!(names.into_iter().collect::<BTreeMap<_, _>>(), told, "{python}");
        assert!(told.values().any(|name| name == "MainThread"), "{python}");
        println!("{python}: {version}, {} names", told.len());
    }
    for missing in missing {
        println!("not covered: {missing}");
    }
    assert!(!found.is_empty(), "no Python at all");
}

#[test]
fn where_threading_was_not_imported_nothing_has_a_name() {
    let program = "import sys, time; sys.stdout.write(str(int('threading' in sys.modules)) + '\\n')
sys.stdout.flush(); time.sleep(1000)";
    for python in &pythons::all().0 {
        // Some sites import it for themselves.
        let running = Running::start(python, &["-S", "-c", program]);
        assert_eq!(running.told, 0, "{python}");
        assert_eq!(running.names(|_| true).1, [], "{python}");
    }
}
