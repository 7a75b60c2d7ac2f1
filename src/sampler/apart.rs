//! Supposing that the holder of the GIL is where it was when it held it before: on another CPU than ours. To ask costs two
//! calls to the kernel; if it is not so, its stop takes a little longer.

use crate::python::threads::Lock;
use crate::target::memory::Address;

/// After so many looks of this kind at one thread it is supposed that the next is like them,
const ROW: u32 = 2;
/// but in one look out of so many it is asked where that thread is.
const ASK: u32 = 16;

/// What the last stop was for, and for how many it was that in a row.
#[derive(Debug, Default)]
pub(super) struct Apart {
    held: Option<(Lock, Address)>,
    row: u32,
}

impl Apart {
    /// May this be supposed of who holds this?
    pub(super) fn is_likely(&self, lock: Lock, holder: Address) -> bool {
        self.row >= ROW && !self.row.is_multiple_of(ASK) && self.held == Some((lock, holder))
    }

    /// The holder was stopped; was it on another CPU?
    pub(super) fn note(&mut self, lock: Lock, holder: Address, is_apart: bool) {
        let again = self.held.replace((lock, holder)) == Some((lock, holder));
        self.row = if again && is_apart { self.row.wrapping_add(1) } else { u32::from(is_apart) };
    }

    /// It is on our own.
    pub(super) const fn forget(&mut self) {
        self.row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_supposed_as_long_as_it_is_so() {
        let (lock, other) = (Lock::Holder(Address(8)), Lock::Holder(Address(16)));
        let (one, two) = (Address(32), Address(64));
        let mut apart = Apart::default();
        // Who was stopped, whether on another CPU, and whether the same is supposed the next time.
        for (holder, is_apart, likely) in [
            (one, true, false),
            (one, true, true),
            (one, true, true),
            (two, true, false),
            (two, true, true),
            (two, false, false),
            (two, true, false),
            (two, true, true),
        ] {
            apart.note(lock, holder, is_apart);
            let others = [(other, holder), (lock, if holder == one { two } else { one })];
            assert_eq!(apart.is_likely(lock, holder), likely);
            assert!(others.iter().all(|(lock, holder)| !apart.is_likely(*lock, *holder)));
        }
        let asked = (0..10 * ASK).filter(|_| {
            apart.note(lock, two, true);
            !apart.is_likely(lock, two)
        });
        assert_eq!(asked.count(), 10);
        apart.forget();
        assert!(!apart.is_likely(lock, two));
    }
}
