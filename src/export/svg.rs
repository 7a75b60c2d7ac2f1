//! A flame graph as a picture for a browser: the folded stacks, drawn by inferno. Roots are on top, as in the live view.
//! Boxes can be clicked into and searched; what lies in `site-packages` is blue, what comes with Python yellow, all else red.

use std::io::{self, Write};

use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{Direction, Options, from_lines};

use super::escape::is_unseen;
use super::write_folded;
use crate::profile::{Profile, Selection};
use crate::sample::About;

/// What is longer, a title has no room for, in characters.
const LONGEST_TITLE: usize = 120;

/// XML has no word for these, and no browser shows a file that has them.
const NOT_XML: [char; 2] = ['\u{fffe}', '\u{ffff}'];

/// Writes what a selection takes as SVG; nothing where it takes nothing.
pub fn write_svg(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let mut folded = Vec::new();
    write_folded(profile, selection, &mut folded)?;
    if folded.is_empty() {
        return Ok(());
    }
    let folded = String::from_utf8_lossy(&folded).replace(NOT_XML, "\u{fffd}");
    let mut options = Options::default();
    options.colors = Palette::Multi(MultiPalette::Python);
    options.direction = Direction::Inverted;
    options.deterministic = true;
    if let Some(about) = profile.about() {
        options.title = title(&about.command);
        options.subtitle = Some(subtitle(about));
    }
    from_lines(&mut options, folded.lines(), out)
}

fn title(command: &str) -> String {
    let mut title: String = command.chars().take(LONGEST_TITLE).collect();
    if title.len() < command.len() {
        title.push('…');
    }
    title.replace(|c| is_unseen(c) || NOT_XML.contains(&c), "\u{fffd}")
}

fn subtitle(about: &About) -> String {
    format!("process {}, Python {}", about.pid, about.python)
}
