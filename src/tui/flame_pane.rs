//! The flame, painted: a row a depth, a box a call, its colour telling whose code it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::flame::{Cell, What};
use super::labels::{label, name};
use super::navigate;
use super::picture::{put, row, say};
use super::state::State;
use super::text;
use super::theme::{Emphasis, Kind};
use crate::profile::{Call, CallId, Direction, Frames, Idle, Lines, State as Doing, Who};

/// The words in the line above the flame.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let mut words = vec![match state.direction {
        Direction::Callees => "icicle".to_owned(),
        Direction::Callers => "callers (o)".to_owned(),
    }];
    words.push(match &state.threads {
        None => format!("{} merged", state.unit(2)),
        Some(set) => {
            format!("only {} (T: all)", super::threads_pane::names(state, set))
        }
    });
    words.push(match (state.all_idle, state.idle) {
        (true, _) => "all idle, so shown".to_owned(),
        (_, Idle::Shown) => "idle shown (x)".to_owned(),
        (_, Idle::RestingHidden) => "idle hidden (x)".to_owned(),
        (_, Idle::Excluded) if state.who == Who::Tasks => "idle hidden (x)".to_owned(),
        (_, Idle::Excluded) => "only running (x)".to_owned(),
    });
    if has_workers(state) {
        words.push("Pythons below it (B)".to_owned());
    }
    match state.who {
        Who::GilHolder => words.push("GIL holders (a)".to_owned()),
        Who::Tasks => words.push("asyncio (A)".to_owned()),
        Who::AllThreads => {}
    }
    match state.frames {
        Frames::All => words.push("plumbing (p)".to_owned()),
        Frames::NoPlumbing => {}
        Frames::Own => words.push("own code (p)".to_owned()),
    }
    if state.lines == Lines::Apart {
        words.push("per line (L)".to_owned());
    }
    if state.find.keep && state.find.is_on() {
        words.push("only matches (&)".to_owned());
    }
    if !state.zoom.is_empty() {
        words.push("zoomed (Esc)".to_owned());
    }
    let dot = format!(" {} ", theme.signs.dot);
    vec![Span::styled(words.join(&dot), theme.faint())]
}

/// Does it nothing itself, but may have others do it?
fn has_workers(state: &State) -> bool {
    let runs = state.view.states[Doing::Running.index()] >= 0.005;
    !runs && state.console.is_none() && state.profile.totals().below.is_some()
}

/// Paints the flame.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let view = &state.view;
    if view.tree.is_empty() {
        return say(&nothing(state), state.theme.faint(), area, buffer);
    }
    let rows = &view.flame.rows;
    let height = usize::from(area.height);
    let scroll = navigate::flame_scroll(state);
    let hidden = (rows.len() - scroll).saturating_sub(height);
    let whole = if hidden > 0 { height - 1 } else { height };
    for (at, cells) in (0..).zip(rows.iter().skip(scroll).take(whole)) {
        for cell in cells {
            paint_cell(state, cell, row(area, at), buffer);
        }
    }
    if hidden > 0 && height > 0 {
        let last = row(area, area.height - 1);
        for cell in rows.get(scroll + whole).into_iter().flatten() {
            if matches!(cell.what, What::Line(..)) {
                paint_cell(state, cell, last, buffer);
            } else {
                paint_deeper(state, cell, last, buffer);
            }
        }
    }
}

/// Why there is no box.
pub(super) fn nothing(state: &State) -> String {
    if state.profile.first_at().is_none() && state.profile.ending().is_some() {
        "it ended before the first sample".to_owned()
    } else if let (Some(pid), None) = (state.profile.totals().below, state.profile.about()) {
        format!("this is no Python, but {pid} below it is: see --subprocesses")
    } else if state.profile.first_at().is_none() {
        "waiting for the first sample".to_owned()
    } else if state.view.looks() == 0 {
        "no samples in this window".to_owned()
    } else if state.find.keep && state.find.is_on() {
        "no stack in this window has a match; & shows all".to_owned()
    } else if state.view.tree.total() > 0 && !state.all_idle {
        "nobody who is counted here had a Python frame in this window".to_owned()
    } else if state.who == Who::GilHolder {
        "nobody held the GIL in this window; a shows all threads".to_owned()
    } else if state.who == Who::Tasks && !state.profile.about().is_some_and(|about| about.tasks) {
        "this Python does not say where asyncio's tasks are; A shows threads".to_owned()
    } else if state.who == Who::Tasks {
        "no task of asyncio's waited in this window; A shows threads".to_owned()
    } else if state.idle == Idle::Excluded {
        "nobody ran in this window; x shows those that wait".to_owned()
    } else {
        "no thread had a Python frame in this window".to_owned()
    }
}

/// What colour a call has.
pub(super) fn kind(state: &State, call: &Call) -> Kind {
    let Some(step) = call.step else { return Kind::Waiting };
    let ends = match state.direction {
        Direction::Callees => call.own * 2 >= call.total,
        Direction::Callers => call.depth == 1,
    };
    if ends && state.view.leaves.waits(step.function) {
        return Kind::Waiting;
    }
    Kind::of(state.profile.origin(step.function))
}

/// The sign of waiting, before the words of a box whose stacks end in it: its colour alone does not say so. Nothing where
/// the words would lose more by it than a part of a line's text.
fn mark(state: &State, cell: &Cell, width: usize) -> String {
    let waits = match &cell.what {
        What::Crowd(_) => false,
        What::Line(above, line, _) => waits_at(state, *above, *line),
        What::Chain(_) => is_waiting(state, state.view.tree.call(cell.head(state.direction))),
    };
    let mark = format!("{} ", waiting(state));
    let Some(room) = width.checked_sub(text::width(&mark)).filter(|_| waits) else { return String::new() };
    let words = label(state, cell, width);
    let shorter = label(state, cell, room);
    let fits = if matches!(cell.what, What::Line(..)) {
        !shorter.is_empty() && shorter.ends_with('%') == words.ends_with('%')
    } else {
        shorter == words
    };
    if fits { mark } else { String::new() }
}

/// The sign of those who wait.
fn waiting(state: &State) -> &'static str {
    state.theme.signs.fills[Doing::Waiting.index()]
}

fn is_waiting(state: &State, call: &Call) -> bool {
    call.step.is_some() && kind(state, call) == Kind::Waiting
}

/// Does a thread at this line of a call mostly wait?
fn waits_at(state: &State, call: CallId, line: u32) -> bool {
    let step = state.view.tree.call(call).step;
    step.is_some_and(|step| state.view.leaves.line_waits(step.function, line))
}

fn emphasis(state: &State, cell: &Cell) -> Emphasis {
    let tree = &state.view.tree;
    if cell.calls().contains(&state.view.cursor) {
        return Emphasis::Selected;
    }
    if !state.find.is_on() {
        return if state.view.says_little() { Emphasis::Dimmed } else { Emphasis::Plain };
    }
    let hit =
        |id: &CallId| tree.call(*id).step.is_some_and(|step| state.find.matches.contains(&step.function));
    if cell.calls().iter().any(hit) { Emphasis::Lit } else { Emphasis::Dimmed }
}

fn paint_cell(state: &State, cell: &Cell, line: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let left = line.x + cell.left.min(line.width);
    let width = (line.x + cell.right.min(line.width)).saturating_sub(left);
    if width == 0 || line.height == 0 {
        return;
    }
    let emphasis = emphasis(state, cell);
    let crowd = matches!(cell.what, What::Crowd(_));
    let head = state.view.tree.call(cell.head(state.direction));
    let colour = if crowd { Kind::Waiting } else { kind(state, head) };
    let style = if let What::Line(call, line, _) = &cell.what {
        let step = state.view.tree.call(*call).step;
        let own = step.map_or(Kind::Own, |step| Kind::of(state.profile.origin(step.function)));
        theme.line(if waits_at(state, *call, *line) { Kind::Waiting } else { own }, emphasis)
    } else if head.step.is_none() && emphasis == Emphasis::Plain {
        theme.root()
    } else {
        theme.frame(colour, cell.second, emphasis)
    };
    let area = Rect { x: left, width, height: 1, ..line };
    let words = boxed(state, cell, usize::from(width), emphasis == Emphasis::Selected);
    put(Span::styled(words, style), area, buffer);
}

/// A box's text in exactly so many cells.
fn boxed(state: &State, cell: &Cell, width: usize, selected: bool) -> String {
    let theme = state.theme;
    let signs = theme.signs;
    let fill = |words: String, width: usize| {
        let filler = if matches!(cell.what, What::Crowd(_)) { signs.hatch } else { " " };
        let rest = width.saturating_sub(text::width(&words));
        words + &filler.repeat(rest)
    };
    let marked = |room: usize| {
        let mark = mark(state, cell, room);
        let words = label(state, cell, room - text::width(&mark));
        mark + &words
    };
    if theme.brackets() {
        return match width {
            1 => "|".to_owned(),
            2 => "[]".to_owned(),
            _ => {
                let lead = if selected && width > 4 { signs.pointer } else { "" };
                let inside = width - 2 - text::width(lead);
                format!("[{lead}{}]", fill(marked(inside), inside))
            }
        };
    }
    let lead = match (selected, width) {
        (_, 0..4) => "",
        (true, _) => signs.pointer,
        (false, _) => " ",
    };
    let inside = width - text::width(lead);
    // Numbers of neighbours must not run together.
    let room = if matches!(cell.what, What::Line(..)) { inside - 1 } else { inside };
    let words = if width < 3 { String::new() } else { marked(room) };
    lead.to_owned() + &fill(words, inside)
}

/// The last row of a tower that is taller than the screen: how much further it goes, and to what.
fn paint_deeper(state: &State, cell: &Cell, line: Rect, buffer: &mut Buffer) {
    let tree = &state.view.tree;
    let mut rows = 1;
    let mut at = state.view.flame.find(tree, cell.last());
    let mut leaf = cell.last();
    while let Some(below) = at.and_then(|at| state.view.flame.below(tree, at)) {
        leaf = state.view.flame.cell(below).map_or(leaf, Cell::last);
        rows += 1;
        at = Some(below);
    }
    let left = line.x + cell.left.min(line.width);
    let width = (line.x + cell.right.min(line.width)).saturating_sub(left);
    let signs = state.theme.signs;
    let mark =
        if is_waiting(state, tree.call(leaf)) { format!("{} ", waiting(state)) } else { String::new() };
    let deeper = format!(" {mark}{}{rows} more rows{}{}", signs.ellipsis, signs.chain, name(state, leaf));
    let words = text::pad(&deeper, usize::from(width), signs);
    let style: Style = state.theme.frame(kind(state, tree.call(leaf)), cell.second, Emphasis::Plain);
    put(Span::styled(words, style), Rect { x: left, width, height: 1, ..line }, buffer);
}
