//! The words that cross the channel between the sampler and whoever listens: nothing of the
//! target's memory, nothing of the screen. Everything here is plain data and is cheap to send.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::sync::Arc;

/// A point in time or a length of it, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

/// A Python function: what a code object says of itself. Names are as the target has them (control
/// characters included): whoever prints them must escape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// `co_filename`.
    pub file: Box<str>,
    /// `co_qualname` where the version has one (3.11 and later), else `co_name`.
    pub name: Box<str>,
    /// `co_firstlineno`.
    pub first_line: u32,
}

/// A qualified name without the function that it was made in: `<listcomp>` of `report.<locals>.<listcomp>`.
pub fn local_name(name: &str) -> &str {
    // Most have no such part, and to look for a word takes longer than to look for a character.
    if name.contains('<') { name.rsplit(".<locals>.").next().unwrap_or(name) } else { name }
}

/// A function being executed, and the line it stands at.
///
/// The sampler hands out one `Arc` per code object; equal functions may come in several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// The function.
    pub function: Arc<Function>,
    /// The line in [`Function::file`]; 0 where the bytecode belongs to no line.
    pub line: u32,
}

/// Frames, **root first**. An unchanged stack is sent as the same one, and a deep one shares the callers that have not
/// moved since an earlier one: it costs what has.
#[derive(Clone, Default)]
pub struct Stack {
    /// Those of an earlier stack, of which so many are meant.
    callers: Option<(Arc<[Frame]>, usize)>,
    called: Arc<[Frame]>,
}

impl Stack {
    /// So many frames are copied rather than shared.
    const COPIED: usize = 32;

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.callers().len() + self.called.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frames, root first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.callers().iter().chain(&*self.called)
    }

    /// The stack of `kept` of its outermost frames with others on them, which are taken out of their buffer.
    #[must_use]
    pub fn change(&self, kept: usize, called: &mut Vec<Frame>) -> Self {
        let shared = start(self.callers(), kept);
        let copied = start(&self.called, kept - shared.len());
        if copied.len() + called.len() > Self::COPIED {
            let all = shared.iter().chain(copied).cloned().chain(called.drain(..)).collect::<Arc<[_]>>();
            return Self { callers: Some((Arc::clone(&all), all.len())), called: Arc::default() };
        }
        let callers = self.callers.as_ref().filter(|_| !shared.is_empty());
        let callers = callers.map(|(callers, _)| (Arc::clone(callers), shared.len()));
        Self { callers, called: copied.iter().cloned().chain(called.drain(..)).collect() }
    }

    /// Is it the same one? Others may be equal.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        let callers = match (&self.callers, &other.callers) {
            (Some((one, some)), Some((two, others))) => some == others && Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        callers && Arc::ptr_eq(&self.called, &other.called)
    }

    /// How many of the outermost frames are the same, as far as that is seen at a glance.
    pub fn common(&self, other: &Self) -> usize {
        let shared = match (&self.callers, &other.callers) {
            (Some((one, some)), Some((two, others))) if Arc::ptr_eq(one, two) => *some.min(others),
            _ => 0,
        };
        let same = |(a, b): &(&Frame, &Frame)| a.line == b.line && Arc::ptr_eq(&a.function, &b.function);
        // Most stacks are shallow, and this is quicker.
        if self.callers().len() == shared && other.callers().len() == shared {
            return shared + self.called.iter().zip(&*other.called).take_while(same).count();
        }
        shared + self.iter().skip(shared).zip(other.iter().skip(shared)).take_while(same).count()
    }

    /// What it occupies if it shares nothing, in bytes.
    pub fn memory(&self) -> usize {
        let callers = self.callers.as_ref().map_or(0, |(callers, _)| size_of_val(&**callers));
        callers + size_of_val(&*self.called)
    }

    fn callers(&self) -> &[Frame] {
        self.callers.as_ref().map_or(&[], |(callers, count)| start(callers, *count))
    }
}

/// So many frames; all if there are fewer.
fn start(frames: &[Frame], count: usize) -> &[Frame] {
    frames.get(..count).unwrap_or(frames)
}

impl<T: Into<Arc<[Frame]>>> From<T> for Stack {
    fn from(frames: T) -> Self {
        Self { callers: None, called: frames.into() }
    }
}

impl FromIterator<Frame> for Stack {
    fn from_iter<I: IntoIterator<Item = Frame>>(frames: I) -> Self {
        Self::from(frames.into_iter().collect::<Arc<[_]>>())
    }
}

impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Stack {}

impl fmt::Debug for Stack {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// A thread of the target in one interpreter (one OS thread can visit several), or what waits in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId {
    /// The kernel's thread id, in *our* PID namespace.
    pub tid: u32,
    /// The interpreter's own number; 0 is the main one.
    pub interpreter: u32,
    /// 0 for the thread itself. Else the seat of one of its asyncio tasks: another task of the same function may have it
    /// when that one has ended, but not in the very next look.
    pub seat: u32,
}

/// Facts about a thread at the moment of a sample: observations, never guesses. A fact that was not
/// looked at is absent: neither `ON_CPU` nor `WAITING` means that the kernel was not asked, at this very stack,
/// or said neither. Of a thread that holds the GIL it is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// Holds the GIL; on a build without one: is attached, that is, runs Python.
    pub const HOLDS_GIL: Self = Self(1);
    /// Waits for the GIL: 3.15's `gil_requested` says so, or the kernel, that it sleeps in the lock (3.7 and later).
    pub const WANTS_GIL: Self = Self(2);
    /// The kernel says it runs or is ready to run.
    pub const ON_CPU: Self = Self(4);
    /// The kernel says it sleeps.
    pub const WAITING: Self = Self(8);
    /// Its interpreter is collecting garbage, and this thread does it.
    pub const GC: Self = Self(16);
    /// It is no thread but a task of asyncio's, which waits: its frames are coroutines that await each other.
    pub const TASK: Self = Self(32);

    /// All of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits, for compact storage.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags that [`Flags::bits`] gave.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// One thread's part of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadSample {
    /// Whose stack.
    pub thread: ThreadId,
    /// Its frames, root first. None where it is in no Python code: at a prompt, between two callbacks.
    pub stack: Stack,
    /// What was seen of it.
    pub flags: Flags,
}

/// Why a sample came to nothing. Each is counted and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The thread did not stop before the deadline (frozen, or in an uninterruptible wait).
    NotStopped,
    /// The GIL changed hands each time that its holder had been stopped.
    HolderFled,
    /// The frame chain proved broken, each time that it was read.
    Broken,
    /// Memory that should be there could not be read.
    Unreadable,
}

impl Failure {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::NotStopped, Self::HolderFled, Self::Broken, Self::Unreadable];

    /// What is shown beside its count.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotStopped => "not stopped in time",
            Self::HolderFled => "GIL changed hands",
            Self::Broken => "broken chain",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What one look at the target gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The threads that were read. Without `--threads` only the GIL's holder; none at all means that
    /// nobody runs Python.
    Taken(Vec<ThreadSample>),
    /// Nothing that could be shown.
    Failed(Failure),
}

/// One look at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When, since the epoch (wall clock at the start plus monotonic time since).
    pub at: Micros,
    /// What was seen.
    pub outcome: Outcome,
}

/// Who is being watched; sent first, and again when the process becomes another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Process id in our namespace.
    pub pid: u32,
    /// Its command line, words joined by blanks, unescaped.
    pub command: String,
    /// Python's version as in `3.12.1`, or with the tag of its build (`3.13.5 free-threaded`).
    pub python: String,
    /// Age of the process when the sampling began.
    pub age: Micros,
    /// The mean time between two samples that was asked for.
    pub interval: Micros,
    /// asyncio's tasks can be read, if it has any.
    pub tasks: bool,
}

/// Whose a thread is, where processes below the one that is watched are watched, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id in our namespace.
    pub pid: u32,
    /// What the kernel calls it, unescaped.
    pub name: Arc<str>,
}

/// Running totals since the sampling began, and what the stops cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Processes that are looked at now.
    pub processes: u32,
    /// The target, or the one of these that was named, stands: a signal has stopped it.
    pub stands: bool,
    /// A Python below the one that is watched, which is not looked at: asked where that is none itself, or does nothing.
    pub below: Option<u32>,
    /// Looks taken, failed ones among them.
    pub samples: u64,
    /// Looks that failed, by [`Failure::ALL`].
    pub failed: [u64; 4],
    /// Looks repeated because a first attempt proved broken.
    pub retried: u64,
    /// Intervals that went by without a look.
    pub late: u64,
    /// Samples taken but not delivered because the receiver was behind.
    pub dropped: u64,
    /// Time during which a thread of the target stood still for us.
    pub stopped: Micros,
    /// Time since the sampling began.
    pub elapsed: Micros,
}

/// How the sampling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The time that was asked for is over, or we were told to stop; the target lives on.
    Detached,
    /// The target ended with this exit status, where it is ours to know: of a launched command, and of others if the
    /// kernel tells it.
    Exited(Option<i32>),
    /// The target was ended by this signal, where it is ours to know.
    Killed(i32),
    /// The target became a program that is no Python.
    NotPython(String),
    /// The sampler could not go on; the sentence says why.
    Lost(String),
}

/// Everything that the sampler says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Who is watched.
    About(About),
    /// A thread was seen for the first time, or changed its name.
    Thread(ThreadId, String),
    /// Whose thread it is; told with its name where there is more than one process.
    Process(ThreadId, Process),
    /// A look at the target.
    Sample(Sample),
    /// The mean time between two looks from here on, where it is no longer what [`About`] says: each of them stands for
    /// that much more of the target's time.
    Interval(Micros),
    /// Running totals, some ten times a second and once at the end.
    Totals(Totals),
    /// Nothing follows.
    Ended(Ending),
}

/// Everything that the sampler can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Read every thread, and asyncio's tasks, too (`true`) or not.
    Tasks(bool),
    /// Stop looking; the target is not touched until [`Command::Resume`].
    Pause,
    /// Look again.
    Resume,
    /// Let go of the target and end.
    Stop,
}
