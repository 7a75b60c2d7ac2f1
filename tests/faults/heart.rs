//! A target that knows by itself how long it has not run: `tests/programs/heart.py`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::interpreters::python3;
use crate::subject::Subject;
use crate::{eventually, is_long, is_untraced};

/// How long a target may be held. What the scheduler does to it is not in this figure; but what it does to us is, while we
/// hold a thread: so 50 ms, which a person might notice, is for a machine that has nothing else to do.
fn longest() -> Duration {
    if is_long() { Duration::from_millis(50) } else { Duration::from_secs(3) }
}

/// The file that it beats into.
pub(crate) struct Heart {
    folder: tempfile::TempDir,
    file: File,
    /// Killed with this.
    owned: bool,
}

/// What it says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    pub(crate) pid: u32,
    pub(crate) beats: u64,
    /// The longest time between two beats.
    pub(crate) gap: Duration,
    /// The longest in which it neither ran nor waited for a CPU.
    pub(crate) held: Duration,
}

impl Heart {
    /// A file for it.
    pub(crate) fn new() -> Self {
        let folder = crate::folder();
        let path = folder.path().join("heart");
        fs::write(&path, [0; 40]).unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        Self { folder, file, owned: false }
    }

    /// One that beats, with so many threads that work and that wait.
    pub(crate) fn beating(busy: u32, idle: u32) -> (Self, Subject) {
        Self::beating_if_it_can(busy, idle).unwrap()
    }

    /// The same, or why it does not: a machine may not have so many threads.
    pub(crate) fn beating_if_it_can(busy: u32, idle: u32) -> Result<(Self, Subject), String> {
        let mut heart = Self::new();
        let mut subject = Subject::of(&mut heart.command(busy, idle));
        subject.await_line("ready", Duration::from_secs(60))?;
        heart.beats();
        heart.measure_anew();
        Ok((heart, subject))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("heart")
    }

    /// The command that beats, with so many threads that work and that wait.
    pub(crate) fn words(&self, busy: u32, idle: u32) -> Vec<String> {
        let python = python3().command.to_str().unwrap().to_owned();
        let program = format!("{}/tests/programs/heart.py", env!("CARGO_MANIFEST_DIR"));
        vec![python, program, self.path().to_str().unwrap().to_owned(), busy.to_string(), idle.to_string()]
    }

    /// The command itself.
    pub(crate) fn command(&self, busy: u32, idle: u32) -> Command {
        let words = self.words(busy, idle);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    pub(crate) fn beat(&self) -> Beat {
        let mut bytes = [0; 32];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        let number = |at: usize| u64::from_ne_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap());
        Beat {
            pid: number(0).try_into().unwrap(),
            beats: number(1),
            gap: Duration::from_micros(number(2)),
            held: Duration::from_micros(number(3)),
        }
    }

    /// Waits until it beats; from now on it ends with this, whoever started it.
    pub(crate) fn beats(&mut self) {
        eventually("it beats", || self.beat().beats > 5);
        self.owned = true;
    }

    /// From here on the longest times are measured anew.
    pub(crate) fn measure_anew(&self) {
        self.file.write_all_at(&[1], 32).unwrap();
        self.goes_on("before it is measured");
    }

    /// It beats on, has not been held, is not stopped, and nobody traces it.
    #[track_caller]
    pub(crate) fn goes_on(&self, what: &str) -> Beat {
        let before = self.beat();
        // One beat may have been on its way.
        eventually(&format!("{what}: it beats on"), || self.beat().beats > before.beats + 2);
        let after = self.beat();
        assert!(after.held < longest(), "{what}: held for {:?} of {:?}", after.held, after.gap);
        is_untraced(after.pid);
        after
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.beat().pid.cast_signed())
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        if self.owned {
            let _ = kill(self.pid(), Signal::SIGKILL);
        }
    }
}
