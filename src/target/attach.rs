//! Whether a process can be looked at, and if not, exactly why not. An [`AttachError`] carries facts; what to
//! tell the user of them is not decided here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::container::Container;
use super::launch::launch;
use super::memory::ReadError;
use super::process::{self, Identity, Pid, RunState, Stat, Tid};
use super::ptrace;
use super::{Child, ProcessMemory, StopError, Target};

/// Why a process cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachError {
    /// Nobody has this number (or `/proc` hides who has: see `hidepid` in `man 5 proc`).
    NoSuchProcess(Pid),
    /// It is a thread's number, of this process.
    Thread {
        /// Which was asked for.
        tid: Pid,
        /// Whose it is.
        process: Pid,
    },
    /// A thread of the kernel, of this name.
    KernelThread(String),
    /// It has ended; its parent has not yet asked how.
    Zombie {
        /// The parent.
        parent: Pid,
    },
    /// It is this very process, or one that started it and runs the same program.
    Ourselves(Pid),
    /// Somebody else traces it.
    TracedBy {
        /// Who.
        pid: Pid,
        /// Its name, as the kernel has it; empty if it cannot be read.
        name: String,
        /// It is stopped itself (`kill -STOP`, job control), and what it holds stands with it.
        stands: bool,
    },
    /// The kernel does not permit it.
    Denied(Box<Denied>),
    /// It is a 32-bit program.
    ThirtyTwoBit,
    /// A call that should not fail did; an `errno`.
    Failed(i32),
}

/// Everything that may be the cause of a refusal, for whoever explains it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Denied {
    /// What the kernel said.
    pub errno: i32,
    /// Our effective user.
    pub our_user: u32,
    /// The owner of the target: real, effective and saved user, where they can be read.
    pub their_users: [Option<u32>; 3],
    /// `kernel.yama.ptrace_scope`; none where there is no Yama.
    pub yama_scope: Option<u8>,
    /// `CAP_SYS_PTRACE` is in effect for us.
    pub we_have_capability: bool,
    /// It could be: it is in our bounding set.
    pub we_may_have_capability: bool,
    /// Its owner has forbidden cores and with them tracing (`PR_SET_DUMPABLE` 0, a set-uid program, an
    /// unreadable executable). None if it cannot be told, as of a process of root's.
    pub dumpable: Option<bool>,
    /// It is in our own user namespace. None if it cannot be told.
    pub same_user_namespace: Option<bool>,
    /// Ours is not the first one: what we are root of is only what lives in it.
    pub in_user_namespace: bool,
    /// We run under `no_new_privs`.
    pub no_new_privileges: bool,
    /// We run under seccomp: 0 none, 1 strict, 2 a filter, as in containers.
    pub seccomp: u8,
    /// What runs us.
    pub container: Container,
    /// The name of our machine or container.
    pub host: String,
}

/// `CAP_SYS_PTRACE` of `linux/capability.h`.
const CAP_SYS_PTRACE: u32 = 19;

impl Denied {
    /// What of it concerns us alone, whomever we ask for.
    pub fn ourselves() -> Self {
        let ours = process::status(Pid::ours().leader()).unwrap_or_default();
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        // The first namespace has all numbers, and each of them means itself.
        let map = file("/proc/self/uid_map");
        Self {
            our_user: nix::unistd::geteuid().as_raw(),
            yama_scope: yama_scope(),
            we_have_capability: ours.has_capability(CAP_SYS_PTRACE),
            we_may_have_capability: ours.bounding >> CAP_SYS_PTRACE & 1 == 1,
            in_user_namespace: !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"]),
            no_new_privileges: ours.no_new_privileges,
            seccomp: ours.seccomp,
            container: Container::ours(),
            host: file("/proc/sys/kernel/hostname").trim().to_owned(),
            ..Self::default()
        }
    }

    fn about(pid: Pid, errno: Errno) -> Self {
        let theirs = process::status(pid.leader()).unwrap_or_default();
        let namespace = |pid: Pid| fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        // The kernel gives the files of a process that is not dumpable to root.
        let owner = fs::metadata(format!("/proc/{pid}/stat")).ok().map(|file| file.uid());
        let dumpable = match (owner, theirs.users[1]) {
            (Some(0), Some(user)) if user != 0 => Some(false),
            (Some(owner), Some(user)) if owner == user && user != 0 => Some(true),
            _ => None,
        };
        Self {
            errno: errno as i32,
            their_users: [theirs.users[0], theirs.users[1], theirs.users[2]],
            dumpable,
            same_user_namespace: namespace(pid)
                .and_then(|theirs| namespace(Pid::ours()).map(|ours| ours == theirs)),
            ..Self::ourselves()
        }
    }
}

/// `kernel.yama.ptrace_scope`: 0 anybody of the same user, 1 only descendants, 2 only `CAP_SYS_PTRACE`, 3
/// nobody.
pub fn yama_scope() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?.trim().parse().ok()
}

/// Starts a process of our own, stops it once and lets it go: may we trace at all? None if nothing could be started.
pub fn trial() -> Option<Result<(), (Pid, AttachError)>> {
    let child = launch(&["sleep".into(), "10".into()]).ok()?;
    let pid = child.pid();
    let stop = |target: &Target, tid| target.stop(tid).map(drop);
    let result = child.attach().and_then(|target| prove(&target, stop)).map_err(|error| (pid, error));
    let number = nix::unistd::Pid::from_raw(pid.0.cast_signed());
    let _ = nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGKILL);
    child.wait(BURIAL);
    Some(result)
}

/// How long the process of a trial may take to end.
const BURIAL: Duration = Duration::from_secs(2);

/// All checks, cheapest first; at their end a thread of the target has been traced for a moment, which is the one test of
/// permission that leaves no doubt.
pub(super) fn attach(pid: Pid, child: Option<&Child>) -> Result<Target, AttachError> {
    let deadline = Instant::now() + PASSING;
    loop {
        match attach_now(pid, child.cloned()) {
            // One of us that begins, too, or looks.
            Err(AttachError::TracedBy { stands: false, .. }) if Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            attached => return attached,
        }
    }
}

/// Who traces it for longer than this is no passer-by; between two attempts.
const PASSING: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(1);

fn attach_now(pid: Pid, child: Option<Child>) -> Result<Target, AttachError> {
    check(pid)?;
    nobody_traces(pid)?;
    let target = open(pid, child)?;
    prove(&target, trace_for_a_moment)?;
    current(target)
}

/// The same without that proof.
pub(super) fn attach_unstopped(pid: Pid, child: Option<Child>) -> Result<Target, AttachError> {
    current(open(pid, child)?)
}

fn open(pid: Pid, child: Option<Child>) -> Result<Target, AttachError> {
    let stat = check(pid)?;
    let memory = open_memory(pid)?;
    let identity = Identity { pid, start: stat.start };
    let target = Target::new(identity, memory, child).map_err(|errno| AttachError::Failed(errno as i32))?;
    if !target.is_64_bit() {
        return Err(AttachError::ThirtyTwoBit);
    }
    Ok(target)
}

/// All that can be checked without stopping anything. What passes may still be refused, by a filter that forbids
/// ptrace itself.
pub fn may_attach(pid: Pid) -> Result<(), AttachError> {
    check(pid)?;
    nobody_traces(pid)?;
    // The kernel lets its memory be opened by whom it lets trace it.
    open_memory(pid)?;
    if super::is_64_bit(pid) { Ok(()) } else { Err(AttachError::ThirtyTwoBit) }
}

/// Between the first look and now the number may have become another's.
fn current(target: Target) -> Result<Target, AttachError> {
    let identity = target.identity();
    if identity.holds() { Ok(target) } else { Err(AttachError::NoSuchProcess(identity.pid)) }
}

fn nobody_traces(pid: Pid) -> Result<(), AttachError> {
    match process::status(pid.leader()).ok().and_then(|status| status.tracer) {
        Some(tracer) => Err(traced_by(process::process_of(tracer).unwrap_or(Pid(tracer.0)))),
        None => Ok(()),
    }
}

/// Somebody else who traces one of its threads, as one of us does that was stopped at a bad moment. Attaching asks the
/// first thread only: to ask 10,000 takes a while.
pub fn other_tracer(target: &Target) -> Option<AttachError> {
    let threads = target.tasks().list().unwrap_or_default();
    let tracers = threads.into_iter().filter_map(|tid| process::status(tid).ok()?.tracer);
    tracers.map(|tracer| process::process_of(tracer).unwrap_or(Pid(tracer.0))).next().map(traced_by)
}

fn check(pid: Pid) -> Result<Stat, AttachError> {
    let stat = process::stat(pid).ok_or(AttachError::NoSuchProcess(pid))?;
    let status = process::status(pid.leader()).unwrap_or_default();
    if let Some(process) = status.process.filter(|&process| process != pid) {
        return Err(AttachError::Thread { tid: pid, process });
    }
    if stat.is_kernel_thread() {
        return Err(AttachError::KernelThread(String::from_utf8_lossy(&stat.name).into_owned()));
    }
    if process::witness(pid).is_none() {
        return Err(AttachError::Zombie { parent: stat.parent });
    }
    if is_ourselves(pid) {
        return Err(AttachError::Ourselves(pid));
    }
    Ok(stat)
}

fn traced_by(tracer: Pid) -> AttachError {
    let stands = process::stat(tracer).is_some_and(|stat| stat.moment.state == RunState::Stopped);
    AttachError::TracedBy { pid: tracer, name: process::name(tracer.leader()).unwrap_or_default(), stands }
}

/// Is it us, or an ancestor of ours that runs our own executable? (To trace an ancestor of another kind, such
/// as the Python that started us, is nothing strange.)
fn is_ourselves(pid: Pid) -> bool {
    if pid == Pid::ours() {
        return true;
    }
    let program =
        |pid: Pid| fs::metadata(format!("/proc/{pid}/exe")).ok().map(|file| (file.dev(), file.ino()));
    let mut ancestor = Pid::ours();
    for _ in 0..64 {
        let Some(stat) = process::stat(ancestor) else { return false };
        ancestor = stat.parent;
        if ancestor == pid {
            let ours = program(Pid::ours());
            return ours.is_some() && program(pid) == ours;
        }
    }
    false
}

/// A process that execs, and execs again: a shell, `env`, a wrapper, a Python.
const MOST_EXECS: u32 = 16;

pub(super) fn open_memory(pid: Pid) -> Result<ProcessMemory, AttachError> {
    let is_there =
        || process::stat(pid).is_some_and(|stat| !stat.moment.state.is_dead() && !stat.is_exiting());
    let mut opened = ProcessMemory::open(pid);
    for _ in 0..MOST_EXECS {
        // What was opened is gone when it became another program before we looked: one in some 500 starts of a command
        // that is `sh -c 'exec python3'`.
        if opened.as_ref().err() != Some(&ReadError::Gone) || !is_there() {
            break;
        }
        opened = ProcessMemory::open(pid);
    }
    opened.map_err(|error| match error {
        ReadError::Denied => AttachError::Denied(Box::new(Denied::about(pid, Errno::EPERM))),
        ReadError::Gone | ReadError::Unmapped(_) | ReadError::NotCopied(_) => match process::stat(pid) {
            Some(stat) if stat.moment.state.is_dead() => AttachError::Zombie { parent: stat.parent },
            _ => AttachError::NoSuchProcess(pid),
        },
    })
}

/// Tries with one thread whether it is permitted.
fn prove(
    target: &Target,
    attempt: impl Fn(&Target, Tid) -> Result<(), StopError>,
) -> Result<(), AttachError> {
    let pid = target.identity().pid;
    let threads = target.tasks().list().unwrap_or_else(|_| vec![pid.leader()]);
    for tid in threads {
        match attempt(target, tid) {
            // It is permitted, even if the thread is not ours to wake.
            Ok(()) | Err(StopError::NotInTime | StopError::GroupStopped | StopError::Held) => return Ok(()),
            Err(StopError::Gone) => {}
            Err(StopError::TracedBy(tracer)) => return Err(traced_by(tracer)),
            Err(StopError::Refused(errno)) => {
                return Err(AttachError::Denied(Box::new(Denied::about(pid, Errno::from_raw(errno)))));
            }
        }
    }
    // All threads gone, and the process is there: it has become another program meanwhile, which life() will
    // tell.
    if process::witness(pid).is_some() { Ok(()) } else { Err(AttachError::NoSuchProcess(pid)) }
}

/// Traces a thread without stopping it: it may sleep in a system call that would then fail, or do less than it should.
/// Whoever is traced can be let go by hand only while he stands; but a tracer that ends lets go of all as they are. So one
/// is made for that.
fn trace_for_a_moment(target: &Target, tid: Tid) -> Result<(), StopError> {
    let pid = target.identity().pid;
    if process::moment(pid, tid).is_some_and(|moment| moment.state == RunState::Stopped) {
        return Err(StopError::GroupStopped);
    }
    let tracer = std::thread::Builder::new().name("trial".to_owned()).spawn(move || ptrace::seize(tid));
    let seized = tracer.ok().and_then(|tracer| tracer.join().ok()).unwrap_or(Err(Errno::EAGAIN));
    seized.map_err(|errno| target.tracer().refusal(tid, errno))?;
    // The kernel has not quite finished with it.
    let deadline = Instant::now() + PASSING;
    let is_traced = || process::status(tid).is_ok_and(|status| status.tracer.is_some());
    while is_traced() && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
