//! Where results go: standard output, a pipe or device as it is, or a file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A place to write to, opened before the target is touched so that a wrong path is found out in time.
#[derive(Debug)]
pub struct Output {
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Standard output.
    Standard,
    /// A FIFO, a device: written straight.
    Straight(File),
    /// A temporary file beside the one that is wanted.
    Whole { temporary: NamedTempFile, path: PathBuf },
}

/// `cannot open file "X" as output`, and why.
#[derive(Debug)]
pub struct OpenError {
    /// What was asked for.
    pub path: PathBuf,
    /// The system's reason.
    pub cause: io::Error,
}

impl Output {
    /// Opens `path`, or standard output where there is none.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let Some(path) = path else { return Ok(Self { place: Place::Standard }) };
        place(path).map(|place| Self { place }).map_err(|cause| OpenError { path: path.to_owned(), cause })
    }

    /// Writes everything that `write` writes and makes it appear.
    pub fn finish(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self.place {
            Place::Standard => into(io::stdout().lock(), write).map(drop),
            Place::Straight(file) => into(file, write).map(drop),
            Place::Whole { temporary, path } => {
                let temporary = into(temporary, write)?;
                temporary.as_file().sync_data()?;
                temporary.persist(path).map(drop).map_err(|error| error.error)
            }
        }
    }
}

fn into<W: Write>(place: W, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<W> {
    let mut buffer = BufWriter::with_capacity(1 << 16, place);
    write(&mut buffer)?;
    buffer.flush()?;
    buffer.into_inner().map_err(io::IntoInnerError::into_error)
}

fn place(path: &Path) -> io::Result<Place> {
    match fs::metadata(path) {
        Ok(facts) if facts.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        // A FIFO waits here for its reader, as it does for any program: the target is not touched yet.
        Ok(facts) if !facts.is_file() => {
            OpenOptions::new().write(true).custom_flags(nix::libc::O_NOCTTY).open(path).map(Place::Straight)
        }
        Ok(facts) => {
            // What may not be written to is not to be replaced either.
            OpenOptions::new().write(true).open(path)?;
            // A link is followed, so that what it names is replaced and not the link.
            whole(&fs::canonicalize(path)?, facts.permissions())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            whole(path, fs::Permissions::from_mode(0o666 & !umask()?))
        }
        Err(error) => Err(error),
    }
}

fn whole(path: &Path, permissions: fs::Permissions) -> io::Result<Place> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let temporary =
        tempfile::Builder::new().prefix(".pyflame-").permissions(permissions).tempfile_in(folder)?;
    Ok(Place::Whole { temporary, path: path.to_owned() })
}

/// The process's umask can only be read by setting it, which other threads would notice; the kernel also
/// writes it in `/proc/self/status`.
fn umask() -> io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let digits = status.lines().find_map(|line| line.strip_prefix("Umask:")).map(str::trim);
    Ok(digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).unwrap_or(0o022))
}
