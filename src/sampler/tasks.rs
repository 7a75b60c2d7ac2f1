//! asyncio's tasks: where they are, and what they are called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::python::capture::Seen;
use crate::python::locate::Python;
use crate::python::tasks::{self, Label, TaskReader};
use crate::python::threads::Interpreter;
use crate::sample::{Function, ThreadId, local_name};
use crate::target::Target;
use crate::target::memory::Address;

/// asyncio is looked for again after this long: it may be imported at any time.
const AGAIN: Duration = Duration::from_secs(1);
/// Seats that are given by the names that a program gives, each once; after that all are given by functions.
const MOST_GIVEN: usize = 4096;
/// Signs of a name that are shown.
const LONGEST: usize = 64;

/// What is known of the tasks of one Python.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    wanted: bool,
    reader: Option<TaskReader>,
    sought: Option<Instant>,
    seats: Seats,
}

impl Tasks {
    /// A look begins in which they are wanted, or are not. Says whether that has changed.
    pub(super) fn begin(&mut self, target: &Target, python: &Python, wanted: bool, now: Instant) -> bool {
        let before = self.wanted && self.reader.is_some();
        self.wanted = wanted;
        let is_due = self.sought.is_none_or(|then| now.duration_since(then) >= AGAIN);
        if wanted && self.reader.is_none() && is_due {
            self.sought = Some(now);
            let maps = target.maps().ok();
            let found = maps
                .and_then(|maps| tasks::locate(target.memory(), &maps, python, |module| target.elf(module)));
            self.reader = found;
        }
        before != (wanted && self.reader.is_some())
    }

    /// What is far away of them is looked up, if they are wanted. Says whether that is another now.
    pub(super) fn follow(
        &mut self,
        target: &Target,
        python: &Python,
        interpreters: &[Interpreter],
        now: Instant,
    ) -> bool {
        let reader = self.reader();
        reader.is_some_and(|reader| reader.follow(&python.layout, target.memory(), interpreters, now))
    }

    /// What reads them, if they are wanted.
    pub(super) const fn reader(&mut self) -> Option<&mut TaskReader> {
        if self.wanted { self.reader.as_mut() } else { None }
    }

    /// How many lists of them were longer than is read.
    pub(super) fn cut(&self) -> u64 {
        self.reader.as_ref().map_or(0, TaskReader::cut)
    }

    /// The seat of a task of this function, which is told from now on by its `name` if it was given one.
    pub(super) fn seat(
        &mut self,
        (seen, label): (&Seen, Label),
        (thread, function): (ThreadId, Option<&Arc<Function>>),
        name: impl FnOnce(&TaskReader) -> Option<String>,
    ) -> ThreadId {
        let Self { reader, seats, .. } = self;
        let Some(function) = function else {
            seats.keep(seen.thread, label);
            return thread;
        };
        let given = || name(reader.as_ref()?);
        seats.take(seen.thread, label, thread, function, given)
    }

    /// A look is over; gives the names that are to be told.
    pub(super) fn end(&mut self) -> Vec<(ThreadId, String)> {
        self.seats.end()
    }
}

/// Who sits where. A server has millions of tasks in its life and some hundreds at a time; what is shown and kept is by
/// seats, of which there are as many as there were tasks of a function at a time.
#[derive(Debug, Default)]
struct Seats {
    taken: FxHashMap<Address, Seat>,
    /// By thread and by what their tasks have in common: those that are free.
    free: FxHashMap<(ThreadId, Kin), Vec<u32>>,
    /// Those that have become free in this look. If they were taken in the next, it would look as if nobody had left.
    freed: Vec<(ThreadId, Kin, u32)>,
    count: u32,
    given: usize,
    look: u64,
    news: Vec<(ThreadId, String)>,
}

/// What the tasks that may have a seat one after the other have in common: the name that the program has given, or the
/// function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kin {
    Given(u64),
    Function(Arc<Function>),
}

#[derive(Debug)]
struct Seat {
    label: Label,
    thread: ThreadId,
    function: Arc<Function>,
    kin: Kin,
    number: u32,
    look: u64,
}

impl Seats {
    fn take(
        &mut self,
        task: Address,
        label: Label,
        thread: ThreadId,
        function: &Arc<Function>,
        given: impl FnOnce() -> Option<String>,
    ) -> ThreadId {
        let look = self.look;
        if let Some(seat) = self.taken.get_mut(&task) {
            if seat.label == label && seat.thread == thread && same(&seat.function, function) {
                seat.look = look;
                return ThreadId { seat: seat.number, ..thread };
            }
            let seat = self.taken.remove(&task);
            self.freed.extend(seat.map(|seat| (seat.thread, seat.kin, seat.number)));
        }
        let kin = match label {
            Label::Given(name) if self.given < MOST_GIVEN => Kin::Given(name),
            _ => Kin::Function(Arc::clone(function)),
        };
        let free = self.free.get_mut(&(thread, kin.clone())).and_then(Vec::pop);
        let number = free.unwrap_or_else(|| {
            self.count = self.count.wrapping_add(1).max(1);
            self.given += usize::from(matches!(kin, Kin::Given(_)));
            self.count
        });
        let id = ThreadId { seat: number, ..thread };
        let name = match label {
            Label::Number(number) => format!("Task-{number}"),
            Label::Given(_) => given().map_or_else(|| "Task".to_owned(), |name| cut(&name)),
        };
        self.news.push((id, format!("{name} ({})", local_name(&function.name))));
        let function = Arc::clone(function);
        self.taken.insert(task, Seat { label, thread, function, kin, number, look });
        id
    }

    /// One that does not wait, since it runs: it will come back.
    fn keep(&mut self, task: Address, label: Label) {
        if let Some(seat) = self.taken.get_mut(&task).filter(|seat| seat.label == label) {
            seat.look = self.look;
        }
    }

    fn end(&mut self) -> Vec<(ThreadId, String)> {
        for (thread, kin, number) in self.freed.drain(..) {
            self.free.entry((thread, kin)).or_default().push(number);
        }
        let look = self.look;
        let left = self.taken.extract_if(|_, seat| seat.look != look);
        self.freed.extend(left.map(|(_, seat)| (seat.thread, seat.kin, seat.number)));
        self.look += 1;
        std::mem::take(&mut self.news)
    }
}

fn same(one: &Arc<Function>, other: &Arc<Function>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: ThreadId = ThreadId { tid: 7, interpreter: 0, seat: 0 };

    fn function(name: &str) -> Arc<Function> {
        Arc::new(Function { file: "/a.py".into(), name: name.into(), first_line: 1 })
    }

    /// One look at tasks, each at an address, with a number and of a function: their seats, and what is news.
    fn look(seats: &mut Seats, tasks: &[(u64, u64, &Arc<Function>)]) -> (Vec<u32>, Vec<String>) {
        let take = |(at, number, function): &(u64, u64, &Arc<Function>)| {
            seats.take(Address(*at), Label::Number(*number), THREAD, function, || None).seat
        };
        let numbers = tasks.iter().map(take).collect();
        (numbers, seats.end().into_iter().map(|(_, name)| name).collect())
    }

    #[test]
    fn a_seat_is_empty_for_a_look_before_the_next_one_has_it() {
        let (serve, other) = (function("main.<locals>.serve"), function("other"));
        let mut seats = Seats::default();
        assert_eq!(
            look(&mut seats, &[(8, 1, &serve), (16, 2, &serve)]),
            (vec![1, 2], vec!["Task-1 (serve)".to_owned(), "Task-2 (serve)".to_owned()])
        );
        assert_eq!(look(&mut seats, &[(8, 1, &serve), (16, 2, &serve)]), (vec![1, 2], vec![]));
        // Another one is where the first was, in the very next look: it has another seat.
        assert_eq!(look(&mut seats, &[(8, 3, &serve)]), (vec![3], vec!["Task-3 (serve)".to_owned()]));
        // The first seat has stood empty for a look. Nobody else's function gets it.
        assert_eq!(look(&mut seats, &[(8, 3, &serve), (24, 4, &other)]).0, [3, 4]);
        let (numbers, names) = look(&mut seats, &[(8, 3, &serve), (16, 5, &serve), (32, 6, &serve)]);
        assert!(numbers[0] == 3 && numbers[1] < 3 && numbers[2] < 3, "{numbers:?}");
        assert_eq!(names, ["Task-5 (serve)", "Task-6 (serve)"]);
        assert_eq!(seats.count, 4);
    }

    #[test]
    fn who_runs_keeps_its_seat() {
        let serve = function("serve");
        let mut seats = Seats::default();
        assert_eq!(look(&mut seats, &[(8, 1, &serve), (16, 2, &serve)]).0, [1, 2]);
        for _ in 0..3 {
            seats.keep(Address(8), Label::Number(1));
            // Another one is where the second was, and runs.
            seats.keep(Address(16), Label::Number(3));
            seats.end();
        }
        let (numbers, names) = look(&mut seats, &[(8, 1, &serve), (16, 3, &serve)]);
        assert_eq!((numbers, names), (vec![1, 2], vec!["Task-3 (serve)".to_owned()]));
    }

    #[test]
    fn names_that_are_given_are_not_kept_for_ever() {
        let serve = function("serve");
        let mut seats = Seats::default();
        for number in 0..2 * MOST_GIVEN as u64 {
            let name = || Some("x".repeat(100));
            seats.take(Address(8 + 8 * number), Label::Given(number), THREAD, &serve, name);
            let news = seats.end();
            assert_eq!(news.len(), 1);
            assert!(news[0].1.ends_with("x… (serve)") && news[0].1.len() < 90, "{}", news[0].1);
        }
        assert!(seats.count < MOST_GIVEN as u32 + 8, "{}", seats.count);
    }
}
