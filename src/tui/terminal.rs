//! The terminal, borrowed: raw mode, the other screen and the mouse are taken here and given back
//! here, whatever happens. Nothing here knows what is drawn.

use std::io::{self, BufWriter, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, unbounded};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{clipboard::CopyToClipboard, cursor, execute, queue, style};
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
