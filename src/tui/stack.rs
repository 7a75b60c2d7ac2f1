//! The stack under the cursor as text to paste, root first: that of the pane with the keys, and as it is shown there.

use super::flame::{Cell, What};
use super::keys::Pane;
use super::navigate;
use super::state::State;
use super::text;
use super::threads_pane;
use crate::profile::{CallId, Direction, Ends, FunctionId, NodeId, Spot, Window};

/// A function, a line of it, and how often they come in a row.
type Frame = (FunctionId, u32, u32);

/// A line a frame; nothing where there is no frame.
pub(super) fn under_cursor(state: &State) -> Option<String> {
    let frames = match state.looked_at() {
        Pane::Threads => of_node(state, node(state)?),
        Pane::Top => of_call(state, navigate::heaviest(state, state.top_list.cursor)?),
        _ => of_call(state, state.view.cursor),
    };
    let signs = state.theme.signs;
    let lines = frames.into_iter().map(|(function, line, times)| {
        let function = state.profile.function(function);
        let (name, file) = (text::clean(&function.name, signs), text::clean(&function.file, signs));
        let times = if times > 1 { format!(" {}{times}", signs.times) } else { String::new() };
        format!("{name} ({file}:{line}){times}\n")
    });
    Some(lines.collect::<String>()).filter(|text| !text.is_empty())
}

/// The stack of the thread under the cursor: the newest, if that is where its row says that it stands; else the one in
/// which it mostly stood there. (A frozen picture shows where it stood then.)
fn node(state: &State) -> Option<NodeId> {
    let (row, spot) = threads_pane::under_cursor(state)?;
    let profile = &state.profile;
    let newest = profile.thread(row.thread).node;
    if Spot::of(profile, newest) == spot {
        return Some(newest);
    }
    let window = Window::of(profile, state.span());
    let stood = window
        .counts()
        .filter(|(thread, node, ..)| *thread == row.thread && Spot::of(profile, *node) == spot);
    stood.max_by_key(|(_, node, _, count)| (*count, *node)).map(|(_, node, ..)| node)
}

/// The frames of a stack that are shown.
fn of_node(state: &State, node: NodeId) -> Vec<Frame> {
    let profile = &state.profile;
    let shown = Ends::new(profile, state.frames).shown(node).filter_map(|node| profile.frame(node));
    let mut frames: Vec<Frame> = Vec::new();
    for (function, line) in shown {
        match frames.last_mut() {
            Some((last, at, times)) if (*last, *at) == (function, line) => *times += 1,
            _ => frames.push((function, line, 1)),
        }
    }
    frames.reverse();
    frames
}

/// The frames of a call, as its boxes show them.
fn of_call(state: &State, mut end: CallId) -> Vec<Frame> {
    let (tree, flame) = (&state.view.tree, &state.view.flame);
    if state.direction == Direction::Callers {
        // The cursor stands on the leaf; who called it stands in the same box.
        let cell = flame.find(tree, end).and_then(|at| flame.cell(at));
        end = cell.filter(|cell| matches!(cell.what, What::Chain(_))).map_or(end, Cell::last);
    }
    let up = std::iter::successors(Some(end), |id| Some(tree.call(*id).parent));
    let calls = up.map(|id| tree.call(id)).take_while(|call| call.step.is_some());
    let mut frames: Vec<Frame> = calls
        .filter_map(|call| {
            let step = call.step?;
            let line = step.line.unwrap_or(state.profile.function(step.function).first_line);
            Some((step.function, line, call.repeats))
        })
        .collect();
    if state.direction == Direction::Callees {
        frames.reverse();
    }
    frames
}
