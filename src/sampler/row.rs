//! How many looks of one kind, one after the other, were at the same holder of the same GIL.

use crate::python::threads::Lock;
use crate::target::memory::Address;

/// After so many it is supposed that the next is like them: that saves asking.
const ROW: u32 = 2;

/// Such looks, counted.
#[derive(Debug, Default)]
pub(super) struct Row {
    held: Option<(Lock, Address)>,
    count: u32,
}

impl Row {
    /// One more.
    pub(super) fn note(&mut self, lock: Lock, holder: Address) {
        let again = self.held.replace((lock, holder)) == Some((lock, holder));
        self.count = if again { self.count.wrapping_add(1) } else { 1 };
    }

    /// It was not like them.
    pub(super) const fn forget(&mut self) {
        self.count = 0;
    }

    /// Who may be supposed to hold this.
    pub(super) fn supposed(&self, lock: Lock) -> Option<Address> {
        let (held, holder) = self.held.filter(|_| self.count >= ROW)?;
        (held == lock).then_some(holder)
    }

    /// How many there were.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }
}
