//! A thousand looks in a few bytes each. Times are differences; how looks went, and what each thread
//! did, are runs of equal neighbours.
//!
//! The bytes of a sealed segment: the times, the runs of [`Went`], then for each thread its number, the
//! length of its runs in bytes, and its runs. A run of a thread is one number: the node plus one (0: the
//! thread was not seen), a bit that says that a byte of new flags follows, and a bit that says that the
//! run is longer than one look and its length follows.

use hashbrown::HashMap;

use super::columns::Look;
use super::stacks::NodeId;
use super::threads::ThreadNo;
use super::varint::{self, fold, unfold};
use super::verdicts::{Verdicts, Went};
use crate::sample::{Failure, Flags, Micros};

/// What a thread did in a run: nothing if it was not seen.
pub(super) type Doing = Option<(NodeId, Flags)>;

/// The runs of one thread as bytes, and the one that still grows.
#[derive(Debug, Clone)]
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    growing: Option<(Doing, u32)>,
    flags: Flags,
}

impl Iterator for Runs<'_> {
    type Item = (Doing, u32);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some(word) = varint::take(&mut self.bytes) else { return self.growing.take() };
        if word & 2 != 0 {
            let (flags, rest) = self.bytes.split_first()?;
            self.flags = Flags::from_bits(*flags);
            self.bytes = rest;
        }
        let length = if word & 1 != 0 { varint::take(&mut self.bytes)? as u32 + 2 } else { 1 };
        let doing = (word >> 2).checked_sub(1).map(|node| (NodeId(node as u32), self.flags));
        Some((doing, length))
    }
}

/// Writes the runs of one thread.
#[derive(Debug, Clone, Default)]
struct RunWriter {
    bytes: Vec<u8>,
    flags: Flags,
}

impl RunWriter {
    fn put(&mut self, doing: Doing, length: u32) {
        if length == 0 {
            return;
        }
        let (node, flags) = doing.map_or((0, self.flags), |(node, flags)| (u64::from(node.0) + 1, flags));
        let changed = flags != self.flags;
        varint::put(&mut self.bytes, node << 2 | u64::from(changed) << 1 | u64::from(length > 1));
        if changed {
            self.bytes.push(flags.bits());
            self.flags = flags;
        }
        if length > 1 {
            varint::put(&mut self.bytes, u64::from(length) - 2);
        }
    }
}

/// A thread in the segment that is being filled.
#[derive(Debug)]
pub(super) struct Growing {
    thread: ThreadNo,
    written: RunWriter,
    doing: Doing,
    /// The looks `begun..next` of the segment are the run that still grows.
    begun: u32,
    next: u32,
}

impl Growing {
    fn see(&mut self, look: u32, doing: Doing) {
        if self.next != look || self.doing != doing {
            self.written.put(self.doing, self.next - self.begun);
            self.written.put(None, look - self.next);
            (self.doing, self.begun) = (doing, look);
        }
        self.next = look + 1;
    }
}

/// The segment that is being filled.
#[derive(Debug)]
pub(super) struct Open {
    first: Look,
    looks: u32,
    weight: u32,
    first_at: Micros,
    last_at: Micros,
    times: Vec<u8>,
    went: Vec<u8>,
    went_growing: Option<(Went, u32)>,
    threads: Vec<Growing>,
    places: HashMap<ThreadNo, usize>,
}

impl Open {
    /// Begins with this look; each stands for `weight` of them.
    pub(super) fn new(first: Look, weight: u32) -> Self {
        let (first_at, last_at) = (Micros(0), Micros(0));
        let (times, went, threads, places) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        Self { first, looks: 0, weight, first_at, last_at, times, went, went_growing: None, threads, places }
    }

    pub(super) fn looks(&self) -> u32 {
        self.looks
    }

    pub(super) fn push(&mut self, at: Micros, went: Went, threads: &[(ThreadNo, NodeId, Flags)]) {
        if self.looks == 0 {
            self.first_at = at;
        } else {
            let difference = at.0.cast_signed().wrapping_sub(self.last_at.0.cast_signed());
            varint::put(&mut self.times, fold(difference));
        }
        self.last_at = at;
        match &mut self.went_growing {
            Some((growing, length)) if *growing == went => *length += 1,
            growing => {
                let ended = growing.replace((went, 1));
                put_went(&mut self.went, ended);
            }
        }
        let mut place = 0;
        for (thread, node, flags) in threads {
            place = self.place(place, *thread);
            self.threads[place].see(self.looks, Some((*node, *flags)));
            place += 1;
        }
        self.looks += 1;
    }

    /// Where a thread's runs are: most often next to those of the thread that came before it.
    fn place(&mut self, guess: usize, thread: ThreadNo) -> usize {
        if self.threads.get(guess).is_some_and(|growing| growing.thread == thread) {
            return guess;
        }
        *self.places.entry(thread).or_insert_with(|| {
            let written = RunWriter::default();
            self.threads.push(Growing { thread, written, doing: None, begun: 0, next: 0 });
            self.threads.len() - 1
        })
    }

    /// The same as fewer bytes that no longer change.
    pub(super) fn seal(&self) -> Segment {
        let mut bytes = self.times.clone();
        let times = bytes.len() as u32;
        bytes.extend_from_slice(&self.went);
        put_went(&mut bytes, self.went_growing);
        let went = bytes.len() as u32;
        for growing in &self.threads {
            let mut written = growing.written.clone();
            written.put(growing.doing, growing.next - growing.begun);
            put_thread(&mut bytes, growing.thread, &written);
        }
        let (first, looks) = (self.first, self.looks);
        Segment {
            first,
            looks,
            weight: self.weight,
            first_at: self.first_at,
            last_at: self.last_at,
            times,
            went,
            bytes: bytes.into(),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            first: self.first,
            looks: self.looks,
            weight: self.weight,
            first_at: self.first_at,
            last_at: self.last_at,
            times: &self.times,
            went: WentRuns { bytes: &self.went, growing: self.went_growing },
            threads: ThreadRuns::Open(self.threads.iter()),
        }
    }

    pub(super) fn memory(&self) -> usize {
        let runs = self.threads.iter().map(|growing| growing.written.bytes.capacity());
        self.times.capacity()
            + self.went.capacity()
            + self.threads.capacity() * size_of::<Growing>()
            + self.places.allocation_size()
            + runs.sum::<usize>()
    }
}

fn put_thread(bytes: &mut Vec<u8>, thread: ThreadNo, written: &RunWriter) {
    varint::put(bytes, u64::from(thread.0));
    varint::put(bytes, written.bytes.len() as u64);
    bytes.extend_from_slice(&written.bytes);
}

fn put_went(bytes: &mut Vec<u8>, run: Option<(Went, u32)>) {
    let Some((went, length)) = run else { return };
    let code = match went {
        Went::Held => 0,
        Went::Unheld => 1,
        Went::Nobody => 2,
        Went::Failed(failure) => 3 + failure as u64,
    };
    varint::put(bytes, u64::from(length - 1) << 3 | code);
}

/// Runs of how looks went.
#[derive(Debug, Clone)]
pub(super) struct WentRuns<'a> {
    bytes: &'a [u8],
    growing: Option<(Went, u32)>,
}

impl Iterator for WentRuns<'_> {
    type Item = (Went, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let Some(word) = varint::take(&mut self.bytes) else { return self.growing.take() };
        let went = match (word & 7) as usize {
            0 => Went::Held,
            1 => Went::Unheld,
            2 => Went::Nobody,
            code => Went::Failed(*Failure::ALL.get(code - 3)?),
        };
        Some((went, (word >> 3) as u32 + 1))
    }
}

/// A segment that is full.
#[derive(Debug)]
pub(super) struct Segment {
    first: Look,
    looks: u32,
    weight: u32,
    first_at: Micros,
    last_at: Micros,
    /// Where the times end in `bytes`, and where the runs of [`Went`] do.
    times: u32,
    went: u32,
    bytes: Box<[u8]>,
}

impl Segment {
    pub(super) fn view(&self) -> View<'_> {
        let (times, went) = (self.times as usize, self.went as usize);
        View {
            first: self.first,
            looks: self.looks,
            weight: self.weight,
            first_at: self.first_at,
            last_at: self.last_at,
            times: &self.bytes[..times],
            went: WentRuns { bytes: &self.bytes[times..went], growing: None },
            threads: ThreadRuns::Sealed(&self.bytes[went..]),
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    /// Gives nodes new numbers.
    pub(super) fn renumber(&mut self, number: impl Fn(NodeId) -> NodeId) {
        let mut bytes = self.bytes[..self.went as usize].to_vec();
        for (thread, runs) in self.view().threads {
            let mut written = RunWriter::default();
            for (doing, length) in runs {
                written.put(doing.map(|(node, flags)| (number(node), flags)), length);
            }
            put_thread(&mut bytes, thread, &written);
        }
        self.bytes = bytes.into();
    }
}

/// The threads of a segment and their runs.
#[derive(Debug, Clone)]
pub(super) enum ThreadRuns<'a> {
    Sealed(&'a [u8]),
    Open(std::slice::Iter<'a, Growing>),
}

impl<'a> Iterator for ThreadRuns<'a> {
    type Item = (ThreadNo, Runs<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let flags = Flags::default();
        match self {
            Self::Sealed(bytes) => {
                let thread = ThreadNo(varint::take(bytes)? as u32);
                let length = varint::take(bytes)? as usize;
                let (runs, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                Some((thread, Runs { bytes: runs, growing: None, flags }))
            }
            Self::Open(threads) => {
                let thread = threads.next()?;
                let growing = Some((thread.doing, thread.next - thread.begun));
                Some((thread.thread, Runs { bytes: &thread.written.bytes, growing, flags }))
            }
        }
    }
}

/// A segment, full or not, to be read.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    pub(super) first: Look,
    pub(super) looks: u32,
    /// For how many looks each of these stands.
    pub(super) weight: u32,
    pub(super) first_at: Micros,
    pub(super) last_at: Micros,
    times: &'a [u8],
    pub(super) went: WentRuns<'a>,
    pub(super) threads: ThreadRuns<'a>,
}

impl<'a> View<'a> {
    /// The moments of all looks.
    pub(super) fn times(&self) -> impl Iterator<Item = Micros> + 'a {
        let (mut at, mut bytes, looks) = (self.first_at.0, self.times, self.looks);
        (0..looks).map_while(move |look| {
            if look > 0 {
                at = at.wrapping_add_signed(unfold(varint::take(&mut bytes)?));
            }
            Some(Micros(at))
        })
    }

    /// Counts the looks `from..to` of this segment, each as many as it stands for.
    pub(super) fn count(
        &self,
        from: u32,
        to: u32,
        verdicts: &mut Verdicts,
        count: &mut impl FnMut(ThreadNo, NodeId, Flags, u64),
    ) {
        let weight = u64::from(self.weight);
        overlaps(self.went.clone(), from, to, |went, looks| verdicts.count(went, looks * weight));
        for (thread, runs) in self.threads.clone() {
            overlaps(runs, from, to, |doing, looks| {
                if let Some((node, flags)) = doing {
                    count(thread, node, flags, looks * weight);
                }
            });
        }
    }
}

/// The part of each run that lies in `from..to`.
#[inline]
fn overlaps<T>(runs: impl Iterator<Item = (T, u32)>, from: u32, to: u32, mut each: impl FnMut(T, u64)) {
    let mut begun = 0;
    for (what, length) in runs {
        let end = begun + length;
        let looks = end.min(to).saturating_sub(begun.max(from));
        if looks > 0 {
            each(what, u64::from(looks));
        }
        begun = end;
        if begun >= to {
            return;
        }
    }
}
