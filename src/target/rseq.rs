//! On which CPU a thread executes its program, as the kernel writes it into the thread's own memory: the `cpu_id` of
//! its area for restartable sequences (`man 2 rseq`), which glibc registers for every thread since 2.35.
//!
//! The kernel keeps a promise about that word that is worth more than its value: before a thread that was moved to
//! another CPU executes another instruction of its program, the word says so. Hence: who runs on a CPU, reads memory,
//! and then finds that CPU in a thread's word, knows that the thread has not executed an instruction meanwhile. It was
//! not there, because we were; and it was nowhere else, or the word would say so.

use super::memory::{Address, Memory};
use super::{Maps, Target};

/// `rseq.cpu_id`, from the start of the area.
const CPU_ID: u64 = 4;

/// Where the areas of the threads of a process are.
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
}
