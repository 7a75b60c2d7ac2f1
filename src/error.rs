//! The one place where errors become sentences: what happened, why, and the one command that helps. First lines are
//! those of the original where it had one, because scripts look for them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::UsageError;
use crate::doctor::cause;
use crate::export::escape::is_unseen;
use crate::fault;
use crate::output::OpenError;
use crate::python::locate::LocateError;
use crate::python::published::PublishedError;
use crate::sample::Failure;
use crate::sampler::{FindError, StartError};
use crate::target::AttachError;
use crate::target::launch::{End, LaunchError};
use crate::tui;

/// Everything that ends the program with status 1.
#[derive(Debug)]
pub enum Error {
    /// The command line.
    Usage(UsageError),
    /// The output file, before anything else was done.
    Output(OpenError),
    /// The target.
    Start(StartError),
    /// Nothing can be said on standard output, or no signals be handled.
    System(io::Error),
    /// The result could not be written.
    Write {
        /// Why.
        cause: io::Error,
        /// Where it is instead.
        kept: Option<PathBuf>,
    },
    /// The screen failed us.
    Screen {
        /// Why.
        cause: tui::Error,
        /// What was on it.
        watched: Watched,
        /// Where what was seen is.
        kept: Option<PathBuf>,
    },
    /// The one look that was to be taken failed.
    Look(Failure),
    /// A command ended without ever having run a Python; or the target became no Python.
    NoPython {
        /// What it was.
        cause: String,
        /// `--abi` said which Python it was to be taken for.
        told: bool,
    },
    /// The sampling could not go on; the sentence says why.
    Lost(String),
    /// A thread of ours panicked; what it said is noted.
    Panicked,
}

/// What was on a screen that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Nothing yet.
    Nothing,
    /// A process, which does not notice.
    Process,
    /// A command, whose terminal goes with us.
    Command,
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Output(error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// What a shell is told: 1, or of a command that is over its own.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Start(StartError::Ended(End::Exited(status))) => u8::try_from(status & 0xFF).unwrap_or(1),
            Self::Start(StartError::Ended(End::Killed(signal))) => u8::try_from(128 + signal).unwrap_or(1),
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Output(OpenError { path, cause }) => {
                writeln!(f, "cannot open file \"{}\" as output", clean(path.display()))?;
                write!(
                    f,
                    "{}. Nothing was sampled; name a file in a directory that you may write to.",
                    clean(cause)
                )
            }
            Self::Start(StartError::Attach(pid, error)) => attach(*pid, error, f),
            Self::Start(StartError::Launch(error)) => launch(*error, f),
            Self::Start(StartError::Ended(_)) => f.write_str(
                "The command had ended before it could be looked at. Nothing was sampled, and nothing is written.",
            ),
            Self::Start(StartError::Find(error)) => find(error, f),
            Self::Start(StartError::NoTasks(python)) => {
                writeln!(f, "Python {python} does not say where asyncio's tasks are.")?;
                f.write_str(
                    "3.11 and later do, if they have a GIL. What the threads of its loops do: pyflame-tui --threads PID",
                )
            }
            Self::Start(StartError::Thread(error)) => {
                write!(f, "The sampler's thread could not be started: {error}.")
            }
            Self::System(error) => write!(f, "The system does not let us: {error}."),
            Self::Write { cause, kept } => {
                writeln!(f, "The result could not be written: {cause}.")?;
                f.write_str(&match kept {
                    Some(path) => is_kept(path),
                    None => "What was sampled is lost: no other place took it. Make room first.".to_owned(),
                })
            }
            Self::Screen { cause, watched, kept } => {
                writeln!(f, "The live view ended: {cause}.")?;
                f.write_str(match watched {
                    Watched::Nothing => "",
                    Watched::Process => "The target runs on. ",
                    Watched::Command => "The command has lost its terminal, which was ours. ",
                })?;
                match (kept, watched) {
                    (Some(path), _) => f.write_str(&is_kept(path)),
                    (None, Watched::Command) => {
                        f.write_str("Without a screen: pyflame-tui --headless -o FILE -t command")
                    }
                    (None, _) => f.write_str("Without a screen: pyflame-tui --headless -o FILE PID"),
                }
            }
            Self::Look(failure) => {
                writeln!(f, "The one look that was taken failed: {}.", failure.label())?;
                f.write_str("Try again; if it stays, `pyflame-tui --doctor PID` says what stands in the way.")
            }
            Self::NoPython { cause, told } => {
                writeln!(f, "Failed to locate libpython in the command.")?;
                let cure = if *told {
                    NO_ABI
                } else {
                    "Name the Python itself: pyflame-tui -t python3 script.py, or watch what the command starts: \
                     pyflame-tui --subprocesses -t command"
                };
                write!(f, "It ran to its end, and {}. {cure}", clean(cause))
            }
            Self::Lost(why) => f.write_str(&clean(why)),
            Self::Panicked => {
                writeln!(f, "A fault of ours ended the sampling; the target runs on.")?;
                write!(f, "Please report it: {}", fault::noted().unwrap_or("nothing is known of it"))
            }
        }
    }
}

/// What another process or person has named, as text that stays in its line and drives no terminal.
pub(crate) fn clean(name: impl fmt::Display) -> String {
    let mut text = String::new();
    for character in name.to_string().chars() {
        if is_unseen(character) {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

fn is_kept(path: &Path) -> String {
    format!("What was sampled is kept in {}", clean(path.display()))
}

fn launch(error: LaunchError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let LaunchError::Terminal(_) = error {
        writeln!(f, "The command could not be given a terminal of its own: {error}.")?;
        return write!(f, "Without a screen it needs none: pyflame-tui --headless -o FILE -t command");
    }
    let (status, cure) = match error {
        // As a shell says it.
        LaunchError::Exec(nix::libc::ENOENT) => (127, "Check its name, or give its whole path."),
        _ => (126, "Is it executable, and for this machine?"),
    };
    writeln!(f, "Child process exited with status {status}")?;
    write!(f, "The command could not be run: {error}. {cure}")
}

fn find(error: &FindError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let FindError { pid, program, child, cause } = error;
    writeln!(f, "Failed to locate libpython in PID {pid}.")?;
    let program = clean(program.as_deref().unwrap_or("unreadable"));
    write!(f, "It runs {program}: {}. ", clean(cause))?;
    if let Some(child) = child {
        return write!(
            f,
            "Its child {child} is one: pyflame-tui {child}, or all below it: pyflame-tui --subprocesses {pid}"
        );
    }
    f.write_str(match cause {
        LocateError::NotPython(_) => {
            "The Python may be its child: `pstree -p` shows them. A build without any names needs --abi."
        }
        LocateError::TooMuch(_) => {
            "Files called python or libpython are looked at first: name the Python so, or watch another process."
        }
        LocateError::NotYet => "Try again when it has started.",
        LocateError::PyPy(_) => "Try vmprof, which is made for it.",
        LocateError::ThirtyTwoBit => "There is no remedy here.",
        LocateError::NoVersion(_) => "Tell it with --abi, for example --abi=3.9.",
        LocateError::Unknown(_) | LocateError::Published(PublishedError::Unknown(_)) => {
            "`pyflame-tui --version` lists those that are; a newer release may know it."
        }
        LocateError::WrongAbi(_) => NO_ABI,
        LocateError::Nameless(_) => "Run a build of it that was not stripped.",
        LocateError::Broken(_) | LocateError::Published(_) => "Try again; if it stays, it is worth a report.",
        LocateError::Read(_) => "It may have just ended: see `ps -p PID`.",
    })
}

fn attach(pid: u32, error: &AttachError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let AttachError::Ourselves(_) = error {
        writeln!(f, "You tried to pyflame a pyflame, naughty!")?;
        return write!(f, "PID {pid} is this program itself. {LIST}");
    }
    write!(f, "Failed to seize PID {pid}: ")?;
    match error {
        AttachError::NoSuchProcess(_) => write!(f, "there is no such process.\n{LIST}"),
        AttachError::Thread { process, .. } => {
            writeln!(f, "it is a thread of process {process}.")?;
            write!(f, "All threads of a process are watched together: pyflame-tui {process}")
        }
        AttachError::KernelThread(name) => {
            write!(f, "it is {name:?}, a thread of the kernel's, and no program.\n{LIST}")
        }
        AttachError::Zombie { parent } => {
            writeln!(f, "the process has ended, and its parent {parent} has not noticed yet.")?;
            write!(f, "There is nothing left to look at; `ps -p {parent}` shows the parent.")
        }
        AttachError::TracedBy { pid, name, stands: false } => {
            writeln!(f, "process {pid} ({name:?}) traces it already, and there can be but one.")?;
            write!(f, "End that one first: kill {pid}")
        }
        AttachError::TracedBy { pid, name, stands: true } => {
            writeln!(f, "process {pid} ({name:?}) traces it already, and is stopped itself.")?;
            write!(f, "What it holds stands until it goes on: kill -CONT {pid}")
        }
        AttachError::Denied(facts) => {
            write!(f, "the kernel does not permit it.\n{}", cause::explain(pid, facts))
        }
        AttachError::ThirtyTwoBit => {
            write!(f, "it is a 32-bit program.\nOnly 64-bit Pythons can be read; there is no remedy here.")
        }
        AttachError::Ourselves(_) => Ok(()),
        AttachError::Failed(errno) => write!(f, "{}.", io::Error::from_raw_os_error(*errno)),
    }
}

const NO_ABI: &str = "Leave --abi out, or name the version that `python --version` says.";
const LIST: &str = "`pgrep -a python` lists the Pythons that run.";
