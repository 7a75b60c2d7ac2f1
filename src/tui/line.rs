//! The line to the terminal, for all that is written to it: one that nobody reads at its other end (a terminal that is
//! stopped, a connection that hangs) holds us up, but not against being told to end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::libc::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};

/// How long we wait for room before we look again whether we are told to end; and, told so, for some to come of letting
/// go of what nobody reads.
const TURN: Duration = Duration::from_millis(100);

/// What there is of it; a panic's hook has to write to it, too.
#[derive(Debug)]
struct Known {
    /// Opened anew, so that it waits for nobody: were standard output told not to wait, whoever shares it, as the shell
    /// does, would not wait either. Nothing where it may not be opened.
    own: Option<File>,
    /// We are told to end.
    stop: Arc<AtomicBool>,
}

static KNOWN: OnceLock<Known> = OnceLock::new();

/// The line. What it is given after `stop` was set, while nobody reads, is an error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line;

impl Line {
    /// Gets to know it.
    pub(super) fn open(stop: &Arc<AtomicBool>) -> Self {
        KNOWN.get_or_init(|| {
            let own = OpenOptions::new()
                .write(true)
                .custom_flags(O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                .open("/proc/self/fd/1");
            Known { own: own.ok(), stop: Arc::clone(stop) }
        });
        Self
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(Known { own: Some(own), stop }) = KNOWN.get() else { return io::stdout().write(bytes) };
        let mut let_go = false;
        loop {
            match (&mut &*own).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if stop.load(Ordering::Relaxed) {
                if let_go {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                // What is on its way is of pictures, and our last words must get through.
                let _ = tcflush(own, FlushArg::TCOFLUSH);
                let_go = true;
            }
            let mut asked = [PollFd::new(own.as_fd(), PollFlags::POLLOUT)];
            // A signal ends it early, if this thread gets it.
            let _ = poll(&mut asked, PollTimeout::try_from(TURN).unwrap_or(PollTimeout::ZERO));
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Where it is not ours alone.
        io::stdout().flush()
    }
}
