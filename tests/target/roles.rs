//! What this test program does when it is itself one of the processes of a test: it is started again with the
//! name of a role in its environment. Roles talk on standard error, where libtest says nothing.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::libc;
use pyflame_tui::target::{Pid, Target};

const ROLE: &str = "TARGET_TEST_ROLE";

/// This program in another role.
pub(crate) struct Player {
    pub(crate) child: Child,
    pub(crate) errors: BufReader<ChildStderr>,
}

impl Player {
    pub(crate) fn command(role: &str, word: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "roles::role", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env("TARGET_TEST_WORD", word);
        command
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, errors }
    }

    pub(crate) fn new(role: &str, word: &str) -> Self {
        Self::start(&mut Self::command(role, word))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid(self.child.id())
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn role() {
    let Ok(role) = env::var(ROLE) else { return };
    let word = env::var("TARGET_TEST_WORD").unwrap_or_default();
    match role.as_str() {
        "sample" => sample(word.parse().unwrap()),
        "attach" => say(&format!("{:?}", Target::attach(Pid(word.parse().unwrap())).map(|_| ()))),
        "seize" => seize(word.parse().unwrap()),
        "signals" => receive_signals(),
        "vfork" => vfork(),
        "launch" => launch(&word),
        other => panic!("no role {other}"),
    }
}

fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Stops and releases as fast as it can, until it is killed or the process ends.
fn sample(pid: u32) {
    let target = Target::attach(Pid(pid)).unwrap();
    say("attached");
    loop {
        let tids = target.tasks().list().unwrap();
        for tid in tids {
            drop(target.stop(tid));
        }
    }
}

/// Traces a process without stopping it, until it is told to end.
fn seize(pid: i32) {
    let options = nix::sys::ptrace::Options::empty();
    nix::sys::ptrace::seize(nix::unistd::Pid::from_raw(pid), options).unwrap();
    say("seized");
    let _ = std::io::stdin().read(&mut [0]);
}

static PIPE: AtomicI32 = AtomicI32::new(2);

/// Writes number, cause, sender and value of each real-time signal that it gets.
fn receive_signals() {
    extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        #[expect(unsafe_code, reason = "a signal handler")]
        // SAFETY: the kernel's pointer is valid with SA_SIGINFO; write is allowed in a handler.
        unsafe {
            let words = [signal, (*info).si_code, (*info).si_pid(), (*info).si_value().sival_ptr as i32];
            libc::write(PIPE.load(Ordering::Relaxed), words.as_ptr().cast(), size_of_val(&words));
        }
    }
    #[expect(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: the structure is filled; the handler does only what it may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGRTMIN() + 3, &raw const action, std::ptr::null_mut()), 0);
    }
    say("ready");
    loop {
        std::hint::spin_loop();
    }
}

/// Waits in vfork until its child, which sleeps, has ended.
fn vfork() {
    say("ready");
    #[expect(unsafe_code, reason = "nothing safe makes a parent wait for its child uninterruptibly")]
    // SAFETY: without CLONE_VM the child has its own copy of everything, as after fork; it does nothing but
    // sleep.
    unsafe {
        let flags = libc::c_long::from(libc::CLONE_VFORK | libc::SIGCHLD);
        if libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) == 0 {
            libc::usleep(700_000);
            libc::_exit(0);
        }
    }
    say("through");
    loop {
        std::hint::spin_loop();
    }
}

/// Launches a command, as the program does it, and says how it ended.
fn launch(command: &str) {
    let words: Vec<_> = command.split('\n').map(Into::into).collect();
    let child = pyflame_tui::target::launch(&words).unwrap();
    fs::write("/dev/stderr", format!("{}\n", child.pid())).unwrap();
    let end = child.wait(Duration::from_secs(20));
    say(&format!("{end:?}"));
}
