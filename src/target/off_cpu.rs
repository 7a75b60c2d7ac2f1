//! A thread that wants a CPU and has none. It executes nothing until its turn comes, which on a busy machine takes
//! milliseconds, and would come to a stop only then. So it is not stopped: that its turn has not come is proven by what
//! the scheduler counts.
//!
//! `/proc/PID/task/TID/schedstat` counts how often the thread got a CPU, and `status` how often it left one. Where both are
//! the same it has none, and as long as the first stays what it is it has got none. Costs 10 µs.

use super::{Target, Tid};

/// A thread that had no CPU when this was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffCpu {
    tid: Tid,
    /// It had got one so many times by then.
    slices: u64,
}

impl Target {
    /// A thread, if it has no CPU now; `None` if it has, or that cannot be told.
    pub fn off_cpu(&self, tid: Tid) -> Option<OffCpu> {
        let mut tasks = self.tasks();
        // In this order: a turn that begins in between makes the second one the greater only when it is over, and then the
        // first has changed by the time that it is asked again.
        let slices = tasks.slices(tid)?;
        let switches = tasks.switches(tid)?;
        (switches == slices).then_some(OffCpu { tid, slices })
    }

    /// Has it not had one since?
    pub fn stayed_off(&self, off: OffCpu) -> bool {
        self.tasks().slices(off.tid) == Some(off.slices)
    }
}
