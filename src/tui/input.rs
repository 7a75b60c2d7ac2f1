//! Keys and the mouse as crossterm reads them, from standard input, and mended where it reads them wrongly.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use nix::errno::Errno;
use nix::libc::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use nix::unistd::dup2_stdin;
use signal_hook::consts::SIGHUP;
use signal_hook::low_level::emulate_default_handler;

/// Standard input, to be opened once more.
const STDIN: &str = "/proc/self/fd/0";
/// Who has not left his terminal so long after it has hung up will not.
const GRACE: Duration = Duration::from_secs(5);

/// No sequence that a terminal sends is longer: a report of the mouse far to the right.
const LONGEST: usize = 16;

/// What was typed and pointed at.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Read already.
    waiting: VecDeque<Event>,
}

impl Input {
    /// The next of all that there is; does not wait.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        if !event::poll(Duration::ZERO)? {
            return Ok(None);
        }
        let event = event::read()?;
        if matches!(event, Event::Key(KeyEvent { code: KeyCode::Esc, .. })) {
            self.look_behind_escape()?;
        }
        Ok(Some(event))
    }

    /// Esc and an arrow that arrive together are `ESC ESC [ A`. crossterm 0.29 takes both Escs for one key, and what is
    /// left of the arrow for letters. Nobody types those so fast: they are put together again.
    fn look_behind_escape(&mut self) -> io::Result<()> {
        let mut letters = String::new();
        let mut read = Vec::new();
        while read.len() < LONGEST && event::poll(Duration::ZERO)? {
            let event = event::read()?;
            let letter = letter(&event);
            read.push(event);
            letters.extend(letter);
            match letter.map_or(Meaning::Nothing, |_| meaning(&letters)) {
                Meaning::Unfinished => {}
                Meaning::Nothing => break,
                Meaning::Mouse => return Ok(()),
                Meaning::Key(code) => {
                    self.waiting.push_back(Event::Key(code.into()));
                    return Ok(());
                }
            }
        }
        self.waiting.extend(read);
        Ok(())
    }
}

/// Makes standard input ours, before crossterm is asked for anything: opened anew, so that to read it waits for nobody.
/// crossterm 0.29 reads on behind half a sequence (Alt-[ is one), and all would stand still until the next key. (Were what we
/// were given told not to wait, the shell, which shares it, would not wait either.) Where it is no terminal it becomes the one
/// that we were started from.
pub(super) fn open() -> io::Result<()> {
    let is_terminal = io::stdin().is_terminal();
    let mut manners = OpenOptions::new();
    manners.read(true).write(true).custom_flags(O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    match manners.open(if is_terminal { STDIN } else { "/dev/tty" }) {
        Ok(opened) => dup2_stdin(opened)?,
        // Another user's, as after `su`: it does as it is.
        Err(_) if is_terminal => {}
        Err(error) => return Err(error),
    }
    let end = || {
        if is_gone() {
            thread::sleep(GRACE);
            let _ = emulate_default_handler(SIGHUP);
        }
    };
    // It may hang up between our looking and crossterm's reading, which then goes round and round in reads of nothing.
    thread::Builder::new().name("hang-up".to_owned()).spawn(end).map(drop)
}

/// Standard input for somebody else, who waits for what is typed.
pub(super) fn for_others() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY).open(STDIN)
}

/// Waits until the terminal has hung up; `false` if that cannot be told.
fn is_gone() -> bool {
    let stdin = io::stdin();
    loop {
        match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::empty())], PollTimeout::NONE) {
            Ok(_) => return true,
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
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
    let stdin = io::stdin();
    let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    match poll(&mut asked, PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX)) {
        // A signal: a new size, or an end.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match asked.first().and_then(PollFd::revents) {
        Some(seen) if seen.intersects(gone) => Err(io::ErrorKind::NotConnected.into()),
        Some(seen) if seen.contains(PollFlags::POLLIN) => Ok(Readiness::Readable),
        _ => Ok(Readiness::Nothing),
    }
}

/// Makes crossterm look at input that it has overlooked. Version 0.29 is told of keys once, by the edge, and forgets them
/// over a new size that comes at the same moment: they would lie there until the next key. To set the line's manners, be it
/// to what they are, wakes all who wait for it.
pub(super) fn rouse() -> io::Result<()> {
    let stdin = io::stdin();
    Ok(tcsetattr(&stdin, SetArg::TCSANOW, &tcgetattr(&stdin)?)?)
}

fn letter(event: &Event) -> Option<char> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char(letter), modifiers, .. })
            if (*modifiers - KeyModifiers::SHIFT).is_empty() =>
        {
            Some(*letter)
        }
        _ => None,
    }
}

/// What letters are that follow an Esc.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// The rest of a key.
    Key(KeyCode),
    /// The rest of a report of the mouse.
    Mouse,
    /// The beginning of one of them.
    Unfinished,
    /// Letters.
    Nothing,
}

fn meaning(letters: &str) -> Meaning {
    let mut rest = letters.chars();
    let first = rest.next();
    let rest = rest.as_str();
    let Some(last) = rest.chars().next_back() else {
        return if matches!(first, Some('[' | 'O')) { Meaning::Unfinished } else { Meaning::Nothing };
    };
    let number = rest.trim_end_matches(last).split(';').next().and_then(|number| number.parse::<u8>().ok());
    let key = match (first, last, number) {
        (Some('['), '0'..='9' | ';' | '<', _) => return Meaning::Unfinished,
        (Some('['), 'M' | 'm', _) if rest.starts_with('<') => return Meaning::Mouse,
        (_, 'A', _) => KeyCode::Up,
        (_, 'B', _) => KeyCode::Down,
        (_, 'C', _) => KeyCode::Right,
        (_, 'D', _) => KeyCode::Left,
        (_, 'H', _) | (Some('['), '~', Some(1 | 7)) => KeyCode::Home,
        (_, 'F', _) | (Some('['), '~', Some(4 | 8)) => KeyCode::End,
        (Some('['), 'Z', _) => KeyCode::BackTab,
        (Some('['), '~', Some(2)) => KeyCode::Insert,
        (Some('['), '~', Some(3)) => KeyCode::Delete,
        (Some('['), '~', Some(5)) => KeyCode::PageUp,
        (Some('['), '~', Some(6)) => KeyCode::PageDown,
        _ => return Meaning::Nothing,
    };
    Meaning::Key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_escape_is_put_together_again() {
        for (letters, wanted) in [
            ("[A", Meaning::Key(KeyCode::Up)),
            ("OD", Meaning::Key(KeyCode::Left)),
            ("[1;5C", Meaning::Key(KeyCode::Right)),
            ("[5~", Meaning::Key(KeyCode::PageUp)),
            ("[<0;140;7M", Meaning::Mouse),
            ("[<35;140;7m", Meaning::Mouse),
            ("a", Meaning::Nothing),
            ("[x", Meaning::Nothing),
            ("[M", Meaning::Nothing),
        ] {
            assert_eq!(meaning(letters), wanted, "{letters}");
            for end in 1..letters.len() {
                assert_eq!(meaning(&letters[..end]), Meaning::Unfinished, "{}", &letters[..end]);
            }
        }
    }
}
