//! Writing what is selected to a file: whole or not at all, and never over one that is there.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tempfile::{Builder, NamedTempFile};

use super::picture;
use super::state::State;
use super::text;
use crate::export::{self, Format};
use crate::profile::{Lines, Selection};
use crate::sample::Micros;

/// The selection that goes to a file: what is on the screen, with the lines that `-n` leaves out.
pub(super) fn selection(state: &State) -> Selection {
    let lines = if state.options.no_line_numbers { Lines::Merged } else { Lines::Apart };
    // What is on the screen must not grow between the key and the file.
    let span = state.span().pinned(&state.profile);
    Selection { span, lines, ..state.selection() }
}

/// Writes, and tells where to.
pub(super) fn write(state: &State, format: Format, file: Option<&Path>) -> io::Result<PathBuf> {
    let wanted = file.map_or_else(|| PathBuf::from(own_name(state, format)), Path::to_path_buf);
    place(&wanted, |out| export(state, format, out))
}

/// What is selected, in this format.
pub fn export(state: &State, format: Format, out: &mut impl Write) -> io::Result<()> {
    export::write(format, &state.profile, &selection(state), out)
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
    let directory = wanted.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file: the umask decides.
    let permissions = Permissions::from_mode(0o666);
    let mut out = BufWriter::new(Builder::new().permissions(permissions).tempfile_in(directory)?);
    write(&mut out)?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = wanted.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
