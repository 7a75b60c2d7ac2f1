//! The interpreters that this machine has: pyenv's, the system's, and those that `tests/pythons.sh` fetched.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    /// What it is called in reports.
    name: String,
    /// The directory that it takes for the root, if not ours.
    root: Option<PathBuf>,
    /// Its executable, seen from there.
    path: PathBuf,
}

impl Python {
    /// A command that runs it.
    pub(crate) fn command(&self) -> Command {
        match &self.root {
            None => Command::new(&self.path),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(&self.path);
                command
            }
        }
    }
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// All of them, and a sentence for each that is known of but cannot be used.
pub(crate) fn all() -> (Vec<Python>, Vec<String>) {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort();
    for directory in versions {
        let name = format!("pyenv {}", directory.file_name().unwrap_or_default().display());
        add(&mut found, name, None, directory.join("bin/python"));
    }
    add(&mut found, "system".into(), None, "/usr/bin/python3".into());

    let cache = std::env::var_os("PYFLAME_TEST_PYTHONS").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
            cache.join("pyflame-tui/pythons")
        },
        PathBuf::from,
    );
    match std::fs::read_to_string(cache.join("index.tsv")) {
        Ok(index) => index.lines().for_each(|line| listed(line, &mut found, &mut missing)),
        Err(_) => missing.push("those that tests/pythons.sh fetches".into()),
    }
    (found, missing)
}

fn add(found: &mut Vec<Python>, name: String, root: Option<PathBuf>, path: PathBuf) {
    if path.exists() || root.is_some() {
        found.push(Python { name, root, path });
    }
}

/// A line of the index: name, root or `-`, executable, version, flags.
fn listed(line: &str, found: &mut Vec<Python>, missing: &mut Vec<String>) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, root, path, _, flags] = fields[..] else { return };
    if line.starts_with('#') || flags.split(',').any(|flag| matches!(flag, "pypy" | "uwsgi")) {
        return;
    }
    let root = (root != "-").then(|| Path::new(root).to_path_buf());
    if root.is_some() && !can_chroot() {
        missing.push(format!("{name}: its root can only be entered by root"));
        return;
    }
    add(found, name.to_owned(), root, path.into());
}

fn can_chroot() -> bool {
    nix::unistd::geteuid().is_root()
}
