//! What leaves the house: a selection of a profile as text, a file a format. Writers stream, open
//! nothing, and pass errors on.
//!
//! All formats that are lines write a frame as `file:function:line`, with names escaped as [`escape`] says.

mod dump;
pub mod escape;
mod folded;
mod pprof;
mod root;
mod speedscope;
mod svg;
mod timestamps;

use std::io::{self, Write};

pub use dump::write_dump;
pub use folded::write_folded;
pub use pprof::write_pprof;
pub use speedscope::write_speedscope;
pub use svg::write_svg;
pub use timestamps::write_timestamps;

use crate::profile::{Profile, Selection};

/// The formats that a selection can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// A line a stack, with its weight: what `flamegraph.pl` and its kin take.
    #[default]
    Folded,
    /// A moment, then the stack seen in it: what pyflame's flame-chart converter takes.
    Timestamps,
    /// A flame graph for a browser.
    Svg,
    /// Every sample in its place in time, a track a thread: speedscope's own.
    Speedscope,
    /// Stacks with labels, packed: what `pprof` and its kin take.
    Pprof,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Folded, Self::Timestamps, Self::Svg, Self::Speedscope, Self::Pprof];

    /// Does it tell when a stack was seen?
    pub const fn has_times(self) -> bool {
        matches!(self, Self::Timestamps | Self::Speedscope)
    }

    /// Is it nothing for a terminal?
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Pprof)
    }

    /// The usual ending of a file in this format.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::Timestamps => "flamechart",
            Self::Svg => "svg",
            Self::Speedscope => "speedscope.json",
            Self::Pprof => "pb.gz",
        }
    }
}

/// Writes what a selection takes of a profile.
pub fn write(
    format: Format,
    profile: &Profile,
    selection: &Selection,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Folded => write_folded(profile, selection, out),
        Format::Timestamps => write_timestamps(profile, selection, out),
        Format::Svg => write_svg(profile, selection, out),
        Format::Speedscope => write_speedscope(profile, selection, out),
        Format::Pprof => write_pprof(profile, selection, out),
    }
}
