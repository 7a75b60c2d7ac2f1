//! The Pythons of this machine: those on PATH, pyenv's, and what `tests/pythons.sh` has fetched. And those that
//! should be looked at but are not here, each with the reason: none is passed over in silence.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How a Python was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Build {
    Release,
    Debug,
    FreeThreaded,
    /// A release whose JIT compiler is there, and is switched on.
    Jit,
    PyPy,
    /// Inside a uWSGI, with this plugin.
    Uwsgi(String),
}

/// A Python that is there.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter {
    /// As the tables of the tests call it.
    pub(crate) name: String,
    /// Where it lives, if not here: it is then run by chroot.
    pub(crate) root: Option<PathBuf>,
    /// Its executable, as its root names it.
    pub(crate) command: PathBuf,
    pub(crate) version: (u32, u32),
    pub(crate) build: Build,
}

/// One that is not.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// What this machine has.
#[derive(Debug, Default)]
pub(crate) struct Pythons {
    pub(crate) there: Vec<Interpreter>,
    pub(crate) missing: Vec<Missing>,
}

/// Looked for once in each test program.
pub(crate) fn pythons() -> &'static Pythons {
    static PYTHONS: OnceLock<Pythons> = OnceLock::new();
    PYTHONS.get_or_init(find)
}

/// A Python 3 that needs no root of its own: for the judge, and where any Python will do.
pub(crate) fn python3() -> &'static Interpreter {
    static PYTHON: OnceLock<Interpreter> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let words = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&words).find_map(|folder| ask(&folder.join("python3")));
        let known = |python: &Interpreter| python.version.0 == 3 && python.build == Build::Release;
        let other = || pythons().there.iter().rfind(|python| known(python) && python.root.is_none()).cloned();
        found.filter(known).or_else(other).expect("the tests need a Python 3")
    })
}

fn find() -> Pythons {
    let mut pythons = Pythons::default();
    let mut seen = BTreeSet::new();
    for candidate in on_path().into_iter().chain(of_pyenv()) {
        if let Some(python) = ask(&candidate)
            && seen.insert(python.command.clone())
        {
            pythons.there.push(python);
        }
    }
    pythons.read_index();
    let with_jit: Vec<_> = pythons.there.iter().filter_map(Interpreter::with_jit).collect();
    pythons.there.extend(with_jit);
    pythons.there.sort_by_key(|python| (python.version, python.name.clone()));
    pythons.note_missing();
    pythons
}

/// All that is called python or pypy on PATH.
fn on_path() -> Vec<PathBuf> {
    let words = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&words).filter_map(|folder| fs::read_dir(folder).ok());
    let mut found: Vec<_> = folders.flatten().flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
        rest.is_some_and(|rest| {
            rest.trim_end_matches(['t', 'd', 'm']).chars().all(|c| c.is_ascii_digit() || c == '.')
        })
    });
    found.sort();
    found
}

fn of_pyenv() -> Vec<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(home).unwrap_or_default();
    let versions = fs::read_dir(root.join("versions")).into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin/python")).collect();
    found.sort();
    found
}

/// Asks a program what Python it is. `None` if it is none, or does not start.
fn ask(program: &Path) -> Option<Interpreter> {
    const QUESTION: &str = "import os, sys, sysconfig; \
        print(os.path.realpath(sys.executable)); \
        print('%d.%d.%d' % sys.version_info[:3]); \
        print('pypy' if '__pypy__' in sys.builtin_module_names else \
              'free-threaded' if sysconfig.get_config_var('Py_GIL_DISABLED') else \
              'debug' if hasattr(sys, 'gettotalrefcount') else 'release')";
    let asked = Command::new(program).args(["-c", QUESTION]).stdin(Stdio::null()).output().ok()?;
    let answer = String::from_utf8(asked.stdout).ok().filter(|_| asked.status.success())?;
    let mut lines = answer.lines();
    let (command, version, flags) = (lines.next()?, lines.next()?, lines.next()?);
    let name = match flags {
        "release" => version.to_owned(),
        _ => format!("{version} {flags}"),
    };
    Interpreter::new(&name, None, command, version, flags)
}

impl Interpreter {
    fn new(name: &str, root: Option<&str>, command: &str, version: &str, flags: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        let version = (numbers.next()??, numbers.next()??);
        let build = match flags.split_once(',') {
            None if flags == "release" => Build::Release,
            None if flags == "debug" => Build::Debug,
            None if flags == "free-threaded" => Build::FreeThreaded,
            None if flags == "pypy" => Build::PyPy,
            Some(("uwsgi", plugin)) => Build::Uwsgi(plugin.to_owned()),
            _ => return None,
        };
        let (root, command) = (root.map(PathBuf::from), PathBuf::from(command));
        Some(Self { name: name.to_owned(), root, command, version, build })
    }

    /// Can it be profiled? (A PyPy is there to be refused.)
    pub(crate) fn is_cpython(&self) -> bool {
        self.build != Build::PyPy
    }

    /// It takes a program's path and arguments as a Python does.
    pub(crate) fn takes_programs(&self) -> bool {
        matches!(self.build, Build::Release | Build::Debug | Build::FreeThreaded | Build::Jit)
    }

    /// The same with its JIT compiler, if it says that it has one.
    fn with_jit(&self) -> Option<Self> {
        if self.build != Build::Release || self.version < (3, 14) {
            return None;
        }
        let jit = Self { name: format!("{} JIT", self.name), build: Build::Jit, ..self.clone() };
        let mut question = jit.run(["-c".to_owned(), "import sys; print(sys._jit.is_enabled())".to_owned()]);
        let answer = question.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        (answer.stdout == b"True\n").then_some(jit)
    }

    /// Its command with these words, in its root.
    pub(crate) fn run(&self, words: impl IntoIterator<Item = String>) -> Command {
        let mut command = match &self.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(&self.command);
                command
            }
            None => Command::new(&self.command),
        };
        if self.build == Build::Jit {
            command.env("PYTHON_JIT", "1");
        }
        command.args(words);
        command
    }
}

/// Where `tests/pythons.sh` puts what it fetches.
fn cache() -> PathBuf {
    let under = |variable, rest: &str| env::var_os(variable).map(|place| Path::new(&place).join(rest));
    env::var_os("PYFLAME_TEST_PYTHONS")
        .map(PathBuf::from)
        .or_else(|| under("XDG_CACHE_HOME", "pyflame-tui/pythons"))
        .or_else(|| under("HOME", ".cache/pyflame-tui/pythons"))
        .unwrap_or_default()
}

impl Pythons {
    /// The lines of `index.tsv`: name, root or `-`, command, version, flags.
    fn read_index(&mut self) {
        let index = fs::read_to_string(cache().join("index.tsv")).unwrap_or_default();
        for line in index.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.split('\t').collect();
            let [name, root, command, version, flags] = words[..] else { panic!("{line:?} in index.tsv") };
            let root = Some(root).filter(|root| *root != "-");
            let python = Interpreter::new(name, root, command, version, flags).expect(line);
            if root.is_some() && !nix::unistd::geteuid().is_root() {
                self.missing.push(Missing {
                    name: python.name,
                    why: "it lives in a root of its own: chroot takes root".into(),
                });
            } else {
                self.there.push(python);
            }
        }
    }

    /// What the tables have to show, and how it is said in them.
    fn note_missing(&mut self) {
        let releases = std::iter::once((2, 7)).chain((6..=15).map(|minor| (3, minor)));
        let mut wanted: Vec<_> = releases.map(|version| (version, Build::Release)).collect();
        wanted.extend((13..=15).map(|minor| ((3, minor), Build::Debug)));
        wanted.extend((13..=15).map(|minor| ((3, minor), Build::FreeThreaded)));
        for (version, build) in wanted {
            let is_it = |python: &&Interpreter| python.version == version && python.build == build;
            if self.there.iter().any(|python| is_it(&python)) {
                continue;
            }
            let (mut name, mut step) = (format!("{}.{}", version.0, version.1), "sid".to_owned());
            match build {
                Build::FreeThreaded => {
                    step = format!("ft{}{}", version.0, version.1);
                    name += " free-threaded";
                }
                Build::Debug => name += " debug",
                _ => {}
            }
            // Those of a root that we may not enter are missing already.
            if self.missing.iter().any(|missing| missing.name.starts_with(&format!("sid-{name}"))) {
                continue;
            }
            self.missing.push(Missing { why: why_not(version, &build, &step), name });
        }
        for (what, is_it) in [("uWSGI", "uwsgi"), ("PyPy", "pypy")] {
            let known = |name: &str| name.contains(is_it);
            let there = self
                .there
                .iter()
                .any(|python| known(&python.name) || (is_it == "pypy" && !python.is_cpython()));
            if !there && !self.missing.iter().any(|missing| known(&missing.name)) {
                self.missing
                    .push(Missing { name: what.into(), why: "tests/pythons.sh sid fetches it".into() });
            }
        }
    }
}

/// The last word of the script that fetches it, if it was asked.
fn why_not(version: (u32, u32), build: &Build, step: &str) -> String {
    let log = fs::read_to_string(cache().join("log").join(format!("{step}.log"))).unwrap_or_default();
    match log.lines().last() {
        Some(last) if !cache().join(format!("{step}.part")).exists() => {
            format!("tests/pythons.sh {step}: {last}")
        }
        _ if version >= (3, 13) => format!("tests/pythons.sh {step} fetches it"),
        _ if *build == Build::Release => {
            format!("no python{}.{} on PATH or among pyenv's", version.0, version.1)
        }
        _ => "not on PATH".into(),
    }
}
