//! What stands in the boxes of the flame: the names of their calls, shares, and growth.

use std::borrow::Cow;

use super::flame::{Cell, What};
use super::state::State;
use super::text;
use crate::profile::{self, CallId, Direction, Frames, FunctionId};

/// Growth is worth a word from this share of everything on.
pub(super) const GROWTH: f64 = 0.05;

/// A call's name as its box has it.
pub(super) fn name(state: &State, id: CallId) -> Cow<'_, str> {
    named(state, id, text::local_name)
}

/// The same, with `shorten` to make a function's name shorter.
fn named(state: &State, id: CallId, shorten: fn(&str) -> &str) -> Cow<'_, str> {
    let call = state.view.tree.call(id);
    let signs = state.theme.signs;
    let Some(step) = call.step else { return "all".into() };
    let function = state.profile.function(step.function);
    let mut name = text::clean(shorten(&function.name), signs);
    if name == "<module>" {
        name = format!("<module> {}", text::clean(text::base_name(&function.file), signs)).into();
    }
    if let Some(package) = package(state, step.function) {
        name = format!("{package}: {name}").into();
    }
    if let Some(line) = step.line {
        name = format!("{name}:{line}").into();
    }
    if call.repeats > 1 {
        name = format!("{name} {}{}", signs.times, call.repeats).into();
    }
    name
}

/// What a function of a library is called after, where only one's own code is shown and what it calls of others.
pub(super) fn package(state: &State, id: FunctionId) -> Option<Cow<'_, str>> {
    let package = profile::package(state.profile.function(id)).filter(|_| state.frames == Frames::Own)?;
    Some(text::clean(package, state.theme.signs))
}

/// What stands in a box of so many cells.
pub(super) fn label(state: &State, cell: &Cell, width: usize) -> String {
    let tree = &state.view.tree;
    let signs = state.theme.signs;
    let weight = cell.weight(tree);
    let share = text::percent(weight as f64 / tree.total().max(1) as f64);
    if let What::Crowd(calls) = &cell.what {
        let count = format!("+{}", calls.len());
        return fitting([format!("{count} {share}"), count], width);
    }
    let calls = cell.calls();
    let mut tail = if calls.contains(&CallId::ROOT) {
        format!("  {} {}  {share}", text::threads(tree.in_threads(weight)), state.unit(2))
    } else {
        format!("  {share}")
    };
    let growth = state.view.growth(tree.call(cell.head(state.direction)));
    if let Some(growth) = growth.filter(|growth| growth.abs() >= GROWTH && !calls.contains(&CallId::ROOT)) {
        let sign = if growth > 0.0 { signs.change } else { signs.fall };
        tail = format!("{tail} {sign}{:+.0}", growth * 100.0);
    }
    if let What::Line(call, line, _) = &cell.what {
        let code = code(state, *call, *line);
        let short = format!("{line}  {share}");
        let room = width.saturating_sub(text::width(&short) + 2);
        if room >= 6 && !code.is_empty() {
            return format!("{line}: {}  {share}", text::cut(&code, room, signs));
        }
        return fitting([short, line.to_string()], width);
    }
    // No box is theirs, so the one of all says why it is wider than those below it.
    let bare = if calls == [CallId::ROOT] { state.view.bare("  ") } else { String::new() };
    chain_label(state, calls, &[tail.clone() + &bare, tail, format!("  {share}"), String::new()], width)
}

/// The first that there is room for. Nothing is cut: a part of a number would be another number.
fn fitting(tries: [String; 2], width: usize) -> String {
    tries.into_iter().find(|words| text::width(words) <= width).unwrap_or_default()
}

/// The names of a chain, with the first of these `tails` that leaves room for them. The end of a chain is where the
/// time goes, and of one that is turned round the beginning: classes are left out first, then what is far from there.
fn chain_label(state: &State, calls: &[CallId], tails: &[String], width: usize) -> String {
    let signs = state.theme.signs;
    let turned = state.direction == Direction::Callers;
    let joined = |mut names: Vec<Cow<'_, str>>| {
        if !turned {
            names.reverse();
        }
        names.join(signs.chain) + &tails[0]
    };
    let room = width.checked_sub(text::width(&tails[0]));
    let (names, _) = nearest_names(state, calls, text::local_name, room);
    if names.len() == calls.len() {
        return joined(names);
    }
    let (mut names, mut left) = nearest_names(state, calls, text::last_name, room);
    if names.len() == calls.len() {
        return joined(names);
    }
    let between = text::width(signs.chain);
    while left < text::width(signs.ellipsis) + between
        && let Some(far) = names.pop()
    {
        left += text::width(&far) + between;
    }
    if !names.is_empty() {
        names.push(signs.ellipsis.into());
        return joined(names);
    }
    let nearest = if turned { calls.first() } else { calls.last() };
    let Some(nearest) = nearest else { return String::new() };
    let ends = [text::local_name, text::last_name].map(|shorten| named(state, *nearest, shorten));
    let alone = tails.iter().flat_map(|tail| ends.iter().map(move |end| (end, tail)));
    for (end, tail) in alone {
        if text::width(end) + text::width(tail) <= width {
            return format!("{end}{tail}");
        }
    }
    text::cut(&ends[1], width, signs)
}

/// As many of a chain's names as there is room for (it may be as long as a stack is deep), from where its time goes or
/// was spent, and what is left of the room.
fn nearest_names<'a>(
    state: &'a State,
    calls: &[CallId],
    shorten: fn(&str) -> &str,
    room: Option<usize>,
) -> (Vec<Cow<'a, str>>, usize) {
    let between = text::width(state.theme.signs.chain);
    let mut names = Vec::new();
    let Some(room) = room else { return (names, 0) };
    let mut left = room + between;
    let turned = state.direction == Direction::Callers;
    let count = calls.len();
    for place in 0..count {
        let name = named(state, calls[if turned { place } else { count - 1 - place }], shorten);
        let Some(rest) = left.checked_sub(text::width(&name) + between) else { break };
        left = rest;
        names.push(name);
    }
    (names, left)
}

/// What is written on a line, if its file could be read.
fn code(state: &State, call: CallId, line: u32) -> String {
    let Some(step) = state.view.tree.call(call).step else { return String::new() };
    let file = state.files.get(&state.profile.function(step.function).file);
    let Some(Some(Ok(text))) = file else { return String::new() };
    text.lines.get(line.saturating_sub(1) as usize).map_or(String::new(), |line| line.trim().to_owned())
}
