//! From what is to be watched to a target and the Python in it; and again, when the target becomes another program.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::python::locate::{LocateError, Python, locate};
use crate::python::recognise::{self, Kind};
use crate::python::version::Version;
use crate::sampler::{Plan, StartError, Stopping, Subprocesses, Watch};
use crate::target::launch::launch_at;
use crate::target::memory::ReadError;
use crate::target::{Life, Pid, Seat, Target, maps, process};

/// A process that has a Python but no thread yet, or is so young that its libraries may still be loading, is given
/// this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Younger than this it may still be loading.
const YOUNG: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// Processes below one that are looked at for a Python.
const FAMILY: usize = 256;

/// A command that cannot be attached to may just be ending.
const QUICK: Duration = Duration::from_millis(50);

/// A target, with its Python if that is up already.
#[derive(Debug)]
pub struct Found {
    /// The process.
    pub target: Target,
    /// `None` for a command whose Python is still to come, and where those below are meant, too.
    pub python: Option<Python>,
}

/// No Python was found in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindError {
    /// Which process.
    pub pid: u32,
    /// Its executable, if that can be told.
    pub program: Option<String>,
    /// A Python among its children, or theirs: it may be what was meant.
    pub child: Option<u32>,
    /// Why.
    pub cause: LocateError,
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

/// Attaches or launches; a command sits at this terminal, or shares ours.
pub fn open(plan: &Plan, seat: Option<&Seat>) -> Result<Found, StartError> {
    match &plan.watch {
        Watch::Process(pid) => {
            let attached = match plan.stopping {
                Stopping::Brief => Target::attach(Pid(*pid)),
                Stopping::Never => Target::attach_unstopped(Pid(*pid)),
            };
            let mut target = attached.map_err(|error| StartError::Attach(*pid, error))?;
            match patiently(&mut target, plan.abi) {
                Ok(python) => Ok(Found { target, python: Some(python) }),
                Err(FindError { child: Some(_), .. }) if plan.subprocesses == Subprocesses::Watched => {
                    Ok(Found { target, python: None })
                }
                Err(error) => Err(StartError::Find(error)),
            }
        }
        Watch::Command(words) => {
            let child = launch_at(words, seat, plan.user.as_ref()).map_err(StartError::Launch)?;
            let attached = match plan.stopping {
                Stopping::Brief => child.attach(),
                Stopping::Never => child.attach_unstopped(),
            };
            match attached {
                Ok(target) => Ok(Found { target, python: None }),
                Err(error) => Err(match child.wait(QUICK) {
                    None => StartError::Attach(child.pid().0, error),
                    Some(end) if names_python(&plan.watch) => StartError::Ended(end),
                    // It was quicker than we: it cannot have been a Python.
                    Some(_) => StartError::Find(FindError {
                        pid: child.pid().0,
                        program: words.first().map(|word| word.to_string_lossy().into_owned()),
                        child: None,
                        cause: LocateError::NotPython(0),
                    }),
                }),
            }
        }
    }
}

/// Looks for the Python once.
pub fn attempt(target: &Target, abi: Option<Version>) -> Result<Python, LocateError> {
    let maps = target.maps().map_err(|_| LocateError::Read(ReadError::Gone))?;
    locate(target.memory(), &maps, abi, |module| target.elf(module))
}

/// Looks for the Python until it is there or there is no hope.
pub fn patiently(target: &mut Target, abi: Option<Version>) -> Result<Python, FindError> {
    let deadline = Instant::now() + PATIENCE;
    let young = target.identity().age().is_some_and(|age| age < YOUNG);
    loop {
        let cause = match attempt(target, abi) {
            Ok(python) => return Ok(python),
            Err(cause) => cause,
        };
        let hope = match cause {
            LocateError::NotYet | LocateError::Broken(_) => true,
            LocateError::NotPython(_) | LocateError::Read(ReadError::Unmapped(_)) => young,
            _ => false,
        };
        // What was opened before an exec is gone.
        let goes_on = match target.life() {
            Life::Running => hope,
            Life::Execed => target.reopen().is_ok(),
            _ => false,
        };
        if !goes_on || Instant::now() >= deadline {
            return Err(error(target, cause));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The cause, with what is known of the process.
pub fn error(target: &Target, cause: LocateError) -> FindError {
    let program = process::executable(target.pid()).ok().map(|path| path.display().to_string());
    let child = if matches!(cause, LocateError::NotPython(_)) { python_below(target.pid()) } else { None };
    FindError { pid: target.pid().0, program, child: child.map(|pid| pid.0), cause }
}

/// The first Python below a process, as far as names tell: a shell script's, a supervisor's.
pub fn python_below(pid: Pid) -> Option<Pid> {
    let is_one = |child: &Pid| {
        let program = process::executable(*child).unwrap_or_default();
        is_called_python(&program) || maps::files(*child).is_ok_and(|files| are_of_python(&files))
    };
    process::tree(vec![pid]).take(FAMILY).skip(1).find(is_one)
}

/// Is this a Python, as far as its name tells?
pub fn is_called_python(program: &Path) -> bool {
    are_of_python(&[program])
}

fn are_of_python(files: &[impl AsRef<Path>]) -> bool {
    matches!(recognise::by_names(files.iter().map(AsRef::as_ref)), Some(Kind::CPython(_)))
}

/// Is it a command that names one?
pub fn names_python(watch: &Watch) -> bool {
    let Watch::Command(words) = watch else { return false };
    words.first().is_some_and(|word| is_called_python(Path::new(word)))
}
