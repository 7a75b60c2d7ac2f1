//! Starting a command to look at. It finds everything as it would without us: terminal, standard files,
//! directory, environment, process group, signals; or, where our terminal is a screen, it gets one of its own.
//! It is our child, is not traced because of that, and outlives us unless its terminal goes with us.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::process::Pid;
use super::ptrace::{self, Event};
use super::pty::Seat;
use super::user::User;
use super::{AttachError, Target, attach, inherited};

/// Why a command could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchError {
    /// There was no word in it.
    Empty,
    /// It could not be run; an `errno` (`ENOENT`: no such program; `EACCES`: not one).
    Exec(i32),
    /// The terminal that it was to have could not be opened; an `errno`.
    Terminal(i32),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no command"),
            Self::Exec(errno) | Self::Terminal(errno) => std::io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

impl std::error::Error for LaunchError {}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl End {
    pub(super) const fn of(event: Event) -> Option<Self> {
        match event {
            Event::Exited(status) => Some(Self::Exited(status)),
            Event::Killed(signal) => Some(Self::Killed(signal)),
            Event::Stopped { .. } => None,
        }
    }
}

/// A child of ours. The kernel tells its end once, to whichever thread asks first: so it is noted here, for
/// all.
#[derive(Debug, Clone)]
pub struct Child {
    pid: Pid,
    end: Arc<OnceLock<End>>,
}

/// Runs a command. When this returns it has been found and runs: its program is the command's.
///
/// That is not yet a Python. A sampler should 1. [`Child::attach`], which is right from the first moment on;
/// 2. read [`Target::maps`] and look for an interpreter, at first every millisecond, later less often: the
/// loader maps
///    libraries one after another, and an interpreter that is mapped may still be setting itself up;
/// 3. whenever memory says [`ReadError::Gone`](super::ReadError::Gone), ask [`Target::life`]: with
///    [`Life::Execed`](super::Life::Execed) (a shell script that runs `exec python3`, `env python3`) [`Target::reopen`]
///    and start again at 2; and ask it now and then when nothing has been found yet.
pub fn launch(command: &[OsString]) -> Result<Child, LaunchError> {
    launch_at(command, None, None)
}

/// As [`launch`]; at a `seat` the command sits there, in a session of its own, and not at our terminal; as a `user` it
/// has that one's rights, and not ours.
pub fn launch_at(
    command: &[OsString],
    seat: Option<&Seat>,
    user: Option<&User>,
) -> Result<Child, LaunchError> {
    let (program, arguments) = command.split_first().ok_or(LaunchError::Empty)?;
    inherited::hear_of_children();
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(seat) = seat {
        let no_terminal = |error: io::Error| LaunchError::Terminal(error.raw_os_error().unwrap_or(0));
        seat.offer(&mut command, user).map_err(no_terminal)?;
    }
    if let Some(user) = user {
        user.dress(&mut command);
    }
    // std has by then unblocked all signals and set SIGPIPE to its default, whatever they were.
    #[expect(unsafe_code, reason = "signals are to be put back between fork and exec")]
    // SAFETY: `restore` does nothing but system calls and atomics: no memory is allocated, no lock taken.
    unsafe {
        command.pre_exec(|| {
            inherited::restore();
            Ok(())
        });
    }
    let child = command.spawn().map_err(|error| LaunchError::Exec(error.raw_os_error().unwrap_or(0)))?;
    Ok(Child { pid: Pid(child.id()), end: Arc::default() })
}

impl Child {
    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Looks at it as at any process; but its end will be known.
    pub fn attach(&self) -> Result<Target, AttachError> {
        attach::attach(self.pid, Some(self))
    }

    /// The same without tracing it for a moment, as [`Target::attach_unstopped`].
    pub fn attach_unstopped(&self) -> Result<Target, AttachError> {
        attach::attach_unstopped(self.pid, Some(self.clone()))
    }

    /// How it ended, if it has. Never blocks.
    pub fn end(&self) -> Option<End> {
        if self.end.get().is_none()
            && let Ok(Some(event)) = ptrace::reap(self.pid.leader())
        {
            self.note(event);
        }
        self.end.get().copied()
    }

    /// Waits until it has ended, but no longer than this. Asks every millisecond: a blocking wait would be
    /// woken by each stop that a sampler on another thread makes.
    pub fn wait(&self, longest: Duration) -> Option<End> {
        let deadline = Instant::now() + longest;
        loop {
            let end = self.end();
            if end.is_some() || Instant::now() >= deadline {
                return end;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was learned of its end elsewhere.
    pub(super) fn note(&self, event: Event) {
        if let Some(end) = End::of(event) {
            let _ = self.end.set(end);
        }
    }
}
