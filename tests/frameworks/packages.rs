//! Packages of PyPI, each set in a folder of its own, fetched once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::interpreters::Interpreter;

/// The folder with these packages for this Python; the reason if they cannot be had.
pub(crate) fn fetch(python: &Interpreter, packages: &[&str]) -> Result<PathBuf, String> {
    let name = format!("{}-{}", python.name.replace(' ', "-"), packages.join("-"));
    let folder = cache().join(&name);
    if folder.exists() {
        return Ok(folder);
    }
    let unfinished = cache().join(format!("{name}.{}", std::process::id()));
    let mut pip = Command::new(&python.command);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    pip.arg(&unfinished).args(packages).stdin(Stdio::null());
    let done = pip.output().map_err(|error| error.to_string())?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    // Whoever else has fetched them meanwhile has fetched the same.
    let _ = std::fs::rename(&unfinished, &folder);
    let _ = std::fs::remove_dir_all(&unfinished);
    Ok(folder)
}

fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    cache.expect("HOME is set").join("pyflame-tui/packages")
}
