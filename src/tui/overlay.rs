//! What lies over the panes and takes the keys: help, the palette, the line of a search or of a file
//! name, the list of a crowd.

use crossterm::event::KeyCode;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::action::{Action, Direction, Effect};
use super::keys::{Binding, Key, TABLE};
use super::state::{Overlay, State};
use super::{find, navigate, overlay_pane, update};
use crate::export::Format;
use crate::profile::{CallId, Grouping, Step};

/// What a key means while this lies over the panes. `^C` and `^Z` mean what they always mean.
pub(super) fn pressed(overlay: &Overlay, key: Key) -> Option<Action> {
    if *overlay == Overlay::Leaving {
        // Whatever is pressed but a second q is not meant to hang up anything.
        let quits =
            matches!(key.code, KeyCode::Char('q' | 'c')) && key.control == (key.code == KeyCode::Char('c'));
        return Some(if quits { Action::Quit } else { Action::Back });
    }
    let typing = matches!(overlay, Overlay::Find | Overlay::Palette(..) | Overlay::File(_));
    Some(match key.code {
        KeyCode::Char('c') if key.control => Action::Quit,
        KeyCode::Char('z') if key.control => Action::Suspend,
        KeyCode::Char('u') if key.control => Action::EraseAll,
        KeyCode::Char('n') if key.control => Action::Move(Direction::Down),
        KeyCode::Char('p') if key.control => Action::Move(Direction::Up),
        KeyCode::Char(_) if key.control => return None,
        KeyCode::Enter => Action::Accept,
        KeyCode::Backspace if typing => Action::Erase,
        KeyCode::Char(character) if typing => Action::Type(character),
        KeyCode::Up | KeyCode::Char('k') => Action::Move(Direction::Up),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(Direction::Down),
        KeyCode::PageUp => Action::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Action::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('q' | '?') | KeyCode::F(1) => Action::Back,
        _ => return None,
    })
}

/// Changes what lies over the panes, or does what was chosen in it.
pub(super) fn update(state: &mut State, action: Action) {
    match (std::mem::replace(&mut state.overlay, Overlay::None), action) {
        (overlay, Action::Back) => {
            if overlay == Overlay::Find {
                state.find = super::state::Find::default();
            }
        }
        (Overlay::Find, action) => typed_find(state, &action),
        (Overlay::File(name), action) => typed_file(state, name, &action),
        (Overlay::Palette(typed, row), action) => palette(state, typed, row, action),
        (Overlay::Help(pane, row), action) => {
            let last = overlay_pane::last_of_help(state, pane);
            if let Some(row) = moved(row.min(last), last, &action) {
                state.overlay = Overlay::Help(pane, row);
            }
        }
        (Overlay::Crowd(path, row), action) => {
            let calls = crowd(state, &path);
            match moved(row, calls.len().saturating_sub(1), &action) {
                Some(row) => state.overlay = Overlay::Crowd(path, row),
                None => {
                    if let Some(call) = calls.get(row) {
                        let path = state.view.tree.path(*call);
                        navigate::zoom_to(state, path.clone());
                        state.cursor = path;
                    }
                }
            }
        }
        (Overlay::None | Overlay::Leaving, _) => {}
    }
}

/// The calls that share the box of many small ones below the call that `path` leads to.
pub(super) fn crowd(state: &State, path: &[Step]) -> Vec<CallId> {
    let tree = &state.view.tree;
    let parent = tree.find_nearest(path).0;
    let alone =
        |id: &CallId| {
            state.view.flame.rows.iter().flatten().any(
                |cell| matches!(&cell.what, super::flame::What::Chain(calls) if calls.first() == Some(id)),
            )
        };
    tree.children(parent).iter().copied().filter(|id| !alone(id)).collect()
}

/// The call under the cursor of that list, if it is there.
pub(super) fn crowd_cursor(state: &State) -> Option<Step> {
    let Overlay::Crowd(path, row) = &state.overlay else { return None };
    crowd(state, path).get(*row).and_then(|call| state.view.tree.call(*call).step)
}

/// Puts the cursor there on the call on which it stood, if that is still listed.
pub(super) fn stay_in_crowd(state: &mut State, stood: Step) {
    let Overlay::Crowd(path, _) = &state.overlay else { return };
    let calls = crowd(state, path);
    let place = calls.iter().position(|call| state.view.tree.call(*call).step == Some(stood));
    if let (Overlay::Crowd(_, row), Some(place)) = (&mut state.overlay, place) {
        *row = place;
    }
}

/// The row after a movement; nothing for what is no movement but a decision.
fn moved(row: usize, last: usize, action: &Action) -> Option<usize> {
    Some(match action {
        Action::Move(Direction::Up) => row.saturating_sub(1),
        Action::Move(_) => (row + 1).min(last),
        Action::PageUp => row.saturating_sub(10),
        Action::PageDown => (row + 10).min(last),
        Action::First => 0,
        Action::Last => last,
        Action::PickRow(_, row) => (*row).min(last),
        Action::Scroll(_, by) => {
            usize::try_from(i64::try_from(row).unwrap_or(0) + i64::from(*by)).unwrap_or(0).min(last)
        }
        Action::Accept => return None,
        _ => row,
    })
}

fn edited(mut line: String, action: &Action) -> String {
    match action {
        Action::Type(character) if line.chars().count() < 200 => line.push(*character),
        Action::Erase => drop(line.pop()),
        Action::EraseAll => line.clear(),
        _ => {}
    }
    line
}

fn typed_find(state: &mut State, action: &Action) {
    match action {
        Action::Accept => {
            if state.find.is_on() && !state.find.matches.is_empty() {
                find::update(state, &Action::NextMatch);
            }
        }
        action => {
            state.overlay = Overlay::Find;
            let pattern = edited(state.find.pattern.clone(), action);
            if pattern != state.find.pattern || state.find.exact.is_some() {
                find::set_pattern(state, pattern);
            }
        }
    }
}

fn typed_file(state: &mut State, name: String, action: &Action) {
    if *action != Action::Accept {
        state.overlay = Overlay::File(edited(name, action));
        return;
    }
    let name = name.trim();
    let (format, grouping) = asked_for(name);
    let format = format.unwrap_or(state.options.format);
    let grouping = grouping.unwrap_or(state.options.grouping());
    let file = (!name.is_empty()).then(|| name.into());
    state.effects.push(Effect::Write { format, grouping, file, with_picture: false });
}

/// What the endings of a file's name ask for: `a.svg`, `a.flamechart`, `a.threads`, `a.threads.flamechart`.
fn asked_for(name: &str) -> (Option<Format>, Option<Grouping>) {
    let usual = Format::ALL.map(|format| (format.extension(), format));
    let mut endings = usual.into_iter().chain([("timestamps", Format::Timestamps)]);
    let asked =
        endings.find_map(|(ending, format)| Some((name.strip_suffix(ending)?.strip_suffix('.')?, format)));
    let by_thread = asked.map_or(name, |(stem, _)| stem).ends_with(".threads").then_some(Grouping::ByThread);
    (asked.map(|(_, format)| format), by_thread)
}

fn palette(state: &mut State, typed: String, row: usize, action: Action) {
    match action {
        Action::Type(_) | Action::Erase | Action::EraseAll => {
            state.overlay = Overlay::Palette(edited(typed, &action), 0);
        }
        action => {
            let found = commands(state, &typed);
            match moved(row, found.len().saturating_sub(1), &action) {
                Some(row) => state.overlay = Overlay::Palette(typed, row),
                None => {
                    if let Some(binding) = found.get(row) {
                        update::update(state, binding.action.clone());
                    }
                }
            }
        }
    }
}

/// The commands that match what was typed, best first; all that hold here, if nothing was.
pub(super) fn commands(state: &State, typed: &str) -> Vec<&'static Binding> {
    let here = TABLE.iter().filter(|binding| binding.holds_on(state));
    let here = here.filter(|binding| binding.action != Action::Palette);
    if typed.is_empty() {
        return here.collect();
    }
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut found: Vec<(u32, &Binding)> = here
        .filter_map(|binding| {
            let text = format!("{} {}", binding.hint, binding.help);
            Some((pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher)?, binding))
        })
        .collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, binding)| binding).collect()
}
