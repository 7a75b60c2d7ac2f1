//! What lies over the panes, painted: help, the palette, and the list of a crowd.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::keys::{Group, Pane, TABLE};
use super::labels;
use super::overlay;
use super::picture::{put, row};
use super::state::{Overlay, State};
use super::text;
use crate::profile::Step;

/// Paints it over the whole screen's middle.
pub(super) fn paint(state: &State, screen: Rect, buffer: &mut Buffer) {
    match &state.overlay {
        Overlay::Help(pane, scroll) => help(state, *pane, *scroll, screen, buffer),
        Overlay::Palette(typed, cursor) => palette(state, typed, *cursor, screen, buffer),
        Overlay::Crowd(path, cursor) => crowd(state, path, *cursor, screen, buffer),
        Overlay::None | Overlay::Find | Overlay::File(_) | Overlay::Leaving => {}
    }
}

/// A box in the middle of the screen, at most so large. The last line stays: notes appear there.
fn place(wanted: (u16, u16), screen: Rect) -> Rect {
    let width = wanted.0.min(screen.width);
    let height = wanted.1.min(screen.height.saturating_sub(1)).max(u16::from(screen.height > 0));
    Rect::new((screen.width - width) / 2, (screen.height - height) / 3, width, height)
}

fn inside(area: Rect) -> Rect {
    Block::bordered().inner(area)
}

/// Paints such a box; the area inside of it.
fn window(state: &State, title: &str, wanted: (u16, u16), screen: Rect, buffer: &mut Buffer) -> Rect {
    let area = place(wanted, screen);
    Clear.render(area, buffer);
    let block = Block::bordered()
        .border_set(state.theme.signs.border)
        .border_style(state.theme.key())
        .title(Line::from(Span::styled(format!(" {title} "), state.theme.strong())));
    block.render(area, buffer);
    inside(area)
}

/// The list that is drawn of a list with a cursor: where it begins.
fn first_row(cursor: usize, height: u16) -> usize {
    cursor.saturating_sub(usize::from(height).saturating_sub(1))
}

/// The row of a list at this place of the screen, if there is one.
pub(super) fn row_at(state: &State, (x, y): (u16, u16)) -> Option<usize> {
    let screen = screen(state);
    let (list, cursor, length) = match &state.overlay {
        Overlay::Palette(typed, cursor) => {
            (below_prompt(inside(place(PALETTE, screen))), *cursor, overlay::commands(state, typed).len())
        }
        Overlay::Crowd(path, cursor) => {
            let length = overlay::crowd(state, path).len();
            (inside(place(crowded(length), screen)), *cursor, length)
        }
        _ => return None,
    };
    let row = first_row(cursor, list.height) + usize::from(y.saturating_sub(list.y));
    (list.contains((x, y).into()) && row < length).then_some(row)
}

/// The row with which the last screen of the help begins.
pub(super) fn last_of_help(state: &State, pane: Option<Pane>) -> usize {
    let screen = screen(state);
    let lines = help_lines(state, pane, screen);
    lines.len().saturating_sub(usize::from(inside(place(helpful(&lines), screen)).height))
}

fn screen(state: &State) -> Rect {
    Rect::new(0, 0, state.size.0, state.size.1)
}

fn help(state: &State, pane: Option<Pane>, scroll: usize, screen: Rect, buffer: &mut Buffer) {
    let lines = help_lines(state, pane, screen);
    let title = pane.map_or("Every key".to_owned(), |pane| format!("Help: {}", pane.title()));
    let title = format!("{title} {} Esc closes", state.theme.signs.dot);
    let inside = window(state, &title, helpful(&lines), screen, buffer);
    let scroll = scroll.min(lines.len().saturating_sub(usize::from(inside.height)));
    for (at, line) in (0..inside.height).zip(lines.into_iter().skip(scroll)) {
        put(line, row(inside, at), buffer);
    }
}

/// The size of a box for the help.
fn helpful(lines: &[Vec<Span<'_>>]) -> (u16, u16) {
    (WIDEST, lines.len() as u16 + 2)
}

fn help_lines(state: &State, pane: Option<Pane>, screen: Rect) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme;
    let signs = theme.signs;
    let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
    // Inside of the frame, a blank at each side.
    let room = usize::from(WIDEST.min(screen.width)).saturating_sub(4);
    if let Some(pane) = pane {
        for sentence in about(pane).iter().flat_map(|text| text::wrap(text, room)) {
            lines.push(vec![Span::raw(format!(" {sentence}"))]);
        }
        lines.push(Vec::new());
    }
    for group in Group::ALL {
        let mut rows = TABLE
            .iter()
            .filter(|binding| binding.group == group && pane.is_none_or(|_| binding.holds_on(state)))
            .peekable();
        if rows.peek().is_none() {
            continue;
        }
        lines.push(vec![Span::styled(format!(" {}", group.title()), theme.strong())]);
        for binding in rows {
            let mut label = binding.label(signs.ascii);
            for words in text::wrap(binding.help, room.saturating_sub(15)) {
                let label = text::pad(&std::mem::take(&mut label), 12, signs);
                let keys = Span::styled(format!("   {label}"), theme.key());
                lines.push(vec![keys, Span::raw(format!(" {words}"))]);
            }
        }
    }
    lines.push(Vec::new());
    for words in text::wrap(MOUSE, room) {
        lines.push(vec![Span::styled(format!(" {words}"), theme.faint())]);
    }
    lines
}

/// Columns of the help at most, its frame included.
const WIDEST: u16 = 100;
const MOUSE: &str = "Mouse: click selects, double click zooms, right click back, wheel scrolls, drag on the timeline \
                     selects a span; hints and titles can be clicked. Shift-drag is the terminal's own selection.";

/// What a pane shows.
const fn about(pane: Pane) -> &'static [&'static str] {
    match pane {
        Pane::Timeline => &[
            "How many threads ran (cpu) and waited, over time. A vertical line: the target changed what it does.",
            "Bars are thin (in 7 bits: made of g) while most who waited stood before the GIL. Where there is one row \
             for all, they are dotted (made of w) while most waited for something else.",
            "The bright part is what all other panes show.",
        ],
        Pane::Flame => &[
            "A box is a call; its callees are below it; its width is its share of the time of all threads.",
            "Colours: own code, library, standard library; grey, with the sign of waiting, waits. \
             +N: siblings too small for boxes (Enter).",
            "Shares are of the window named in the first line; the number behind the sign of change is growth.",
        ],
        Pane::Threads => {
            &["What each thread mostly does, where it stands, and for how long. The stuck come first."]
        }
        Pane::Top => &[
            "Self: at the top of stacks. Total: anywhere in them. Trend: the last minute, or the chosen span.",
        ],
        Pane::Source => {
            &["The share of each line in everything; the sign marks the line at which it mostly runs."]
        }
        Pane::Output => &[
            "What the command writes, on a terminal of its own. 6 or Enter gives it the keys, ^] takes them back; \
             until then they scroll. Its exit status becomes ours.",
        ],
    }
}

/// The size of a box for the palette.
const PALETTE: (u16, u16) = (84, 24);

/// The list in it.
fn below_prompt(inside: Rect) -> Rect {
    Rect { y: inside.y.saturating_add(1), height: inside.height.saturating_sub(1), ..inside }
}

fn palette(state: &State, typed: &str, cursor: usize, screen: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let signs = theme.signs;
    let found = overlay::commands(state, typed);
    let inside = window(state, "Commands", PALETTE, screen, buffer);
    let prompt = vec![
        Span::styled(" : ", theme.key()),
        Span::raw(text::cut_start(
            &text::clean(typed, signs),
            usize::from(inside.width).saturating_sub(4),
            signs,
        )),
        Span::styled(" ", theme.cursor()),
    ];
    put(prompt, row(inside, 0), buffer);
    let list = below_prompt(inside);
    let first = first_row(cursor, list.height);
    for (at, (place, binding)) in (0..list.height).zip(found.iter().enumerate().skip(first)) {
        let line = row(list, at);
        let spans = vec![
            Span::styled(format!(" {}", text::pad(&binding.label(signs.ascii), 12, signs)), theme.key()),
            Span::raw(text::pad(binding.help, usize::from(line.width).saturating_sub(13), signs)),
        ];
        put(spans, line, buffer);
        if place == cursor {
            buffer.set_style(line.intersection(buffer.area), theme.cursor());
        }
    }
    if found.is_empty() {
        put(Span::styled(" no such command", theme.faint()), row(inside, 1), buffer);
    }
}

/// The size of a box for so many calls.
fn crowded(calls: usize) -> (u16, u16) {
    (90, (calls as u16).saturating_add(2))
}

fn crowd(state: &State, path: &[Step], cursor: usize, screen: Rect, buffer: &mut Buffer) {
    let signs = state.theme.signs;
    let tree = &state.view.tree;
    let calls = overlay::crowd(state, path);
    let title = format!("{} calls too small for a box {} Enter zooms", calls.len(), signs.dot);
    let inside = window(state, &title, crowded(calls.len()), screen, buffer);
    let first = first_row(cursor, inside.height);
    for (at, (place, call)) in (0..inside.height).zip(calls.iter().enumerate().skip(first)) {
        let line = row(inside, at);
        let share = text::percent(tree.call(*call).total as f64 / tree.total().max(1) as f64);
        let file = tree.call(*call).step.map_or(String::new(), |step| {
            let function = state.profile.function(step.function);
            format!("{}:{}", text::clean(text::base_name(&function.file), signs), function.first_line)
        });
        let room = usize::from(line.width).saturating_sub(10);
        let name = text::pad(&labels::name(state, *call), room * 2 / 3, signs);
        let words = format!(
            "{}  {name} {}",
            text::pad_start(&share, 7, signs),
            text::cut_start(&file, room / 3, signs)
        );
        put(Span::raw(text::pad(&words, usize::from(line.width), signs)), line, buffer);
        if place == cursor {
            buffer.set_style(line.intersection(buffer.area), state.theme.cursor());
        }
    }
}
