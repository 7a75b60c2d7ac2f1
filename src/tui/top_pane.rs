//! The top list: functions (or lines) by weight, with how they fared over the last minute, or in the chosen span.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::keys::Pane;
use super::labels;
use super::navigate;
use super::picture::{put, row, say};
use super::state::{Order, State};
use super::text;
use super::theme::Kind;
use crate::profile::{Frames, Lines, TopRow, Trend};

/// The words in the line above the list.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let by = match state.order {
        Order::Own => "by self",
        Order::Total => "by total",
        Order::Name => "by name",
    };
    let what = if state.lines == Lines::Apart { "lines" } else { "functions" };
    let dot = state.theme.signs.dot;
    let own = if state.frames == Frames::Own { format!(" {dot} own code (p)") } else { String::new() };
    let bare = state.view.bare(&format!(" {dot} "));
    let words = format!("{} {what} {dot} {by} (s){own}{bare}", state.view.top.len());
    vec![Span::styled(words, state.theme.faint())]
}

/// The rows above the list.
pub(super) fn head(area: Rect) -> u16 {
    u16::from(area.height > 4)
}

/// Paints the list.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows = &state.view.top;
    if rows.is_empty() {
        return say("no Python frame in this window", state.theme.faint(), area, buffer);
    }
    let head = head(area);
    if head > 0 {
        let words = if area.width >= 60 {
            let trend = format!("trend {}", text::span(state.view.trend_length()));
            format!("   self  total  {trend:<13}function")
        } else {
            "   self  total function".to_owned()
        };
        put(Span::styled(words, state.theme.faint()), row(area, 0), buffer);
    }
    let height = usize::from(area.height - head);
    let cursor = state.top_list.cursor.min(rows.len() - 1);
    let first = navigate::first_row(state, Pane::Top, height);
    for (at, entry) in (head..area.height).zip(rows.iter().skip(first)) {
        let selected = state.pane == Pane::Top && first + usize::from(at - head) == cursor;
        paint_row(state, entry, selected, row(area, at), buffer);
    }
}

fn paint_row(state: &State, entry: &TopRow, selected: bool, line: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let signs = theme.signs;
    let function = state.profile.function(entry.step.function);
    let share = |weight: u64| text::percent(weight as f64 / state.view.tree.total().max(1) as f64);
    let kind = Kind::of(state.profile.origin(entry.step.function));
    let lit = !state.find.is_on() || state.find.matches.contains(&entry.step.function);
    let style = if lit { theme.text() } else { theme.faint() };
    let wide = line.width >= 60;
    let mut spans = vec![
        Span::styled(text::pad_start(&share(entry.own), 7, signs), state.of_share(theme.strong())),
        Span::styled(text::pad_start(&share(entry.total), 7, signs), state.of_share(style)),
        Span::raw(" "),
    ];
    if wide {
        let trend = state.view.trend(entry.step.function);
        spans.push(Span::raw(" "));
        spans.push(Span::styled(sparkline(state, &trend), theme.kind(kind)));
    }
    let line_number = entry.step.line.unwrap_or(function.first_line);
    let place = format!("{}:{line_number}", text::clean(text::base_name(&function.file), signs));
    let taken: usize = spans.iter().map(Span::width).sum();
    let rest = usize::from(line.width).saturating_sub(taken);
    let mut name = text::clean(text::local_name(&function.name), signs);
    if text::width(&name) + 1 + rest / 3 > rest {
        name = text::last_name(&name).to_owned().into();
    }
    if let Some(package) = labels::package(state, entry.step.function) {
        name = format!("{package}: {name}").into();
    }
    // The name comes first; the file has what is left, and a third of the line in any case.
    let place_width = text::width(&place).min((rest / 3).max(rest.saturating_sub(text::width(&name) + 1)));
    let name_width = rest.saturating_sub(place_width + 1);
    if wide || rest >= 20 {
        spans.push(Span::styled(
            text::pad(&name, name_width, signs),
            if lit { theme.kind(kind) } else { style },
        ));
        spans.push(Span::styled(format!(" {}", text::cut_start(&place, place_width, signs)), theme.faint()));
    } else {
        spans.push(Span::styled(text::cut(&name, rest, signs), if lit { theme.kind(kind) } else { style }));
    }
    put(spans, line, buffer);
    if selected {
        buffer.set_style(line.intersection(buffer.area), theme.cursor());
    }
}

/// A function's total weight in a minute, five seconds a sign, or in the span that was chosen.
fn sparkline(state: &State, trend: &[(f64, f64)]) -> String {
    let top = trend.iter().map(|(_, total)| *total).fold(1.0, f64::max);
    let blank = " ".repeat(Trend::SLOTS.saturating_sub(trend.len()));
    let signs = trend.iter().map(|(_, total)| {
        let level = (total / top * 8.0).round() as usize;
        state.theme.signs.levels[if *total > 0.005 { level.clamp(1, 8) } else { 0 }]
    });
    format!("{blank}{} ", signs.collect::<String>())
}
