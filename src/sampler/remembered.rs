//! What is remembered of a thread state from one look to the next: nothing of it is believed, all of it saves work.

use rustc_hash::FxHashMap;

use crate::python::snapshot::Snapshot;
use crate::sample::ThreadId;
use crate::sampler::decode::Last;
use crate::sampler::trail::Trail;
use crate::target::memory::Address;

/// Of one of them; and by the address of a lock, of the snapshot of all that are under it.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// What was copied last time.
    pub(super) snapshot: Snapshot,
    pub(super) trail: Trail,
    /// The last stack: an unchanged one is sent as it is.
    pub(super) last: Last,
    /// Whose it was found to be.
    thread: Option<ThreadId>,
}

/// By thread state.
#[derive(Debug, Default)]
pub(super) struct Memories {
    all: FxHashMap<Address, Remembered>,
    /// Where the thread states of the threads are.
    addresses: FxHashMap<ThreadId, Address>,
    /// Threads were found at other thread states since this was last asked.
    moved: bool,
}

impl Memories {
    /// What is remembered of this one.
    pub(super) fn of(&mut self, state: Address) -> &mut Remembered {
        self.all.entry(state).or_default()
    }

    /// Its last stack.
    pub(super) fn last(&self, state: Address) -> Option<&Last> {
        self.all.get(&state).map(|one| &one.last)
    }

    /// What was copied of it last.
    pub(super) fn snapshot(&self, state: Address) -> Option<&Snapshot> {
        self.all.get(&state).map(|one| &one.snapshot)
    }

    /// What is remembered of this one, which is this thread's.
    pub(super) fn of_thread(&mut self, state: Address, thread: ThreadId) -> &mut Remembered {
        if self.all.get(&state).and_then(|one| one.thread) != Some(thread) {
            self.moved = true;
            let before = self.addresses.insert(thread, state);
            // A thread that comes and goes has many, at one time or another.
            if let Some(one) = before.and_then(|before| self.all.get_mut(&before)) {
                one.thread = None;
            }
        }
        let one = self.of(state);
        one.thread = Some(thread);
        one
    }

    /// Where the thread states of the threads are.
    pub(super) const fn addresses(&self) -> &FxHashMap<ThreadId, Address> {
        &self.addresses
    }

    /// May there be threads that were not there when this was last asked?
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Thread states die and their addresses are used again; what is remembered of them must not grow for ever.
    pub(super) fn keep(&mut self, most: usize) {
        if self.all.len() > most || self.addresses.len() > most {
            self.all.clear();
            self.addresses.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_where_it_was_seen_last() {
        let mut memories = Memories::default();
        let id = |tid| ThreadId { tid, interpreter: 0, seat: 0 };
        let (one, other) = (id(1), id(2));
        // Each row: a thread at an address, and whether that is news.
        for (thread, state, moved) in [
            (one, 8, true),
            (one, 8, false),
            (one, 16, true),
            (one, 8, true),
            (other, 8, true),
            (other, 8, false),
        ] {
            memories.of_thread(Address(state), thread);
            assert_eq!(memories.addresses().get(&thread), Some(&Address(state)));
            assert_eq!(memories.take_moved(), moved, "{thread:?} {state}");
        }
        memories.keep(1);
        assert!(memories.addresses().is_empty() && memories.last(Address(8)).is_none());
    }
}
