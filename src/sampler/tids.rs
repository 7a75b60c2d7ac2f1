//! Which thread of the kernel's is behind a thread state of Python's.

use rustc_hash::FxHashMap;

use crate::python::capture::identity_of;
use crate::python::layout::{Field, Layout};
use crate::python::locate::Python;
use crate::target::memory::Address;
use crate::target::{Numbers, Target, Tid};

/// glibc's `struct pthread` keeps the thread's number here on x86-64 (2.36 and 2.43 looked at).
const IN_PTHREAD: u32 = 0x2d0;
/// Where else it is looked for, in other C libraries and on other machines.
const LARGEST_PTHREAD: usize = 1600;

/// Remembers the numbers of threads, by what they are where the target lives.
#[derive(Debug, Default)]
pub struct Tids {
    known: FxHashMap<u64, Tid>,
    numbers: Option<Numbers>,
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
        let ours = |numbers: &Numbers| numbers.ours(inside);
        let tid = self.numbers.as_ref().and_then(ours).or_else(|| {
            self.numbers = target.tasks().numbers().ok();
            self.numbers.as_ref().and_then(ours)
        })?;
        self.known.insert(identity, tid);
        Some(tid)
    }

    /// Forgets a thread: it is not there any more, or it is another one now.
    pub fn forget(&mut self, identity: u64) {
        self.known.remove(&identity);
        self.numbers = None;
    }
}

/// Where in what a `pthread_t` points to the thread's number stands, if it is to be looked for there: at a place where
/// a thread state's thread has a number that there is.
pub(super) fn in_pthread(target: &Target, layout: &Layout, thread: Address) -> Option<Field<u32>> {
    let numbers = target.tasks().numbers().ok()?;
    let pthread = Address(layout.thread.pthread.of(target.memory(), thread).ok()?);
    // The first thread of a container is number 1 there; elsewhere in the structure a 1 can be anything.
    let usual = std::iter::once((IN_PTHREAD, 1));
    let others = (0..LARGEST_PTHREAD as u32).step_by(4).map(|offset| (offset, 2));
    let mut places = usual.chain(others).map(|(offset, least)| (Field::<u32>::at(offset), least));
    let is_one = |(field, least): &(Field<u32>, u32)| {
        let number = field.of(target.memory(), pthread).ok().filter(|number| number >= least);
        number.is_some_and(|number| numbers.ours(number).is_some())
    };
    places.find(is_one).map(|(field, _)| field)
}
