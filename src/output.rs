//! Where results go: standard output, a pipe or device as it is, or a file that appears whole or not at all; but one that
//! may be written and not replaced is written where it stands, and what our starter has opened is gone on with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::unistd::geteuid;
use tempfile::NamedTempFile;

use crate::target::{inherited, output_was_closed};

/// How long a FIFO's reader is waited for.
const READER: Duration = Duration::from_secs(10);
/// How often we look whether it has come.
const BETWEEN: Duration = Duration::from_millis(10);
/// Links that lead to one another, as many as the kernel follows.
const MOST_LINKS: u32 = 40;

/// A place to write to, opened before the target is touched so that a wrong path is found out in time.
#[derive(Debug)]
pub struct Output {
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Standard output.
    Standard,
    /// A FIFO, a device, what our starter has opened: written straight.
    Straight(File),
    /// A file that another one, made beside it, is to replace. Nothing is there of that before there is something to
    /// write: whatever ends us leaves nothing behind.
    Whole {
        path: PathBuf,
        permissions: fs::Permissions,
        /// The one that is there, if it may be written where it stands.
        old: Option<File>,
    },
}

/// `cannot open file "X" as output`, and why.
#[derive(Debug)]
pub struct OpenError {
    /// What was asked for.
    pub path: PathBuf,
    /// The system's reason.
    pub cause: io::Error,
}

/// Writes a result to a place that is given.
type Writer<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

impl Output {
    /// Opens `path`, or standard output where there is none.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let opened = match path {
            Some(path) => place(path),
            None => standard(),
        };
        let path = path.unwrap_or(Path::new("/dev/stdout"));
        opened.map(|place| Self { place }).map_err(|cause| OpenError { path: path.to_owned(), cause })
    }

    /// Writes everything that `write` writes and makes it appear.
    pub fn finish(self, write: Writer<'_>) -> io::Result<()> {
        match self.place {
            Place::Standard => into(io::stdout().lock(), write).map(drop),
            Place::Straight(file) => into(file, write).map(drop),
            Place::Whole { .. } => self.save(write),
        }
    }

    /// Would somebody read it as it comes?
    pub fn is_terminal(&self) -> bool {
        match &self.place {
            Place::Standard => io::stdout().is_terminal(),
            Place::Straight(file) => file.is_terminal(),
            Place::Whole { .. } => false,
        }
    }

    /// Whether what there is can be saved before the end: only a file can be replaced by what comes later.
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::Whole { .. })
    }

    /// The same before the end. What is no file is left alone.
    pub fn save(&self, write: Writer<'_>) -> io::Result<()> {
        let Place::Whole { path, permissions, old } = &self.place else { return Ok(()) };
        match (replace(path, permissions, write), old) {
            (Err(error), Some(old)) if is_barred(&error) => in_place(old, write),
            (done, _) => done,
        }
    }
}

/// Keeps a result that could not go where it was meant to: in our directory, the one for temporary files, or memory, under
/// a name that was free there. Where it is now; `None` if no place took it.
pub fn rescue(name: &str, write: Writer<'_>) -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let folders = here.into_iter().chain([std::env::temp_dir(), PathBuf::from("/dev/shm")]);
    folders.into_iter().find_map(|folder| keep(&folder, name, write).ok())
}

fn keep(folder: &Path, name: &str, write: Writer<'_>) -> io::Result<PathBuf> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
    let (prefix, suffix) = (format!("{stem}-"), format!(".{ending}"));
    // A new file under a name that nobody can foresee, for the owner's eyes: whatever folder this is.
    let file = tempfile::Builder::new().prefix(&prefix).suffix(&suffix).tempfile_in(folder)?;
    let file = into(file, write)?;
    file.as_file().sync_data()?;
    file.keep().map(|(_, path)| path).map_err(|error| error.error)
}

fn into<W: Write>(place: W, write: Writer<'_>) -> io::Result<W> {
    let mut buffer = BufWriter::with_capacity(1 << 16, place);
    write(&mut buffer)?;
    buffer.flush()?;
    buffer.into_inner().map_err(io::IntoInnerError::into_error)
}

fn replace(path: &Path, permissions: &fs::Permissions, write: Writer<'_>) -> io::Result<()> {
    let new = into(beside(path, permissions)?, write)?;
    new.as_file().sync_data()?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// A hidden file in the same directory, for it to have the same file system.
fn beside(path: &Path, permissions: &fs::Permissions) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix(".pyflame-").tempfile_in(folder_of(path))?;
    // Not with the call that makes it, from which the umask takes what the old one may have had.
    file.as_file().set_permissions(permissions.clone())?;
    Ok(file)
}

/// Is it the directory that says no, or that the file is mounted by itself?
fn is_barred(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// Here a write that fails leaves a part.
fn in_place(mut file: &File, write: Writer<'_>) -> io::Result<()> {
    file.set_len(0)?;
    into(&mut file, write)?;
    file.sync_data()
}

fn standard() -> io::Result<Place> {
    if output_was_closed() {
        return Err(io::Error::other("it is closed"));
    }
    may_be_written(io::stdout())?;
    Ok(Place::Standard)
}

/// Writing to what is open for reading fails, which Rust's own standard output passes over in silence.
fn may_be_written(file: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(file, FcntlArg::F_GETFL)?);
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err(io::Error::other("it is open for reading only"));
    }
    Ok(())
}

fn place(path: &Path) -> io::Result<Place> {
    refuse_planted(path, MOST_LINKS)?;
    match own_number(path) {
        Some(libc::STDOUT_FILENO) => return standard(),
        Some(number) => {
            let file = File::from(inherited::duplicate(number)?);
            may_be_written(&file)?;
            return Ok(Place::Straight(file));
        }
        None => {}
    }
    match fs::metadata(path) {
        Ok(facts) if facts.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(facts) if facts.file_type().is_fifo() => pipe(path).map(Place::Straight),
        Ok(facts) if !facts.is_file() => {
            OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY).open(path).map(Place::Straight)
        }
        Ok(facts) => {
            // What may not be written to is not to be replaced either.
            let old = OpenOptions::new().write(true).open(path)?;
            // A link is followed, so that what it names is replaced and not the link. No more than read and write is
            // taken over: it may be another's file.
            let permissions = fs::Permissions::from_mode(facts.permissions().mode() & 0o777);
            let path = fs::canonicalize(path)?;
            let around = fs::metadata(folder_of(&path))?;
            let is_trusted = is_trusted(facts.uid(), geteuid().as_raw(), around.uid(), around.mode());
            whole(path, permissions, is_trusted.then_some(old))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            whole(end_of_links(path)?, fs::Permissions::from_mode(0o666 & !umask()?), None)
        }
        Err(error) => Err(error),
    }
}

/// The number of the descriptor of ours that a path leads to, such as `/dev/stderr` or `/dev/fd/3`. By its name a file would
/// be opened anew and written from its beginning on, over what our starter has in it.
fn own_number(path: &Path) -> Option<i32> {
    let ours = fs::canonicalize("/proc/self").ok()?;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = fs::canonicalize(folder_of(&path)).ok()?;
        if folder.starts_with(&ours) && folder.ends_with("fd") {
            return path.file_name()?.to_str()?.parse().ok();
        }
        path = folder.join(fs::read_link(&path).ok()?);
    }
    None
}

/// Where a link leads to at which there is nothing yet.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = folder_of(&path).join(next);
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// A FIFO's reader may come a little later than we do. The target is not touched yet.
fn pipe(path: &Path) -> io::Result<File> {
    for _ in 0..READER.as_millis() / BETWEEN.as_millis() {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Ok(file) => {
                // From now on it may wait for a slow reader, as writing to a pipe does.
                fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() != Some(libc::ENXIO) => return Err(error),
            Err(_) => std::thread::sleep(BETWEEN),
        }
    }
    let what = format!("it is a pipe that nobody has opened to read within {} s", READER.as_secs());
    Err(io::Error::new(io::ErrorKind::TimedOut, what))
}

/// Where everybody may make files, as in `/tmp`, a link, a pipe or a device that another user has made may be there to
/// lead us astray. The kernel refuses such with `fs.protected_symlinks` and `fs.protected_fifos`, but not everywhere, and
/// not for directories on the way.
fn refuse_planted(path: &Path, links: u32) -> io::Result<()> {
    let mut steps: Vec<&Path> = path.ancestors().filter(|step| step.parent().is_some()).collect();
    steps.reverse();
    for step in steps {
        let Ok(facts) = fs::symlink_metadata(step) else { return Ok(()) };
        if facts.is_file() || facts.is_dir() {
            continue;
        }
        let folder = folder_of(step);
        let around = fs::metadata(folder)?;
        if !is_trusted(facts.uid(), geteuid().as_raw(), around.uid(), around.mode()) {
            let what =
                format!("{} is user {}'s, in a directory where all may write", step.display(), facts.uid());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        if facts.is_symlink() {
            let links = links.checked_sub(1).ok_or(io::Error::from_raw_os_error(libc::ELOOP))?;
            refuse_planted(&folder.join(fs::read_link(step)?), links)?;
        }
    }
    Ok(())
}

/// The kernel's own rule: in a sticky directory that others may write to, what is neither ours nor the directory's
/// owner's is not to be trusted.
const fn is_trusted(owner: u32, us: u32, folders_owner: u32, folders_mode: u32) -> bool {
    const OPEN_TO_ALL: u32 = 0o1002;
    folders_mode & OPEN_TO_ALL != OPEN_TO_ALL || owner == us || owner == folders_owner
}

/// Tries now whether a file can be made there.
fn whole(path: PathBuf, permissions: fs::Permissions, old: Option<File>) -> io::Result<Place> {
    match beside(&path, &permissions) {
        Err(error) if old.is_none() || !is_barred(&error) => Err(error),
        _ => Ok(Place::Whole { path, permissions, old }),
    }
}

/// The process's umask can only be read by setting it, which other threads would notice; the kernel also
/// writes it in `/proc/self/status`.
fn umask() -> io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let digits = status.lines().find_map(|line| line.strip_prefix("Umask:")).map(str::trim);
    Ok(digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).unwrap_or(0o022))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_made_where_all_may_write_is_not_trusted() {
        const TMP: u32 = 0o41_777;
        assert!(is_trusted(1000, 1000, 0, TMP), "ours");
        assert!(is_trusted(0, 1000, 0, TMP), "the directory's owner's");
        assert!(!is_trusted(1001, 1000, 0, TMP));
        assert!(!is_trusted(1001, 0, 0, TMP), "root follows no more than others do");
        assert!(is_trusted(1001, 0, 0, 0o40_755), "nobody else could have put it there");
        assert!(is_trusted(1001, 1000, 1001, TMP), "a directory of their own");
    }

    #[test]
    fn what_cannot_be_written_where_it_should_is_kept_where_it_can() {
        let path = rescue("pyflame-1.folded", &|out| out.write_all(b"a 1\n")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a 1\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(path.is_absolute() && path.to_str().unwrap().ends_with(".folded"), "{}", path.display());
        fs::remove_file(path).unwrap();
        assert_eq!(rescue("pyflame-1.folded", &|_| Err(io::ErrorKind::StorageFull.into())), None);
    }
}
