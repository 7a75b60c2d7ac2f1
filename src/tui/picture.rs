//! The whole picture, from the state and nothing else.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::symbols::merge::MergeStrategy;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::keys::Pane;
use super::layout::{self, Areas};
use super::state::{Overlay, State};
use super::{
    console_pane, flame_pane, footer, header, overlay_pane, source_pane, states, text, threads_pane,
    timeline, top_pane,
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
        border(area, &state.theme.signs.border, state.theme.border(pane == state.pane), buffer);
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

/// The line round a pane. Ratatui's `Block` draws the same, but looks up how a sign goes together with itself for every
/// cell of a line that two panes share.
fn border(area: Rect, set: &border::Set<'_>, style: Style, buffer: &mut Buffer) {
    let area = area.intersection(*buffer.area());
    if area.width < 2 || area.height < 2 {
        return;
    }
    let mut draw = |x: u16, y: u16, sign: &str| {
        let cell = &mut buffer[(x, y)];
        if cell.symbol() != sign {
            cell.merge_symbol(sign, MergeStrategy::Exact);
        }
        cell.set_style(style);
    };
    let (left, right, top, bottom) = (area.left(), area.right() - 1, area.top(), area.bottom() - 1);
    for x in left + 1..right {
        draw(x, top, set.horizontal_top);
        draw(x, bottom, set.horizontal_bottom);
    }
    for y in top + 1..bottom {
        draw(left, y, set.vertical_left);
        draw(right, y, set.vertical_right);
    }
    draw(left, top, set.top_left);
    draw(right, top, set.top_right);
    draw(left, bottom, set.bottom_left);
    draw(right, bottom, set.bottom_right);
}

/// Text over what is there, cut at the end of the area.
pub fn put<'a>(spans: impl Into<Line<'a>>, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(*buffer.area());
    if area.is_empty() {
        return;
    }
    let line: Line<'_> = spans.into();
    let mut rest = area;
    for span in &line.spans {
        let start = buffer.index_of(rest.x.min(area.right() - 1), rest.y);
        let cells = &mut buffer.content[start..start + usize::from(rest.width)];
        let mut width = 0;
        if text::is_plain(&span.content) {
            let mut blank = Cell::EMPTY;
            blank.set_style(span.style);
            for (cell, sign) in cells.iter_mut().zip(span.content.chars()) {
                cell.reset();
                (cell.fg, cell.bg, cell.modifier) = (blank.fg, blank.bg, blank.modifier);
                // A cell without a sign is a blank.
                if sign != ' ' {
                    cell.set_char(sign);
                }
                width += 1;
            }
        } else {
            // Ratatui knows which characters go together.
            width = (text::width(&span.content) as u16).min(rest.width);
            cells[..usize::from(width)].iter_mut().for_each(Cell::reset);
            span.render(Rect { width, ..rest }, buffer);
        }
        rest.x += width;
        rest.width -= width;
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

#[cfg(test)]
mod tests {
    use ratatui::widgets::Block;

    use super::super::{keys::Pane, layout::Strip, signs};
    use super::*;

    #[test]
    fn borders_are_those_of_ratatui() {
        for size in [(160, 48), (80, 24), (50, 11)] {
            for set in [signs::UNICODE.border, signs::ASCII.border] {
                let whole = Rect::new(0, 0, size.0, size.1);
                let (mut ours, mut theirs) = (Buffer::empty(whole), Buffer::empty(whole));
                let areas = layout::areas(size, Pane::Flame, Strip::Source);
                let panes = [areas.timeline, areas.side, areas.strip, areas.main];
                for (area, style) in panes.into_iter().zip([Style::new(), Style::new().bold()].repeat(2)) {
                    border(area, &set, style, &mut ours);
                    let block = Block::bordered().border_set(set).border_style(style);
                    block.merge_borders(MergeStrategy::Exact).render(area, &mut theirs);
                }
                assert_eq!(ours, theirs, "{size:?}");
            }
        }
    }

    #[test]
    fn plain_text_is_put_as_any_other() {
        let words = "a ▶ ▁█▒│ ±2 × … é·";
        assert!(text::is_plain(words) && !text::is_plain("関"));
        let whole = Rect::new(0, 0, 12, 1);
        let (mut ours, mut theirs) = (Buffer::empty(whole), Buffer::empty(whole));
        let span = Span::styled(words, Style::new().italic());
        span.clone().render(whole, &mut theirs);
        put(span, whole, &mut ours);
        assert_eq!(ours, theirs);
        // What was there is gone, and what follows a wide character stands where it should.
        put(vec![Span::raw("関x"), Span::raw("y")], whole, &mut ours);
        let signs: Vec<&str> = ours.content[..5].iter().map(Cell::symbol).collect();
        assert_eq!(signs, ["関", " ", "x", "y", "▁"]);
    }
}
