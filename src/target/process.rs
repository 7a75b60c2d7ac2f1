//! What /proc says of a process or a thread: who it is, in what state, where it runs, who traces it.
//! The parsers are pure functions of bytes: a process chooses its own name, so all of it is hostile.
//! Finding processes is not done here.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

/// A process (a thread group), in our PID namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub u32);

/// A thread (the kernel says task), in our PID namespace. A process's first thread has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub u32);

impl Tid {
    /// The calling thread.
    pub fn ours() -> Self {
        Self(nix::unistd::gettid().as_raw().cast_unsigned())
    }
}

impl Pid {
    /// This process.
    pub fn ours() -> Self {
        Self(std::process::id())
    }

    /// The process's first thread, whose number is the same.
    pub const fn leader(self) -> Tid {
        Tid(self.0)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kernel's word for what a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// `R`: on a CPU or ready to run.
    Running,
    /// `S`: sleeps, can be woken by a signal.
    Sleeping,
    /// `D`: sleeps where no signal reaches it (disk, a parent in vfork); cannot be stopped until it is
    /// through.
    Uninterruptible,
    /// `T`: stopped by job control.
    Stopped,
    /// `t`: stopped by a tracer.
    Traced,
    /// `Z`: dead, and not yet waited for.
    Zombie,
    /// `X`, `x`: dead.
    Dead,
    /// `I`: an idle kernel thread.
    Idle,
    /// A letter that this list does not know.
    Other(u8),
}

impl RunState {
    /// From the letter in `stat`.
    pub const fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' => Self::Stopped,
            b't' => Self::Traced,
            b'Z' => Self::Zombie,
            b'X' | b'x' => Self::Dead,
            b'I' => Self::Idle,
            other => Self::Other(other),
        }
    }

    /// Has it ended?
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Zombie | Self::Dead)
    }
}

/// What we use of `/proc/PID/stat` or `/proc/PID/task/TID/stat` (`man 5 proc_pid_stat`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The kernel's name of it, at most 15 bytes, any bytes.
    pub name: Vec<u8>,
    /// What we look at per sample.
    pub moment: Moment,
    /// Its parent.
    pub parent: Pid,
    /// Its process group.
    pub group: u32,
    /// The kernel's `PF_` flags.
    pub flags: u32,
    /// How many threads it has.
    pub threads: u32,
    /// When it began, in clock ticks after boot: with the number it is an identity.
    pub start: u64,
    /// Where its stack began; another after each exec. 0 or 1 where we may not know.
    pub stack_start: u64,
    /// How it ended, as `wait` would tell it; 0 as long as it has not, and where we may not know.
    pub end: u32,
}

/// What changes from moment to moment in a `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What it does.
    pub state: RunState,
    /// The CPU it is on, or was last on.
    pub cpu: u32,
    /// CPU time used so far, user and system, in clock ticks.
    pub ticks: u64,
}

/// `PF_KTHREAD` of `include/linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// `PF_EXITING` of the same.
const EXITING: u32 = 0x0000_0004;

impl Stat {
    /// Reads a `stat`; none if it is not one. The name may hold anything, `) R 1` too: it ends at the *last*
    /// `)`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|&byte| byte == b'(')?;
        let (close, fields) = fields_after_name(bytes)?;
        let mut fields = fields;
        let letter = *fields.next()?.first()?;
        let mut number = |skip: usize| fields.nth(skip).and_then(number_of);
        // Field 3 was the state; the argument is how many fields lie between two that we want.
        let parent = Pid(u32::try_from(number(0)?).ok()?);
        let group = u32::try_from(number(0)?).ok()?;
        let flags = u32::try_from(number(3)?).ok()?; // field 9
        let user = number(4)?; // field 14
        let system = number(0)?; // field 15
        let threads = u32::try_from(number(4)?).ok()?; // field 20
        let start = number(1)?; // field 22
        let stack_start = number(5)?; // field 28
        let cpu = u32::try_from(number(10)?).ok()?; // field 39
        let end = number(12).and_then(|end| u32::try_from(end).ok()).unwrap_or(0); // field 52
        Some(Self {
            name: bytes.get(open + 1..close)?.to_vec(),
            moment: Moment { state: RunState::from_letter(letter), cpu, ticks: user.saturating_add(system) },
            parent,
            group,
            flags,
            threads,
            start,
            stack_start,
            end,
        })
    }

    /// Is it a thread of the kernel, without memory of its own?
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    /// Is it on its way out?
    pub const fn is_exiting(&self) -> bool {
        self.flags & EXITING != 0
    }
}

impl Moment {
    /// As [`Stat::parse`], but only what changes, and without allocating.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (_, mut fields) = fields_after_name(bytes)?;
        let state = RunState::from_letter(*fields.next()?.first()?);
        let user = fields.nth(10).and_then(number_of)?; // field 14
        let system = fields.next().and_then(number_of)?; // field 15
        let cpu = fields.nth(23).and_then(number_of)?; // field 39
        Some(Self { state, cpu: u32::try_from(cpu).ok()?, ticks: user.saturating_add(system) })
    }
}

/// Where the name ends, and the fields from the third on.
fn fields_after_name(bytes: &[u8]) -> Option<(usize, impl Iterator<Item = &[u8]>)> {
    let close = bytes.iter().rposition(|&byte| byte == b')')?;
    let rest = bytes.get(close + 1..)?;
    Some((close, rest.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())))
}

/// A field as a number; negative ones (the terminal's group, priorities) are not asked for.
fn number_of(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// What we use of `/proc/PID/status`. Lines that a kernel lacks are `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The process that this thread belongs to.
    pub process: Option<Pid>,
    /// The thread that traces it (not the process: ptrace belongs to threads); `None` when nobody does.
    pub tracer: Option<Tid>,
    /// Real, effective, saved and file-system user.
    pub users: [Option<u32>; 4],
    /// Its number in each PID namespace that it is in, ours first and its own last.
    pub namespaced: Vec<u32>,
    /// Effective capabilities, a bit each.
    pub effective: u64,
    /// Capabilities that it or its children could ever have.
    pub bounding: u64,
    /// `no_new_privs` is set.
    pub no_new_privileges: bool,
    /// 0 none, 1 strict, 2 a filter.
    pub seccomp: u8,
}

impl Status {
    /// Reads a `status`. The name in it is escaped by the kernel (newline as `\n`), so that lines can be
    /// trusted.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut status = Self::default();
        for line in bytes.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (key, value) = (&line[..colon], &line[colon + 1..]);
            let Ok(value) = std::str::from_utf8(value) else { continue };
            let mut words = value.split_ascii_whitespace();
            let mut word = || words.next();
            let mut number = || word().and_then(|word| word.parse::<u32>().ok());
            match key {
                b"Tgid" => status.process = number().map(Pid),
                b"TracerPid" => status.tracer = number().filter(|&tid| tid != 0).map(Tid),
                b"Uid" => status.users = [number(), number(), number(), number()],
                b"NSpid" => status.namespaced = std::iter::from_fn(number).collect(),
                b"CapEff" => status.effective = hexadecimal(value),
                b"CapBnd" => status.bounding = hexadecimal(value),
                b"NoNewPrivs" => status.no_new_privileges = number() == Some(1),
                b"Seccomp" => status.seccomp = number().and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
                _ => {}
            }
        }
        status
    }

    /// Does it have this capability in effect?
    pub const fn has_capability(&self, number: u32) -> bool {
        self.effective >> number & 1 == 1
    }
}

fn hexadecimal(value: &str) -> u64 {
    u64::from_str_radix(value.trim(), 16).unwrap_or(0)
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its number.
    pub pid: Pid,
    /// When it began, in clock ticks after boot.
    pub start: u64,
}

impl Identity {
    /// Who has this number now; none if nobody.
    pub fn of(pid: Pid) -> Option<Self> {
        Some(Self { pid, start: stat(pid)?.start })
    }

    /// Is the one with this number still the same process (zombies count)?
    pub fn holds(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// How long ago it began, to a hundredth of a second; none if the kernel does not say.
    pub fn age(self) -> Option<Duration> {
        let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
        let start =
            Duration::from_millis(self.start.saturating_mul(1000) / u64::try_from(ticks).ok()?.max(1));
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
        Duration::from(now).checked_sub(start)
    }
}

/// `/proc/PID/stat`; none if there is no such process, or it is hidden from us.
pub fn stat(pid: Pid) -> Option<Stat> {
    Stat::parse(&whole(&format!("/proc/{pid}/stat")).ok()?)
}

/// What a thread of the process does at this moment; none if it has ended. By a file that is opened for it, see
/// [`Tasks::moment`](super::Tasks::moment).
pub(super) fn moment(pid: Pid, tid: Tid) -> Option<Moment> {
    Moment::parse(&whole(&format!("/proc/{pid}/task/{tid}/stat")).ok()?)
}

/// A living thread of the process, the first one if it can be: when a process's first thread ends before the
/// others, it stays as a zombie, and its memory, its map and its executable are to be had through the others
/// only. None if all have ended.
pub fn witness(pid: Pid) -> Option<Tid> {
    let lives = |tid: &Tid| moment(pid, *tid).is_some_and(|moment| !moment.state.is_dead());
    if lives(&pid.leader()) {
        return Some(pid.leader());
    }
    super::Tasks::of(pid).list().ok()?.into_iter().find(lives)
}

/// `/proc/PID/status`, for a process or a thread of one.
pub fn status(task: Tid) -> io::Result<Status> {
    whole(&format!("/proc/{task}/status")).map(|bytes| Status::parse(&bytes))
}

/// All of a small file of `/proc`: there files do not tell how long they are, and `fs::read` feels its way in seven reads.
pub(super) fn whole(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The process that a thread belongs to; none if there is no such thread.
pub fn process_of(tid: Tid) -> Option<Pid> {
    status(tid).ok()?.process
}

/// Its words, as it has them now (it may overwrite them); empty for a zombie or a kernel thread. At most 64
/// KiB.
pub fn command_line(pid: Pid) -> Vec<OsString> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let Ok(file) = fs::File::open(format!("/proc/{pid}/cmdline")) else { return Vec::new() };
    if file.take(64 << 10).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    split_words(&bytes)
}

fn split_words(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// What its `exe` link says; ` (deleted)` at its end when that file is no more.
pub fn executable(pid: Pid) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{}/exe", witness(pid).unwrap_or(pid.leader())))
}

/// Its children that live; none where the kernel was built without the list.
pub fn children(pid: Pid) -> Vec<Pid> {
    let tasks = super::Tasks::of(pid).list().unwrap_or_default();
    let lists = tasks
        .into_iter()
        .filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|word| word.parse().ok().map(Pid)).collect::<Vec<_>>())
        .collect()
}

/// Some processes and those below them, but ours, parents before their children, each once. None is looked for before it
/// is asked for: of a storm of processes a few can be taken.
pub fn tree(roots: Vec<Pid>) -> impl Iterator<Item = Pid> {
    let mut tree = roots.clone();
    let (mut asked, mut below) = (0, Vec::new().into_iter());
    roots.into_iter().chain(std::iter::from_fn(move || {
        loop {
            if let Some(child) = below.find(|child| *child != Pid::ours() && !tree.contains(child)) {
                tree.push(child);
                return Some(child);
            }
            below = children(*tree.get(asked)?).into_iter();
            asked += 1;
        }
    }))
}

/// The kernel's name of a process or a thread, at most 15 bytes, without the newline; bytes that are not
/// UTF-8 replaced.
pub fn name(task: Tid) -> Option<String> {
    comm(&format!("/proc/{task}/comm"))
}

/// What a `comm` says.
pub(super) fn comm(path: &str) -> Option<String> {
    let bytes = whole(path).ok()?;
    Some(String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned())
}

#[cfg(test)]
mod tests;
