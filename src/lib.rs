//! pyflame-tui: true stacks of a running Python, at a cost nobody notices.

pub mod export;
pub mod profile;
pub mod sample;
pub mod target;
pub mod tui;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program: its arguments in, its exit status out.
pub fn run(_arguments: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
