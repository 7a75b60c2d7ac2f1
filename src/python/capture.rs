//! A picture of threads as they stood at one moment, raw: what is copied between a stop and the release that
//! follows. Buffers are kept from one picture to the next.

use std::iter::successors;
use std::ops::Range;

use crate::python::frames::{self, RawFrame, WalkError};
use crate::python::layout::{Collecting, Layout, ThreadLayout};
use crate::python::locate::Python;
use crate::python::quiet::Stamp;
use crate::python::tasks::{Label, TaskReader};
use crate::python::threads::Interpreter;
use crate::sample::Flags;
use crate::target::memory::{Address, Memory, ReadError};

/// Frames of all threads together: 10,000 threads of 400 frames. Thread states are small and may all point to the
/// same long chain, so that neither the threads' number nor a stack's depth bounds the sum.
const MOST_FRAMES: usize = 1 << 22;
/// Tasks that await each other are followed so far.
const MOST_NESTED: usize = 64;

/// The threads that were seen, and their frames.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    threads: Vec<Seen>,
    frames: Vec<RawFrame>,
}

/// A thread in a [`Capture`], or a task that waits in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its `PyThreadState`, or the task object.
    pub thread: Address,
    /// The `PyThreadState` of the thread in which alone its frames change: its own.
    pub owner: Address,
    /// What a task is told by.
    pub label: Option<Label>,
    /// What says which thread of the kernel's it is; see [`identity_of`].
    pub identity: u64,
    /// The interpreter it belongs to.
    pub interpreter: u32,
    /// What it was seen doing.
    pub flags: Flags,
    /// How many code objects had died or been made, where the interpreter counts them.
    pub stamp: Option<Stamp>,
    frames: Range<usize>,
    /// How many of them are of callers that are not its own: of the tasks that await it.
    above: usize,
}

/// The number of the kernel's thread that a thread state belongs to, as it is where the target lives: from 3.11 on Python
/// keeps it, before that the C library does. (A `pthread_t` alone says nothing: the next thread has it again.) 0 if there is
/// none, or none any more.
pub fn identity_of(layout: &Layout, memory: &impl Memory, thread: Address) -> Result<u64, ReadError> {
    let ThreadLayout { native_id, in_pthread, pthread, .. } = &layout.thread;
    match (native_id, in_pthread) {
        (Some(number), _) => number.of(memory, thread),
        (None, Some(number)) => match number.of(memory, Address(pthread.of(memory, thread)?)) {
            Err(ReadError::Unmapped(_)) => Ok(0),
            number => number.map(u64::from),
        },
        (None, None) => Ok(0),
    }
}

impl Capture {
    /// One thread with these frames, leaf first.
    #[cfg(test)]
    pub(crate) fn of(frames: &[RawFrame]) -> Self {
        let seen = Seen {
            thread: Address(8),
            owner: Address(8),
            label: None,
            identity: 1,
            interpreter: 0,
            flags: Flags::default(),
            stamp: None,
            frames: 0..frames.len(),
            above: 0,
        };
        Self { threads: vec![seen], frames: frames.to_vec() }
    }

    /// The same, changed so.
    #[cfg(test)]
    pub(crate) fn with(mut self, change: impl FnMut(&mut Seen)) -> Self {
        self.threads.iter_mut().for_each(change);
        self
    }

    /// Forgets what was seen.
    pub fn clear(&mut self) {
        self.threads.clear();
        self.frames.clear();
    }

    /// Adds what an earlier picture shows of all threads but one, and of their tasks. That one of them waits for the GIL was
    /// true then; what it does now was not looked at.
    pub fn add_remembered(&mut self, earlier: &Self, without: Address) {
        for seen in earlier.threads.iter().filter(|seen| seen.owner != without) {
            let start = self.frames.len();
            self.frames.extend_from_slice(earlier.frames(seen));
            let frames = start..self.frames.len();
            let flags = if seen.label.is_some() { seen.flags } else { Flags::default() };
            self.threads.push(Seen { flags, frames, ..seen.clone() });
        }
    }

    /// The threads, in the order in which they were added.
    pub fn threads(&self) -> &[Seen] {
        &self.threads
    }

    /// Are these the same threads with the same frames, if it does not matter how far the newest frame of each is?
    pub fn agrees(&self, other: &Self) -> bool {
        let same = |(one, two): (&Seen, &Seen)| {
            let (frames, others) = (self.frames(one), other.frames(two));
            let newest = frames.first().zip(others.first());
            one.thread == two.thread
                && one.identity == two.identity
                && frames.len() == others.len()
                && newest.is_none_or(|(one, two)| one.code == two.code)
                && frames.get(1..) == others.get(1..)
        };
        self.threads.len() == other.threads.len() && self.threads.iter().zip(&other.threads).all(same)
    }

    /// All frames of all threads.
    pub fn all_frames(&self) -> &[RawFrame] {
        &self.frames
    }

    /// A thread's frames, leaf first.
    pub fn frames(&self, seen: &Seen) -> &[RawFrame] {
        self.frames.get(seen.frames.clone()).unwrap_or_default()
    }

    /// Those of its frames that are of the tasks that await it, leaf first.
    pub fn callers(&self, seen: &Seen) -> &[RawFrame] {
        self.frames.get(seen.frames.end - seen.above..seen.frames.end).unwrap_or_default()
    }

    /// Adds the thread state at `thread` with its frames. `flags` says what is known of it already.
    pub fn add(
        &mut self,
        python: &Python,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: Address,
        flags: Flags,
    ) -> Result<(), WalkError> {
        self.add_while(python, memory, interpreter, thread, flags, |_| true)
    }

    /// The same, with its frames as long as `goes_on` says so.
    pub fn add_while(
        &mut self,
        python: &Python,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: Address,
        flags: Flags,
        goes_on: impl FnMut(Address) -> bool,
    ) -> Result<(), WalkError> {
        let layout = &python.layout;
        // Another interpreter may be where this one was.
        let is_there = layout.thread.interpreter.of(memory, thread)? == interpreter.address
            && layout.interpreter.number(memory, interpreter.address)? == i64::from(interpreter.id);
        if !is_there {
            return Err(WalkError::Broken(thread));
        }
        let identity = identity_of(layout, memory, thread)?;
        let flags = flags | what_it_does(python, memory, interpreter, thread, flags)?;
        let generation = match layout.interpreter.generation {
            Some(generation) => generation.of(memory, interpreter.address)?,
            None => None,
        };
        let stamp = generation.map(|count| Stamp { interpreter: *interpreter, count });
        let start = self.frames.len();
        if start >= MOST_FRAMES {
            return Err(WalkError::Broken(thread));
        }
        let walked = frames::walk_while(layout, memory, thread, &mut self.frames, goes_on);
        if let Err(error) = walked {
            self.frames.truncate(start);
            return Err(error);
        }
        let frames = start..self.frames.len();
        let (owner, label) = (thread, None);
        self.threads.push(Seen {
            thread,
            owner,
            label,
            identity,
            interpreter: interpreter.id,
            flags,
            stamp,
            frames,
            above: 0,
        });
        Ok(())
    }

    /// Adds the tasks of the thread that was added last, if there is somebody who reads them: those that wait with their
    /// frames and those of the tasks that await them, which are shown by that; the others without.
    pub fn add_tasks(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        tasks: Option<&mut TaskReader>,
    ) -> Result<(), WalkError> {
        let (Some(tasks), Some(owner)) = (tasks, self.threads.last().cloned()) else { return Ok(()) };
        let list = tasks.list(layout, memory, owner.thread)?;
        let first = self.threads.len();
        let mut futures = Vec::with_capacity(list.len());
        for task in &list {
            let start = self.frames.len();
            if start >= MOST_FRAMES {
                return Err(WalkError::Broken(*task));
            }
            futures.push(tasks.frames(layout, memory, *task, &mut self.frames)?);
            let frames = start..self.frames.len();
            let label = Some(tasks.label(layout, memory, *task)?);
            let flags = Flags::TASK | Flags::WAITING;
            self.threads.push(Seen { thread: *task, label, flags, frames, ..owner.clone() });
        }
        let awaited_by = tasks.awaited_by(layout, memory, &list, &futures)?;
        tasks.put_back(list);
        if awaited_by.iter().any(Option::is_some) { self.nest(first, &awaited_by) } else { Ok(()) }
    }

    /// Puts tasks, of which the first is the thread with that number, under those that await them.
    fn nest(&mut self, first: usize, awaited_by: &[Option<usize>]) -> Result<(), WalkError> {
        let own: Vec<_> = self.threads.iter().skip(first).map(|seen| seen.frames.clone()).collect();
        let chain = |task| successors(Some(task), |task| *awaited_by.get(*task)?);
        let mut hidden = vec![false; own.len()];
        // Who waits for himself, by way of others or not, is under nobody.
        let is_nested = |task: usize| chain(task).nth(MOST_NESTED).is_none();
        for (task, frames) in own.iter().enumerate() {
            if !frames.is_empty() && is_nested(task) {
                chain(task).skip(1).for_each(|above| hidden[above] = true);
            }
        }
        let start = own.first().map_or(self.frames.len(), |frames| frames.start);
        let mut all = Vec::with_capacity(self.frames.len() - start);
        for (task, seen) in self.threads.iter_mut().skip(first).enumerate() {
            let begin = start + all.len();
            if begin >= MOST_FRAMES {
                return Err(WalkError::Broken(seen.thread));
            }
            if !seen.frames.is_empty() && !hidden[task] {
                let nested = chain(task).take(if is_nested(task) { MOST_NESTED } else { 1 });
                let frames = nested.filter_map(|task| self.frames.get(own.get(task)?.clone()));
                frames.for_each(|frames| all.extend_from_slice(frames));
            }
            seen.above = (start + all.len() - begin).saturating_sub(seen.frames.len());
            seen.frames = begin..start + all.len();
        }
        self.frames.truncate(start);
        self.frames.append(&mut all);
        Ok(())
    }
}

/// What is said of a thread besides: whether it collects garbage, or waits for the GIL.
fn what_it_does(
    python: &Python,
    memory: &impl Memory,
    interpreter: &Interpreter,
    thread: Address,
    flags: Flags,
) -> Result<Flags, ReadError> {
    let layout = &python.layout;
    if flags.has(Flags::HOLDS_GIL) {
        let collecting = match layout.interpreter.collecting {
            Some(Collecting::Runtime(field)) => field.of(memory, python.roots.runtime)?,
            Some(Collecting::Interpreter(field)) => field.of(memory, interpreter.address)?,
            None => 0,
        };
        return Ok(if collecting == 0 { Flags::default() } else { Flags::GC });
    }
    match layout.thread.gil_requested {
        Some(field) if field.of(memory, thread)? != 0 => Ok(Flags::WANTS_GIL),
        _ => Ok(Flags::default()),
    }
}

/// Is the thread attached, by the bits of its state? Only 3.12 and later say.
pub fn attached(layout: &Layout, memory: &impl Memory, thread: Address) -> Result<bool, ReadError> {
    match layout.thread.status {
        Some(status) => Ok(status.of(memory, thread)? & ThreadLayout::ACTIVE != 0),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::layout::Field;
    use crate::python::literal::{Literal, eras};
    use crate::python::snapshot::Sealed;
    use crate::python::version::Build;

    const THREAD: u64 = 0x1000;
    const PTHREAD: u64 = 0x2000;

    /// Two threads, one after the other, with the same `pthread_t`; then its memory goes.
    #[test]
    fn a_thread_is_known_by_its_number() {
        let mut layout = eras::layout(3, 8, Build::Ordinary);
        let memory = Literal::new().at(THREAD, 256).word(176, PTHREAD).at(PTHREAD, 1024).i32(0x2d0, 77);
        let next = memory.clone().again(PTHREAD).i32(0x2d0, 78);
        let gone = memory.clone().without(PTHREAD);
        let identity = |layout: &Layout, memory: &Literal| identity_of(layout, memory, Address(THREAD));
        assert_eq!(identity(&layout, &memory), Ok(0));
        layout.thread.in_pthread = Some(Field::at(0x2d0));
        for (memory, number) in [(&memory, 77), (&next, 78), (&gone, 0)] {
            assert_eq!(identity(&layout, memory), Ok(number));
        }
        assert_eq!(
            identity_of(&layout, &Sealed, Address(THREAD)),
            Err(ReadError::NotCopied(Address(THREAD + 176)))
        );
        // Python's own number.
        let newer = eras::layout(3, 12, Build::Ordinary);
        let memory = Literal::new().at(THREAD, 256).word(144, 79);
        assert_eq!(identity(&newer, &memory), Ok(79));
    }
}
