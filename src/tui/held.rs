//! The terminal while it is ours, with what is noted meanwhile: signals, and panics of other threads. It goes from the list
//! of processes to the view and back, and nothing that comes in between is lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Receiver;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use super::input;
use super::terminal::{self, Terminal};

/// Signals, noted as they arrive.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// To end.
    stop: Arc<AtomicBool>,
    /// To stand still.
    suspend: Arc<AtomicBool>,
    /// That the terminal has another size. crossterm 0.29 loses this one if a key comes at the same moment.
    resized: Arc<AtomicBool>,
}

impl Signals {
    fn note() -> io::Result<Self> {
        let signals = Self::default();
        for signal in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] {
            signal_hook::flag::register(signal, Arc::clone(&signals.stop))?;
        }
        signal_hook::flag::register(SIGTSTP, Arc::clone(&signals.suspend))?;
        signal_hook::flag::register(SIGWINCH, Arc::clone(&signals.resized))?;
        Ok(signals)
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Was there a signal to stand still? It is obeyed once.
    pub(super) fn suspended(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }

    /// The size of the terminal, if it has another one since it was asked for.
    pub(super) fn new_size(&self) -> io::Result<Option<(u16, u16)>> {
        self.resized.swap(false, Ordering::Relaxed).then(crossterm::terminal::size).transpose()
    }
}

/// A terminal that is taken. Dropped, it is given back.
#[derive(Debug)]
pub struct Held {
    pub(super) terminal: Terminal,
    pub(super) signals: Signals,
    /// Of threads other than that which holds it.
    pub(super) panics: Receiver<String>,
}

impl Held {
    /// Takes the terminal, and the mouse if that is wanted.
    ///
    /// # Errors
    ///
    /// There is no terminal that can be used.
    pub fn take(mouse: bool) -> io::Result<Self> {
        let signals = Signals::note()?;
        let panics = terminal::watch_panics();
        input::open()?;
        Ok(Self { terminal: Terminal::take(mouse, &signals.stop)?, signals, panics })
    }
}
