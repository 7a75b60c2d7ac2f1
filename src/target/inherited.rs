//! What our starter gave us: which signals were ignored, which blocked, whether there is a standard output, open files, and
//! how many. By the time that `main` runs, Rust has already ignored SIGPIPE, and we are going to handle others; a command
//! that we launch is to find all as we found it (`nohup`, a shell's background job: SIGINT ignored).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A bit per signal, the lowest is signal 1.
static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);
static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);
/// How many files could be open, if that has been changed since; 0 if not.
static FILES: AtomicU64 = AtomicU64::new(0);

/// Run by the loader before anything of Rust's.
#[expect(unsafe_code, reason = "later is too late: Rust's own start changes what we want to know")]
// SAFETY: the section holds pointers to functions with C's calling convention; this one needs nothing that is
// set up later (atomics and two system calls).
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    let ignored = SIGNALS.filter(|&signal| disposition(signal) == Some(libc::SIG_IGN)).map(bit).sum();
    IGNORED.store(ignored, Ordering::Relaxed);
    BLOCKED.store(blocked_now(), Ordering::Relaxed);
    OUTPUT_IS_CLOSED.store(is_closed(libc::STDOUT_FILENO), Ordering::Relaxed);
}

fn is_closed(file: i32) -> bool {
    #[expect(unsafe_code, reason = "nix wants a file that is open")]
    // SAFETY: asks for flags, by number.
    unsafe {
        libc::fcntl(file, libc::F_GETFD) == -1
    }
}

/// Was standard output closed when we were started? Rust's own start opens `/dev/null` in its place, where a result would
/// be lost without a word.
pub fn output_was_closed() -> bool {
    OUTPUT_IS_CLOSED.load(Ordering::Relaxed)
}

/// The file that is open under this number, under another one: at the same place in it as whoever else has it.
pub fn duplicate(number: i32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "nix wants a file that is open")]
    // SAFETY: a number under which nothing is open is an error; what comes back otherwise is nobody's but ours.
    unsafe {
        match libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}

const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Was this signal ignored when we were started? Then it should stay so: whoever started us wanted it.
pub fn was_ignored(signal: i32) -> bool {
    SIGNALS.contains(&signal) && IGNORED.load(Ordering::Relaxed) & bit(signal) != 0
}

/// Ignores a signal from now on; commands that we launch do not.
pub fn ignore(signal: i32) {
    set_disposition(signal, libc::SIG_IGN);
}

/// From now on the kernel tells how our children end, even if whoever started us did not want to know of his.
pub(super) fn hear_of_children() {
    if was_ignored(libc::SIGCHLD) {
        set_disposition(libc::SIGCHLD, libc::SIG_DFL);
    }
}

/// From now on as many files may be open as are permitted at all: some are kept open for each thread that is watched.
pub fn open_many() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok()
    {
        FILES.store(soft, Ordering::Relaxed);
    }
}

/// Puts the signals' dispositions, the mask and the limit of files back, in a child between fork and exec. (Exec itself
/// turns handlers into the default.) Does only what is allowed there.
pub(super) fn restore() {
    let before = IGNORED.load(Ordering::Relaxed);
    for signal in SIGNALS {
        match (before & bit(signal) != 0, disposition(signal)) {
            (true, Some(now)) if now != libc::SIG_IGN => set_disposition(signal, libc::SIG_IGN),
            (false, Some(libc::SIG_IGN)) => set_disposition(signal, libc::SIG_DFL),
            _ => {}
        }
    }
    block_only(BLOCKED.load(Ordering::Relaxed));
    let files = FILES.load(Ordering::Relaxed);
    if files > 0
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, files, hard);
    }
}

/// None for what is no signal (the C library keeps a few for itself).
fn disposition(signal: i32) -> Option<libc::sighandler_t> {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: sigaction is plain numbers, for which zero is a value; with a null pointer nothing is changed.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0).then_some(now.sa_sigaction)
    }
}

/// To ignore or to the default only. SIGKILL and SIGSTOP refuse, which is as well.
fn set_disposition(signal: i32, to: libc::sighandler_t) {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: no handler of ours is installed, so that nothing of ours can run in it.
    unsafe {
        libc::signal(signal, to);
    }
}

fn blocked_now() -> u64 {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: sigset_t is plain numbers; with a null pointer nothing is changed, and the set is ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut set);
        SIGNALS.filter(|&signal| libc::sigismember(&raw const set, signal) == 1).map(bit).sum()
    }
}

fn block_only(signals: u64) {
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: as above; the set is filled before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in SIGNALS.filter(|&signal| signals & bit(signal) != 0) {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}
