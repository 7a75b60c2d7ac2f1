//! A terminal for a command of ours, of which we hold the other end. What the command says is taken off by a
//! thread of its own and waits in a bounded channel: when that is full the command waits, as before any slow
//! terminal, and nothing is lost. When we end, however that happens, the kernel hangs it up.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use super::user::User;
use crate::fault;

/// The kernel hands out no more of a terminal's output at once.
const CHUNK: usize = 4096;
/// Chunks that may wait: a quarter of a megabyte.
const WAITING_OUTPUT: usize = 64;
/// Pieces of input that may wait for a command that does not read.
const WAITING_INPUT: usize = 64;

/// Our end.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    path: PathBuf,
}

/// The command's end: where it will sit, and what it is told of the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    path: PathBuf,
    environment: Vec<(&'static str, Option<&'static str>)>,
}

/// What the command says, what it is told, and how large its terminal is.
#[derive(Debug)]
pub struct Line {
    /// What it says; ends when nobody is left at the other end.
    pub output: Receiver<Box<[u8]>>,
    /// What it is told.
    pub input: Sender<Box<[u8]>>,
    /// The terminal's size.
    pub size: Size,
}

/// Sets the size of a terminal.
#[derive(Debug)]
pub struct Size(Arc<File>);

impl Pty {
    /// A new terminal of so many columns and rows.
    pub fn open(size: (u16, u16)) -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = PathBuf::from(ptsname_r(&master)?);
        let pty = Self { master: master.into(), path };
        resize(&pty.master, size)?;
        Ok(pty)
    }

    /// The other end. These variables are set, or taken away, for whoever sits there.
    pub fn seat(&self, environment: Vec<(&'static str, Option<&'static str>)>) -> Seat {
        Seat { path: self.path.clone(), environment }
    }

    /// Begins to listen. To be done when somebody sits there: before, and after, there is nothing but an error
    /// to hear.
    pub fn listen(self) -> io::Result<Line> {
        let ours = Arc::new(File::from(self.master));
        let (said, output) = bounded(WAITING_OUTPUT);
        let (input, told) = bounded(WAITING_INPUT);
        let from = Arc::clone(&ours);
        Builder::new().name("output".to_owned()).spawn(move || hear(&from, &said))?;
        let to = Arc::clone(&ours);
        Builder::new().name("input".to_owned()).spawn(move || tell(&to, &told))?;
        Ok(Line { output, input, size: Size(ours) })
    }
}

impl Size {
    /// So many columns and rows from now on; who sits there is sent SIGWINCH.
    pub fn set(&self, size: (u16, u16)) {
        // Of a terminal that nobody sits at any more, the size matters to nobody.
        let _ = resize(&self.0, size);
    }
}

impl Seat {
    /// Lets a command sit here: in a session of its own, whose terminal this is.
    pub(super) fn offer(&self, command: &mut Command, user: Option<&User>) -> io::Result<()> {
        let seat = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&self.path)?;
        if let Some(user) = user {
            // Programs open their terminal by its name, too.
            fchown(&seat, Some(user.number()), None)?;
        }
        command.stdin(seat.try_clone()?).stdout(seat.try_clone()?).stderr(seat);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        #[expect(unsafe_code, reason = "the session is to begin between fork and exec")]
        // SAFETY: two system calls; no memory is allocated, no lock taken.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                // Standard input is the terminal by now.
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0)).map(drop)?;
                Ok(())
            });
        }
        Ok(())
    }
}

fn resize(master: &impl AsRawFd, (columns, rows): (u16, u16)) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    #[expect(unsafe_code, reason = "nix has no call for a terminal's size")]
    // SAFETY: TIOCSWINSZ reads a winsize, and keeps nothing.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    nix::errno::Errno::result(result).map(drop)?;
    Ok(())
}

fn hear(mut from: &File, said: &Sender<Box<[u8]>>) {
    let mut chunk = [0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(count @ 1..) => {
                fault::point("output");
                if said.send(chunk.get(..count).unwrap_or_default().into()).is_err() {
                    return;
                }
            }
            // EIO: nobody is left at the other end.
            Ok(0) | Err(_) => return,
        }
    }
}

fn tell(mut to: &File, told: &Receiver<Box<[u8]>>) {
    for bytes in told {
        fault::point("input");
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
}
