//! A terminal and the program on it. Everything waits with a deadline, and shows the screen when it has passed.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, ttyname};
use tempfile::TempDir;
use vt100::{MouseProtocolMode, Parser};

use crate::interpreters::python3;
use crate::whole::whole;

/// However busy the machine is, by then it must be so.
const LONGEST: Duration = Duration::from_secs(40);

/// The terminal, and the program that runs on it.
pub(crate) struct Terminal {
    /// Gone when the terminal was hung up.
    master: Option<File>,
    /// Gone when the program has ended: only then does the line say that there is no more.
    slave: Option<OwnedFd>,
    hung_up: bool,
    parser: Parser,
    /// All that the program has written.
    pub(crate) bytes: Vec<u8>,
    /// So many of them are on the screen.
    shown: usize,
    pub(crate) child: Child,
    /// A shell is the child, and the program its.
    under_shell: bool,
    /// Where it was started, and where it writes its files.
    pub(crate) folder: TempDir,
    before: Termios,
    after: Option<Termios>,
}

fn cells(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).expect("a terminal has cells")
}

impl Terminal {
    /// The program with these words and variables, on a terminal of so many columns and rows.
    pub(crate) fn start(words: &[&str], variables: &[(&str, &str)], size: (u16, u16)) -> Self {
        Self::start_under(&[], words, variables, size)
    }

    /// The same, with something between that can continue it when it stands still.
    pub(crate) fn start_under_shell(words: &[&str], size: (u16, u16)) -> Self {
        let python = python3().command.to_str().unwrap();
        let shell = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/shell.py");
        Self::start_under(&[python, shell], words, &[], size)
    }

    fn start_under(
        shell: &[&str],
        words: &[&str],
        variables: &[(&str, &str)],
        (columns, rows): (u16, u16),
    ) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        // The program must not hold its own line open.
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let before = tcgetattr(&pair.slave).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        // The terminal must be its controlling one: that is how ^C and the end of the line get there.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(shell).arg(env!("CARGO_BIN_EXE_pyflame-tui")).args(words);
        command.current_dir(folder.path());
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("COLORTERM");
        command.envs(variables.iter().copied()).stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("setsid, of util-linux");
        Self {
            master: Some(File::from(pair.master)),
            slave: Some(pair.slave),
            hung_up: false,
            parser: Parser::new(cells(rows), cells(columns), 200),
            bytes: Vec::new(),
            shown: 0,
            child,
            under_shell: !shell.is_empty(),
            folder,
            before,
            after: None,
        }
    }

    /// Takes in what is there, waiting for it no longer than this. Nothing comes when the program is gone.
    pub(crate) fn listen(&mut self, longest: Duration) -> usize {
        let Some(master) = &mut self.master else { return 0 };
        let mut asked = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(longest).unwrap();
        poll(&mut asked, timeout).unwrap();
        let seen = asked[0].revents().unwrap_or(PollFlags::empty());
        if !seen.contains(PollFlags::POLLIN) {
            self.hung_up = seen.contains(PollFlags::POLLHUP);
            return 0;
        }
        let mut bytes = [0; 8192];
        let count = master.read(&mut bytes).unwrap_or(0);
        self.bytes.extend_from_slice(&bytes[..count]);
        let whole = whole(&self.bytes).max(self.shown);
        self.parser.process(&self.bytes[self.shown..whole]);
        self.shown = whole;
        count
    }

    /// Waits until the text of the screen is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !is_so(&self.text()) {
            assert!(Instant::now() < deadline, "not within {LONGEST:?}: {what}\n{}", self.text());
            self.listen(Duration::from_millis(20));
        }
    }

    /// Waits until it shows what came two seconds later.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) {
        self.until("a window of some seconds", |text| window(text).is_some());
        let before = window(&self.text()).unwrap();
        self.until("a later picture", |text| window(text).is_some_and(|seconds| seconds >= before + 2));
    }

    /// Waits until these words are on the screen.
    #[track_caller]
    pub(crate) fn shows(&mut self, words: &str) {
        self.until(words, |text| text.contains(words));
    }

    /// Waits until they are not.
    #[track_caller]
    pub(crate) fn hides(&mut self, words: &str) {
        self.until(&format!("{words:?} is gone"), |text| !text.contains(words));
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        let master = self.master.as_mut().expect("nobody types on a line that was hung up");
        master.write_all(keys.as_bytes()).unwrap();
    }

    /// A click on these words.
    #[track_caller]
    pub(crate) fn click(&mut self, words: &str) {
        let found = self.lines().iter().enumerate().find_map(|(row, line)| {
            let at = line.find(words)?;
            Some((line[..at].chars().count() + 1, row + 1))
        });
        let (column, row) = found.unwrap_or_else(|| panic!("no {words:?} on\n{}", self.text()));
        self.press(&format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"));
    }

    /// A window that was drawn to another size.
    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
        let path = ttyname(self.slave.as_ref().unwrap()).unwrap();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut stty = Command::new("stty");
        let done = stty.arg("-F").arg(path).args(["cols", &columns, "rows", &rows]).status().unwrap();
        assert!(done.success());
    }

    /// The screen as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = self.parser.screen().size().1.get();
        self.parser.screen().rows(0, width).map(|line| line.trim_end().to_owned()).collect()
    }

    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// What the program wrote, as text.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// The program's number.
    fn pid(&self) -> u32 {
        let child = self.child.id();
        if !self.under_shell {
            return child;
        }
        let children = std::fs::read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    /// The line is cut.
    pub(crate) fn hang_up(&mut self) {
        self.master = None;
    }

    /// The letter of the program's state in /proc.
    pub(crate) fn state(&self) -> Option<char> {
        let path = Path::new("/proc").join(self.pid().to_string()).join("stat");
        std::fs::read_to_string(path).ok()?.rsplit_once(") ")?.1.chars().next()
    }

    /// Waits until that is this letter.
    #[track_caller]
    pub(crate) fn until_state(&mut self, state: char) {
        let deadline = Instant::now() + LONGEST;
        while self.state() != Some(state) {
            assert!(Instant::now() < deadline, "{state} is not its state\n{}", self.text());
            self.listen(Duration::from_millis(20));
        }
    }

    /// Waits until it has ended, and takes in its last words.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LONGEST;
        loop {
            self.listen(Duration::from_millis(5));
            if let Some(status) = self.child.try_wait().unwrap() {
                // A line that was cut has no settings any more.
                self.after = self.slave.take().and_then(|slave| tcgetattr(&slave).ok());
                while self.master.is_some() && !self.hung_up {
                    assert!(Instant::now() < deadline, "the line is still open");
                    self.listen(Duration::from_millis(20));
                }
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end within {LONGEST:?}\n{}", self.text());
        }
    }

    /// Types until nothing that the program writes goes on to where nobody reads it.
    #[track_caller]
    pub(crate) fn fill(&mut self, keys: &[&str]) {
        let deadline = Instant::now() + LONGEST;
        for keys in keys.iter().cycle() {
            let slave = self.slave.as_ref().unwrap();
            let mut asked = [PollFd::new(slave.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut asked, PollTimeout::ZERO).unwrap() == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "there is still room");
            self.press(keys);
            // Keys that come together make one picture.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has ended, and reads nothing until then.
    #[track_caller]
    pub(crate) fn end_unread(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LONGEST;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it did not end within {LONGEST:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.end()
    }

    /// How the line behaves: echo, whole lines, signals.
    fn line(&self) -> Termios {
        match (&self.slave, &self.after) {
            (Some(slave), _) => tcgetattr(slave).unwrap(),
            (None, after) => after.clone().unwrap(),
        }
    }

    /// It has taken the terminal: the other screen, the mouse, every key for itself.
    #[track_caller]
    pub(crate) fn assert_taken(&mut self) {
        assert_ne!(self.line(), self.before);
        let is_taken = |screen: &vt100::Screen| {
            let has_mouse = screen.mouse_protocol_mode() != MouseProtocolMode::None;
            screen.alternate_screen() && screen.hide_cursor() && has_mouse
        };
        // The cursor goes last.
        let deadline = Instant::now() + LONGEST;
        while !is_taken(self.parser.screen()) {
            assert!(Instant::now() < deadline, "the terminal is not taken\n{}", self.text());
            self.listen(Duration::from_millis(20));
        }
    }

    /// Everything is as it was before.
    #[track_caller]
    pub(crate) fn assert_given_back(&self) {
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "the other screen is still there");
        assert!(!screen.hide_cursor(), "there is no cursor");
        assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
        assert_eq!(self.line(), self.before, "the line is not as it was");
        assert!(!screen.bold() && !screen.inverse() && screen.fgcolor() == vt100::Color::Default);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The seconds that the picture is of, as its header says them; nothing where that does not.
pub(crate) fn window(text: &str) -> Option<u32> {
    text.split(" last ").nth(1)?.split(' ').next()?.parse().ok()
}
