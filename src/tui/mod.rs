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
mod effects;
mod find;
pub mod flame;
mod flame_pane;
mod footer;
mod header;
pub mod keys;
pub mod layout;
pub mod mouse;
mod navigate;
mod options;
mod overlay;
mod overlay_pane;
pub mod picture;
mod save;
mod signs;
mod source;
mod source_pane;
pub mod state;
mod states;
pub mod still;
mod summary;
mod terminal;
mod text;
pub mod theme;
mod threads_pane;
mod time;
mod timeline;
mod top_pane;
pub mod update;
pub mod view;

use std::fmt::{self, Display};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use crossterm::event::{self, Event as Input, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub use options::Options;
pub use source::Text;
pub use summary::Summary;

use crate::sample::{Command, Event, Micros};
use action::Action;
use effects::World;
use keys::Key;
use mouse::Mouse;
use state::State;
use terminal::Terminal;

/// How long the loop waits for a key before it looks at the channel again: samples are taken in by
/// the handful, which costs less than waking up for each.
const TURN: Duration = Duration::from_millis(40);
/// The same before the first picture, which somebody is waiting for.
const FIRST_TURN: Duration = Duration::from_millis(5);
/// Pictures that nobody asked for with a key or the mouse are at least so far apart.
const BETWEEN_PICTURES: Duration = Duration::from_millis(100);
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

/// Shows what the sampler says. `first` is what it said already (so that errors of attaching can be
/// told before the screen is taken); `q` sends it [`Command::Stop`]. The summary is for the caller to
/// print: it is what stays on the normal screen.
pub fn run(
    first: Vec<Event>,
    events: &Receiver<Event>,
    commands: &Sender<Command>,
    options: Options,
) -> Result<Summary, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let panics = terminal::watch_panics();
    let terminal = Terminal::take(options.mouse)?;
    let mut state = State::new(options, crossterm::terminal::size()?);
    let mut world = World::new(terminal, commands.clone());
    update::update(&mut state, Action::Now(now()));
    for event in first {
        update::update(&mut state, Action::Sampled(event));
    }
    let left = watch(&mut state, &mut world, events, &|| stop.load(Ordering::Relaxed), &panics);
    // A sampler that is gone already has nothing to stop.
    let _ = commands.try_send(Command::Stop);
    drop(world);
    match left {
        // A terminal that went away with SIGHUP cannot be read or drawn on: that is no error then.
        Err(Error::Terminal(_)) if stop.load(Ordering::Relaxed) => {}
        left => left?,
    }
    Ok(Summary::of(&state))
}

/// The loop: events, time, keys, effects, picture.
fn watch(
    state: &mut State,
    world: &mut World,
    events: &Receiver<Event>,
    stopped: &dyn Fn() -> bool,
    panics: &Receiver<String>,
) -> Result<(), Error> {
    let mut mouse = Mouse::default();
    let mut drawn: Option<Instant> = None;
    loop {
        listen(state, events);
        update::update(state, Action::Now(now()));
        let wait = turn(state);
        let asked = look_at_input(state, &mut mouse, wait)?;
        world.report(state);
        if !world.perform(state)? || stopped() {
            return Ok(());
        }
        if let Ok(panic) = panics.try_recv() {
            return Err(Error::Panicked(panic));
        }
        let due = drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_PICTURES);
        if state.dirty && (asked || due) {
            if world.terminal.drawn_size() != state.size {
                world.terminal.resize(state.size)?;
            }
            world.terminal.draw(|frame| picture::paint(state, frame.buffer_mut()))?;
            state.dirty = false;
            drawn = Some(Instant::now());
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

fn turn(state: &State) -> Duration {
    if state.dirty || state.profile.first_at().is_none() { FIRST_TURN } else { TURN }
}

/// Waits for keys and the mouse, and takes in all that there are: a held key must not queue pictures.
fn look_at_input(state: &mut State, mouse: &mut Mouse, wait: Duration) -> io::Result<bool> {
    terminal::wait(wait)?;
    let mut any = false;
    while event::poll(Duration::ZERO)? {
        any = true;
        let actions = match event::read()? {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                update::pressed(state, Key::pressed(key)).into_iter().collect()
            }
            Input::Mouse(event) => mouse.meaning(state, event, now()),
            Input::Resize(width, height) => vec![Action::Resized(width, height)],
            _ => Vec::new(),
        };
        for action in actions {
            update::update(state, action);
        }
        if !state.effects.is_empty() {
            break;
        }
    }
    Ok(any)
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
