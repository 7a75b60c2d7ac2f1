//! Pythons in odd homes: without symbols, with their file deleted or replaced while they run, in namespaces of their
//! own, in a process that C has forked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::folded::dump;
use crate::installed::copy_program;
use crate::interpreters::{Build, Interpreter};
use crate::profiler::profile;
use crate::subject::Subject;

/// What can be tried here, and worked.
pub(crate) fn visit(python: &Interpreter) -> Result<Vec<&'static str>, String> {
    if !python.takes_programs() || python.root.is_some() {
        return Ok(Vec::new());
    }
    let runtime = runtime(python)?;
    let mut visited = Vec::new();
    for home in [Home::Deleted, Home::Replaced, Home::Stripped] {
        if let Some((subject, _folder)) = home.enter(python, &runtime)? {
            see(&subject, subject.pid()).map_err(|error| format!("{home:?}: {error}"))?;
            visited.push(home.name());
        }
    }
    forked_by_c(python).map_err(|error| format!("forked by C: {error}"))?;
    visited.push("forked by C");
    if nix::unistd::geteuid().is_root() && python.build == Build::Release {
        in_namespaces(python).map_err(|error| format!("in namespaces: {error}"))?;
        visited.push("namespaces");
    }
    Ok(visited)
}

/// The main thread's stack is there, under our number of it.
fn see(subject: &Subject, pid: u32) -> Result<(), String> {
    let ran = profile(&["-d", &pid.to_string()]);
    if ran.code() != 0 {
        let maps = fs::read_to_string(format!("/proc/{}/maps", subject.pid())).unwrap_or_default();
        let maps: Vec<_> = maps.lines().filter(|line| line.contains("python")).collect();
        return Err(format!("{}{maps:?}", ran.err));
    }
    let blocks = dump(ran.text())?;
    // On a busy machine it may still be about to come back from saying that it is ready.
    let is_it = |frame: &(String, String, u64)| matches!(frame.1.as_str(), "sleeper" | "ready");
    if blocks.iter().any(|block| block.tid == u64::from(pid) && block.frames.iter().any(is_it)) {
        Ok(())
    } else {
        Err(ran.text().to_owned())
    }
}

/// The file that holds the runtime: a libpython, or the program itself.
fn runtime(python: &Interpreter) -> Result<PathBuf, String> {
    let mut subject = Subject::program(python, "idle.py", &[]);
    subject.await_line("ready", Duration::from_secs(60))?;
    let maps = fs::read_to_string(format!("/proc/{}/maps", subject.pid())).unwrap();
    let library = maps
        .lines()
        .find(|line| line.contains("/libpython"))
        .and_then(|line| line.find('/').map(|at| &line[at..]));
    Ok(library.map_or_else(|| python.command.clone(), PathBuf::from))
}

#[derive(Debug, Clone, Copy)]
enum Home {
    Deleted,
    Replaced,
    Stripped,
}

impl Home {
    const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Stripped => "stripped",
        }
    }

    /// A Python with a runtime of its own, in that state. `None` where there are no means to make it.
    fn enter(self, python: &Interpreter, runtime: &Path) -> Result<Option<(Subject, TempDir)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join(runtime.file_name().unwrap());
        copy_program(runtime, &copy);
        if matches!(self, Self::Stripped) {
            let strip = Command::new("strip").arg("--strip-all").arg(&copy).stderr(Stdio::null()).status();
            if !strip.is_ok_and(|status| status.success()) {
                return Ok(None);
            }
        }
        let mut subject = Subject::adjusted(python, "idle.py", |command| {
            if runtime == python.command {
                let mut other = Command::new(&copy);
                other.args(command.get_args());
                other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
                *command = other;
            } else {
                // By its soname it is the one that the program asks for.
                command.env("LD_PRELOAD", &copy);
            }
        });
        subject.await_line("ready", Duration::from_secs(60))?;
        let maps = fs::read_to_string(format!("/proc/{}/maps", subject.pid())).unwrap();
        if !maps.contains(copy.to_str().unwrap()) {
            return Err(format!("{} is not what it runs", copy.display()));
        }
        match self {
            Self::Deleted => fs::remove_file(&copy).unwrap(),
            Self::Replaced => {
                fs::write(folder.path().join("other"), "no Python at all").unwrap();
                fs::rename(folder.path().join("other"), &copy).unwrap();
            }
            Self::Stripped => {}
        }
        Ok(Some((subject, folder)))
    }
}

/// In a process of which Python does not know that it was forked.
fn forked_by_c(python: &Interpreter) -> Result<(), String> {
    let mut subject = Subject::program(python, "forked.py", &[]);
    let said = subject.await_line("child", Duration::from_secs(60))?;
    let child = said.trim_start_matches("child ").parse().map_err(|_| said)?;
    see(&subject, child)
}

/// In a PID namespace and a mount namespace of its own: neither its numbers nor its paths are ours.
fn in_namespaces(python: &Interpreter) -> Result<(), String> {
    let mut subject = Subject::adjusted(python, "idle.py", |command| {
        let mut outer = Command::new("unshare");
        outer.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]);
        outer.arg(command.get_program()).args(command.get_args());
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        *command = outer;
    });
    subject.await_line("ready", Duration::from_secs(60))?;
    let children = format!("/proc/{0}/task/{0}/children", subject.pid());
    let deadline = Instant::now() + Duration::from_secs(10);
    let inner = loop {
        let text = fs::read_to_string(&children).unwrap_or_default();
        if let Some(pid) = text.split_whitespace().next() {
            break pid.parse().unwrap();
        }
        if Instant::now() > deadline {
            return Err("unshare has no child".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    see(&subject, inner)
}
