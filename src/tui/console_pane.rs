//! The command's output, painted: cells of its screen become cells of ours, in as many colours as ours has.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use unicode_width::UnicodeWidthChar;

use super::console::{self, Console};
use super::picture::say;
use super::state::State;
use super::text;
use super::theme::{Depth, Theme};
use crate::export::escape::is_unseen;

/// The words in the line above.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let Some(console) = &state.console else { return Vec::new() };
    let dot = theme.signs.dot;
    let mut spans = Vec::new();
    // What can be done comes first: the command may be longer than the line.
    if console::is_typing(state) {
        spans.push(Span::styled(format!("{dot} it has the keys, ^] takes them back "), theme.alert()));
    } else if console::runs(state) {
        spans.push(Span::styled(format!("{dot} 6 types "), theme.key()));
    }
    let back = console.screen().scrollback();
    if back > 0 {
        spans.push(Span::styled(format!("{dot} {back} rows back (G: newest) "), theme.alert()));
    }
    let command = text::cut(&text::clean(&console.command, theme.signs), 60, theme.signs);
    spans.push(Span::styled(format!("{dot} {command}"), theme.faint()));
    spans
}

/// Paints as much of it as there is room for; where that is not all, its end.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(*buffer.area());
    let Some(console) = &state.console else {
        return say("no command of ours: -t runs one", state.theme.faint(), area, buffer);
    };
    if area.is_empty() {
        return;
    }
    let first = first_row(console, area.height);
    for y in 0..area.height {
        paint_row(state.theme, console, first + y, Rect { y: area.y + y, height: 1, ..area }, buffer);
    }
    let screen = console.screen();
    let (row, column) = screen.cursor_position();
    let shown = console::is_typing(state) && !screen.hide_cursor() && screen.scrollback() == 0;
    if shown && (first..first + area.height).contains(&row) && column < area.width {
        let cell = &mut buffer[(area.x + column, area.y + row - first)];
        cell.set_style(Style::new().add_modifier(Modifier::REVERSED));
    }
}

fn first_row(console: &Console, height: u16) -> u16 {
    if height >= console.screen().size().0.get() { 0 } else { console.filled().saturating_sub(height) }
}

fn paint_row(theme: Theme, console: &Console, row: u16, area: Rect, buffer: &mut Buffer) {
    let screen = console.screen();
    for column in 0..area.width {
        let Some(cell) = screen.cell(row, column) else { return };
        if cell.is_wide_continuation() {
            continue;
        }
        let (letter, cells) = visible(cell, theme);
        if cells > area.width - column {
            continue;
        }
        let target = &mut buffer[(area.x + column, area.y)];
        target.set_symbol(&letter).set_style(style(cell, theme));
    }
}

/// What of a cell may reach our terminal: one character that takes the cells that it is given, and the marks on it;
/// nothing that turns text round, and nothing that is obeyed.
fn visible(cell: &vt100::Cell, theme: Theme) -> (String, u16) {
    let wide = if cell.is_wide() { 2 } else { 1 };
    let mut characters = cell.contents().chars();
    let Some(first) = characters.next() else { return (" ".to_owned(), 1) };
    if first.width() != Some(usize::from(wide)) || is_unseen(first) {
        return (theme.signs.unknown.repeat(usize::from(wide)), wide);
    }
    if theme.signs.ascii && !first.is_ascii() {
        return (theme.signs.unknown.repeat(usize::from(wide)), wide);
    }
    let mut letter = String::from(first);
    letter.extend(characters.filter(|mark| !theme.signs.ascii && text::is_mark(*mark)));
    if text::width(&letter) == usize::from(wide) { (letter, wide) } else { (first.to_string(), wide) }
}

fn style(cell: &vt100::Cell, theme: Theme) -> Style {
    let mut style = Style::new();
    if let Some(colour) = colour(cell.fgcolor(), theme.depth) {
        style = style.fg(colour);
    }
    if let Some(colour) = colour(cell.bgcolor(), theme.depth) {
        style = style.bg(colour);
    }
    for (is_so, modifier) in [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ] {
        if is_so {
            style = style.add_modifier(modifier);
        }
    }
    style
}

/// The nearest colour that our terminal has; none where it has none, or where the command chose none.
fn colour(wanted: vt100::Color, depth: Depth) -> Option<Color> {
    let index = match (wanted, depth) {
        (_, Depth::Mono) | (vt100::Color::Default, _) => return None,
        (vt100::Color::Rgb(r, g, b), Depth::True) => return Some(Color::Rgb(r, g, b)),
        (vt100::Color::Rgb(r, g, b), _) => nearest(r, g, b),
        (vt100::Color::Idx(index), _) => index,
    };
    if depth == Depth::Sixteen && index >= 16 {
        let (r, g, b) = parts(index);
        return Some(Color::Indexed(nearest_of_sixteen(r, g, b)));
    }
    Some(Color::Indexed(index))
}

/// The levels of the cube that 16 to 231 are.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn nearest(r: u8, g: u8, b: u8) -> u8 {
    let level = |part: u8| {
        let distance = |(_, level): &(u8, u8)| level.abs_diff(part);
        (0..).zip(LEVELS).min_by_key(distance).map_or(0, |(place, _)| place)
    };
    16 + 36 * level(r) + 6 * level(g) + level(b)
}

fn parts(index: u8) -> (u8, u8, u8) {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return (level, level, level);
    }
    let place = index.saturating_sub(16);
    let level = |digit: u8| LEVELS[usize::from(digit % 6)];
    (level(place / 36), level(place / 6), level(place))
}

/// A bit for each part that is at least half as bright as can be, and the bright half for what is brighter.
fn nearest_of_sixteen(r: u8, g: u8, b: u8) -> u8 {
    let most = r.max(g).max(b);
    if most < 64 {
        return 0;
    }
    let bit = |part: u8, value: u8| if part > most / 2 { value } else { 0 };
    let hue = bit(r, 1) + bit(g, 2) + bit(b, 4);
    if most > 200 { hue + 8 } else { hue }
}

/// The last screen as plain text, for whoever leaves.
pub(super) fn lines(state: &State) -> Vec<String> {
    let Some(console) = &state.console else { return Vec::new() };
    let screen = console.screen();
    let columns = screen.size().1.get();
    let line = |row: u16| {
        let mut line = String::new();
        for column in 0..columns {
            match screen.cell(row, column) {
                Some(cell) if !cell.is_wide_continuation() => line.push_str(&visible(cell, state.theme).0),
                _ => {}
            }
        }
        line.trim_end().to_owned()
    };
    let mut lines: Vec<String> = (0..screen.size().0.get()).map(line).collect();
    let filled = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines.truncate(filled);
    lines
}
