//! The whole picture, from the state and nothing else.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::merge::MergeStrategy;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::keys::Pane;
use super::layout::{self, Areas};
use super::state::{Overlay, State};
use super::{
    console_pane, flame_pane, footer, header, overlay_pane, source_pane, states, threads_pane, timeline,
    top_pane,
};

/// Paints the screen.
pub fn paint(state: &State, buffer: &mut Buffer) {
    let areas = layout::areas(state.size, state.pane, state.strip);
    header::paint(state, areas.header, buffer);
    states::paint(state, areas.states, buffer);
    frames(state, &areas, buffer);
    timeline::paint(state, areas.inner(areas.timeline), buffer);
    let main = areas.inner(areas.main);
    match areas.shown {
        Some(Pane::Flame | Pane::Timeline) => flame_pane::paint(state, main, buffer),
        Some(Pane::Threads) => threads_pane::paint(state, main, buffer),
        Some(Pane::Top) => top_pane::paint(state, main, buffer),
        Some(Pane::Source) => source_pane::paint(state, main, buffer),
        Some(Pane::Output) => console_pane::paint(state, main, buffer),
        None => {}
    }
    threads_pane::paint(state, areas.inner(areas.side), buffer);
    let strip = areas.inner(areas.strip);
    match areas.below {
        Some(Pane::Output) => console_pane::paint(state, strip, buffer),
        _ => source_pane::paint(state, strip, buffer),
    }
    footer::paint(state, areas.footer, buffer);
    if state.overlay != Overlay::None {
        overlay_pane::paint(state, Rect::new(0, 0, state.size.0, state.size.1), buffer);
    }
}

/// The lines round the panes, with their titles. They share lines; the focused one comes last.
fn frames(state: &State, areas: &Areas, buffer: &mut Buffer) {
    if !areas.framed {
        return;
    }
    let shown = areas.shown.unwrap_or(Pane::Flame);
    let mut panes = [
        (areas.timeline, Pane::Timeline),
        (areas.main, shown),
        (areas.side, Pane::Threads),
        (areas.strip, areas.below.unwrap_or(Pane::Source)),
    ];
    panes.sort_by_key(|(_, pane)| *pane == state.pane);
    let there = || panes.into_iter().filter(|(area, _)| !area.is_empty());
    for (area, pane) in there() {
        Block::bordered()
            .border_set(state.theme.signs.border)
            .border_style(state.theme.border(pane == state.pane))
            .merge_borders(MergeStrategy::Exact)
            .render(area, buffer);
    }
    // Titles come after all lines: the line of a pane above would take their colour away.
    for (area, pane) in there() {
        let focused = pane == state.pane;
        let title = match pane {
            Pane::Timeline => timeline::title(state),
            Pane::Flame => flame_pane::title(state),
            Pane::Threads => threads_pane::title(state),
            Pane::Top => top_pane::title(state),
            Pane::Source => source_pane::title(state, area.width),
            Pane::Output => console_pane::title(state),
        };
        let style = if focused { state.theme.key() } else { state.theme.strong() };
        // The source's strip is headed by the function that it shows.
        let nameless = area == areas.strip && pane == Pane::Source;
        let number = if nameless { String::new() } else { format!("{} ", pane.number()) };
        let name = if nameless { "" } else { pane.title() };
        let mut spans = vec![Span::styled(format!("{number}{name}"), style)];
        if !name.is_empty() && !title.is_empty() {
            spans.push(Span::raw(" "));
        }
        spans.extend(title);
        spans.push(Span::raw(" "));
        let inside = Rect::new(area.x + 1, area.y, area.width.saturating_sub(2), 1);
        put(spans, inside, buffer);
    }
}

/// Text over what is there, cut at the end of the area.
pub fn put<'a>(spans: impl Into<Line<'a>>, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(*buffer.area());
    if !area.is_empty() {
        let line: Line<'_> = spans.into();
        let taken = Rect { width: area.width.min(line.width() as u16), ..area };
        for x in taken.left()..taken.right() {
            buffer[(x, taken.y)].reset();
        }
        line.render(taken, buffer);
    }
}

/// Text at the right end of an area, if there is room for all of it.
pub fn put_right(spans: Vec<Span<'_>>, area: Rect, buffer: &mut Buffer) -> u16 {
    let line = Line::from(spans);
    let width = line.width() as u16;
    if width > area.width {
        return 0;
    }
    put(line, Rect { x: area.right() - width, width, ..area }, buffer);
    width
}

/// One row of an area.
pub fn row(area: Rect, at: u16) -> Rect {
    Rect { y: area.y.saturating_add(at), height: u16::from(at < area.height), ..area }
}

/// A sentence in the middle of an empty pane.
pub fn say(text: &str, style: Style, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let width = (text.chars().count() as u16).min(area.width);
    let x = area.x + (area.width - width) / 2;
    put(
        Span::styled(text.to_owned(), style),
        Rect { x, y: area.y + area.height / 3, width, height: 1 },
        buffer,
    );
}
