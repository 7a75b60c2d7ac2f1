//! The WHERE line: what the threads do, in threads; and since when.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::picture::{put, put_right};
use super::state::State;
use super::text;
use super::theme::state_label;
use crate::profile::State as Doing;

/// Paints the line.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = state.theme;
    let mut taken = 0;
    if let Some(at) = state.view.changed {
        let words = format!(" {} changed {} ", theme.signs.change, text::clock(at, state.options.east));
        taken = put_right(vec![Span::styled(words, theme.alert())], area, buffer);
    }
    let area = Rect { width: area.width - taken, ..area };
    let means = state.view.states;
    let all: f64 = means.iter().sum();
    if state.view.looks() == 0 {
        put(Span::styled(" WHERE  no samples in this window", theme.faint()), area, buffer);
        return;
    }
    let mut spans = vec![Span::styled(" WHERE ", theme.strong()), Span::raw(" ")];
    let collects = state.view.collecting >= 0.05;
    let bar = usize::from(area.width.saturating_sub(if collects { 73 } else { 64 }).min(48));
    let mut filled = 0.0;
    let mut drawn = 0;
    for doing in Doing::ALL {
        filled += means[doing.index()];
        // Edges are rounded, not widths: the parts always fill the bar.
        let edge = if all > 0.0 { (filled / all * bar as f64).round() as usize } else { 0 };
        spans.push(Span::styled(
            theme.signs.fills[doing.index()].repeat(edge.saturating_sub(drawn)),
            theme.state(doing),
        ));
        drawn = edge.max(drawn);
    }
    if bar > 0 {
        spans.push(Span::raw(" "));
    }
    for doing in Doing::ALL {
        let mean = means[doing.index()];
        // Most versions do not tell who waits for the GIL: then the word says nothing. And mostly nearly all is known.
        let least = match doing {
            Doing::GilWait => 0.005,
            Doing::Unknown => 0.05,
            _ => 0.0,
        };
        if mean < least {
            continue;
        }
        spans.push(Span::styled(format!("{} ", theme.signs.fills[doing.index()]), theme.state(doing)));
        let collects = match doing {
            // That is not what its lines say.
            Doing::Running if collects => format!(" (GC {})", text::threads(state.view.collecting)),
            _ => String::new(),
        };
        spans.push(Span::raw(format!("{} {}{collects}  ", state_label(doing), text::threads(mean))));
    }
    let count = state.count();
    spans.push(Span::styled(format!("of {count} {}", state.unit(count)), theme.faint()));
    put(spans, area, buffer);
}
