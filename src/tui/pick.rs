//! The loop of the list of processes: lists, time, keys, attempts, picture.

use crossbeam_channel::Receiver;
use crossterm::event::{Event, KeyEventKind};

use super::held::Held;
use super::input::{self, Input, Readiness};
use super::options::Options;
use super::picker::{self, Act, Candidate, Picker, Wish};
use super::terminal::Terminal;
use super::{Error, FIRST_TURN, TURN, now, picker_pane};

/// Why nothing comes of ^Z where there is no shell that could continue us.
pub(super) const NO_SHELL: &str = "nobody here could continue us: ^Z takes a shell that started us";

/// What came of turning to something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked<T> {
    /// This was chosen, and attached to.
    Chosen(T),
    /// The process that was watched before goes on to be watched.
    Back,
    /// So it does, since the other one cannot be watched, for this reason.
    Refused(String),
    /// Somebody has seen enough.
    Left,
}

/// Lets a person choose among `lists` of processes, of which the newest counts. `attach` is tried on what was chosen: it
/// gives sentences if that cannot be, and the choice goes on. Esc leads back to the process that was `watched` before,
/// as choosing it again does.
pub fn pick<T>(
    options: &Options,
    held: &mut Held,
    lists: &Receiver<Vec<Candidate>>,
    watched: Option<u32>,
    attach: &mut dyn FnMut(u32) -> Result<T, String>,
) -> Result<Picked<T>, Error> {
    let Held { terminal, signals, panics } = held;
    let mut picker = Picker::new(options, crossterm::terminal::size()?);
    picker.watched = watched;
    let mut input = Input::default();
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
        match draw(&mut picker, terminal) {
            // Nobody reads.
            Err(_) if signals.stopped() => return Ok(Picked::Left),
            drawn => drawn?,
        }
        let wish = match look_at_input(&mut picker, &mut input) {
            _ if signals.stopped() => return Ok(Picked::Left),
            Ok(None) if signals.suspended() => Some(Wish::Suspend),
            wish => wish?,
        };
        match wish {
            None => {}
            Some(Wish::Leave) => return Ok(Picked::Left),
            Some(Wish::Back) => return Ok(Picked::Back),
            Some(Wish::Suspend) => {
                let stood = terminal.lend(options.stand_still)?;
                let (width, height) = crossterm::terminal::size()?;
                picker::update(&mut picker, Act::Resized(width, height));
                if !stood {
                    picker::update(&mut picker, Act::Refused(NO_SHELL.to_owned()));
                }
            }
            Some(Wish::Attach(pid)) => match attach(pid) {
                Ok(attached) => return Ok(Picked::Chosen(attached)),
                Err(why) => drop(picker::update(&mut picker, Act::Refused(why))),
            },
        }
    }
}

/// Waits for keys and the mouse, and takes them in until something is wished for.
fn look_at_input(picker: &mut Picker, input: &mut Input) -> Result<Option<Wish>, Error> {
    // Nobody waits for the others as for the first list.
    let readiness = input::wait(if picker.listed { TURN } else { FIRST_TURN })?;
    let mut any = false;
    while let Some(event) = input.next()? {
        any = true;
        let act = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => picker::pressed(picker, key),
            Event::Mouse(event) => picker::pointed(event),
            _ => None,
        };
        let wish = act.and_then(|act| picker::update(picker, act));
        if wish.is_some() {
            return Ok(wish);
        }
    }
    if readiness == Readiness::Readable && !any {
        input::rouse()?;
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
