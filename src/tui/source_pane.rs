//! The source of the function under the cursor, each line with its share of everything; whole, or as
//! the strip below the flame.

use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::keys::Pane;
use super::layout;
use super::picture::{put, row, say};
use super::state::State;
use super::text;
use super::theme::Kind;
use super::threads_pane::under_cursor;
use crate::profile::{FunctionId, LineHeat, State as Doing};

/// The longest bar, with a blank before it.
const BAR: usize = 11;

/// The words in the line above: the function, whose it is, what it weighs, and who calls it.
pub(super) fn title(state: &State, width: u16) -> Vec<Span<'static>> {
    let theme = state.theme;
    let signs = theme.signs;
    let Some(id) = state.function() else {
        return vec![Span::styled(" no function under the cursor", theme.faint())];
    };
    let function = state.profile.function(id);
    let kind = Kind::of(state.profile.origin(id));
    let heat = &state.view.heat;
    let all = state.view.tree.total().max(1) as f64;
    let dot = signs.dot;
    let file = text::clean(&function.file, signs);
    let mut parts = vec![format!(" {dot} {}", kind.label())];
    let threads = text::threads(state.view.tree.in_threads(heat.total));
    let share = text::percent(heat.total as f64 / all);
    parts.push(format!(" {dot} total {share} ({threads} {})", state.unit(2)));
    parts.push(format!(" {dot} self {}", text::percent(heat.own as f64 / all)));
    let callers: Vec<String> = state
        .view
        .callers
        .iter()
        .take(2)
        .map(|caller| {
            let name = caller
                .function
                .map_or("the thread".into(), |id| text::clean(&state.profile.function(id).name, signs));
            format!("{name} {}", text::percent(caller.weight as f64 / heat.total.max(1) as f64))
        })
        .collect();
    if !callers.is_empty() {
        parts.push(format!(" {dot} callers: {}", callers.join(", ")));
    }
    if let Some(Some(Ok(file))) = state.files.get(&function.file)
        && file.newer
    {
        parts.insert(1, format!(" {dot} file is newer than the process"));
    }
    let name = text::clean(&function.name, signs);
    let room = usize::from(width).saturating_sub(4);
    let path_room = (room / 3).max(12);
    let place = format!(" {}:{}", text::cut_start(&file, path_room, signs), function.first_line);
    let mut spans =
        vec![Span::styled(format!(" {name}"), theme.strong()), Span::styled(place, theme.faint())];
    for part in parts {
        if spans.iter().map(Span::width).sum::<usize>() + text::width(&part) <= room {
            spans.push(Span::styled(part, state.of_share(theme.text())));
        }
    }
    spans
}

/// Paints the source.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = state.theme;
    let Some(id) = state.function() else {
        return say("move to a function to see its source", theme.faint(), area, buffer);
    };
    let function = state.profile.function(id);
    match state.files.get(&function.file) {
        Some(Some(Ok(file))) => lines(state, &file.lines, id, area, buffer),
        Some(Some(Err(why))) => {
            let why = text::clean(why, theme.signs);
            put(
                Span::styled(format!(" {}: {why}", text::clean(&function.file, theme.signs)), theme.faint()),
                area,
                buffer,
            );
            let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
            lines(state, &[], id, below, buffer);
        }
        _ => say("reading", theme.faint(), area, buffer),
    }
}

fn lines(state: &State, source: &[String], id: FunctionId, area: Rect, buffer: &mut Buffer) {
    let heat: HashMap<u32, LineHeat> = state.view.heat.lines.iter().map(|line| (line.line, *line)).collect();
    let hottest = state.view.heat.lines.iter().map(|line| line.total).max().unwrap_or(1).max(1);
    let numbers = chosen(state, source, id, usize::from(area.height));
    let running = running(state, id);
    let mut before = None;
    for (at, number) in (0..area.height).zip(numbers) {
        let gap = before.is_some_and(|before| number > before + 1);
        before = Some(number);
        let code = source.get(number.saturating_sub(1) as usize).map_or("", String::as_str);
        let kind = if state.view.leaves.line_waits(id, number) {
            Kind::Waiting
        } else {
            Kind::of(state.profile.origin(id))
        };
        let line = Line { number, code, heat: heat.get(&number).copied(), hottest, kind, gap };
        paint_line(state, &line, running == Some(number), row(area, at), buffer);
    }
}

/// How many lines of the file are above those that are shown. Where they are picked from here and there, so many that
/// the hottest is in the middle: from there on one scrolls.
pub(super) fn top(state: &State, id: FunctionId, source: &[String]) -> usize {
    let areas = layout::areas(state.size, state.pane, state.strip);
    let area = if state.pane == Pane::Source { areas.main } else { areas.strip };
    let height = areas.inner(area).height;
    let shown = chosen(state, source, id, usize::from(height));
    let (first, last) = (shown.first().copied().unwrap_or(1), shown.last().copied().unwrap_or(1));
    let hottest = || state.view.heat.lines.iter().max_by_key(|line| (line.total, line.own));
    let above = match stands_at(state, id).or_else(|| hottest().map(|line| line.line)) {
        Some(line) if (last - first) as usize >= shown.len() => line.saturating_sub(u32::from(height / 2)),
        _ => first,
    };
    above.saturating_sub(1) as usize
}

/// The line of this function in which the thread stands that is looked at, if that is one.
fn stands_at(state: &State, id: FunctionId) -> Option<u32> {
    if state.looked_at() != Pane::Threads {
        return None;
    }
    let (function, line) = under_cursor(state)?.1?.own;
    (function == id && line > 0).then_some(line)
}

/// The running line of this function: that of the thread that is looked at, or of all of them.
pub(super) fn running(state: &State, id: FunctionId) -> Option<u32> {
    let of_all = || state.view.leaves.running_line(id, &state.view.heat).map(|line| line.line);
    stands_at(state, id).or_else(of_all)
}

/// Which lines are shown: a stretch of the file; in a strip that is too low for the whole function,
/// its hot lines and what stands round them.
fn chosen(state: &State, source: &[String], id: FunctionId, height: usize) -> Vec<u32> {
    let first_line = state.profile.function(id).first_line;
    let mut hot: Vec<LineHeat> = state.view.heat.lines.iter().copied().filter(|line| line.line > 0).collect();
    hot.sort_by_key(|line| std::cmp::Reverse((line.total, line.own)));
    let mut hot: Vec<u32> = hot.iter().map(|line| line.line).collect();
    if let Some(line) = stands_at(state, id) {
        // It may wait for work, and so be in no picture.
        hot.retain(|other| *other != line);
        hot.insert(0, line);
    }
    let last = hot.iter().max().copied().unwrap_or(first_line);
    if let Some((_, top)) = state.source_top.filter(|(of, _)| *of == id) {
        let top = top as u32 + 1;
        return (top..top + height as u32).take_while(|number| *number <= source.len() as u32).collect();
    }
    if source.is_empty() {
        hot.truncate(height);
        hot.sort_unstable();
        return hot;
    }
    let end = source.len() as u32;
    let length = last.saturating_sub(first_line) as usize + 1;
    if length <= height {
        return (first_line.max(1)..=end).take(height).collect();
    }
    let mut shown: Vec<u32> = hot.iter().copied().take(height).collect();
    // Room that is left goes to the lines round the hot ones, the hottest first.
    for distance in 1..=height as u32 {
        for line in &hot {
            for number in [line.saturating_sub(distance), line + distance] {
                if shown.len() < height
                    && number >= first_line.max(1)
                    && number <= end
                    && !shown.contains(&number)
                {
                    shown.push(number);
                }
            }
        }
    }
    shown.sort_unstable();
    shown
}

struct Line<'a> {
    number: u32,
    code: &'a str,
    heat: Option<LineHeat>,
    hottest: u64,
    kind: Kind,
    gap: bool,
}

fn paint_line(state: &State, line: &Line<'_>, running: bool, area: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let signs = theme.signs;
    let all = state.view.tree.total().max(1) as f64;
    let share = line.heat.map_or(String::new(), |heat| text::percent(heat.total as f64 / all));
    let hot = line.heat.is_some();
    let pointer = if running { signs.pointer } else { " " };
    let number = format!("{}{:>5} {pointer} ", if line.gap { signs.ellipsis } else { " " }, line.number);
    let mut spans = vec![Span::styled(
        text::pad_start(&share, 7, signs),
        if hot { state.of_share(theme.strong()) } else { theme.text() },
    )];
    let width = usize::from(area.width);
    // Beside its number, not at the far end of the line: the eye must not lose the line on its way.
    if width >= 60 {
        let cells = line.heat.map_or(0, |heat| {
            let cells = heat.total as f64 / line.hottest as f64 * (BAR - 1) as f64;
            (cells.round() as usize).clamp(1, BAR - 1)
        });
        let waits = line.kind == Kind::Waiting;
        let fill = if waits { signs.fills[Doing::Waiting.index()] } else { signs.full };
        let bar = format!(" {}{}", fill.repeat(cells), " ".repeat(BAR - 1 - cells));
        spans.push(Span::styled(bar, theme.kind(line.kind)));
    }
    spans.push(Span::styled(number, theme.faint()));
    let taken: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::styled(
        text::pad(line.code, width.saturating_sub(taken), signs),
        if hot { theme.text() } else { theme.faint() },
    ));
    put(spans, area, buffer);
}
