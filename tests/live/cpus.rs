//! On which CPUs that runs which is tested.

#![allow(dead_code, reason = "each test program that has this file uses a part of it")]

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
const OURS: Pid = Pid::from_raw(0);

/// Those that we may use.
pub(crate) fn ours() -> Vec<u32> {
    let set = sched_getaffinity(OURS).unwrap();
    (0..CpuSet::count() as u32).filter(|cpu| set.is_set(*cpu as usize).unwrap()).collect()
}

/// Leaves all threads of a process this one only.
pub(crate) fn pin(pid: u32, cpu: u32) {
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let task = task.file_name().to_string_lossy().parse().unwrap();
        sched_setaffinity(Pid::from_raw(task), &only(cpu)).unwrap();
    }
}

/// Does something on this one only; what is started then stays there.
pub(crate) fn on<T>(cpu: u32, act: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(OURS).unwrap();
    sched_setaffinity(OURS, &only(cpu)).unwrap();
    let done = act();
    sched_setaffinity(OURS, &before).unwrap();
    done
}

fn only(cpu: u32) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu as usize).unwrap();
    set
}
