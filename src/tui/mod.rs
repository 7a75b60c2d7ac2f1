//! The screen. [`run`] takes the terminal, shows what the sampler says until somebody has seen enough,
//! and gives the terminal back. Everything that can happen is an [`action::Action`] and goes through
//! [`update::update`]; [`picture::paint`] makes a picture of the [`state::State`] and nothing else, so
//! that a whole session is a test without a terminal, a clock or a process.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts become shares, and shares become cells: numbers for people"
)]

pub mod action;
mod changed;
pub mod console;
mod console_pane;
mod effects;
mod find;
pub mod flame;
mod flame_pane;
mod footer;
mod header;
mod held;
mod input;
pub mod keys;
mod labels;
pub mod layout;
pub mod leaves;
mod line;
pub mod list;
pub mod mouse;
mod navigate;
mod options;
mod overlay;
mod overlay_pane;
mod pick;
pub mod picker;
pub mod picker_pane;
pub mod picture;
pub mod pools;
pub mod save;
mod signs;
mod source;
mod source_pane;
mod stack;
pub mod state;
mod states;
pub mod still;
mod summary;
mod switches;
mod terminal;
mod text;
pub mod theme;
mod threads_pane;
mod time;
mod timeline;
mod top_pane;
mod typing;
pub mod update;
pub mod view;
mod wire;

use std::fmt::{self, Display};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use crossterm::event::{Event as Typed, KeyEventKind};

pub use held::Held;
pub use options::Options;
pub use pick::{Picked, pick};
pub use source::Text;
pub use summary::Summary;
pub use wire::Wire;

use crate::fault;
use crate::profile::Profile;
use crate::sample::{Command, Event, Micros};
use action::{Action, Effect, Exit, Other};
use effects::World;
use input::{Input, Readiness};
use mouse::Mouse;
use state::State;

/// How long the loop waits for a key before it looks at the channel again: samples are taken in by
/// the handful, which costs less than waking up for each.
const TURN: Duration = Duration::from_millis(100);
/// The same where a command writes to a terminal of ours, or a picture is overdue.
const SHORT_TURN: Duration = Duration::from_millis(40);
/// A picture's samples are on their way for so long.
const ON_THEIR_WAY: Duration = Duration::from_millis(2);
/// The same before the first picture, which somebody is waiting for.
const FIRST_TURN: Duration = Duration::from_millis(5);
/// Pictures that nobody asked for with a key or the mouse are at least so far apart.
const BETWEEN_PICTURES: Duration = Duration::from_millis(100);
/// How long a command is expected to answer a key at once. Its answer is drawn without waiting for its turn: who
/// types should see what is typed.
const ANSWER: Duration = Duration::from_millis(100);
/// The sampler's last words come within a look, unless the machine has much else to do. Nobody loses time by this: that
/// it ends is waited for in any case.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Events taken in before keys are looked at again, however many are waiting.
const HANDFUL: usize = 50_000;

/// Why the viewer ended otherwise than by `q`.
#[derive(Debug)]
pub enum Error {
    /// The terminal cannot be used.
    Terminal(io::Error),
    /// A thread of ours panicked; the sentence that it left.
    Panicked(String),
}

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(error) => write!(out, "the terminal cannot be used: {error}"),
            Self::Panicked(words) => write!(out, "this is a bug, please report it: {words}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

/// The viewer ended otherwise than by `q`; what was seen until then is not lost with it.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// What was seen.
    pub profile: Box<Profile>,
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), profile: Box::default() }
    }
}

impl Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

/// Shows what the sampler says. `first` is what it said already (so that errors of attaching can be
/// told before the screen is taken); `q` sends it [`Command::Stop`]. The summary is for the caller to
/// print: it is what stays on the normal screen.
pub fn run(
    first: Vec<Event>,
    events: &Receiver<Event>,
    commands: &Sender<Command>,
    options: Options,
) -> Result<Summary, Failed> {
    run_with(first, events, commands, Given::default(), None, options).map(|left| left.summary)
}

/// What is there already when the viewer begins.
#[derive(Debug, Default)]
pub struct Given {
    /// The terminal, in which something was chosen.
    pub held: Option<Held>,
    /// The line to a command that runs on a terminal of ours.
    pub wire: Option<Wire>,
}

/// Begins to watch something else, which somebody may choose in the terminal that is held; what is watched waits until that
/// is done.
pub type Another<'a> = &'a mut dyn FnMut(&mut Held, Other) -> Result<Picked<()>, Error>;

/// What is there still when it has ended.
#[derive(Debug)]
pub struct Left {
    /// What stays on the normal screen.
    pub summary: Summary,
    /// The terminal, if another process was chosen in it.
    pub held: Option<Held>,
}

/// The same, with what is there already, and with the way to another process.
pub fn run_with(
    first: Vec<Event>,
    events: &Receiver<Event>,
    commands: &Sender<Command>,
    given: Given,
    mut another: Option<Another<'_>>,
    options: Options,
) -> Result<Left, Failed> {
    let held = given.held.map_or_else(|| Held::take(options.mouse), Ok)?;
    let mut state = State::new(options, crossterm::terminal::size()?);
    if let Some(wire) = &given.wire {
        // Ours may have changed since the command's was opened; the same size again tells nobody.
        (wire.resize)(console::size(state.size));
    }
    let mut world = World::new(held, commands.clone(), given.wire);
    update::update(&mut state, Action::Now(now()));
    for event in first {
        update::update(&mut state, Action::Sampled(event));
    }
    // A panic of ours must not take with it what was seen.
    let watched = catch_unwind(AssertUnwindSafe(|| {
        loop {
            let exit = watch(&mut state, &mut world, events)?;
            let (Exit::Process(other), Some(another)) = (exit, &mut another) else { return Ok(exit) };
            match world.leave_for(other, &mut state, another)? {
                Picked::Chosen(()) => return Ok(exit),
                Picked::Back | Picked::Refused(_) => {}
                Picked::Left => return Ok(Exit::Program),
            }
        }
    }));
    let left =
        watched.unwrap_or_else(|_| Err(Error::Panicked(fault::noted().unwrap_or_default().to_owned())));
    // A sampler that is gone already has nothing to stop.
    let _ = commands.try_send(Command::Stop);
    let World { held, .. } = world;
    let stopped = held.signals.stopped();
    // Told to end in the meantime, it goes no further.
    let held = (matches!(left, Ok(Exit::Process(_))) && !stopped).then_some(held);
    last_totals(&mut state, events);
    match left {
        // A terminal that went away with SIGHUP cannot be read or drawn on: that is no error then.
        Err(Error::Terminal(_)) if stopped => {}
        Err(error) => return Err(Failed { error, profile: Box::new(state.profile) }),
        Ok(_) => {}
    }
    Ok(Left { summary: Summary::of(&state), held })
}

/// The loop: events, time, keys, effects, picture; until somebody leaves.
fn watch(state: &mut State, world: &mut World, events: &Receiver<Event>) -> Result<Exit, Error> {
    let (mut mouse, mut input) = (Mouse::default(), Input::default());
    let mut drawn: Option<Instant> = None;
    loop {
        listen(state, events);
        let answered = hear(state, world);
        update::update(state, Action::Now(now()));
        // An answer is drawn now, and not when the next key comes.
        let wait = if answered { Duration::ZERO } else { turn(state, world, drawn) };
        let mut asked = look_at_input(state, &mut mouse, &mut input, wait)?;
        if let Some((width, height)) = world.held.signals.new_size()? {
            update::update(state, Action::Resized(width, height));
            asked = true;
        }
        world.report(state);
        if world.held.signals.suspended() {
            update::update(state, Action::Suspend);
        }
        fault::point("screen");
        let exit = world.perform(state)?;
        if let Some(exit) = exit.or_else(|| world.held.signals.stopped().then_some(Exit::Program)) {
            return Ok(exit);
        }
        if let Ok(panic) = world.held.panics.try_recv() {
            // What was sampled before it is to be kept, too.
            listen(state, events);
            return Err(Error::Panicked(panic));
        }
        let due = drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_PICTURES);
        if state.dirty && (asked || answered || due) {
            let terminal = &mut world.held.terminal;
            if terminal.drawn_size() != state.size {
                terminal.resize(state.size)?;
            }
            terminal.draw(|picture| picture::paint(state, picture))?;
            state.dirty = false;
            // A picture that says that there is nothing yet must not hold up the first of something.
            drawn = (!awaits_first(state, world)).then(Instant::now);
        }
    }
}

/// Takes in what the sampler said.
fn listen(state: &mut State, events: &Receiver<Event>) {
    for _ in 0..HANDFUL {
        match events.try_recv() {
            Ok(event) => update::update(state, Action::Sampled(event)),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                if state.profile.ending().is_none() && !state.silent {
                    update::update(state, Action::Silent);
                }
                return;
            }
        }
    }
}

/// The sampler's last word on what it did: what it said before may be a tenth of a second old, or may not have come yet.
/// Samples that come now are in no picture.
fn last_totals(state: &mut State, events: &Receiver<Event>) {
    let deadline = Instant::now() + LAST_WORDS;
    while let Ok(event) = events.recv_deadline(deadline) {
        match event {
            Event::Totals(_) => state.profile.record(&event),
            Event::Ended(_) => return,
            _ => {}
        }
    }
}

/// Takes in what the command wrote, but no more than its line holds: it must not keep us from the keys. Says whether
/// that was the answer to something typed.
fn hear(state: &mut State, world: &mut World) -> bool {
    let Some(wire) = &world.wire else { return false };
    let pieces: Vec<_> = wire.output.try_iter().take(wire.output.capacity().unwrap_or(1)).collect();
    let answered = !pieces.is_empty() && world.awaits_answer();
    if answered {
        world.asked = None;
    }
    for piece in pieces {
        update::update(state, Action::Output(piece));
    }
    answered
}

/// Somebody waits for a first picture, and nobody else draws on the screen.
fn awaits_first(state: &State, world: &World) -> bool {
    state.profile.first_at().is_none() && world.wire.is_none()
}

fn turn(state: &State, world: &World, drawn: Option<Instant>) -> Duration {
    match drawn {
        _ if awaits_first(state, world) || world.awaits_answer() => FIRST_TURN,
        // Until the next picture is due.
        Some(drawn) if state.dirty => {
            BETWEEN_PICTURES.saturating_sub(drawn.elapsed()).clamp(FIRST_TURN, TURN)
        }
        None => FIRST_TURN,
        _ if world.wire.is_some() => SHORT_TURN,
        _ => state.until_due().map_or(SHORT_TURN, |rest| (rest + ON_THEIR_WAY).clamp(FIRST_TURN, TURN)),
    }
}

/// Waits for keys and the mouse, and takes in all that there are: a held key must not queue pictures.
fn look_at_input(
    state: &mut State,
    mouse: &mut Mouse,
    input: &mut Input,
    wait: Duration,
) -> io::Result<bool> {
    let readiness = input::wait(wait)?;
    let mut any = false;
    while let Some(event) = input.next()? {
        any = true;
        let actions = match event {
            Typed::Key(key) if key.kind != KeyEventKind::Release => {
                update::pressed(state, key).into_iter().collect()
            }
            Typed::Mouse(event) => mouse.meaning(state, event, now()),
            _ => Vec::new(),
        };
        for action in actions {
            update::update(state, action);
        }
        // What is typed to a command is collected; all else is done before the next key is looked at.
        if state.effects.iter().any(|effect| !matches!(effect, Effect::Tell(_))) {
            break;
        }
    }
    if readiness == Readiness::Readable && !any {
        input::rouse()?;
    }
    Ok(any)
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
