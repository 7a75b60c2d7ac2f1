//! The other process. Knows Linux (ptrace, /proc, ELF, how to launch a command); knows nothing of Python.
//!
//! A thread is traced only while it is stopped: each stop is SEIZE, INTERRUPT, wait, and DETACH to let it go.
//! So between samples nothing of ours hangs on the target: its signals need not pass by us, other debuggers
//! may come, and if we are killed there is nothing to clean up. What that costs against seizing once, per
//! sample with one scattered read of 8 KiB; median of 3,000 at 1,000/s and of 20,000 at full tilt (Linux
//! 6.18, a VM of 2 CPUs on AMD EPYC, 2026-11):
//!
//! | busy Python, sampler on | seize once: stop | each time: stop | the SEIZE, outside of the stop |
//! |---|---|---|---|
//! | the same CPU, 1,000/s | 10.8 µs | 10.2 µs | 1.4 µs |
//! | the same CPU, full tilt | 10.1 µs | 9.7 µs | 1.0 µs |
//! | another CPU, 1,000/s | 44–57 µs | 48–54 µs | 3.1 µs |
//! | another CPU, full tilt | 32–82 µs | 33–63 µs | 1.5 µs |

mod alarm;
pub mod attach;
mod beside;
pub mod container;
pub mod cpu;
pub mod elf;
pub mod inherited;
pub mod job;
pub mod launch;
pub mod live;
pub mod maps;
pub mod memory;
mod off_cpu;
pub mod open;
mod pidfd;
pub mod process;
mod ptrace;
pub mod pty;
pub mod roster;
pub mod stop;
pub mod tasks;
pub mod user;
mod watch;

use std::cell::{RefCell, RefMut};
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use nix::errno::Errno;

pub use alarm::Alarm;
pub use attach::{AttachError, Denied, may_attach};
pub use beside::{Beside, Rseq};
pub use container::Container;
pub use cpu::{Placement, Stay};
pub use elf::{Elf, ElfError, Place};
pub use inherited::{open_many, output_was_closed, was_ignored};
pub use launch::{Child, End, LaunchError, launch};
pub use live::ProcessMemory;
pub use maps::{Mapping, Maps, Module};
pub use memory::{Address, Memory, Range, ReadError};
pub use off_cpu::OffCpu;
use pidfd::Handle;
pub use process::{Identity, Moment, Pid, RunState, Tid};
pub use pty::{Pty, Seat};
pub use roster::{Care, Listed, Roster};
pub use stop::{StopError, Stopped, Tracer};
pub use tasks::Tasks;
pub use user::User;

/// A process that may be looked at. Belongs to the thread that made it, as ptrace does.
///
/// Drop it where that thread is about to end: a thread of the target that was told to stop and is frozen
/// until later can be let go only by us, or by our end.
#[derive(Debug)]
pub struct Target {
    identity: Identity,
    memory: ProcessMemory,
    handle: Handle,
    tracer: Tracer,
    tasks: RefCell<Tasks>,
    _of_this_thread: PhantomData<*const ()>,
}

/// What has become of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs (or sleeps, or stands) the program that it ran.
    Running,
    /// It runs another program: call [`Target::reopen`] and look what it is.
    Execed,
    /// Its memory is gone, and the kernel has not finished with it: ask again.
    Ending,
    /// It has ended with this status; known of commands that we have launched, and often of others.
    Exited(i32),
    /// A signal has ended it; known as above.
    Killed(i32),
    /// It has ended, and how is not for us to know: the kernel is older than 6.15 and its parent was quicker, or we have
    /// no right to it.
    Gone,
}

impl Life {
    /// Has it ended, as far as will ever be known?
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Execed | Self::Ending)
    }
}

impl Target {
    /// Looks at a process for the first time: checks everything that could be in the way, and traces it for a moment, without
    /// stopping it.
    pub fn attach(pid: Pid) -> Result<Self, AttachError> {
        attach::attach(pid, None)
    }

    /// Looks at a process for the first time, and leaves it alone: checks only what has to do with reading its memory.
    /// Who traces it does not matter.
    pub fn attach_unstopped(pid: Pid) -> Result<Self, AttachError> {
        attach::attach_unstopped(pid, None)
    }

    fn new(identity: Identity, memory: ProcessMemory, child: Option<Child>) -> Result<Self, Errno> {
        Ok(Self {
            identity,
            memory,
            handle: Handle::of(identity.pid),
            tracer: Tracer::new(identity.pid, child)?,
            tasks: RefCell::new(Tasks::of(identity.pid)),
            _of_this_thread: PhantomData,
        })
    }

    /// Which process.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.identity.pid
    }

    /// Its memory, as of the program that it ran when it was attached to or last reopened.
    pub fn memory(&self) -> &ProcessMemory {
        &self.memory
    }

    /// Its memory's map, read anew.
    pub fn maps(&self) -> io::Result<Maps> {
        Maps::of(self.identity.pid)
    }

    /// A file in its map as ELF, from the file or, when that is out of reach, from memory.
    pub fn elf(&self, module: &Module) -> Result<Elf<'_>, ElfError> {
        open::load(self.identity.pid, &self.memory, module)
    }

    /// Its threads.
    pub fn tasks(&self) -> RefMut<'_, Tasks> {
        self.tasks.borrow_mut()
    }

    /// Stops a thread for as long as the guard lives: see [`Tracer::stop`].
    pub fn stop(&self, tid: Tid) -> Result<Stopped<'_>, StopError> {
        self.tracer.stop(tid)
    }

    /// Stops several threads at the same time: see [`Tracer::stop_all`].
    pub fn stop_all(&self, tids: &[Tid]) -> Vec<Result<Stopped<'_>, StopError>> {
        self.tracer.stop_all(tids)
    }

    /// What stops its threads: totals, patience, and strays to be settled.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// What has become of it. While it runs this costs 0.9 µs.
    pub fn life(&self) -> Life {
        self.tracer.settle();
        if self.memory.is_current() {
            return Life::Running;
        }
        if let Some(end) = self.end() {
            return end;
        }
        let is_child = self.tracer.child().is_some();
        match process::stat(self.identity.pid) {
            None => self.end().unwrap_or(Life::Gone),
            Some(stat) if stat.start != self.identity.start => self.end().unwrap_or(Life::Gone),
            Some(stat) if (stat.moment.state.is_dead() || stat.is_exiting()) && !is_child => self
                .told_end(&stat)
                .unwrap_or(if stat.moment.state.is_dead() { Life::Gone } else { Life::Ending }),
            Some(stat) if stat.moment.state.is_dead() || stat.is_exiting() => Life::Ending,
            Some(_) => Life::Execed,
        }
    }

    /// Waits until it has ended, but no longer than this; then as [`Target::life`].
    pub fn wait_for_end(&self, longest: Duration) -> Life {
        let deadline = Instant::now() + longest;
        loop {
            let life = self.life();
            if life.is_over() || Instant::now() >= deadline {
                return life;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has a signal stopped it, as SIGSTOP and ^Z do? Costs a file read.
    pub fn stands(&self) -> bool {
        let pid = self.identity.pid;
        process::moment(pid, pid.leader()).is_some_and(|moment| moment.state == RunState::Stopped)
    }

    /// Looks at the program that it has become by exec. Right after exec there may be nothing in its map yet.
    pub fn reopen(&mut self) -> Result<(), AttachError> {
        let memory = attach::open_memory(self.identity.pid)?;
        self.memory = memory;
        if self.is_64_bit() { Ok(()) } else { Err(AttachError::ThirtyTwoBit) }
    }

    /// How it ended, if it has: as a child of ours, or as a process whose parent has asked.
    fn end(&self) -> Option<Life> {
        match self.tracer.child() {
            None => self.handle.end().map(ended),
            Some(child) => Some(match child.end()? {
                End::Exited(status) => Life::Exited(status),
                End::Killed(signal) => Life::Killed(signal),
            }),
        }
    }

    /// How a process that is not our child ended: the kernel notes it before it lets go of the memory, and tells it
    /// until the parent has asked. To whom may not know it says 0, as of one that ended well.
    fn told_end(&self, stat: &process::Stat) -> Option<Life> {
        if stat.end != 0 {
            return Some(ended(stat.end));
        }
        // The link to the executable is under the same lock: who has the key finds that there is none any more.
        let pid = self.identity.pid;
        let link = std::fs::read_link(format!("/proc/{pid}/exe"));
        let may_know =
            link.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) && self.identity.holds();
        may_know.then_some(Life::Exited(0))
    }

    fn is_64_bit(&self) -> bool {
        is_64_bit(self.identity.pid)
    }
}

/// What `wait` says of an end.
fn ended(code: u32) -> Life {
    match (code >> 8 & 0xff, code & 0x7f) {
        (status, 0) => Life::Exited(status.cast_signed()),
        (_, signal) => Life::Killed(signal.cast_signed()),
    }
}

/// Is the program that a process runs a 64-bit one? If its executable cannot be read we shall find out later.
fn is_64_bit(pid: Pid) -> bool {
    use std::os::unix::fs::FileExt;
    let mut head = [0; 5];
    let Some(witness) = process::witness(pid) else { return true };
    let read =
        std::fs::File::open(format!("/proc/{witness}/exe")).and_then(|file| file.read_exact_at(&mut head, 0));
    read.is_err() || &head != b"\x7fELF\x01"
}
