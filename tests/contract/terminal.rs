//! A terminal in which our program is the command: its screen is read, keys are pressed, its size changes.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use pyflame_tui::target::launch::launch_at;
use pyflame_tui::target::{Child, End, Pty, pty};

use crate::profiler::program;
use crate::whole::whole;

/// Long, because the machine may be busy with all other tests at the same time.
const LONGEST: Duration = Duration::from_secs(60);

/// The program on a terminal. The terminal hangs up when this is dropped.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    line: pty::Line,
    screen: vt100::Parser,
    written: Vec<u8>,
    /// So many of them are on the screen.
    shown: usize,
}

impl Terminal {
    /// Starts it with these words on a terminal of so many columns and rows.
    pub(crate) fn start(words: &[&str], (columns, rows): (u16, u16)) -> Self {
        let pty = Pty::open((columns, rows)).unwrap();
        let seat = pty.seat(vec![
            ("TERM", Some("xterm-256color")),
            ("COLORTERM", None),
            ("NO_COLOR", None),
            ("PYTHONDONTWRITEBYTECODE", Some("1")),
        ]);
        let mut command = vec![program().into()];
        command.extend(words.iter().map(Into::into));
        let child = launch_at(&command, Some(&seat), None).unwrap();
        let line = pty.listen().unwrap();
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        Self { child, line, screen, written: Vec::new(), shown: 0 }
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// All bytes that the terminal was sent.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// Is the screen the program's, and not the shell's?
    pub(crate) fn is_taken(&self) -> bool {
        self.screen.screen().alternate_screen()
    }

    pub(crate) fn press(&self, keys: &str) {
        self.line.input.send(keys.as_bytes().into()).unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
        self.line.size.set((columns, rows));
    }

    /// Waits until these words are on the screen.
    #[track_caller]
    pub(crate) fn expect(&mut self, words: &str) {
        self.until(&format!("{words:?}"), |terminal| terminal.text().contains(words));
    }

    /// Waits until it is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "not within a minute: {what}\n{}", self.text());
            self.listen(Duration::from_millis(20));
        }
    }

    /// Takes in what is written, for this long at most; whether more may come.
    fn listen(&mut self, longest: Duration) -> bool {
        let heard = self.line.output.recv_timeout(longest);
        if let Ok(bytes) = &heard {
            self.written.extend_from_slice(bytes);
            let whole = whole(&self.written).max(self.shown);
            self.screen.process(&self.written[self.shown..whole]);
            self.shown = whole;
        }
        heard != Err(RecvTimeoutError::Disconnected)
    }

    /// Waits for its end and for all that it wrote.
    #[track_caller]
    pub(crate) fn end(&mut self) -> End {
        let deadline = Instant::now() + LONGEST;
        loop {
            self.listen(Duration::from_millis(5));
            if let Some(end) = self.child.end() {
                // Nobody is left at the other end: the line says so behind the last word.
                while self.listen(Duration::from_millis(20)) {
                    assert!(Instant::now() < deadline, "the line is still open\n{}", self.text());
                }
                return end;
            }
            assert!(Instant::now() < deadline, "it did not end\n{}", self.text());
        }
    }
}
