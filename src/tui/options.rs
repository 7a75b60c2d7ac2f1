//! What the screen is told once, at its start.

use std::path::PathBuf;

use super::theme::Depth;
use crate::export::Format;
use crate::profile::Grouping;

/// How the viewer looks and what its exports write.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Options {
    /// `-o`: where `e` writes; a name of its own otherwise.
    pub output: Option<PathBuf>,
    /// `-x`: leave away threads that neither hold the GIL nor are on a CPU.
    pub exclude_idle: bool,
    /// `-T`, `--svg`, `--speedscope`, `--pprof`: what `e` writes.
    pub format: Format,
    /// `--tasks`: begin with asyncio's tasks.
    pub tasks: bool,
    /// `--by-thread`: exports tell threads apart.
    pub by_thread: bool,
    /// `-n`: exports have no line numbers.
    pub no_line_numbers: bool,
    /// `--ascii`: nothing outside of 7 bits.
    pub ascii: bool,
    /// The words of the command that runs on a terminal of ours; none where a process is watched.
    pub command: Option<String>,
    /// Take the mouse.
    pub mouse: bool,
    /// Colours.
    pub depth: Depth,
    /// Seconds east of Greenwich, for the times of day.
    pub east: i64,
    /// Stands still as ^Z asks, until we are told to go on. Says whether that was: where no shell could tell us, we do
    /// not.
    pub stand_still: fn() -> bool,
}

impl Options {
    /// The environment's colours and time zone.
    pub fn from_environment() -> Self {
        Self {
            depth: Depth::from_environment(|name| std::env::var(name).ok()),
            east: i64::from(chrono::Local::now().offset().local_minus_utc()),
            ..Self::default()
        }
    }
}

impl Options {
    /// Whether threads are told apart there.
    pub const fn grouping(&self) -> Grouping {
        if self.by_thread { Grouping::ByThread } else { Grouping::Merged }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output: None,
            exclude_idle: false,
            format: Format::Folded,
            tasks: false,
            by_thread: false,
            no_line_numbers: false,
            ascii: false,
            command: None,
            mouse: true,
            depth: Depth::Indexed,
            east: 0,
            stand_still: || false,
        }
    }
}
