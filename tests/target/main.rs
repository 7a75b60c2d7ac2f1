//! The room `target` against real processes: busy ones, stopped ones, frozen ones, ones that change under our
//! hands. Everything that waits has a deadline. What only root can try is tried as root, and said to be
//! missing otherwise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../live/cpus.rs"]
mod cpus;
#[path = "../live/installed.rs"]
mod installed;

mod attach;
mod launch;
mod modules;
mod roles;
mod roster;
mod staying;
mod stops;
mod thirty_two;
mod traps;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use pyflame_tui::target::{Moment, Pid, RunState, Tasks, Tid, process};

/// A process that ends with the test, however that ends.
struct Subject {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Subject {
    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A group of its own, with us outside of it: SIGTSTP stops nobody in a group that is orphaned, as ours is
            // when we run without a shell.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// A Python program; it has begun when it has printed a line, which is returned by [`Subject::line`].
    fn python(program: &str) -> Self {
        Self::of(Command::new("python3").args(["-u", "-c", program]))
    }

    /// Busy, in the main thread.
    fn busy() -> Self {
        let mut subject = Self::python("print()\nwhile 1: pass");
        subject.line();
        subject
    }

    fn pid(&self) -> Pid {
        Pid(self.child.id())
    }

    fn tid(&self) -> Tid {
        self.pid().leader()
    }

    /// The next line that it prints, without its end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        signal::kill(raw(self.pid()), signal).unwrap();
    }

    fn moment(&self) -> Option<Moment> {
        process::stat(self.pid()).map(|stat| stat.moment)
    }

    /// Waits until it is in this state.
    fn until(&self, state: RunState) {
        eventually(&format!("{state:?}"), || self.moment().is_some_and(|moment| moment.state == state));
    }

    /// It runs, and nobody traces it.
    fn assert_unharmed(&self) {
        let status = process::status(self.tid()).unwrap();
        assert_eq!(status.tracer, None);
        let before = self.moment().unwrap().ticks;
        eventually("it runs on", || self.moment().is_some_and(|moment| moment.ticks > before));
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn raw(pid: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(pid.0.cast_signed())
}

/// Waits until it is so, for forty seconds.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within forty seconds: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs something that must not hang on a thread of its own (which a target needs anyway: it belongs to one).
fn within<T: Send + 'static>(seconds: u64, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    let thread = std::thread::Builder::new().name("within".into());
    let worker = thread.spawn(move || send.send(work())).unwrap();
    match receive.recv_timeout(Duration::from_secs(seconds)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {seconds} s"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(worker.join().unwrap_err()),
    }
}

/// All threads of a process and what they do.
fn threads(pid: Pid) -> Vec<(Tid, RunState)> {
    let mut tasks = Tasks::of(pid);
    let list = tasks.list().unwrap_or_default();
    list.into_iter().filter_map(|tid| Some((tid, tasks.moment(tid)?.state))).collect()
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("not tried: it takes root");
    }
    root
}

fn exists(path: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        eprintln!("not tried: no {path}");
    }
    there
}
