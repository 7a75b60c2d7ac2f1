//! The thin binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pyflame_tui::run(std::env::args_os())
}
