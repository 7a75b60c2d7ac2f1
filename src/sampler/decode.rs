//! From what was copied to what is told: names for addresses, threads for thread states. The target runs meanwhile.

use rustc_hash::FxHashSet;

use crate::python::code::Codes;
use crate::python::frames::RawFrame;
use crate::python::tasks::TaskReader;
use crate::sample::{Failure, Flags, Frame, Stack, ThreadId, ThreadSample};
use crate::sampler::held::key_of;
use crate::sampler::look::{Compare, Looker};
use crate::sampler::miss::Miss;
use crate::sampler::others::Rest;
use crate::sampler::remembered::Remembered;
use crate::target::Target;
use crate::target::memory::Address;

impl Looker {
    /// After the target went on: from addresses to names.
    pub(super) fn decode(&mut self, target: &Target, taken: &mut Vec<ThreadSample>) -> Result<(), Miss> {
        let was_cut = self.complete()?;
        let is_left = was_cut || self.compare != Compare::Done;
        if is_left && !self.codes.confirm(target.memory())? {
            return Err(Miss::Again(Failure::Broken));
        }
        let common = if let Rest::ToRead(lock, _) = self.rest { key_of(lock) } else { Address::NULL };
        self.remember();
        taken.reserve(self.capture.threads().len());
        for index in 0..self.capture.threads().len() {
            let Some(seen) = self.capture.threads().get(index) else { break };
            let Some(tid) = self.tids.of_identity(target, seen.identity) else { continue };
            let mut thread = ThreadId { tid: tid.0, interpreter: seen.interpreter, seat: 0 };
            let memory = match seen.label {
                None => self.memories.of_thread(seen.thread, thread),
                Some(_) => self.memories.of(seen.thread),
            };
            let stack = memory.last.stack(&self.codes, self.capture.frames(seen), &mut self.frames);
            if let Some(label) = seen.label {
                let above = self.codes.calls(self.capture.callers(seen));
                let own = stack.iter().nth(above).map(|frame| &frame.function);
                // It may be over by now: what was copied of it is asked first.
                let name = |reader: &TaskReader| {
                    let layout = &self.python.layout;
                    let moments =
                        [seen.owner, common].into_iter().filter_map(|at| self.memories.snapshot(at));
                    let mut copied =
                        moments.filter_map(|one| reader.name(layout, &one.sealed(), seen.thread, label));
                    copied.next().or_else(|| reader.name(layout, target.memory(), seen.thread, label))
                };
                thread = self.tasks.seat((seen, label), (thread, own), name);
            }
            // A task without a frame does not wait. A thread without one is there.
            if seen.label.is_none() || !stack.is_empty() {
                taken.push(ThreadSample { thread, stack, flags: seen.flags });
            }
        }
        Ok(())
    }

    /// Adds to the picture what need not be read while the thread stands still, and says whether there was something.
    fn complete(&mut self) -> Result<bool, Miss> {
        let (Rest::NotAsked(interpreter, holder) | Rest::Remembered(interpreter, holder)) = self.rest else {
            return Ok(false);
        };
        let Remembered { snapshot, trail, .. } = self.memories.of(holder);
        let was_cut = trail.is_cut();
        if was_cut {
            trail.begin();
            let (moment, flags) = (snapshot.sealed(), Flags::HOLDS_GIL);
            self.capture.clear();
            let goes_on = |frame| trail.pass(frame);
            self.capture.add_while(&self.python, &moment, &interpreter, holder, flags, goes_on)?;
            self.capture.add_tasks(&self.python.layout, &moment, self.tasks.reader())?;
            if !self.codes.meet(&self.capture).known {
                return Err(Miss::Again(Failure::Broken));
            }
        }
        trail.mark();
        Ok(was_cut)
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
}

/// Of a look's thread states without a frame, leaves those of which nothing else shows their threads, one of each: that of
/// the oldest interpreter. Up to 3.11 a new thread's state has the number of the one that starts it until it begins; and who
/// has been in several interpreters may have left a state in each.
pub(super) fn show_once(taken: &mut Vec<ThreadSample>) {
    let is_spare = |sample: &mut ThreadSample| sample.stack.is_empty() && !sample.flags.has(Flags::HOLDS_GIL);
    let mut spare: Vec<ThreadSample> = taken.extract_if(.., is_spare).collect();
    if spare.is_empty() {
        return;
    }
    let mut shown: FxHashSet<u32> = taken.iter().map(|sample| sample.thread.tid).collect();
    spare.sort_by_key(|sample| sample.thread.interpreter);
    taken.extend(spare.into_iter().filter(|sample| shown.insert(sample.thread.tid)));
}

/// A thread's stack, as it was copied and as it was told.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// Root first, so that what has not moved stays where it is.
    raw: Vec<RawFrame>,
    /// How many of them are calls, from the root up to each.
    calls: Vec<u32>,
    edition: u64,
    stack: Stack,
}

impl Last {
    /// Are these its frames still, and the code objects at their addresses the same, in this edition of them?
    pub(super) fn is(&self, raw: &[RawFrame], edition: u64) -> bool {
        self.edition == edition && self.raw.len() == raw.len() && self.common(raw) == raw.len()
    }

    /// How many of the outermost frames are the same.
    fn common(&self, raw: &[RawFrame]) -> usize {
        self.raw.iter().zip(raw.iter().rev()).take_while(|(one, other)| one == other).count()
    }

    /// The stack of these frames, leaf first: the one of last time if nothing has moved, and of that the callers that have
    /// not. `frames` is only a buffer.
    fn stack(&mut self, codes: &Codes, raw: &[RawFrame], frames: &mut Vec<Frame>) -> Stack {
        let kept = if self.edition == codes.edition() { self.common(raw) } else { 0 };
        if kept < raw.len().max(self.raw.len()) {
            let callers = kept.checked_sub(1).and_then(|last| self.calls.get(last)).map_or(0, |calls| *calls);
            self.raw.truncate(kept);
            self.calls.truncate(kept);
            let moved = raw.get(..raw.len() - kept).unwrap_or_default().iter().rev();
            self.raw.extend(moved.clone());
            for frame in moved {
                frames.extend(codes.call(frame));
                self.calls.push(callers + frames.len() as u32);
            }
            // What moves most often moves within a line.
            if self.stack.iter().skip(callers as usize).ne(frames.iter()) {
                self.stack = self.stack.change(callers as usize, frames);
            }
            frames.clear();
        }
        // Also of a stack without a frame: else it would seem to have moved ever after.
        self.edition = codes.edition();
        self.stack.clone()
    }
}

#[cfg(test)]
mod tests;
