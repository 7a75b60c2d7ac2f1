//! The thread that owns the target: the clock, one look after the other, and what is said of them. It never waits
//! for whoever listens: a sample that finds the channel full is dropped and counted.

mod apart;
mod asleep;
pub mod clock;
mod company;
pub mod cost;
mod crowd;
mod decode;
pub mod find;
mod free;
pub mod govern;
mod held;
mod holders;
mod idle;
mod in_place;
pub mod look;
mod miss;
pub mod names;
mod others;
mod place;
mod placing;
mod remembered;
mod row;
pub mod states;
mod tasks;
pub mod tids;
mod trail;
mod turn;
mod unstopped;

use std::ffi::OsString;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::python::locate::Python;
use crate::python::tasks::are_told;
use crate::python::version::Version;
use crate::sample::{Command, Ending, Event};
use crate::target::launch::{End, LaunchError};
use crate::target::{AttachError, Seat, User};

use cost::Cost;
use find::Found;
use look::Scope;
use turn::Turns;

pub use find::FindError;

/// What is to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// A process that runs already.
    Process(u32),
    /// A command to be launched and followed to its end.
    Command(Vec<OsString>),
}

/// How long to sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// One look.
    Once,
    /// This long.
    For(Duration),
    /// As long as the target lives, or until told to stop.
    ToTheEnd,
}

/// May the target be touched?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopping {
    /// The thread that is read stands still for some ten microseconds.
    Brief,
    /// Nothing is ever stopped.
    Never,
}

/// What of the processes that the watched one starts?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subprocesses {
    /// They are left alone.
    Ignored,
    /// Those that run a Python are looked at, too, and those that they start.
    Watched,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whom to watch.
    pub watch: Watch,
    /// Whom a command is to run as; as ourselves where this is none.
    pub user: Option<User>,
    /// The layout to use where the target hides its version.
    pub abi: Option<Version>,
    /// Mean time between two looks.
    pub interval: Duration,
    /// Look less often where that would stop the target for too great a share of the time.
    pub governed: bool,
    /// Which threads.
    pub scope: Scope,
    /// Of which processes.
    pub subprocesses: Subprocesses,
    /// In which manner.
    pub stopping: Stopping,
    /// How long.
    pub length: Length,
}

/// Why the sampling did not begin. The target, if there is one, was let go.
#[derive(Debug)]
pub enum StartError {
    /// The process with this number cannot be looked at.
    Attach(u32, AttachError),
    /// The command could not be run.
    Launch(LaunchError),
    /// The command, which is called a Python, had ended before it could be looked at.
    Ended(End),
    /// There is no Python in the process that could be read.
    Find(FindError),
    /// asyncio's tasks are wanted of a Python, this one, that does not say where they are.
    NoTasks(String),
    /// The sampler's thread could not be started, or ended without a word.
    Thread(std::io::Error),
}

/// A sampler at work.
#[derive(Debug)]
pub struct Sampler {
    /// What it says; ends with [`Event::Ended`].
    pub events: Receiver<Event>,
    /// What it can be told.
    pub commands: Sender<Command>,
    thread: JoinHandle<Cost>,
}

/// Events that may wait to be received: a fifth of a second's when samples are taken as fast as it goes. (A channel that is
/// bounded by itself has room for all of them from the start, a megabyte, and goes through it from end to end.)
const WAITING_EVENTS: usize = 8192;

impl Sampler {
    /// Starts the thread and waits until it has the target, so that all that can be wrong is known before a screen is
    /// taken. A command may take its time until it runs a Python: that is not waited for.
    pub fn start(plan: Plan) -> Result<Self, StartError> {
        Self::start_at(plan, None)
    }

    /// The same, with a terminal of its own for the command. The calling thread is unparked when the sampling has ended.
    pub fn start_at(plan: Plan, seat: Option<Seat>) -> Result<Self, StartError> {
        crate::target::open_many();
        let caller = std::thread::current();
        let (events_in, events) = unbounded();
        let (commands, commands_out) = unbounded();
        let (ready, started) = bounded(1);
        let thread = Builder::new()
            .name("sampler".to_owned())
            .spawn(move || {
                let cost = sample(&plan, seat.as_ref(), events_in, commands_out, &ready);
                caller.unpark();
                cost
            })
            .map_err(StartError::Thread)?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { events, commands, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Thread(std::io::Error::other("the sampler's thread has panicked"))),
        }
    }

    /// Waits for the thread to end, and says what the sampling cost. `None` if it has panicked.
    pub fn join(self) -> Option<Cost> {
        drop(self.commands);
        drop(self.events);
        self.thread.join().ok()
    }
}

fn sample(
    plan: &Plan,
    seat: Option<&Seat>,
    events: Sender<Event>,
    commands: Receiver<Command>,
    ready: &Sender<Result<(), StartError>>,
) -> Cost {
    let found = match find::open(plan, seat) {
        Ok(found) => found,
        Err(error) => {
            // The starter waits for exactly this.
            let _ = ready.send(Err(error));
            return Cost::new();
        }
    };
    let Found { target, python } = found;
    if plan.scope == Scope::Tasks
        && let Some(Python { layout, .. }) = &python
        && !are_told(layout)
    {
        let _ = ready.send(Err(StartError::NoTasks(layout.build.name(layout.version))));
        return Cost::new();
    }
    let _ = ready.send(Ok(()));
    // A sleep of 100 µs is to take that long, and not 50 µs more.
    let _ = nix::sys::prctl::set_timerslack(1);
    let mut turns = Turns::new(plan, events, commands);
    let ending = match plan.subprocesses {
        Subprocesses::Ignored => turns.run(target, python),
        Subprocesses::Watched => turns.run_family(target, python),
    };
    turns.end(ending)
}

/// What a sampler says at its end when nobody listens any more.
const UNHEARD: Ending = Ending::Detached;
