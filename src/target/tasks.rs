//! The threads of the target as the kernel lists them: who there is, what each does, and which of their
//! numbers is which where the target lives in a PID namespace of its own.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;

use nix::sys::uio::pread;

use super::memory::Address;
use super::process::{self, Moment, Pid, RunState, Tid};

/// The threads of a process. Keeps a file open per thread that was asked about, up to a limit: one `pread` of
/// it costs less than open, read and close.
#[derive(Debug)]
pub struct Tasks {
    pid: Pid,
    /// Their `stat`, their `schedstat`, and their `syscall`.
    open: HashMap<Tid, File>,
    schedules: HashMap<Tid, File>,
    calls: HashMap<Tid, File>,
    asked: Cell<u64>,
}

/// Files of each kind kept open at most: of the 1,024 that a process may commonly have we want some for other things.
const MOST_OPEN: usize = 256;

impl Tasks {
    /// Of this process, which may end at any time.
    pub fn of(pid: Pid) -> Self {
        let (open, schedules, calls) = Default::default();
        Self { pid, open, schedules, calls, asked: Cell::new(0) }
    }

    /// Its threads now, in no order that matters; those that come or go meanwhile may or may not be among
    /// them. Costs 5 µs and some 0.3 µs a thread, and allocates.
    pub fn list(&self) -> io::Result<Vec<Tid>> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.pid))?;
        let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse().ok());
        Ok(entries.filter_map(|entry| entry.ok().and_then(number).map(Tid)).collect())
    }

    /// What a thread does at this moment, and where; `None` if it has ended. Costs 3.9 µs by the open
    /// file and 11.7 µs the first time (Linux 6.18, a VM with 2 CPUs): not for every thread in every sample.
    pub fn moment(&mut self, tid: Tid) -> Option<Moment> {
        self.asked.set(self.asked.get() + 1);
        ask(&mut self.open, (self.pid, tid, "stat"), Moment::parse).flatten()
    }

    /// Does a thread do this at this moment? Costs what [`Tasks::moment`] does.
    pub fn is_in(&mut self, tid: Tid, state: RunState) -> bool {
        self.moment(tid).is_some_and(|moment| moment.state == state)
    }

    /// How often a thread got a CPU; `None` if it has ended. Costs 1.5 µs by the open file.
    pub fn slices(&mut self, tid: Tid) -> Option<u64> {
        ask(&mut self.schedules, (self.pid, tid, "schedstat"), slices).flatten()
    }

    /// The futex that a thread sleeps on, if it does. Costs 2.3 µs by the open file and 6.9 µs the first time.
    pub fn futex(&mut self, tid: Tid) -> Option<Address> {
        self.asked.set(self.asked.get() + 1);
        ask(&mut self.calls, (self.pid, tid, "syscall"), futex).flatten()
    }

    /// How often it was asked what a thread does, or sleeps on.
    pub fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// The kernel's name of a thread, at most 15 bytes; bytes that are not UTF-8 are replaced.
    pub fn name(&self, tid: Tid) -> Option<String> {
        let bytes = fs::read(format!("/proc/{}/task/{tid}/comm", self.pid)).ok()?;
        Some(String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned())
    }

    /// Which of our numbers is which of the target's own (`gettid()` in its innermost PID namespace): the same if it has
    /// none but ours. Otherwise that costs a file of 20 µs a thread; make it when a number turns up that is not in the last
    /// one.
    pub fn numbers(&self) -> io::Result<Numbers> {
        let all = self.list()?;
        let inside = |tid: Tid| {
            let read = process::whole(&format!("/proc/{}/task/{tid}/status", self.pid));
            read.map(|bytes| process::Status::parse(&bytes).namespaced)
        };
        // The threads of a process are all in one. Kernels before 4.1 do not tell: there the numbers are taken to be the
        // same.
        if inside(self.pid.leader())?.len() <= 1 {
            return Ok(Numbers { ours: all.into_iter().map(|tid| (tid.0, tid)).collect() });
        }
        let ours = all.into_iter().filter_map(|tid| Some((*inside(tid).ok()?.last()?, tid)));
        Ok(Numbers { ours: ours.collect() })
    }
}

/// What a file of a thread says, by the open one if there is one. Of a thread that has ended that gives ESRCH; its number
/// may be another thread's by now.
fn ask<T>(
    files: &mut HashMap<Tid, File>,
    (pid, tid, name): (Pid, Tid, &str),
    parse: impl Fn(&[u8]) -> T,
) -> Option<T> {
    let read = |file: &File| {
        let mut bytes = [0; 1024];
        let count = pread(file, &mut bytes, 0).ok()?;
        bytes.get(..count).map(&parse)
    };
    if let Some(file) = files.get(&tid) {
        if let Some(answer) = read(file) {
            return Some(answer);
        }
        files.remove(&tid);
    }
    let file = File::open(format!("/proc/{pid}/task/{tid}/{name}")).ok()?;
    let answer = read(&file)?;
    // Any one has to go: mostly it is of a thread that has ended.
    if files.len() >= MOST_OPEN
        && let Some(other) = files.keys().next().copied()
    {
        files.remove(&other);
    }
    files.insert(tid, file);
    Some(answer)
}

/// The last number of a `schedstat`, after the time on a CPU and the time waiting for one.
fn slices(schedstat: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(schedstat).ok()?;
    text.trim_end().rsplit(' ').next()?.parse().ok()
}

/// Of a `syscall`, which is the number of the call that a thread sleeps in and its arguments, or `running` where it runs or
/// wants to: the futex.
fn futex(syscall: &[u8]) -> Option<Address> {
    /// As the file writes it, in decimal.
    const FUTEX: &str = if cfg!(target_arch = "aarch64") { "98" } else { "202" };
    let mut words = std::str::from_utf8(syscall).ok()?.split(' ');
    let digits = words.next().filter(|call| *call == FUTEX).and(words.next())?.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok().map(Address)
}

/// Thread numbers inside of the target's PID namespace, and ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers {
    ours: HashMap<u32, Tid>,
}

impl Numbers {
    /// Our number of the thread that calls itself `inside`.
    pub fn ours(&self, inside: u32) -> Option<Tid> {
        self.ours.get(&inside).copied()
    }

    /// How many threads there were.
    pub fn len(&self) -> usize {
        self.ours.len()
    }

    /// Were there none?
    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_where_there_is_one_namespace() {
        // A test runs on a thread of its own.
        let numbers = Tasks::of(Pid::ours()).numbers().expect("it runs");
        for tid in [Tid::ours(), Pid::ours().leader()] {
            assert_eq!(numbers.ours(tid.0), Some(tid));
        }
        assert!(numbers.len() >= 2 && numbers.ours(0).is_none());
        assert!(Tasks::of(Pid(u32::MAX)).numbers().is_err());
    }

    #[test]
    fn threads_that_have_ended_make_room() {
        let mut tasks = Tasks::of(Pid::ours());
        let mut last = None;
        for _ in 0..MOST_OPEN + 8 {
            let (say, said) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let thread = std::thread::Builder::new().name("short".to_owned()).spawn(move || {
                say.send(nix::unistd::gettid().as_raw().cast_unsigned()).map(|()| ended.recv())
            });
            let tid = Tid(said.recv().expect("it runs"));
            assert!(tasks.moment(tid).is_some() && tasks.slices(tid).is_some());
            // It may not have come to its sleep yet.
            let _ = tasks.futex(tid);
            drop(end);
            assert!(thread.expect("a thread").join().is_ok());
            last = Some(tid);
        }
        let newest = last.expect("one");
        for files in [&tasks.open, &tasks.schedules, &tasks.calls] {
            assert!(files.len() <= MOST_OPEN && files.contains_key(&newest));
        }
    }
}
