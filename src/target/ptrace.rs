//! The four calls by which a thread is stopped and let go, with the numbers of the kernel. What they mean
//! together is in `stop.rs`.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};

use super::process::Tid;

/// What became of a thread, as `waitid` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Stands still. `signal` is why; `event` is `PTRACE_EVENT_STOP` or, when a signal is being delivered, 0.
    Stopped { signal: i32, event: i32 },
    /// Has ended with this exit status.
    Exited(i32),
    /// Was ended by this signal.
    Killed(i32),
}

impl Event {
    /// Is it the end?
    pub(super) const fn is_end(self) -> bool {
        !matches!(self, Self::Stopped { .. })
    }
}

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until something is known, or a signal comes (`EINTR`).
    Wait,
    /// Only what is known already.
    Now,
}

fn raw(tid: Tid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(tid.0.cast_signed())
}

/// Becomes the thread's tracer, without stopping it and without any option: it is not killed with us.
pub(super) fn seize(tid: Tid) -> Result<(), Errno> {
    ptrace::seize(raw(tid), Options::empty())
}

/// Tells a traced thread to stop.
pub(super) fn interrupt(tid: Tid) -> Result<(), Errno> {
    ptrace::interrupt(raw(tid))
}

/// Where a stopped thread stands in its program.
#[cfg(target_arch = "x86_64")]
pub(super) fn instruction(tid: Tid) -> Option<u64> {
    // Not all registers: it stands still meanwhile.
    let place = std::mem::offset_of!(libc::user, regs) + std::mem::offset_of!(libc::user_regs_struct, rip);
    ptrace::read_user(raw(tid), std::ptr::without_provenance_mut(place)).ok().map(i64::cast_unsigned)
}

/// Where a stopped thread stands in its program: not known on this machine.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn instruction(_: Tid) -> Option<u64> {
    None
}

/// Lets a stopped thread go, untraced, with this signal delivered to it (0: none).
pub(super) fn detach(tid: Tid, signal: i32) -> Result<(), Errno> {
    // nix's own cannot deliver a real-time signal.
    #[expect(unsafe_code, reason = "nix's detach knows no real-time signals")]
    // SAFETY: PTRACE_DETACH takes numbers only, and touches nothing of ours.
    let result =
        unsafe { libc::ptrace(libc::PTRACE_DETACH, raw(tid).as_raw(), 0_usize, libc::c_long::from(signal)) };
    Errno::result(result).map(drop)
}

/// Looks at what became of a traced thread or a child, *and leaves it there to be seen again*. It matters: a
/// signal that a stop is about stays noted in the kernel until somebody fetches it, and is then delivered
/// even if we are killed at this very moment; fetched, it would be lost with us.
pub(super) fn look(tid: Tid, patience: Patience) -> Result<Option<Event>, Errno> {
    wait(tid, patience, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT)
}

/// Fetches the end of a traced thread or a child, so that the kernel can forget it (and tell its parent).
pub(super) fn reap(tid: Tid) -> Result<Option<Event>, Errno> {
    // Of a traced thread its stops are told too, whatever is asked for, and those are not to be fetched.
    match look(tid, Patience::Now)? {
        Some(event) if event.is_end() => wait(tid, Patience::Now, libc::WEXITED),
        _ => Ok(None),
    }
}

fn wait(tid: Tid, patience: Patience, what: i32) -> Result<Option<Event>, Errno> {
    let now = if patience == Patience::Now { libc::WNOHANG } else { 0 };
    #[expect(unsafe_code, reason = "nix's waitid knows no real-time signals")]
    // SAFETY: siginfo_t is plain numbers, for which zero is a value; waitid writes to it and keeps no
    // reference.
    let (result, found) = unsafe {
        let mut found: libc::siginfo_t = std::mem::zeroed();
        (libc::waitid(libc::P_PID, tid.0, &raw mut found, what | now | libc::__WALL), found)
    };
    Errno::result(result)?;
    #[expect(unsafe_code, reason = "the fields of a siginfo are in a union")]
    // SAFETY: waitid filled the SIGCHLD part, or left all of it zero.
    let (pid, status) = unsafe { (found.si_pid(), found.si_status()) };
    Ok(match found.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Event::Exited(status)),
        libc::CLD_KILLED | libc::CLD_DUMPED => Some(Event::Killed(status & 0x7f)),
        _ => Some(Event::Stopped { signal: status & 0x7f, event: status >> 8 }),
    })
}
