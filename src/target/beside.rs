//! Being on a thread's CPU instead of stopping it. While we run there it does not; what remains to be shown is that it has
//! not run elsewhere meanwhile. There are two witnesses to that.
//!
//! The thread's own memory: glibc (2.35 and later) registers an area for restartable sequences for every thread (`man 2
//! rseq`), in which the kernel keeps the number of the thread's CPU, and it keeps a promise that is worth more than the
//! number: before a thread that was moved executes another instruction of its program, the number is the new one. So who
//! runs on a CPU, reads memory, and then finds that CPU in the thread's area, knows that the thread has not executed an
//! instruction meanwhile: it was not here, because we were, and nowhere else, or the number would be another. Costs 1.3 µs.
//!
//! The scheduler: `/proc/PID/task/TID/schedstat` counts how often the thread got a CPU. If `stat` says that its CPU is ours
//! it does not run, and until it does the count stays what it is. Costs 7 µs.

use super::memory::{Address, Memory};
use super::{Maps, Stay, Target, Tid};

/// `rseq.cpu_id`, from the start of the area.
const CPU_ID: u64 = 4;

/// Where the areas of a process's threads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rseq {
    /// `__rseq_offset`: from the thread pointer.
    offset: u64,
}

impl Rseq {
    /// Where the CPU of the thread stands that calls itself `pthread_self() == pthread`. (On x86-64 that is its thread
    /// pointer.)
    pub fn cpu_of(self, pthread: u64) -> Address {
        Address(pthread.wrapping_add(self.offset).wrapping_add(CPU_ID))
    }
}

/// A thread and we on our CPUs.
#[derive(Debug)]
pub struct Beside {
    stay: Stay,
    theirs: u32,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    /// Where the number of its CPU stands.
    Number(Address),
    /// This thread has got a CPU so many times.
    Slices(Tid, u64),
}

impl Beside {
    /// A thread, which calls itself `pthread`, of which it is only supposed that it is where we are. That is enough for
    /// [`Target::stood`]: what the area says at the end tells of all the time that we were here.
    pub fn supposed(stay: Stay, pthread: u64, rseq: Rseq) -> Self {
        Self { stay, theirs: stay.cpu(), proof: Proof::Number(rseq.cpu_of(pthread)) }
    }

    /// On which CPU we are.
    pub const fn ours(&self) -> Stay {
        self.stay
    }

    /// On which CPU the thread is.
    pub const fn theirs(&self) -> u32 {
        self.theirs
    }

    /// Are they the same?
    pub const fn is_here(&self) -> bool {
        self.theirs == self.stay.cpu()
    }

    /// Where the number of its CPU stands, if that is the proof: whoever has read it after all else need not ask
    /// [`Target::stood`], but [`Beside::is_proven_by`].
    pub const fn number(&self) -> Option<Address> {
        match self.proof {
            Proof::Number(number) => Some(number),
            Proof::Slices(..) => None,
        }
    }

    /// Has the thread not executed an instruction of its program until the number of its CPU was read as this?
    pub fn is_proven_by(&self, number: u32) -> bool {
        number == self.stay.cpu() && self.stay.lasts()
    }
}

impl Target {
    /// As glibc's dynamic loader says; `None` where there is none, or none that registers areas, and on machines where
    /// a thread's number is not its thread pointer.
    pub fn rseq(&self) -> Option<Rseq> {
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        let maps = Maps::of(self.pid()).ok()?;
        let modules = maps.modules();
        let loader = modules.iter().find(|module| module.file_name().starts_with("ld-"))?;
        let elf = self.elf(loader).ok()?;
        let address = |name| elf.symbol(name).ok().flatten().map(|place| place.address);
        let size = self.memory().u32(address("__rseq_size")?).ok()?;
        let offset = self.memory().u64(address("__rseq_offset")?).ok()?;
        // 0 if the kernel did not want to, or was not to be asked.
        (u64::from(size) >= CPU_ID + 4).then_some(Rseq { offset })
    }

    /// Where a thread is, which calls itself `pthread`, and where we are; `None` if that cannot be told.
    pub fn beside(&self, tid: Tid, pthread: u64, rseq: Option<Rseq>) -> Option<Beside> {
        let stay = Stay::begin()?;
        if let Some(number) = rseq.map(|rseq| rseq.cpu_of(pthread)) {
            let theirs = self.memory().u32(number).ok()?;
            return Some(Beside { stay, theirs, proof: Proof::Number(number) });
        }
        let mut tasks = self.tasks();
        // In this order: what it has run before it was seen to be here does not matter.
        let slices = tasks.slices(tid)?;
        let theirs = tasks.moment(tid)?.cpu;
        Some(Beside { stay, theirs, proof: Proof::Slices(tid, slices) })
    }

    /// Has the thread, which was beside us, not executed an instruction of its program since, whatever was read?
    pub fn stood(&self, beside: &Beside) -> bool {
        match beside.proof {
            Proof::Number(number) => {
                self.memory().u32(number).is_ok_and(|number| beside.is_proven_by(number))
            }
            Proof::Slices(tid, slices) => {
                beside.is_here() && self.tasks().slices(tid) == Some(slices) && beside.stay.lasts()
            }
        }
    }
}
