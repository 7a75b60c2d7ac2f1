//! From what was copied to what is told: names for addresses, threads for thread states. The target runs meanwhile.

use rustc_hash::FxHashMap;

use crate::python::capture::{Capture, Seen};
use crate::python::code::Codes;
use crate::python::frames::RawFrame;
use crate::sample::{Failure, Frame, Stack, ThreadId, ThreadSample};
use crate::sampler::look::{Compare, Looker};
use crate::sampler::miss::Miss;
use crate::target::Target;
use crate::target::memory::Address;

impl Looker {
    /// After the target went on: from addresses to names.
    pub(super) fn decode(&mut self, target: &Target, taken: &mut Vec<ThreadSample>) -> Result<(), Miss> {
        if self.compare != Compare::Done && !self.codes.confirm(target.memory(), &self.capture)? {
            return Err(Miss::Again(Failure::Broken));
        }
        let before = taken.len();
        for index in 0..self.capture.threads().len() {
            let Some(seen) = self.capture.threads().get(index) else { break };
            let Some(tid) = self.tids.of_identity(&self.python, target, seen.identity) else { continue };
            let thread = ThreadId { tid: tid.0, interpreter: seen.interpreter };
            let flags = seen.flags | self.states.flags(tid);
            self.addresses.insert(thread, seen.thread);
            let stack = stack(&self.codes, &self.capture, seen, &mut self.last, &mut self.frames);
            if !stack.is_empty() {
                taken.push(ThreadSample { thread, stack, flags });
            }
        }
        self.forget_the_dead(taken.len() - before);
        Ok(())
    }

    /// Thread states die and their addresses are used again; what is remembered of them must not grow for ever.
    fn forget_the_dead(&mut self, alive: usize) {
        let most = 64 + 4 * alive.max(self.capture.threads().len());
        if self.last.len() > most {
            self.last.clear();
        }
        if self.addresses.len() > most {
            self.addresses.clear();
        }
        if self.snapshots.len() > most {
            self.snapshots.clear();
        }
    }
}

/// A thread's stack: the one of last time if nothing has moved.
fn stack(
    codes: &Codes,
    capture: &Capture,
    seen: &Seen,
    last: &mut FxHashMap<Address, (Vec<RawFrame>, Stack)>,
    frames: &mut Vec<Frame>,
) -> Stack {
    let raw = capture.frames(seen);
    let entry = last.entry(seen.thread).or_insert_with(|| (Vec::new(), Stack::from([])));
    codes.decode(capture, seen, frames);
    if entry.0 != raw || entry.1[..] != frames[..] {
        entry.0.clear();
        entry.0.extend_from_slice(raw);
        entry.1 = Stack::from(frames.as_slice());
    }
    Stack::clone(&entry.1)
}
