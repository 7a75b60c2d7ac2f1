//! Writing what is selected to a file: whole or not at all, and never over one that is there.

use std::borrow::Cow;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tempfile::{Builder, NamedTempFile};

use super::flame_pane;
use super::picture;
use super::state::State;
use super::text;
use crate::export::{self, Format};
use crate::profile::{Grouping, Lines, Selection, Top};
use crate::sample::Micros;

/// The selection that goes to a file: what is on the screen, with the lines that `-n` leaves out.
pub(super) fn selection(state: &State, grouping: Grouping) -> Selection {
    let lines = if state.options.no_line_numbers { Lines::Merged } else { Lines::Apart };
    // What is on the screen must not grow between the key and the file.
    let span = state.span().pinned(&state.profile);
    Selection { span, lines, grouping, ..state.selection() }
}

/// Writes, and tells where to. A file without a stack is of no use to anybody: there the error says why it has none.
pub fn write(state: &State, form: (Format, Grouping), file: Option<&Path>) -> io::Result<PathBuf> {
    if Top::of(&state.profile, &selection(state, form.1)).total == 0 {
        return Err(io::Error::other(flame_pane::nothing(state)));
    }
    let wanted = file.map_or_else(|| PathBuf::from(own_name(state, form.0)), at_home);
    place(&wanted, |out| export(state, form, out))
}

/// Nobody has put a home in place of the `~` of a path that was typed here.
fn at_home(path: &Path) -> PathBuf {
    let below = path.strip_prefix("~").ok();
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    below.zip(home).map_or_else(|| path.to_path_buf(), |(below, home)| Path::new(&home).join(below))
}

/// A path as a shell reads it back.
pub(super) fn shell_word(path: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if path.chars().all(is_plain) { path.into() } else { format!("'{}'", path.replace('\'', r"'\''")).into() }
}

/// What is selected, in this format.
pub fn export(state: &State, (format, grouping): (Format, Grouping), out: &mut impl Write) -> io::Result<()> {
    export::write(format, &state.profile, &selection(state, grouping), out)
}

/// The screen as text beside an export.
pub(super) fn write_picture(state: &State, beside: &Path) -> io::Result<PathBuf> {
    let mut area = Rect::new(0, 0, state.size.0, state.size.1);
    area.width = area.width.max(1);
    let mut buffer = Buffer::empty(area);
    picture::paint(state, &mut buffer);
    place(&beside.with_extension("txt"), |out| {
        for y in area.top()..area.bottom() {
            let line: String = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect();
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    })
}

/// `pyflame-24060-030812.folded`: the process and the time of day.
fn own_name(state: &State, format: Format) -> String {
    let pid = state.profile.about().map_or(0, |about| about.pid);
    let clock =
        text::clock(state.profile.last_at().unwrap_or(Micros(0)), state.options.east).replace(':', "");
    format!("pyflame-{pid}-{clock}.{}", format.extension())
}

/// The file appears whole, under a name that was free: `name`, `name-2`, `name-3`, …
fn place(
    wanted: &Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let refused = |what| Err(io::Error::other(format!("{} {what}", wanted.display())));
    match fs::metadata(wanted) {
        Ok(facts) if facts.is_dir() => return refused("is a directory"),
        Ok(facts) if !facts.is_file() => return refused("is no regular file"),
        _ => {}
    }
    let directory = wanted.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file: the umask decides.
    let permissions = Permissions::from_mode(0o666);
    let file = Builder::new().permissions(permissions).tempfile_in(directory);
    let mut out = BufWriter::new(file.map_err(|error| plain(&error, directory))?);
    write(&mut out).map_err(|error| plain(&error, wanted))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error);
    let mut file = file.map_err(|error| plain(&error, wanted))?;
    let called = wanted.file_name().unwrap_or_default().to_string_lossy();
    let (stem, ending) = parted(&called);
    for number in 1..10_000 {
        let name = if number == 1 {
            wanted.to_path_buf()
        } else {
            wanted.with_file_name(format!("{stem}-{number}{ending}"))
        };
        match file.persist_noclobber(&name) {
            Ok(_) => return Ok(name),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(error.error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A file's name without its ending, and that, which may be of two parts: `a` and `.pb.gz`.
fn parted(name: &str) -> (&str, &str) {
    let known =
        Format::ALL.iter().find_map(|format| name.strip_suffix(format.extension())?.strip_suffix('.'));
    let stem = known.filter(|stem| !stem.is_empty()).or_else(|| Path::new(name).file_stem()?.to_str());
    name.split_at(stem.unwrap_or(name).len())
}

/// The error with the path that was asked for: that of a temporary file tells nobody anything.
fn plain(error: &io::Error, path: &Path) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such directory".to_owned(),
        kind => kind.to_string(),
    };
    io::Error::new(error.kind(), format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_was_asked_for() {
        let why = |path: &str| place(Path::new(path), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(why("/nonexistent/a.folded"), "/nonexistent: there is no such directory");
        assert_eq!(why("/dev/full"), "/dev/full is no regular file");
        assert_eq!(why("/dev/"), "/dev/ is a directory");
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("a.folded");
        let full = place(&wanted, |_| Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap_err();
        assert_eq!(full.to_string(), format!("{}: no storage space", wanted.display()));
    }

    #[test]
    fn a_path_is_read_as_a_shell_would_and_can_be_given_to_one() {
        let home = std::env::var_os("HOME").unwrap();
        assert_eq!(at_home(Path::new("~/x.folded")), Path::new(&home).join("x.folded"));
        assert_eq!(at_home(Path::new("~x/y")), Path::new("~x/y"));
        assert_eq!(shell_word("./pyflame-1-030812.folded"), "./pyflame-1-030812.folded");
        assert_eq!(shell_word("./it's all"), r"'./it'\''s all'");
    }

    #[test]
    fn never_writes_over_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("a.folded");
        let names: Vec<_> = (0..3)
            .map(|number| place(&wanted, |out| write!(out, "{number}")).unwrap())
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.folded", "a-2.folded", "a-3.folded"]);
        assert_eq!(std::fs::read_to_string(&wanted).unwrap(), "0");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("a.folded");
        assert!(place(&wanted, |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_number_stands_before_the_whole_ending() {
        for (name, parts) in [
            ("a.folded", ("a", ".folded")),
            ("a.pb.gz", ("a", ".pb.gz")),
            ("a.b.speedscope.json", ("a.b", ".speedscope.json")),
            ("a.tar.gz", ("a.tar", ".gz")),
            ("a", ("a", "")),
            (".svg", (".svg", "")),
        ] {
            assert_eq!(parted(name), parts);
        }
    }
}
