//! The threads of the target as the kernel lists them: who there is, what each does, and which of their
//! numbers is which where the target lives in a PID namespace of its own.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::time::Duration;

use nix::sys::uio::pread;

use super::memory::Address;
use super::process::{self, Moment, Pid, RunState, Tid};

/// The threads of a process. Keeps a file open per thread that was asked about, up to a limit: one `pread` of
/// it costs less than open, read and close.
#[derive(Debug)]
pub struct Tasks {
    pid: Pid,
    /// Their `stat`, their `schedstat`, their `syscall`, and their `status`.
    open: HashMap<Tid, File>,
    schedules: HashMap<Tid, File>,
    calls: HashMap<Tid, File>,
    statuses: HashMap<Tid, File>,
    asked: Cell<u64>,
    /// It lives in a PID namespace below ours, if that is known.
    is_nested: Option<bool>,
    /// If so, the inodes of its threads' directories, and their own numbers.
    inside: HashMap<Tid, (u64, u32)>,
}

/// Files of each kind kept open at most: of the 1,024 that a process may commonly have we want some for other things.
const MOST_OPEN: usize = 256;

impl Tasks {
    /// Of this process, which may end at any time.
    pub fn of(pid: Pid) -> Self {
        let (open, schedules, calls, statuses, inside) = Default::default();
        Self { pid, open, schedules, calls, statuses, asked: Cell::new(0), is_nested: None, inside }
    }

    /// Its threads now, in no order that matters; those that come or go meanwhile may or may not be among
    /// them. Costs 5 µs and some 0.3 µs a thread, and allocates.
    pub fn list(&self) -> io::Result<Vec<Tid>> {
        Ok(self.entries()?.map(|(tid, _)| tid).collect())
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

    /// How long a thread has had a CPU; `None` if it has ended. What it has had since it last got one is counted at the
    /// kernel's next tick, or when it leaves it. Costs 1.5 µs by the open file.
    pub fn time_on_cpu(&mut self, tid: Tid) -> Option<Duration> {
        ask(&mut self.schedules, (self.pid, tid, "schedstat"), time_on_cpu).flatten()
    }

    /// How often a thread has left its CPU to somebody, of its own will or not; `None` if it has ended. Costs 7 µs by the open
    /// file.
    pub fn switches(&mut self, tid: Tid) -> Option<u64> {
        ask(&mut self.statuses, (self.pid, tid, "status"), switches).flatten()
    }

    /// The futex that a thread sleeps on, if it does. Costs 2.3 µs by the open file and 6.9 µs the first time.
    pub fn futex(&mut self, tid: Tid) -> Option<Address> {
        self.asked.set(self.asked.get() + 1);
        ask(&mut self.calls, (self.pid, tid, "syscall"), futex).flatten()
    }

    /// Does a thread sleep, interruptibly or not? Costs 1.5 µs where it runs or wants to, and as much as [`Tasks::moment`]
    /// besides where it does not.
    pub fn sleeps(&mut self, tid: Tid) -> bool {
        let runs = ask(&mut self.calls, (self.pid, tid, "syscall"), |bytes| bytes == b"running\n");
        if runs == Some(true) {
            self.asked.set(self.asked.get() + 1);
            return false;
        }
        let state = self.moment(tid).map(|moment| moment.state);
        matches!(state, Some(RunState::Sleeping | RunState::Uninterruptible))
    }

    /// How often it was asked what a thread does, or sleeps on, since this was last asked.
    pub fn take_asked(&self) -> u64 {
        self.asked.take()
    }

    /// The kernel's name of a thread, at most 15 bytes; bytes that are not UTF-8 are replaced.
    pub fn name(&self, tid: Tid) -> Option<String> {
        process::comm(&format!("/proc/{}/task/{tid}/comm", self.pid))
    }

    /// Our number of the thread that calls itself `inside` (`gettid()` in its innermost PID namespace), if there is one. It
    /// is the same where there is no namespace but ours, and costs 3 µs then; otherwise as much as [`Tasks::list`] does, and
    /// a file of 20 µs for each thread that was not there the last time.
    pub fn ours(&mut self, inside: u32) -> Option<Tid> {
        let number = |tid: Tid| {
            let bytes = process::whole(&format!("/proc/{}/task/{tid}/status", self.pid)).ok()?;
            Some(process::Status::parse(&bytes).namespaced)
        };
        let is_nested = match self.is_nested {
            Some(nested) => nested,
            // A process's threads are all in the same one. Kernels before 4.1 do not tell: there it is taken to be ours.
            None => *self.is_nested.insert(number(self.pid.leader())?.len() > 1),
        };
        if !is_nested {
            let exists = fs::exists(format!("/proc/{}/task/{inside}", self.pid)).unwrap_or(false);
            return exists.then_some(Tid(inside));
        }
        let mut found = None;
        let mut now = HashMap::new();
        for (tid, inode) in self.entries().ok()? {
            // A later thread with the same number has another inode.
            let known = self.inside.get(&tid).filter(|known| known.0 == inode).map(|known| known.1);
            let Some(number) = known.or_else(|| number(tid)?.last().copied()) else { continue };
            now.insert(tid, (inode, number));
            found = found.or((number == inside).then_some(tid));
        }
        self.inside = now;
        found
    }

    /// Its threads now, and the inodes of their directories.
    fn entries(&self) -> io::Result<impl Iterator<Item = (Tid, u64)> + use<>> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.pid))?;
        Ok(entries.filter_map(|entry| {
            let entry = entry.ok()?;
            Some((Tid(entry.file_name().to_str()?.parse().ok()?), entry.ino()))
        }))
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
        let mut bytes = [0; 4096];
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

/// The first number of a `schedstat`, in nanoseconds.
fn time_on_cpu(schedstat: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(schedstat).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// The last number of a `schedstat`, after the time on a CPU and the time waiting for one.
fn slices(schedstat: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(schedstat).ok()?;
    text.trim_end().rsplit(' ').next()?.parse().ok()
}

/// The sum of a `status`'s two counts of context switches, which stand at its end.
fn switches(status: &[u8]) -> Option<u64> {
    let count = |name: &str| {
        let mut lines = status.rsplit(|byte| *byte == b'\n');
        let line = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        std::str::from_utf8(line).ok()?.trim().parse::<u64>().ok()
    };
    count("voluntary_ctxt_switches:")?.checked_add(count("nonvoluntary_ctxt_switches:")?)
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

#[cfg(test)]
mod tests {
    use nix::time::{ClockId, clock_gettime};

    use super::*;

    /// A thread that waits, and what ends it.
    fn waiting() -> (Tid, impl FnOnce()) {
        let (say, said) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("waits".to_owned())
            .spawn(move || say.send(nix::unistd::gettid().as_raw().cast_unsigned()).map(|()| ended.recv()));
        let tid = Tid(said.recv().expect("it runs"));
        let end = move || {
            drop(end);
            assert!(thread.expect("a thread").join().is_ok());
        };
        (tid, end)
    }

    #[test]
    fn numbers_are_the_same_where_there_is_one_namespace() {
        // A test runs on a thread of its own.
        let mut tasks = Tasks::of(Pid::ours());
        for tid in [Tid::ours(), Pid::ours().leader()] {
            assert_eq!(tasks.ours(tid.0), Some(tid));
        }
        assert_eq!([0, 1, u32::MAX].map(|nobody| tasks.ours(nobody)), [None; 3]);
        assert_eq!(Tasks::of(Pid(u32::MAX)).ours(1), None);
    }

    #[test]
    fn time_on_a_cpu_is_what_the_thread_itself_counts() {
        let mut tasks = Tasks::of(Pid::ours());
        let own = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock"));
        let before = own();
        // What it had until then is counted when it leaves its CPU.
        std::thread::sleep(Duration::from_millis(1));
        let told = tasks.time_on_cpu(Tid::ours()).expect("it is here");
        assert!((before..=own()).contains(&told), "{told:?} after {before:?}");
        assert_eq!(tasks.time_on_cpu(Tid(u32::MAX)), None);
    }

    #[test]
    fn who_waits_sleeps_and_who_asks_does_not() {
        let mut tasks = Tasks::of(Pid::ours());
        let (tid, end) = waiting();
        let sleeps = (0..5000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            tasks.sleeps(tid)
        });
        assert!(sleeps && !tasks.sleeps(Tid::ours()));
        end();
        assert!(!tasks.sleeps(tid) && !tasks.sleeps(Tid(u32::MAX)));
    }

    #[test]
    fn threads_that_have_ended_make_room() {
        let mut tasks = Tasks::of(Pid::ours());
        let mut last = None;
        for _ in 0..MOST_OPEN + 8 {
            let (tid, end) = waiting();
            // In this order: it may come to its sleep meanwhile.
            let switches = tasks.switches(tid);
            assert!(tasks.moment(tid).is_some() && tasks.slices(tid) >= switches.or(Some(u64::MAX)));
            // It may not have come to its sleep yet.
            let _ = tasks.futex(tid);
            end();
            last = Some(tid);
        }
        let newest = last.expect("one");
        for files in [&tasks.open, &tasks.schedules, &tasks.calls, &tasks.statuses] {
            assert!(files.len() <= MOST_OPEN && files.contains_key(&newest));
        }
    }
}
