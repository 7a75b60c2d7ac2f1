//! Which thread of the kernel's is behind a thread state of Python's.

use rustc_hash::FxHashMap;

use crate::python::capture::identity_of;
use crate::python::locate::Python;
use crate::target::memory::{Address, Memory};
use crate::target::{Numbers, Target, Tid};

/// glibc's `struct pthread` keeps the thread's number here on x86-64 (2.36 and 2.43 looked at).
const TID_IN_PTHREAD: u64 = 0x2d0;
/// Where else it is looked for, in other C libraries and on other machines.
const LARGEST_PTHREAD: u64 = 1600;

/// Remembers the numbers of threads, by what Python says of itself.
#[derive(Debug, Default)]
pub struct Tids {
    /// By the identity that the thread state names: a native id (3.11 and later) or a `pthread_t`.
    known: FxHashMap<u64, Tid>,
    numbers: Option<Numbers>,
    /// Before 3.11: where in a `struct pthread` the number stands.
    in_pthread: Option<u64>,
}

impl Tids {
    /// The thread behind the thread state at `thread`, and the identity that it names. `None` if there is none: it has
    /// ended, or not begun, or is a leftover of a fork.
    pub fn of(&mut self, python: &Python, target: &Target, thread: Address) -> Option<(Tid, u64)> {
        let memory = target.memory();
        let identity = identity_of(&python.layout, memory, thread).ok()?;
        Some((self.of_identity(python, target, identity)?, identity))
    }

    /// The thread with this identity.
    pub fn of_identity(&mut self, python: &Python, target: &Target, identity: u64) -> Option<Tid> {
        if let Some(tid) = self.known.get(&identity) {
            return Some(*tid);
        }
        if identity == 0 {
            return None;
        }
        let tid = if python.layout.thread.native_id.is_some() {
            self.number(target, u32::try_from(identity).ok()?)?
        } else {
            self.behind_pthread(target, Address(identity))?
        };
        self.known.insert(identity, tid);
        Some(tid)
    }

    /// Forgets a thread: it is not there any more, or it is another one now.
    pub fn forget(&mut self, identity: u64) {
        self.known.remove(&identity);
        self.numbers = None;
    }

    /// From the target's own number (in its PID namespace) to ours.
    fn number(&mut self, target: &Target, inside: u32) -> Option<Tid> {
        if let Some(tid) = self.numbers.as_ref().and_then(|numbers| numbers.ours(inside)) {
            return Some(tid);
        }
        self.numbers = target.tasks().numbers().ok();
        self.numbers.as_ref().and_then(|numbers| numbers.ours(inside))
    }

    fn behind_pthread(&mut self, target: &Target, pthread: Address) -> Option<Tid> {
        let memory = target.memory();
        let at = |offset| memory.u32(pthread + offset).ok();
        if let Some(offset) = self.in_pthread {
            return self.number(target, at(offset)?);
        }
        // The first thread of a container is number 1 there; elsewhere in the structure a 1 can be anything.
        let usual = std::iter::once((TID_IN_PTHREAD, 1));
        for (offset, least) in usual.chain((0..LARGEST_PTHREAD).step_by(4).map(|offset| (offset, 2))) {
            if let Some(number) = at(offset).filter(|number| *number >= least)
                && let Some(tid) = self.numbers_once(target).and_then(|numbers| numbers.ours(number))
            {
                self.in_pthread = Some(offset);
                return Some(tid);
            }
        }
        None
    }

    fn numbers_once(&mut self, target: &Target) -> Option<&Numbers> {
        if self.numbers.is_none() {
            self.numbers = target.tasks().numbers().ok();
        }
        self.numbers.as_ref()
    }
}
