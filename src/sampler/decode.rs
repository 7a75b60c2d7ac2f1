//! From what was copied to what is told: names for addresses, threads for thread states. The target runs meanwhile.

use rustc_hash::FxHashMap;

use crate::python::capture::{Capture, Seen};
use crate::python::code::Codes;
use crate::python::frames::RawFrame;
use crate::sample::{Failure, Flags, Frame, Stack, ThreadId, ThreadSample};
use crate::sampler::held::key_of;
use crate::sampler::look::{Compare, Looker};
use crate::sampler::miss::Miss;
use crate::sampler::others::Rest;
use crate::target::Target;
use crate::target::memory::Address;

impl Looker {
    /// After the target went on: from addresses to names.
    pub(super) fn decode(&mut self, target: &Target, taken: &mut Vec<ThreadSample>) -> Result<(), Miss> {
        self.complete()?;
        if self.compare != Compare::Done && !self.codes.confirm(target.memory(), &self.capture)? {
            return Err(Miss::Again(Failure::Broken));
        }
        self.remember();
        let before = taken.len();
        for index in 0..self.capture.threads().len() {
            let Some(seen) = self.capture.threads().get(index) else { break };
            let Some(tid) = self.tids.of_identity(&self.python, target, seen.identity) else { continue };
            let thread = ThreadId { tid: tid.0, interpreter: seen.interpreter };
            self.addresses.insert(thread, seen.thread);
            let stack = stack(&self.codes, &self.capture, seen, &mut self.last, &mut self.frames);
            if !stack.is_empty() {
                taken.push(ThreadSample { thread, stack, flags: seen.flags });
            }
        }
        self.forget_the_dead(taken.len() - before);
        Ok(())
    }

    /// Adds to the picture what need not be read while the thread stands still.
    fn complete(&mut self) -> Result<(), Miss> {
        let (Rest::NotAsked(interpreter, holder) | Rest::Remembered(interpreter, holder)) = self.rest else {
            return Ok(());
        };
        let trail = self.trails.entry(holder).or_default();
        if trail.is_cut() {
            trail.begin();
            let Some(snapshot) = self.snapshots.get(&holder) else { return Ok(()) };
            let (moment, flags) = (snapshot.sealed(), Flags::HOLDS_GIL);
            self.capture.clear();
            let mut goes_on = |frame| trail.pass(frame);
            self.capture.add_while(&self.python, &moment, &interpreter, holder, flags, &mut goes_on)?;
            if !self.codes.know(&self.capture) {
                return Err(Miss::Again(Failure::Broken));
            }
        }
        trail.mark();
        Ok(())
    }

    /// The threads that need not be read again, and those of which that can be told from now on.
    fn remember(&mut self) {
        match std::mem::take(&mut self.rest) {
            Rest::Nothing | Rest::NotAsked(..) => {}
            Rest::Remembered(interpreter, holder) => {
                if let Some(others) = self.others.get(&key_of(interpreter.lock)) {
                    self.cost.remembered += 1;
                    self.capture.add_remembered(others.capture(), holder);
                }
            }
            Rest::ToRead(lock, turn) => {
                let others = self.others.entry(key_of(lock)).or_default();
                others.remember(turn, self.codes.edition(), &self.capture);
            }
        }
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
        if self.trails.len() > most {
            self.trails.clear();
        }
        if self.roots.len() > most {
            self.roots.clear();
        }
    }
}

/// A thread's stack, as it was copied and as it was told.
#[derive(Debug)]
pub(super) struct Last {
    raw: Vec<RawFrame>,
    edition: u64,
    stack: Stack,
}

impl Last {
    /// Are these its frames still?
    pub(super) fn is(&self, raw: &[RawFrame]) -> bool {
        self.raw == raw
    }
}

/// A thread's stack: the one of last time if nothing has moved, and of that the callers that have not.
fn stack(
    codes: &Codes,
    capture: &Capture,
    seen: &Seen,
    last: &mut FxHashMap<Address, Last>,
    frames: &mut Vec<Frame>,
) -> Stack {
    let (raw, edition) = (capture.frames(seen), codes.edition());
    let entry =
        last.entry(seen.thread).or_insert_with(|| Last { raw: Vec::new(), edition, stack: Stack::from([]) });
    if entry.edition != edition || !entry.is(raw) {
        let kept = if entry.edition == edition { common(&entry.raw, raw) } else { 0 };
        let (moved, before) = (leaves(raw, kept), leaves(&entry.raw, kept));
        let callers = if kept > 0 { entry.stack.len().saturating_sub(codes.calls(before)) } else { 0 };
        frames.clear();
        codes.decode_part(moved, frames);
        let (callers, called) = entry.stack.split_at(callers);
        if called != &frames[..] {
            entry.stack = callers.iter().chain(frames.iter()).cloned().collect();
        }
        entry.raw.clear();
        entry.raw.extend_from_slice(raw);
        entry.edition = edition;
    }
    Stack::clone(&entry.stack)
}

/// How many of the outermost frames are the same.
fn common(one: &[RawFrame], other: &[RawFrame]) -> usize {
    one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
}

/// All but so many of the outermost frames.
fn leaves(frames: &[RawFrame], callers: usize) -> &[RawFrame] {
    frames.get(..frames.len() - callers).unwrap_or_default()
}

#[cfg(test)]
mod tests;
