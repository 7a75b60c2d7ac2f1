//! The terminal, borrowed: raw mode, the other screen and the mouse are taken here and given back
//! here, whatever happens. Nothing here knows what is drawn.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{clipboard::CopyToClipboard, cursor, execute, queue, style};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::changed::changed;
use super::line::Line;

/// The terminal is ours. A panic's hook must know without asking the thread that panicked.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Terminal {
    line: Line,
    screen: CrosstermBackend<BufWriter<Pictures>>,
    /// What it shows.
    drawn: Buffer,
    /// Room for the next picture.
    next: Buffer,
    mouse: bool,
}

impl Terminal {
    /// Takes the terminal, until we are told to end.
    pub(super) fn take(mouse: bool, stop: &Arc<AtomicBool>) -> io::Result<Self> {
        // The theme obeys NO_COLOR; crossterm 0.29's own way of obeying it writes `ESC[;m`, which
        // also wipes reverse and bold.
        style::force_color_output(true);
        let line = Line::open(stop);
        let screen = CrosstermBackend::new(BufWriter::with_capacity(64 << 10, Pictures(line)));
        let (drawn, next) = (Buffer::default(), Buffer::default());
        let mut terminal = Self { line, screen, drawn, next, mouse };
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        execute!(self.line, EnterAlternateScreen, cursor::Hide)?;
        self.mouse(self.mouse)?;
        self.resize(crossterm::terminal::size()?)
    }

    /// Begins with an empty screen of this size.
    pub(super) fn resize(&mut self, (width, height): (u16, u16)) -> io::Result<()> {
        self.drawn = Buffer::empty(Rect::new(0, 0, width, height));
        self.next = self.drawn.clone();
        queue!(self.screen, Clear(ClearType::All))
    }

    /// Takes the mouse or leaves it to the terminal's own selection.
    pub(super) fn mouse(&mut self, ours: bool) -> io::Result<()> {
        self.mouse = ours;
        if ours { execute!(self.line, EnableMouseCapture) } else { execute!(self.line, DisableMouseCapture) }
    }

    /// Gives the terminal to somebody else for as long as `work` takes: a shell, an editor.
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        give_back();
        let result = work();
        self.enter()?;
        Ok(result)
    }

    /// Draws a picture: one update, which a terminal that can shows as a whole.
    pub(super) fn draw(&mut self, paint: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.next.reset();
        paint(&mut self.next);
        queue!(self.screen, BeginSynchronizedUpdate)?;
        self.screen.draw(changed(&self.drawn, &self.next).into_iter())?;
        queue!(self.screen, EndSynchronizedUpdate)?;
        std::mem::swap(&mut self.drawn, &mut self.next);
        Write::flush(&mut self.screen)
    }

    /// The size that pictures have.
    pub(super) const fn drawn_size(&self) -> (u16, u16) {
        (self.drawn.area.width, self.drawn.area.height)
    }

    /// Puts `text` on the clipboard of whoever sits at the terminal, over ssh too.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.line, CopyToClipboard::to_clipboard_from(text))
    }
}

/// The line while it shows pictures: what is left of one that was cut off is not for whom the terminal was given back to.
#[derive(Debug)]
struct Pictures(Line);

impl Write for Pictures {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if TAKEN.load(Ordering::SeqCst) { self.0.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Does something with what keys come from: standard input or, where that is no terminal, what crossterm reads from then.
fn with_input<T>(work: impl FnOnce(BorrowedFd<'_>) -> nix::Result<T>) -> io::Result<T> {
    let stdin = io::stdin();
    Ok(if stdin.is_terminal() { work(stdin.as_fd()) } else { work(File::open("/dev/tty")?.as_fd()) }?)
}

/// Is there something to be read?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// There is.
    Readable,
    /// There was nothing in time.
    Nothing,
}

/// Waits for input, but no longer than this; an error if the terminal is gone. crossterm 0.29 must not be asked then: it
/// goes round and round in its own reading of a terminal that has hung up, and never comes back.
pub(super) fn wait(longest: Duration) -> io::Result<Readiness> {
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    let seen = with_input(|input| {
        let mut asked = [PollFd::new(input, PollFlags::POLLIN)];
        match poll(&mut asked, timeout) {
            // A signal: a new size, or an end.
            Ok(_) | Err(Errno::EINTR) => Ok(asked.first().and_then(PollFd::revents)),
            Err(error) => Err(error),
        }
    })?;
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match seen {
        Some(seen) if seen.intersects(gone) => Err(io::ErrorKind::NotConnected.into()),
        Some(seen) if seen.contains(PollFlags::POLLIN) => Ok(Readiness::Readable),
        _ => Ok(Readiness::Nothing),
    }
}

/// Makes crossterm look at input that it has overlooked. Version 0.29 is told of keys once, by the edge, and forgets them
/// over a new size that comes at the same moment: they would lie there until the next key. To set the line's manners, be it
/// to what they are, wakes all who wait for it.
pub(super) fn rouse() -> io::Result<()> {
    with_input(|input| tcsetattr(input, SetArg::TCSANOW, &tcgetattr(input)?))
}

/// Leaves the terminal as it was; harmless if it is not ours. Errors have nobody to go to.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A picture may have been cut off in the middle of a colour.
        let plain = style::SetAttribute(style::Attribute::Reset);
        let _ = execute!(
            Line,
            plain,
            EndSynchronizedUpdate,
            DisableMouseCapture,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// Makes a panic leave the terminal whole. One of this thread gives it back at once and is then
/// reported as ever; one of another thread (the sampler's) arrives as a sentence, for this thread
/// to leave in order: were the terminal given back under its feet, it would draw over the report.
pub(super) fn watch_panics() -> Receiver<String> {
    let (sender, receiver) = unbounded();
    let own = thread::current().id();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == own || !TAKEN.load(Ordering::SeqCst) {
            give_back();
            before(panic);
        } else {
            let name = thread::current().name().unwrap_or("a thread").to_owned();
            let _ = sender.send(format!("{name}: {panic}"));
        }
    }));
    receiver
}
