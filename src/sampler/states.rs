//! What the kernel says of threads: on a CPU, asleep, or asleep in the GIL. A file read each, so few are asked about in a
//! look.
//!
//! A word belongs to the stack in which the thread stood when it was asked for, and is told with no other. It is asked for
//! right after the stacks were copied: in the some ten microseconds between, no stack moves but that of a thread which
//! takes the GIL.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::python::capture;
use crate::python::threads::Lock;
use crate::sample::{Flags, Stack, ThreadId, ThreadSample};
use crate::sampler::holders;
use crate::sampler::look::Looker;
use crate::target::{RunState, Target, Tid};

/// Threads asked about in one look, 4 µs each; of those that slept when they were asked about last, one.
const AT_ONCE: usize = 4;
/// A word is believed for as long as it has held already, but at least and at most so long. Who sleeps in one stack may
/// wake there, in C, so it is not believed for ever.
const ASLEEP: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(100));
/// Who was on a CPU may have been about to fall asleep there, so it is asked again in the next look; who slept until it
/// gets the GIL wakes when it has it, and every few milliseconds to ask for it.
const AWAKE: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(20));

/// The last word of the kernel on each thread.
#[derive(Debug, Default)]
pub struct States {
    words: FxHashMap<ThreadId, Word>,
    /// Words that were had in this look by the way.
    heard: FxHashMap<Tid, Flags>,
    /// Threads of which there is no word, and those that slept the last time.
    unknown: Turn,
    asleep: Turn,
}

/// What the kernel said of a thread while that stood in a stack.
#[derive(Debug)]
struct Word {
    stack: Stack,
    flags: Flags,
    /// Since when it has said so, and when it said so last.
    since: Instant,
    asked: Instant,
    /// When the thread was last seen in that stack.
    seen: Instant,
}

impl Word {
    fn is_of(&self, stack: &Stack) -> bool {
        self.stack.is(stack)
    }

    fn is_old(&self, now: Instant) -> bool {
        let (least, most) = if self.flags.has(Flags::WAITING) { ASLEEP } else { AWAKE };
        let held = self.asked.duration_since(self.since);
        now.duration_since(self.asked) >= held.clamp(least, most)
    }
}

/// Threads to be asked about, by their place in the look, and with which to begin.
#[derive(Debug, Default)]
struct Turn {
    places: Vec<usize>,
    next: usize,
}

impl Turn {
    /// The next one. However many there are in each look, all come to their turn.
    fn pop(&mut self) -> Option<usize> {
        let at = self.places.partition_point(|place| *place < self.next);
        let at = if at < self.places.len() { at } else { 0 };
        let place = self.places.get(at).copied()?;
        self.places.remove(at);
        self.next = place + 1;
        Some(place)
    }
}

impl States {
    /// Before stacks are copied: what was heard by the way was heard of others.
    pub(super) fn begin(&mut self) {
        self.heard.clear();
    }

    /// Is this thread on a CPU, or waits for one? Whoever asks after its stack was copied spares us a question.
    pub(super) fn runs(&mut self, target: &Target, tid: Tid) -> bool {
        let said = said_of(target, tid);
        self.heard.extend(said.map(|flags| (tid, flags)));
        said == Some(Flags::ON_CPU)
    }

    /// Adds to the threads of a look what the kernel says of them. Of one that holds the GIL, or is known to wait for it,
    /// nothing has to be asked. One whose turn does not come has no word, unless it slept when it was last asked about
    /// and still stands there.
    fn tell(
        &mut self,
        now: Instant,
        taken: &mut [ThreadSample],
        mut ask: impl FnMut(ThreadId) -> Option<Flags>,
    ) {
        self.recall(now, taken);
        let mut asleep = self.asleep.pop();
        for _ in 0..AT_ONCE {
            let Some(place) = asleep.take().or_else(|| self.unknown.pop()) else { break };
            let Some(sample) = taken.get_mut(place) else { break };
            let said = ask(sample.thread);
            self.note(now, sample, said);
        }
        for place in self.asleep.places.drain(..) {
            if let Some(sample) = taken.get_mut(place) {
                sample.flags |= Flags::WAITING;
            }
        }
        if self.words.len() > 64 + 2 * taken.len() {
            self.words.retain(|_, word| word.seen == now);
        }
    }

    /// Tells what is known, and finds out who is to be asked about.
    fn recall(&mut self, now: Instant, taken: &mut [ThreadSample]) {
        self.unknown.places.clear();
        self.asleep.places.clear();
        for (place, sample) in taken.iter_mut().enumerate() {
            let known = sample.flags != Flags::default();
            let word = self.words.get_mut(&sample.thread);
            if let Some(word) = word.filter(|word| !known && word.is_of(&sample.stack)) {
                word.seen = now;
                if !word.is_old(now) {
                    sample.flags = word.flags;
                } else if word.flags.has(Flags::WAITING) {
                    self.asleep.places.push(place);
                } else {
                    self.unknown.places.push(place);
                }
                continue;
            }
            // When it comes back to where it was, it will have run meanwhile.
            self.words.remove(&sample.thread);
            if known {
                continue;
            }
            match self.heard.get(&Tid(sample.thread.tid)).copied() {
                Some(said) => self.note(now, sample, Some(said)),
                None => self.unknown.places.push(place),
            }
        }
    }

    /// Tells what was said of a thread, and keeps it; nothing if it has ended.
    fn note(&mut self, now: Instant, sample: &mut ThreadSample, said: Option<Flags>) {
        let Some(flags) = said else {
            self.words.remove(&sample.thread);
            return;
        };
        sample.flags |= flags;
        let before = self.words.get(&sample.thread);
        let since = before.filter(|word| word.flags == flags && word.is_of(&sample.stack));
        let since = since.map_or(now, |word| word.since);
        let word = Word { stack: Stack::clone(&sample.stack), flags, since, asked: now, seen: now };
        self.words.insert(sample.thread, word);
    }
}

impl Looker {
    /// Adds to the threads of a look what the kernel says of them.
    pub(super) fn ask_what_they_do(&mut self, target: &Target, taken: &mut [ThreadSample]) {
        let Self { states, python, interpreters, memories, .. } = self;
        let lock_of = |thread: &ThreadId| {
            let home = interpreters.iter().find(|interpreter| interpreter.id == thread.interpreter)?;
            Some(home.lock)
        };
        let runs_python = |thread: &ThreadId| {
            let state = *memories.addresses().get(thread)?;
            match lock_of(thread)? {
                Lock::Attached => capture::attached(&python.layout, target.memory(), state).ok(),
                lock => lock.holder(target.memory()).ok().map(|holder| holder == Some(state)),
            }
        };
        // Nobody waits for a lock that nobody has.
        let contended = taken.iter().any(|sample| sample.flags.has(Flags::HOLDS_GIL));
        states.tell(Instant::now(), taken, |thread| {
            let tid = Tid(thread.tid);
            let said = said_of(target, tid)?;
            // If it has taken the GIL meanwhile it runs, but not in the stack that was seen.
            let elsewhere = said.has(Flags::ON_CPU) && runs_python(&thread) != Some(false);
            let sleeps_for_it = contended
                && said.has(Flags::WAITING)
                && lock_of(&thread).is_some_and(|lock| holders::waits_for(target, tid, lock));
            Some(match said {
                _ if elsewhere => Flags::default(),
                _ if sleeps_for_it => Flags::WANTS_GIL,
                said => said,
            })
        });
    }
}

/// What the kernel says of a thread; `None` if it has ended.
fn said_of(target: &Target, tid: Tid) -> Option<Flags> {
    Some(match target.tasks().moment(tid)?.state {
        RunState::Running => Flags::ON_CPU,
        RunState::Sleeping | RunState::Uninterruptible => Flags::WAITING,
        _ => Flags::default(),
    })
}

#[cfg(test)]
mod tests;
