//! Going about: the cursor in the flame and in lists, zooming in and out, scrolling.

use super::action::{Action, Direction, Effect, Note};
use super::console;
use super::flame::What;
use super::keys::Pane;
use super::layout;
use super::list::List;
use super::pools::{Fold, Line};
use super::source_pane;
use super::state::{Back, Overlay, Reach, State};
use super::time;
use super::top_pane;
use crate::profile::CallId;

/// Moves.
pub(super) fn update(state: &mut State, action: &Action) {
    match action {
        Action::Back => back(state),
        Action::ResetZoom => {
            state.zoom.clear();
            state.trail.clear();
            state.threads = None;
            state.scroll = 0;
            if matches!(state.reach, Reach::Between(..)) {
                state.reach = state.reach_before;
            }
        }
        Action::PickBox { row, column } => {
            if let Some(at) = state.view.flame.at(*row, *column) {
                state.pane = Pane::Flame;
                set_cursor(state, at);
            }
        }
        Action::PickRow(pane, row) => {
            state.pane = *pane;
            if let Some(length) = list_length(state, *pane) {
                let list = list_mut(state, *pane);
                list.cursor = (*row).min(length.saturating_sub(1));
            }
        }
        Action::Scroll(pane, by) => scroll(state, *pane, *by),
        action => match state.pane {
            Pane::Flame => in_flame(state, action),
            Pane::Timeline => time::in_timeline(state, action),
            Pane::Threads | Pane::Top => in_list(state, action),
            Pane::Source => in_source(state, action),
            Pane::Output => console::navigate(state, action, page(state)),
        },
    }
}

fn page(state: &State) -> usize {
    let areas = layout::areas(state.size, state.pane, state.strip);
    usize::from(areas.inner(areas.main).height).max(2) - 1
}

fn in_flame(state: &mut State, action: &Action) {
    let view = &state.view;
    let Some(at) = view.flame.find(&view.tree, view.cursor) else { return };
    if *action == Action::Enter {
        return enter_box(state, at);
    }
    let length = view.flame.rows[at.0].len();
    let repeat = |times: usize, step: &dyn Fn((usize, usize)) -> Option<(usize, usize)>| {
        let mut at = at;
        for _ in 0..times {
            at = step(at).unwrap_or(at);
        }
        Some(at)
    };
    let next = match action {
        Action::Move(Direction::Down) => view.flame.below(&view.tree, at),
        Action::Move(Direction::Up) => view.flame.above(at),
        Action::Move(Direction::Left) => view.flame.beside(at, false),
        Action::Move(Direction::Right) => view.flame.beside(at, true),
        Action::First => Some((0, 0)),
        Action::RowStart => repeat(length, &|at| view.flame.beside(at, false)),
        Action::RowEnd => repeat(length, &|at| view.flame.beside(at, true)),
        Action::PageUp => repeat(page(state), &|at| view.flame.above(at)),
        Action::PageDown => repeat(page(state), &|at| view.flame.below(&view.tree, at)),
        Action::Last => repeat(view.flame.rows.len(), &|at| view.flame.below(&view.tree, at)),
        _ => None,
    };
    if let Some(next) = next {
        set_cursor(state, next);
    }
}

/// Puts the cursor on a box, and the box on the screen.
fn set_cursor(state: &mut State, at: (usize, usize)) {
    let direction = state.direction;
    let Some(call) = state.view.flame.cell(at).map(|cell| cell.cursor(direction)) else { return };
    state.follow = false;
    state.view.cursor = call;
    state.cursor = state.view.tree.path(call);
    show_row(state, at.0);
}

/// Scrolls the flame as little as is needed to see this row.
pub(super) fn show_row(state: &mut State, row: usize) {
    let areas = layout::areas(state.size, state.pane, state.strip);
    let height = usize::from(areas.inner(areas.main).height).max(2);
    // The last row tells what is below it where the tower is taller than the screen.
    let visible = if state.view.flame.rows.len() > height { height - 1 } else { height };
    if row < state.scroll {
        state.scroll = row;
    } else if row >= state.scroll + visible {
        state.scroll = row + 1 - visible;
    }
}

/// Puts the cursor on a call, wherever it is.
pub(super) fn go_to(state: &mut State, call: CallId) {
    state.follow = false;
    state.view.cursor = call;
    state.cursor = state.view.tree.path(call);
    if let Some((row, _)) = state.view.flame.find(&state.view.tree, call) {
        show_row(state, row);
    }
}

fn enter_box(state: &mut State, at: (usize, usize)) {
    let Some(cell) = state.view.flame.cell(at) else { return };
    let tree = &state.view.tree;
    match &cell.what {
        What::Crowd(calls) => {
            let parent = tree.call(calls[0]).parent;
            state.overlay = Overlay::Crowd(tree.path(parent), 0);
        }
        What::Line(..) => {}
        What::Chain(calls) => {
            let zoom = tree.path(calls[0]);
            zoom_to(state, zoom);
        }
    }
}

/// Makes the call that `path` leads to fill the width.
pub(super) fn zoom_to(state: &mut State, path: Vec<crate::profile::Step>) {
    if path == state.zoom {
        return;
    }
    state.trail.push(Back { zoom: state.zoom.clone(), cursor: state.cursor.clone() });
    state.zoom = path;
    state.follow = false;
    state.scroll = 0;
}

/// One step back: the nearest thing that was chosen is let go.
fn back(state: &mut State) {
    if state.timeline.anchor.take().is_some() || console::back(state) {
        return;
    }
    if state.pane == Pane::Source {
        state.pane = state.opened_from;
    } else if state.find.is_on() {
        state.find = super::state::Find::default();
    } else if let Some(step) = state.trail.pop() {
        state.zoom = step.zoom;
        state.cursor = step.cursor;
        state.scroll = 0;
    } else if !state.zoom.is_empty() {
        state.zoom.clear();
    } else if state.threads.take().is_some() {
    } else if matches!(state.reach, Reach::Between(..)) {
        state.reach = state.reach_before;
    } else if state.pane != Pane::Flame && !layout::is_small(state.size) {
        state.pane = Pane::Flame;
    } else {
        state.say(Note::good("nothing to go back to; q quits"));
    }
}

fn list_length(state: &State, pane: Pane) -> Option<usize> {
    match pane {
        Pane::Threads => Some(state.view.thread_lines.len()),
        Pane::Top => Some(state.view.top.len()),
        _ => None,
    }
}

/// The first row of a list in an area of so many; painting and the mouse ask the same. One without the keys begins at
/// its beginning, unless the wheel has turned it.
pub(super) fn first_row(state: &State, pane: Pane, height: usize) -> usize {
    let length = list_length(state, pane).unwrap_or(0);
    match pane {
        Pane::Threads if state.pane != pane => state.beside.min(length.saturating_sub(height)),
        Pane::Threads => state.thread_list.first(length, height),
        _ if state.pane != pane => 0,
        _ => state.top_list.first(length, height),
    }
}

/// Keeps lists where they are on the screen, so that they scroll as little as the cursor asks for.
pub(super) fn keep_lists(state: &mut State) {
    let areas = layout::areas(state.size, state.pane, state.strip);
    let main = areas.inner(areas.main);
    let threads = first_row(state, Pane::Threads, usize::from(main.height));
    let top = first_row(state, Pane::Top, usize::from(main.height - top_pane::head(main)));
    (state.thread_list.top, state.top_list.top) = (threads, top);
}

/// Rows of the flame above the screen: of one that has become lower, fewer than somebody scrolled.
pub(super) fn flame_scroll(state: &State) -> usize {
    state.scroll.min(state.view.flame.rows.len().saturating_sub(2))
}

/// A list in which somebody moves.
fn list_mut(state: &mut State, pane: Pane) -> &mut List {
    let list = if pane == Pane::Threads { &mut state.thread_list } else { &mut state.top_list };
    list.touched = true;
    list
}

fn in_list(state: &mut State, action: &Action) {
    let (pane, screen) = (state.pane, page(state));
    let length = list_length(state, pane).unwrap_or(0);
    let cursor = list_mut(state, pane).cursor;
    let last = length.saturating_sub(1);
    let next = match action {
        Action::Move(Direction::Down) => cursor + 1,
        Action::Move(Direction::Up) => cursor.saturating_sub(1),
        Action::First | Action::RowStart => 0,
        Action::Last | Action::RowEnd => last,
        Action::PageUp => cursor.saturating_sub(screen),
        Action::PageDown => cursor + screen,
        Action::Enter => return enter_row(state, cursor),
        Action::Move(Direction::Left) if pane == Pane::Threads => return fold(state, cursor, Fold::Closed),
        Action::Move(Direction::Right) if pane == Pane::Threads => return fold(state, cursor, Fold::Open),
        _ => return,
    };
    list_mut(state, pane).cursor = next.min(last);
}

/// Folds or opens the pool that a line belongs to; the cursor is on the pool then.
fn fold(state: &mut State, line: usize, fold: Fold) {
    let lines = &state.view.thread_lines;
    let Some(row) = lines.get(line).map(|line| line.rows().start) else { return };
    let pool = lines.iter().enumerate().find_map(|(place, line)| match line {
        Line::Pool { stem, rows, .. } if rows.contains(&row) => Some((place, stem.clone())),
        _ => None,
    });
    if let Some((place, stem)) = pool {
        state.folds.insert(stem, fold);
        state.thread_list.cursor = place;
    }
}

/// In the thread list: only this thread, or all again. In the top list: where it burns.
fn enter_row(state: &mut State, row: usize) {
    if state.pane == Pane::Threads {
        let Some(only) = state.view.threads_at(row) else { return };
        state.threads = if state.threads.as_ref() == Some(&only) { None } else { Some(only) };
        return;
    }
    if let Some(call) = heaviest(state, row) {
        state.pane = Pane::Flame;
        go_to(state, call);
    }
}

/// The call in which the function of this row of the top list weighs most.
pub(super) fn heaviest(state: &State, row: usize) -> Option<CallId> {
    let function = state.view.top.get(row)?.step.function;
    let calls = state.view.tree.calls();
    let calls = calls.filter(|(_, call)| call.step.is_some_and(|step| step.function == function));
    calls.max_by_key(|(id, call)| (call.total, std::cmp::Reverse(*id))).map(|(id, _)| id)
}

fn in_source(state: &mut State, action: &Action) {
    let page = i32::try_from(page(state)).unwrap_or(1);
    let by = match action {
        Action::Move(Direction::Down) => 1,
        Action::Move(Direction::Up) => -1,
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::First => i32::MIN / 2,
        Action::Last => i32::MAX / 2,
        Action::Enter => {
            if let Some(id) = state.function() {
                let hottest = || state.view.heat.lines.iter().max_by_key(|line| line.total);
                let line = source_pane::running(state, id).or_else(|| hottest().map(|line| line.line));
                let function = state.profile.function(id);
                let line = line.unwrap_or(function.first_line);
                state.effects.push(Effect::Edit(function.file.clone(), line));
            }
            return;
        }
        _ => return,
    };
    scroll(state, Pane::Source, by);
}

fn scroll(state: &mut State, pane: Pane, by: i32) {
    let areas = layout::areas(state.size, state.pane, state.strip);
    let height = |area| usize::from(areas.inner(area).height);
    let shift = |at: usize, limit: usize| {
        let at = i64::try_from(at).unwrap_or(0) + i64::from(by);
        usize::try_from(at.max(0)).unwrap_or(0).min(limit)
    };
    match pane {
        Pane::Flame => {
            let last = state.view.flame.rows.len().saturating_sub(height(areas.main));
            state.scroll = shift(flame_scroll(state), last);
        }
        // Beside another pane its cursor is not seen.
        Pane::Threads if state.pane != pane => {
            let last = list_length(state, pane).unwrap_or(0).saturating_sub(height(areas.side));
            state.beside = shift(state.beside.min(last), last);
        }
        Pane::Threads | Pane::Top => {
            let last = list_length(state, pane).unwrap_or(0).saturating_sub(1);
            let at = &mut list_mut(state, pane).cursor;
            *at = shift(*at, last);
        }
        Pane::Source => {
            let Some(function) = state.function() else { return };
            let file = &state.profile.function(function).file;
            let Some(Some(Ok(file))) = state.files.get(file) else { return };
            let last = file.lines.len().saturating_sub(1);
            let top = shift(source_pane::top(state, function, &file.lines), last);
            state.source_top = Some((function, top));
        }
        Pane::Output => console::scroll(state, by),
        Pane::Timeline => {}
    }
}
