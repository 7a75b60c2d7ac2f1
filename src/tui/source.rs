//! Source files of the target, read as the target sees them: in its mount namespace, never following
//! a link out of it, only regular files of bounded size, and only what the target itself could read.
//! A profiler run as root must not become a way to read what its target must not.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};

use super::signs::Signs;
use super::text;
use crate::sample::Micros;

/// No program's source is longer.
const LARGEST: u64 = 4 << 20;

/// A file, as lines that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Its lines, cleaned.
    pub lines: Vec<String>,
    /// It changed after the process started: lines may not be those that run.
    pub newer: bool,
}

/// A file that was written while the process began was most likely there before it was imported, and clocks of files
/// and of processes differ by some ticks.
const NEW_BORN: Duration = Duration::from_secs(2);

/// Whose file it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of {
    /// The process.
    pub pid: u32,
    /// When it started, since the epoch.
    pub started: Micros,
    /// The signs that may be shown.
    pub signs: &'static Signs,
}

/// Who the target is, for the kernel's decisions about files.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// Reads a file of the target; the error is a sentence. Takes the calling thread's rights away where
/// it has more than the target: call it in a thread of its own.
pub(super) fn read(of: Of, file: &str) -> Result<Text, String> {
    if file.starts_with('<') {
        return Err("this code has no file".to_owned());
    }
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if file.starts_with('/') => "the file is gone".to_owned(),
        // Up to 3.8 a script is called as the command line calls it, and packaged ones still are; who was started elsewhere
        // has changed its directory, as daemons do.
        io::ErrorKind::NotFound => {
            "it is not in the target's directory of now, and does not say in which".to_owned()
        }
        io::ErrorKind::NotADirectory => "it is in an archive, which is not looked into".to_owned(),
        io::ErrorKind::PermissionDenied => "the target itself may not read this file".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let (opened, metadata) = open_as_target(of.pid, file).map_err(told)?;
    let changed = metadata.modified().unwrap_or(UNIX_EPOCH);
    let started: SystemTime = UNIX_EPOCH + Duration::from_micros(of.started.0);
    let mut bytes = Vec::new();
    opened.take(LARGEST).read_to_end(&mut bytes).map_err(told)?;
    let lines =
        String::from_utf8_lossy(&bytes).lines().map(|line| text::clean_line(line, of.signs)).collect();
    Ok(Text { lines, newer: changed > started + NEW_BORN })
}

fn open_as_target(pid: u32, file: &str) -> io::Result<(File, Metadata)> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    // Not a string: it begins with the name that the process has given itself.
    let status = std::fs::read(proc.join("status"))?;
    let credentials = credentials(&String::from_utf8_lossy(&status))
        .ok_or_else(|| io::Error::other("its credentials are unreadable"))?;
    // The door to its files is opened with our rights, everything behind it with its own.
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(&proc.join("root"), directory, Mode::empty())?;
    let path = absolute(&proc, file)?;
    let powerful = geteuid().is_root() && credentials.uid != 0;
    if powerful {
        setfsgid(Gid::from_raw(credentials.gid));
        setfsuid(Uid::from_raw(credentials.uid));
    }
    // Looked at before it is opened: opening a device or a pipe can have consequences.
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let looked_at = File::from(openat2(&root, &path, how)?);
    let metadata = looked_at.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    // Our supplementary groups are still ours, so what they opened is checked by hand.
    if powerful && !credentials.may_read(&metadata) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let opened = File::from(openat2(&root, &path, how)?);
    let metadata_now = opened.metadata()?;
    if (metadata_now.dev(), metadata_now.ino()) != (metadata.dev(), metadata.ino()) {
        return Err(io::Error::other("it changed while it was opened"));
    }
    Ok((opened, metadata_now))
}

/// Where a file lies in the target's root. Names that are no absolute path count from its directory.
fn absolute(proc: &Path, file: &str) -> io::Result<PathBuf> {
    if file.starts_with('/') {
        return Ok(PathBuf::from(file));
    }
    Ok(std::fs::read_link(proc.join("cwd"))?.join(file))
}

impl Credentials {
    fn may_read(&self, metadata: &Metadata) -> bool {
        self.may_read_mode(metadata.uid(), metadata.gid(), metadata.mode())
    }

    fn may_read_mode(&self, uid: u32, gid: u32, mode: u32) -> bool {
        if uid == self.uid {
            mode & 0o400 != 0
        } else if gid == self.gid || self.groups.contains(&gid) {
            mode & 0o040 != 0
        } else {
            mode & 0o004 != 0
        }
    }
}

/// The last of each four numbers is the one that counts for files (proc(5)).
fn credentials(status: &str) -> Option<Credentials> {
    let numbers = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
    };
    Some(Credentials {
        uid: *numbers("Uid:")?.get(3)?,
        gid: *numbers("Gid:")?.get(3)?,
        groups: numbers("Groups:").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Depth, Theme};

    fn own(started: u64) -> Of {
        let signs = Theme::new(Depth::Mono, false).signs;
        Of { pid: std::process::id(), started: Micros(started), signs }
    }

    #[test]
    fn reads_a_regular_file_and_cleans_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\tb\n\x1b[31mred\n").unwrap();
        let path = file.path().to_str().unwrap();
        let text = read(own(0), path).unwrap();
        assert_eq!(text.lines, ["a    b", "\\u{1b}[31mred"]);
        assert!(text.newer);
        assert!(!read(own(u64::MAX / 4), path).unwrap().newer);
    }

    #[test]
    fn refuses_what_is_no_file() {
        for path in ["/dev/null", "/", "<frozen runpy>", "/no/such/file"] {
            assert!(read(own(0), path).is_err(), "{path}");
        }
    }

    #[test]
    fn says_of_a_name_that_leads_nowhere_why() {
        let archive = tempfile::NamedTempFile::new().unwrap();
        let inside = archive.path().join("__main__.py");
        for (name, why) in [
            ("/no/such/file.py", "gone"),
            ("no/such/file.py", "directory"),
            (inside.to_str().unwrap(), "archive"),
        ] {
            let said = read(own(0), name).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }

    #[test]
    fn the_targets_rights_count() {
        let target = Credentials { uid: 1000, gid: 1000, groups: vec![4] };
        assert!(target.may_read_mode(1000, 0, 0o100_400));
        assert!(!target.may_read_mode(1000, 0, 0o100_044), "the owner's bits come first");
        assert!(target.may_read_mode(0, 4, 0o100_640));
        assert!(!target.may_read_mode(0, 0, 0o100_640));
        assert!(target.may_read_mode(0, 0, 0o100_644));
    }

    #[test]
    fn reads_credentials_as_the_kernel_prints_them() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t1000\nGid:\t1\t2\t3\t1001\nGroups:\t4 27 \n";
        assert_eq!(credentials(status), Some(Credentials { uid: 1000, gid: 1001, groups: vec![4, 27] }));
    }
}
