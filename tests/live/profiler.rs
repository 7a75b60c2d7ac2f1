//! Runs of the program that is tested, each with a deadline.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
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

/// How often our thread that looks has gone to sleep. While there is none, signals are not listened to either.
fn naps(pid: u32) -> u64 {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let sampler = tasks.flatten().map(|task| task.path()).find(|task| read(task.join("comm")) == "sampler\n");
    let status = sampler.map_or(String::new(), |task| read(task.join("status")));
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
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

    /// Waits until it has begun, and has been due to look so often.
    #[track_caller]
    pub(crate) fn looks(&self, often: u64) {
        await_that("it looks", || naps(self.child.id()) >= often);
    }

    /// Has it save what there is to the file of its `-o`, until that is so.
    #[track_caller]
    pub(crate) fn saves_until(&self, file: &Path, is_so: impl Fn(&str) -> bool) {
        self.looks(1);
        await_that("it saves what is awaited", || {
            self.signal(nix::sys::signal::Signal::SIGUSR1);
            std::thread::sleep(Duration::from_millis(50));
            is_so(&std::fs::read_to_string(file).unwrap_or_default())
        });
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
