//! The loop of the list of processes: lists, time, keys, attempts, picture.

use std::io;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use crossterm::event::{self, Event as Input, KeyEventKind};
use signal_hook::consts::SIGSTOP;

use super::options::Options;
use super::picker::{self, Act, Candidate, Picker, Wish};
use super::terminal::{self, Readiness, Terminal};
use super::{Error, FIRST_TURN, Signals, TURN, now, picker_pane};

/// A terminal that is taken already. Dropped, it is given back.
#[derive(Debug)]
pub struct Held(pub(super) Terminal);

impl Held {
    /// The terminal that is held; or else it is taken now.
    pub(super) fn or_take(held: Option<Self>, mouse: bool) -> io::Result<Terminal> {
        held.map_or_else(|| Terminal::take(mouse), |Self(terminal)| Ok(terminal))
    }
}

/// Lets a person choose among `lists` of processes, of which the newest counts; in the terminal that is `held`, if one is.
/// `attach` is tried on what was chosen: it gives sentences if that cannot be, and the choice goes on. Nothing, if nobody
/// was chosen.
pub fn pick<T>(
    options: &Options,
    held: Option<Held>,
    lists: &Receiver<Vec<Candidate>>,
    attach: &mut dyn FnMut(u32) -> Result<T, String>,
) -> Result<Option<(T, Held)>, Error> {
    let signals = Signals::note()?;
    let panics = terminal::watch_panics();
    let mut terminal = Held::or_take(held, options.mouse)?;
    let mut picker = Picker::new(options, crossterm::terminal::size()?);
    loop {
        picker::update(&mut picker, Act::Now(now()));
        for list in lists.try_iter() {
            picker::update(&mut picker, Act::Listed(list));
        }
        if let Ok(panic) = panics.try_recv() {
            return Err(Error::Panicked(panic));
        }
        if let Some((width, height)) = signals.new_size()? {
            picker::update(&mut picker, Act::Resized(width, height));
        }
        draw(&mut picker, &mut terminal)?;
        let wish = match look_at_input(&mut picker) {
            _ if signals.stopped() => return Ok(None),
            Ok(None) if signals.suspend.swap(false, Ordering::Relaxed) => Some(Wish::Suspend),
            wish => wish?,
        };
        match wish {
            None => {}
            Some(Wish::Leave) => return Ok(None),
            Some(Wish::Suspend) => {
                terminal.lend(|| signal_hook::low_level::raise(SIGSTOP))??;
                let (width, height) = crossterm::terminal::size()?;
                picker::update(&mut picker, Act::Resized(width, height));
            }
            Some(Wish::Attach(pid)) => match attach(pid) {
                Ok(attached) => return Ok(Some((attached, Held(terminal)))),
                Err(why) => drop(picker::update(&mut picker, Act::Refused(why))),
            },
        }
    }
}

/// Waits for keys and the mouse, and takes them in until something is wished for.
fn look_at_input(picker: &mut Picker) -> Result<Option<Wish>, Error> {
    // Nobody waits for the others as for the first list.
    let readiness = terminal::wait(if picker.listed { TURN } else { FIRST_TURN })?;
    let mut any = false;
    while event::poll(std::time::Duration::ZERO)? {
        any = true;
        let act = match event::read()? {
            Input::Key(key) if key.kind != KeyEventKind::Release => picker::pressed(picker, key),
            Input::Mouse(event) => picker::pointed(event),
            _ => None,
        };
        let wish = act.and_then(|act| picker::update(picker, act));
        if wish.is_some() {
            return Ok(wish);
        }
    }
    if readiness == Readiness::Readable && !any {
        terminal::rouse()?;
    }
    Ok(None)
}

fn draw(picker: &mut Picker, terminal: &mut Terminal) -> Result<(), Error> {
    if !picker.dirty {
        return Ok(());
    }
    if terminal.drawn_size() != picker.size {
        terminal.resize(picker.size)?;
    }
    terminal.draw(|picture| picker_pane::paint(picker, picture))?;
    picker.dirty = false;
    Ok(())
}
