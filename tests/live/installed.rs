//! Programs copied so that they can be run at once.

use std::path::Path;
use std::process::Command;

/// Copies a program so that it can be run: by another process, for a file that we had open for writing stays so in
/// whatever other tests start at that moment, and is "busy".
pub(crate) fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}
