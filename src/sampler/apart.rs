//! Supposing that the holder of the GIL is where it was when it held it before: on another CPU than ours. To ask costs two
//! calls to the kernel; if it is not so, its stop takes a little longer.

use crate::python::threads::Lock;
use crate::sampler::row::Row;
use crate::target::memory::Address;

/// In one look out of so many it is asked all the same.
const ASK: u32 = 16;

/// The stops on another CPU.
#[derive(Debug, Default)]
pub(super) struct Apart(Row);

impl Apart {
    /// May this be supposed of who holds this?
    pub(super) fn is_likely(&self, lock: Lock, holder: Address) -> bool {
        self.0.supposed(lock) == Some(holder) && !self.0.count().is_multiple_of(ASK)
    }

    /// The holder was stopped; was it on another CPU?
    pub(super) fn note(&mut self, lock: Lock, holder: Address, is_apart: bool) {
        if is_apart { self.0.note(lock, holder) } else { self.0.forget() }
    }

    /// It is on our own.
    pub(super) const fn forget(&mut self) {
        self.0.forget();
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
