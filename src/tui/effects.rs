//! What the screen asks of the world, done: files, clipboard, editor, sampler, terminal. Results come
//! back as actions.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, unbounded};

use super::action::{Action, Effect, Exit, Note, Other};
use super::held::Held;
use super::input;
use super::pick::{NO_SHELL, Picked};
use super::source::{self, Of, Text};
use super::state::State;
use super::wire::Wire;
use super::{Another, Error, save, update};
use crate::export::Format;
use crate::fault;
use crate::profile::Grouping;
use crate::sample::{Command, Micros};

/// How long the sampler has at most, in milliseconds, to let go of the target before we are stopped. Were we
/// stopped while it held a thread, that thread would stand still until we go on.
const LET_GO: u32 = 1500;

type FileRead = (Box<str>, Result<Text, String>);

/// Everything outside of the state.
#[derive(Debug)]
pub(super) struct World {
    /// The terminal.
    pub held: Held,
    commands: Sender<Command>,
    /// To the command that we run, if we do.
    pub wire: Option<Wire>,
    /// When it was last told something that it has not answered yet.
    pub asked: Option<Instant>,
    read: (Sender<FileRead>, Receiver<FileRead>),
}

impl World {
    /// The world as it is.
    pub(super) fn new(held: Held, commands: Sender<Command>, wire: Option<Wire>) -> Self {
        Self { held, commands, wire, asked: None, read: unbounded() }
    }

    /// Is something that was typed still to be answered, and not for too long already?
    pub(super) fn awaits_answer(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < super::ANSWER)
    }

    fn tell(&mut self, state: &mut State, bytes: Vec<u8>) {
        let Some(wire) = &self.wire else { return };
        self.asked = Some(Instant::now());
        if let Err(TrySendError::Full(_)) = wire.input.try_send(bytes.into()) {
            let note = Note::bad("the command does not read what is typed: this was not sent");
            update::update(state, Action::Said(note));
        }
    }

    /// Tells the state what came back.
    pub(super) fn report(&self, state: &mut State) {
        while let Ok((file, text)) = self.read.1.try_recv() {
            update::update(state, Action::Read(file, text));
        }
    }

    /// Does what was asked for, up to where that was to leave.
    pub(super) fn perform(&mut self, state: &mut State) -> io::Result<Option<Exit>> {
        for effect in std::mem::take(&mut state.effects) {
            match effect {
                Effect::Quit => return Ok(Some(Exit::Program)),
                Effect::Another(other) => return Ok(Some(Exit::Process(other))),
                Effect::Suspend => self.suspend(state)?,
                Effect::Tell(bytes) => self.tell(state, bytes),
                Effect::ResizeCommand(columns, rows) => {
                    if let Some(wire) = &self.wire {
                        (wire.resize)((columns, rows));
                    }
                }
                Effect::Tasks(too) => {
                    // Who has ended reads nothing.
                    let _ = self.commands.try_send(Command::Tasks(too));
                }
                Effect::Mouse(ours) => self.held.terminal.mouse(ours)?,
                Effect::Read(file) => self.read_source(state, file),
                Effect::Copy(text) => {
                    let lines = text.lines().count();
                    let plural = if lines == 1 { "" } else { "s" };
                    self.held.terminal.copy(&text)?;
                    let note = Note::good(format!(
                        "copied {lines} line{plural}, if the terminal allows it (OSC 52)"
                    ));
                    update::update(state, Action::Said(note));
                }
                Effect::Write { format, grouping, file, with_picture } => {
                    write(state, (format, grouping), file.as_deref(), with_picture);
                }
                Effect::Edit(file, line) => self.edit(state, &file, line)?,
            }
        }
        Ok(None)
    }

    fn suspend(&mut self, state: &mut State) -> io::Result<()> {
        self.let_go();
        let stood = self.held.terminal.lend(state.options.stand_still)?;
        let _ = self.commands.try_send(Command::Resume);
        measure(state)?;
        if !stood {
            update::update(state, Action::Said(Note::bad(NO_SHELL)));
        }
        Ok(())
    }

    /// Has the sampler let go of the target, until it is told to go on.
    fn let_go(&self) {
        // Who has ended reads nothing.
        let _ = self.commands.try_send(Command::Pause);
        // It takes commands only while it holds nothing.
        for _ in 0..LET_GO {
            if self.commands.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Leaves what is watched for something else. That is let go only if something has come of it.
    pub(super) fn leave_for(
        &mut self,
        other: Other,
        state: &mut State,
        another: &mut Another<'_>,
    ) -> Result<Picked<()>, Error> {
        self.let_go();
        let picked = another(&mut self.held, other)?;
        if let Picked::Refused(why) = &picked {
            update::update(state, Action::Said(Note::bad(why.clone())));
        }
        if matches!(picked, Picked::Back | Picked::Refused(_)) {
            let _ = self.commands.try_send(Command::Resume);
            measure(state)?;
            state.dirty = true;
        }
        Ok(picked)
    }

    /// In a thread of its own: it may have to give up rights, and a file may lie on a slow disk.
    fn read_source(&self, state: &mut State, file: Box<str>) {
        let Some(about) = state.profile.about() else { return };
        let first = state.profile.first_at().unwrap_or(state.now);
        let started = Micros(first.0.saturating_sub(about.age.0));
        let of = Of { pid: about.pid, started, signs: state.theme.signs };
        let sender = self.read.0.clone();
        let work = move || {
            fault::point("source");
            let text = source::read(of, &file);
            // Nobody listens any more if the viewer is gone.
            let _ = sender.send((file, text));
        };
        if let Err(error) = thread::Builder::new().name("source".to_owned()).spawn(work) {
            update::update(state, Action::Said(Note::bad(format!("cannot read sources: {error}"))));
        }
    }

    /// Opens the person's editor; only on files that the target itself could read.
    fn edit(&mut self, state: &mut State, file: &str, line: u32) -> io::Result<()> {
        let readable = matches!(state.files.get(file), Some(Some(Ok(_))));
        let Some(about) = state.profile.about().filter(|_| readable) else {
            update::update(state, Action::Said(Note::bad("there is no file to open")));
            return Ok(());
        };
        let path = as_we_see_it(about.pid, file);
        let named = |name| std::env::var(name).ok().filter(|words| !words.trim().is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
        let mut words = editor.split_whitespace();
        let mut command = process::Command::new(words.next().unwrap_or("vi"));
        command.args(words).arg(format!("+{line}")).arg(path);
        if let Ok(stdin) = input::for_others() {
            command.stdin(stdin);
        }
        let ended = self.held.terminal.lend(|| command.status())?;
        measure(state)?;
        if let Err(error) = ended {
            update::update(state, Action::Said(Note::bad(format!("{editor}: {error}"))));
        }
        Ok(())
    }
}

/// The file's name here, if it is the same file here; else the way through the target's root.
fn as_we_see_it(pid: u32, file: &str) -> PathBuf {
    let theirs = if file.starts_with('/') {
        PathBuf::from(format!("/proc/{pid}/root{file}"))
    } else {
        PathBuf::from(format!("/proc/{pid}/cwd/{file}"))
    };
    let identity = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
    let ours = PathBuf::from(file);
    if file.starts_with('/') && identity(&ours).is_some() && identity(&ours) == identity(&theirs) {
        ours
    } else {
        theirs
    }
}

/// Somebody else had the terminal, which may have another size now.
fn measure(state: &mut State) -> io::Result<()> {
    let (width, height) = crossterm::terminal::size()?;
    update::update(state, Action::Resized(width, height));
    Ok(())
}

fn write(state: &mut State, form: (Format, Grouping), file: Option<&Path>, with_picture: bool) {
    let written = save::write(state, form, file).and_then(|path| {
        let picture = if with_picture { Some(save::write_picture(state, &path)?) } else { None };
        Ok((path, picture))
    });
    let note = match written {
        Ok((path, picture)) => {
            let path = path.display().to_string();
            let path = if path.contains('/') { path } else { format!("./{path}") };
            let word = save::shell_word(&path);
            let how = match form.0 {
                Format::Folded => format!("flamegraph.pl {word} > a.svg"),
                Format::Timestamps => format!("flame-chart-json < {word}"),
                Format::Svg => format!("xdg-open {word}"),
                Format::Pprof => format!("pprof -http=: {word}"),
                Format::Speedscope => "open it in https://www.speedscope.app".to_owned(),
            };
            let beside = picture.map_or(String::new(), |picture| format!(" and {}", picture.display()));
            state.saved.push(format!("saved: {path}{beside}   picture: {how}"));
            Note::good(format!("wrote {path}{beside}   {how}"))
        }
        Err(error) => Note::bad(format!("nothing was written: {error}")),
    };
    update::update(state, Action::Said(note));
}
