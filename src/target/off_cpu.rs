//! A thread that wants a CPU and has none. It executes nothing until its turn comes, which on a busy machine takes
//! milliseconds, and would come to a stop only then. So it is not stopped: that its turn has not come is proven by what
//! the scheduler counts.
//!
//! `/proc/PID/task/TID/schedstat` counts how often the thread got a CPU, and `status` how often it left one. Where both are
//! the same it has none, and as long as the first stays what it is it has got none. Costs 10 µs.

use super::{Tasks, Tid};

/// A thread that had no CPU when this was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffCpu {
    tid: Tid,
    /// It had got one so many times by then.
    slices: u64,
}

impl Tasks {
    /// A thread, if it has no CPU now; `None` if it has, or that cannot be told.
    pub fn off_cpu(&mut self, tid: Tid) -> Option<OffCpu> {
        // In this order: a turn that begins in between makes the second one the greater only when it is over, and then the
        // first has changed by the time that it is asked again.
        let slices = self.slices(tid)?;
        let switches = self.switches(tid)?;
        (switches == slices).then_some(OffCpu { tid, slices })
    }

    /// Has it not had one since?
    pub fn stayed_off(&mut self, off: OffCpu) -> bool {
        self.slices(off.tid) == Some(off.slices)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::target::{Pid, RunState};

    /// Asks until it is so.
    fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match ask() {
                Some(answer) => return answer,
                None => assert!(Instant::now() < deadline, "it is never so"),
            }
        }
    }

    #[test]
    fn who_sleeps_has_none_until_it_wakes_and_who_computes_has_one() {
        let mut tasks = Tasks::of(Pid::ours());
        assert_eq!(tasks.off_cpu(Tid::ours()), None, "we ask, so we have one");
        let (say, said) = channel();
        let (wake, woken) = channel::<()>();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            let work = move || {
                let _ = say.send(Tid::ours());
                let _ = woken.recv();
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            let thread = std::thread::Builder::new().name("turns".to_owned()).spawn_scoped(scope, work);
            let tid = said.recv().expect("it runs");
            let off = until(|| if tasks.is_in(tid, RunState::Sleeping) { tasks.off_cpu(tid) } else { None });
            assert!(tasks.stayed_off(off));
            wake.send(()).expect("it waits");
            until(|| (!tasks.stayed_off(off)).then_some(()));
            until(|| tasks.off_cpu(tid).is_none().then_some(()));
            over.store(true, Ordering::Relaxed);
            assert!(thread.expect("a thread").join().is_ok());
            assert_eq!(tasks.off_cpu(tid), None, "it is gone");
        });
    }
}
