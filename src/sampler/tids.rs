//! Which thread of the kernel's is behind a thread state of Python's.

use rustc_hash::FxHashMap;

use crate::python::capture::identity_of;
use crate::python::layout::{Field, Layout};
use crate::python::locate::Python;
use crate::target::memory::Address;
use crate::target::{Target, Tid};

/// glibc's `struct pthread` keeps the thread's number here on x86-64 (2.36 and 2.43 looked at).
const IN_PTHREAD: u32 = 0x2d0;
/// Where else it is looked for, in other C libraries and on other machines.
const LARGEST_PTHREAD: u32 = 1600;

/// Threads remembered; a program that has started more of them starts over.
const MOST: usize = 1 << 16;

/// Remembers the numbers of threads, by what they are where the target lives.
#[derive(Debug, Default)]
pub struct Tids {
    known: FxHashMap<u64, Tid>,
}

impl Tids {
    /// The thread behind the thread state at `thread`, and the identity that it names. `None` if there is none: it has
    /// ended, or not begun, or is a leftover of a fork.
    pub fn of(&mut self, python: &Python, target: &Target, thread: Address) -> Option<(Tid, u64)> {
        let identity = identity_of(&python.layout, target.memory(), thread).ok()?;
        Some((self.of_identity(target, identity)?, identity))
    }

    /// The thread with this identity.
    pub fn of_identity(&mut self, target: &Target, identity: u64) -> Option<Tid> {
        if let Some(tid) = self.known.get(&identity) {
            return Some(*tid);
        }
        let inside = u32::try_from(identity).ok().filter(|inside| *inside > 0)?;
        let tid = target.tasks().ours(inside)?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(identity, tid);
        Some(tid)
    }

    /// Forgets a thread: it is not there any more, or it is another one now.
    pub fn forget(&mut self, identity: u64) {
        self.known.remove(&identity);
    }
}

/// Where in what a `pthread_t` points to the thread's number stands: where one of these thread states' threads, the newest
/// first, has a number that there is. (Some may be leftovers of a fork.)
pub(super) fn in_pthread(target: &Target, layout: &Layout, threads: &[Address]) -> Option<Field<u32>> {
    let pthread = |thread: &Address| layout.thread.pthread.of(target.memory(), *thread).ok();
    let pthreads: Vec<_> = threads.iter().filter_map(pthread).map(Address).collect();
    // The first thread of a container is number 1 there; elsewhere in the structure a 1 can be anything.
    let stands = |field: Field<u32>, pthread: &Address, least: u32| {
        let number = field.of(target.memory(), *pthread).ok().filter(|number| *number >= least);
        number.is_some_and(|number| target.tasks().ours(number).is_some())
    };
    let usual = Field::at(IN_PTHREAD);
    if pthreads.iter().any(|pthread| stands(usual, pthread, 1)) {
        return Some(usual);
    }
    let oldest = pthreads.last()?;
    (0..LARGEST_PTHREAD).step_by(4).map(Field::at).find(|field| stands(*field, oldest, 2))
}

/// The same from 3.11 on, in a process of which Python does not know that it was forked: uWSGI's workers are, by default,
/// and whatever else C forks. The number that Python keeps is still the parent's there, the C library's own is right. `None`
/// where nothing is wrong.
pub(super) fn after_unknown_fork(
    target: &Target,
    layout: &Layout,
    threads: &[Address],
) -> Option<Field<u32>> {
    let leader = target.pid().leader();
    let field = in_pthread(target, layout, threads)?;
    let is_leader = |number: u32| number > 0 && target.tasks().ours(number) == Some(leader);
    // Only he who forked lives on, as the first thread of the child.
    let forked = threads.iter().rev().find(|thread| {
        let pthread = layout.thread.pthread.of(target.memory(), **thread).map(Address);
        pthread.and_then(|pthread| field.of(target.memory(), pthread)).is_ok_and(is_leader)
    })?;
    let kept = layout.thread.native_id?.of(target.memory(), *forked).ok()?;
    // 0: it is only just made.
    (kept > 0 && !u32::try_from(kept).is_ok_and(is_leader)).then_some(field)
}
