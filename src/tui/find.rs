//! Looking for functions: fuzzily as one types, or all calls of the one under the cursor.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::action::{Action, Note};
use super::keys::Pane;
use super::navigate;
use super::state::{Find, Overlay, State};
use super::text;
use crate::profile::{CallId, CallTree, FunctionId};

/// Changes the search.
pub(super) fn update(state: &mut State, action: &Action) {
    match action {
        Action::Find => state.overlay = Overlay::Find,
        Action::NextMatch | Action::PreviousMatch | Action::KeepMatches if !state.find.is_on() => {
            state.say(Note::bad("nothing is searched for: / or * first"));
        }
        Action::NextMatch => step(state, true),
        Action::PreviousMatch => step(state, false),
        Action::SameFunction => {
            if let Some(function) = state.function() {
                state.find = Find { exact: Some(function), keep: state.find.keep, ..Find::default() };
                state.find.matches.insert(function);
            }
        }
        Action::KeepMatches => state.find.keep = !state.find.keep,
        _ => {}
    }
}

/// What is typed.
pub(super) fn set_pattern(state: &mut State, pattern: String) {
    state.find = Find { pattern, keep: state.find.keep, ..Find::default() };
    look(state);
}

/// Looks at the functions that were not looked at yet. Those whose name has the pattern in it are what
/// is meant; only if there is none, those that have its letters in this order.
pub(super) fn look(state: &mut State) {
    if state.find.pattern.is_empty() || state.find.seen == state.profile.function_count() {
        return;
    }
    let find = &mut state.find;
    let pattern = Pattern::parse(&find.pattern, CaseMatching::Smart, Normalization::Smart);
    let smart = |name: &str| {
        if find.pattern.chars().any(char::is_uppercase) { name.to_owned() } else { name.to_lowercase() }
    };
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    for id in state.profile.function_ids().skip(find.seen) {
        let function = state.profile.function(id);
        // A file by a part of its name only: fuzzily, every file would match something.
        let file = text::base_name(&function.file);
        if smart(&function.name).contains(&find.pattern) || smart(file).contains(&find.pattern) {
            find.plain.insert(id);
        } else if pattern.score(Utf32Str::new(&function.name, &mut buffer), &mut matcher).is_some() {
            find.fuzzy.insert(id);
        }
    }
    find.seen = state.profile.function_count();
    find.matches.clone_from(if find.plain.is_empty() { &find.fuzzy } else { &find.plain });
}

/// How many calls match, and which share of the whole passes through them.
pub(super) fn tally(find: &Find, tree: &CallTree) -> (usize, f64) {
    let mut count = 0;
    let mut weight = 0;
    // Calls below a match are counted, but their weight is in the match's already.
    let mut inside = vec![false; tree.len()];
    for (id, call) in tree.calls() {
        let above = id != CallId::ROOT && inside[call.parent.index()];
        let matches = call.step.is_some_and(|step| find.matches.contains(&step.function));
        count += usize::from(matches);
        weight += if matches && !above { call.total } else { 0 };
        inside[id.index()] = above || matches;
    }
    (count, weight as f64 / tree.total().max(1) as f64)
}

/// To the next match in the order of the picture: row by row, from left to right.
fn step(state: &mut State, forward: bool) {
    if state.pane == Pane::Top {
        return step_row(state, forward);
    }
    let view = &state.view;
    let matches = |function: FunctionId| state.find.matches.contains(&function);
    let mut places: Vec<(usize, usize, CallId)> = Vec::new();
    for (row, cells) in view.flame.rows.iter().enumerate() {
        for (place, cell) in cells.iter().enumerate() {
            let hit = cell
                .calls()
                .iter()
                .find(|id| view.tree.call(**id).step.is_some_and(|step| matches(step.function)));
            places.extend(hit.map(|call| (row, place, *call)));
        }
    }
    let here = view.flame.find(&view.tree, view.cursor).unwrap_or((0, 0));
    let next = if forward {
        places.iter().find(|(row, place, _)| (*row, *place) > here).or(places.first())
    } else {
        places.iter().rev().find(|(row, place, _)| (*row, *place) < here).or(places.last())
    };
    match next {
        Some((_, _, call)) => {
            let call = *call;
            navigate::go_to(state, call);
        }
        None => state.say(Note::bad("no match in this picture")),
    }
}

/// The same in the top list.
fn step_row(state: &mut State, forward: bool) {
    let here = state.top_list.cursor;
    let matches = |place: &usize| state.find.matches.contains(&state.view.top[*place].step.function);
    let hits: Vec<usize> = (0..state.view.top.len()).filter(matches).collect();
    let next = if forward {
        hits.iter().find(|place| **place > here).or(hits.first())
    } else {
        hits.iter().rev().find(|place| **place < here).or(hits.last())
    };
    match next {
        Some(place) => (state.top_list.cursor, state.top_list.touched) = (*place, true),
        None => state.say(Note::bad("no match in this list")),
    }
}
