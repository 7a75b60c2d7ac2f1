//! A terminal for the program: a pty of its own, whose other end we read.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::eventually;
use crate::interpreters::python3;
use crate::profiler::program;
use crate::whole::whole;

/// A run on a terminal; killed when dropped.
pub(crate) struct Screen {
    pub(crate) child: Child,
    pub(crate) master: File,
    slave: OwnedFd,
    said: Arc<Mutex<Said>>,
}

/// What was written to a terminal: as it came, and as it looks.
struct Said {
    bytes: Vec<u8>,
    /// So many of them are to be seen.
    shown: usize,
    terminal: vt100::Parser,
}

impl Said {
    fn hear(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let whole = whole(&self.bytes).max(self.shown);
        self.terminal.process(&self.bytes[self.shown..whole]);
        self.shown = whole;
    }
}

/// The program with these words, on a terminal of 160 by 48.
pub(crate) fn live(words: &[&str]) -> Screen {
    let mut command = Command::new("setsid");
    // It execs the program: the number stays. The terminal is that of a session of its own, as a shell's is.
    command.arg("--ctty").arg(program()).args(words);
    on_screen(&mut command)
}

/// The same, under something that can continue it when it stands still: a shell with job control, as far as that goes.
pub(crate) fn live_under_shell(words: &[&str]) -> Screen {
    let shell = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/shell.py");
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(&python3().command).arg(shell).arg(program()).args(words);
    on_screen(&mut command)
}

/// Any command on such a terminal.
pub(crate) fn on_screen(command: &mut Command) -> Screen {
    let size = Winsize { ws_row: 48, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("COLORTERM");
    let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    let master = File::from(pty.master);
    let [rows, columns] = [size.ws_row, size.ws_col].map(|cells| NonZero::new(cells).unwrap());
    let said = Said { bytes: Vec::new(), shown: 0, terminal: vt100::Parser::new(rows, columns, 0) };
    let said = Arc::new(Mutex::new(said));
    let (mut from, to) = (master.try_clone().unwrap(), Arc::clone(&said));
    let read = move || {
        let mut bytes = vec![0; 1 << 16];
        // Ends with the last end that is open: ours, too.
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            to.lock().unwrap().hear(&bytes[..count]);
        }
    };
    std::thread::Builder::new().name("terminal".into()).spawn(read).unwrap();
    Screen { child, master, slave: pty.slave, said }
}

impl Screen {
    /// All that was written to the terminal so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.said.lock().unwrap().bytes.clone()
    }

    /// What is to be seen on it.
    pub(crate) fn text(&self) -> String {
        self.said.lock().unwrap().terminal.screen().contents()
    }

    /// Waits until these words are to be seen.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.text().contains(words) {
            assert!(Instant::now() < deadline, "no {words:?} on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It is the live view, with stacks in it.
    #[track_caller]
    pub(crate) fn is_live(&self) {
        self.shows("Timeline");
        self.shows("toil");
    }

    /// Is the live view on the terminal's other screen?
    pub(crate) fn is_taken(&self) -> bool {
        self.said.lock().unwrap().terminal.screen().alternate_screen()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end; its status, as a shell says it.
    #[track_caller]
    pub(crate) fn end(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            }
            assert!(Instant::now() < deadline, "it did not end: {}", self.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The terminal is as it was before: no raw mode, the normal screen, the cursor, no mouse.
    #[track_caller]
    pub(crate) fn is_given_back(&self) {
        let mode = tcgetattr(&self.slave).unwrap().local_flags;
        assert!(mode.contains(LocalFlags::ICANON | LocalFlags::ECHO), "{mode:?}");
        // What was written last may still be on its way to us.
        eventually("all that was turned on is off again", || {
            let said = self.said.lock().unwrap();
            let screen = said.terminal.screen();
            let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
            !screen.alternate_screen() && !screen.hide_cursor() && !mouse
        });
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
