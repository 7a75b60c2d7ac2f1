//! Processes to be looked at: Python programs of `tests/programs`, started by any interpreter, awaited with a
//! deadline, and killed when the test is over, however that ends.
#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};

use crate::interpreters::{Build, Interpreter};

/// A process, and what it says.
pub(crate) struct Subject {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    /// Removed after the process is dead.
    room: Room,
}

/// A folder that the process can see, and we.
pub(crate) struct Room {
    /// As we name it.
    pub(crate) here: PathBuf,
    /// As the process names it.
    pub(crate) inside: PathBuf,
    is_ours: bool,
}

impl Room {
    fn of(python: &Interpreter) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pyflame-tests-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
        let (here, inside) = match &python.root {
            Some(root) => (root.join("tmp").join(&name), Path::new("/tmp").join(&name)),
            None => (std::env::temp_dir().join(&name), std::env::temp_dir().join(&name)),
        };
        fs::create_dir(&here).unwrap_or_else(|error| panic!("{}: {error}", here.display()));
        for entry in fs::read_dir(programs).unwrap() {
            let from = entry.unwrap().path();
            if from.extension().is_some_and(|extension| extension == "py") {
                fs::copy(&from, here.join(from.file_name().unwrap())).unwrap();
            }
        }
        Self { here, inside, is_ours: true }
    }

    fn nowhere() -> Self {
        Self { here: PathBuf::new(), inside: PathBuf::new(), is_ours: false }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = fs::remove_dir_all(&self.here);
        }
    }
}

impl Subject {
    /// Any command; its output and its errors are both listened to.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::in_room(command, Room::nowhere())
    }

    /// A program of `tests/programs` with `arguments`, in which `{room}` is the folder that it and we can see.
    pub(crate) fn program(python: &Interpreter, program: &str, arguments: &[&str]) -> Self {
        let room = Room::of(python);
        Self::in_room(&mut command(python, &room, program, arguments), room)
    }

    /// A program that is started in another way.
    pub(crate) fn adjusted(python: &Interpreter, program: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let room = Room::of(python);
        let mut command = command(python, &room, program, &[]);
        adjust(&mut command);
        Self::in_room(&mut command, room)
    }

    /// A few lines of Python; they find `tracee`.
    pub(crate) fn lines(python: &Interpreter, source: &str) -> Self {
        let room = Room::of(python);
        fs::write(room.here.join("lines.py"), source).unwrap();
        Self::in_room(&mut command(python, &room, "lines.py", &[]), room)
    }

    fn in_room(command: &mut Command, room: Room) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (send, lines) = channel();
        listen(child.stdout.take().unwrap(), send.clone());
        listen(child.stderr.take().unwrap(), send);
        Self { child, lines, said: Vec::new(), room }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Waits for a line that begins so; uWSGI says others in between.
    pub(crate) fn await_line(&mut self, beginning: &str, longest: Duration) -> Result<String, String> {
        let deadline = Instant::now() + longest;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(beginning) => return Ok(line),
                Ok(line) => self.said.push(line),
                Err(why) => return Err(format!("no line {beginning:?} ({why}), but {:?}", self.said)),
            }
        }
    }

    /// Waits until the program says that it has begun.
    pub(crate) fn ready(mut self) -> Self {
        self.await_line("ready", Duration::from_secs(60)).unwrap();
        self
    }

    /// Waits until it, or who works below it, has said each of these lines.
    pub(crate) fn all_ready<const COUNT: usize>(mut self, names: [&str; COUNT]) -> Self {
        let mut left: Vec<_> = names.iter().map(|name| format!("ready {name}")).collect();
        while !left.is_empty() {
            let line = self.await_line("ready ", Duration::from_secs(60)).unwrap();
            left.retain(|one| *one != line);
        }
        self
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(nix::unistd::Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// How it ended; it has to within this time.
    pub(crate) fn end(&mut self, longest: Duration) -> std::process::ExitStatus {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end within {longest:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// It runs, or sleeps: it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has worked for a while: `ready` is said with the GIL let go.
    pub(crate) fn at_work(self) -> Self {
        let deadline = Instant::now() + Duration::from_secs(60);
        let before = self.ticks();
        while self.ticks() < before + 5 {
            assert!(Instant::now() < deadline, "it does not work");
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// The CPU time that its program has used, in the kernel's ticks.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.split(' ').nth(11).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// The letter of its state in /proc, of its main thread.
    pub(crate) fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?')
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines, whatever their encoding, until the end.
fn listen(from: impl Read + Send + 'static, to: Sender<String>) {
    let mut from = BufReader::new(from);
    let work = move || {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            if to.send(text).is_err() {
                break;
            }
            line.clear();
        }
    };
    std::thread::Builder::new().name("listener".into()).spawn(work).unwrap();
}

fn command(python: &Interpreter, room: &Room, program: &str, arguments: &[&str]) -> Command {
    let inside = room.inside.to_str().unwrap();
    let arguments = arguments.iter().map(|word| word.replace("{room}", inside));
    let mut words = Vec::new();
    let path = format!("{inside}/{program}");
    if let Build::Uwsgi(plugin) = &python.build {
        let socket = format!("{inside}/uwsgi.sock");
        let options =
            ["--need-app", "--enable-threads", "--die-on-term", "--plugin", plugin, "--socket", &socket];
        words.extend(options.map(str::to_owned));
        words.extend(["--pythonpath", inside, "--wsgi-file", &path].map(str::to_owned));
        words.extend(["--pyargv".to_owned(), arguments.collect::<Vec<_>>().join(" ")]);
    } else {
        words.push(path);
        words.extend(arguments);
    }
    let mut command = python.run(words);
    // What the tester's own shell says to Pythons is not meant for these.
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env_remove("PYTHONSTARTUP");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
