//! The WHERE line: what the threads do, in threads; and since when.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::picture::{put, put_right};
use super::state::State;
use super::text;
use super::theme::state_label;
use crate::profile::State as Doing;

/// What is left out where there is no room for all of it, one after the other. What is there is whole: a part of a number
/// would be another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Without {
    Nothing,
    /// What the sign before the moment of a change says already.
    Changed,
    /// What it is that is counted.
    Unit,
    /// States that nobody is in.
    Nobody,
    Strip,
    Garbage,
    /// The word before all.
    Where,
    Change,
    Count,
}

impl Without {
    const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Changed,
        Self::Unit,
        Self::Nobody,
        Self::Strip,
        Self::Garbage,
        Self::Where,
        Self::Change,
        Self::Count,
    ];
}

/// Cells of a strip that says something.
const SHORTEST: usize = 6;

/// Paints the line.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if state.view.looks() == 0 {
        let taken = put_right(change(state, Without::Nothing), area, buffer);
        let area = Rect { width: area.width - taken, ..area };
        put(Span::styled(" WHERE  no samples in this window", state.theme.faint()), area, buffer);
        return;
    }
    let [left, right] = Without::ALL
        .into_iter()
        .map(|without| [who(state, area.width, without), change(state, without)])
        .find(|line| line.iter().flatten().map(Span::width).sum::<usize>() <= usize::from(area.width))
        .unwrap_or_default();
    put_right(right, area, buffer);
    put(left, area, buffer);
}

/// When things last changed.
fn change(state: &State, without: Without) -> Vec<Span<'static>> {
    let Some(at) = state.view.changed.filter(|_| without < Without::Change) else { return Vec::new() };
    let word = if without < Without::Changed { "changed " } else { "" };
    let words = format!(" {} {word}{} ", state.theme.signs.change, text::clock(at, state.options.east));
    vec![Span::styled(words, state.theme.alert())]
}

/// How many threads do what.
fn who(state: &State, width: u16, without: Without) -> Vec<Span<'static>> {
    let theme = state.theme;
    let mut spans = vec![Span::raw(" ")];
    if without < Without::Where {
        spans.push(Span::styled("WHERE ", theme.strong()));
        spans.push(Span::raw(" "));
    }
    let place = spans.len();
    let collecting = Some(state.view.collecting).filter(|mean| *mean >= 0.05 && without < Without::Garbage);
    for doing in Doing::ALL {
        let mean = state.view.states[doing.index()];
        // Versions up to 3.6 do not tell who waits for the GIL: then the word says nothing. And mostly nearly all is known.
        let least = match doing {
            Doing::GilWait => 0.005,
            Doing::Unknown => 0.05,
            _ if without >= Without::Nobody => 0.05,
            _ => 0.0,
        };
        if mean < least {
            continue;
        }
        spans.push(Span::styled(format!("{} ", theme.signs.fills[doing.index()]), theme.state(doing)));
        let collects = match (doing, collecting) {
            // That is not what its lines say.
            (Doing::Running, Some(mean)) => format!(" (GC {})", text::threads(mean)),
            _ => String::new(),
        };
        spans.push(Span::raw(format!("{} {}{collects}  ", state_label(doing), text::threads(mean))));
    }
    if without < Without::Count {
        let count = state.count();
        let unit = if without < Without::Unit { state.unit(count) } else { "" };
        spans.push(Span::styled(format!("of {count} {unit}"), theme.faint()));
    }
    // Of a length of its own, as far as the words leave that: they are not always as long.
    let wanted = usize::from(width.saturating_sub(64).min(48));
    if without < Without::Strip && wanted >= SHORTEST {
        let words: usize = spans.iter().chain(&change(state, without)).map(Span::width).sum();
        let room = usize::from(width).saturating_sub(words + 1);
        spans.splice(place..place, strip(state, wanted.min(room.max(SHORTEST))));
    }
    spans
}

/// The same as a strip of so many cells, and one behind it.
fn strip(state: &State, cells: usize) -> Vec<Span<'static>> {
    let means = state.view.states;
    let all: f64 = means.iter().sum();
    let (mut filled, mut drawn) = (0.0, 0);
    let part = |doing: Doing| {
        filled += means[doing.index()];
        // Edges are rounded, not widths: the parts always fill the strip.
        let edge = if all > 0.0 { (filled / all * cells as f64).round() as usize } else { 0 };
        let fill = state.theme.signs.fills[doing.index()].repeat(edge.saturating_sub(drawn));
        drawn = edge.max(drawn);
        Span::styled(fill, state.theme.state(doing))
    };
    Doing::ALL.into_iter().map(part).chain([Span::raw(" ")]).collect()
}
