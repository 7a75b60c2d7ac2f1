//! Runs of the program that is tested, each with a deadline.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// A run that goes on. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    readers: [Option<JoinHandle<Vec<u8>>>; 2],
}

/// The program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pyflame-tui"))
}

/// The program with these words.
pub(crate) fn profiler(words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs it to its end, for at most a minute.
pub(crate) fn profile(words: &[&str]) -> Ran {
    start(&mut profiler(words)).end(Duration::from_secs(60))
}

/// Starts it, and reads what it says.
pub(crate) fn start(command: &mut Command) -> Running {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let readers = [Some(read(child.stdout.take().unwrap())), Some(read(child.stderr.take().unwrap()))];
    Running { child, readers }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    let work = move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    };
    std::thread::Builder::new().name("reader".into()).spawn(work).unwrap()
}

impl Running {
    /// Waits for its end, for this long at most.
    pub(crate) fn end(mut self, longest: Duration) -> Ran {
        let deadline = Instant::now() + longest;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "pyflame-tui did not end within {longest:?}");
            std::thread::sleep(Duration::from_millis(2));
        };
        let [out, err] = self.readers.each_mut().map(|reader| reader.take().unwrap().join().unwrap());
        Ran { status, out, err: String::from_utf8_lossy(&err).into_owned() }
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("what we write is UTF-8")
    }

    /// As a shell says it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// It ended well and in silence.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert!(self.code() == 0 && self.err.is_empty(), "status {}: {}", self.code(), self.err);
        self
    }
}
