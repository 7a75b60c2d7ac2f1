//! The one way anything changes. An [`Action`] comes from a key, the mouse, the clock or the sampler;
//! what it asks of the world is left in [`State::effects`].

use crossterm::event::KeyEvent;

use super::action::{Action, Effect, Note, Other};
use super::console::{self, Keys};
use super::keys::{self, Key, Pane};
use super::state::{Overlay, State};
use super::{find, layout, navigate, overlay, stack, switches, time, view};
use crate::sample::{Event, Flags, Micros, Outcome, Sample};

/// What pressing a key comes to: by the table, or as typing where something is being typed, here or to the command.
pub fn pressed(state: &State, event: KeyEvent) -> Option<Action> {
    let key = Key::pressed(event);
    if console::is_typing(state) {
        let taken = keys::meaning(state.pane, key).filter(|action| **action == Action::TakeKeys);
        return Some(taken.cloned().unwrap_or(Action::Send(event)));
    }
    if state.overlay == Overlay::None {
        return keys::meaning(state.pane, key).cloned();
    }
    overlay::pressed(&state.overlay, key)
}

/// Changes the screen.
pub fn update(state: &mut State, action: Action) {
    match action {
        Action::Sampled(event) => return sampled(state, &event),
        Action::Output(bytes) => return console::output(state, &bytes),
        Action::Send(key) => return console::send(state, key),
        Action::Silent => {
            state.silent = true;
            console::over(state);
        }
        Action::Now(now) => return tick(state, now),
        Action::Resized(width, height) => {
            state.size = (width, height);
            if state.pane == Pane::Timeline && !has_timeline(state) {
                state.pane = Pane::Flame;
                state.timeline.anchor = None;
            }
            choose_pane(state);
            console::resized(state);
        }
        Action::Read(file, text) => drop(state.files.insert(file, Some(text))),
        Action::Said(note) => {
            state.say(note);
            return;
        }
        Action::Quit if console::runs(state) && state.overlay != Overlay::Leaving => {
            state.overlay = Overlay::Leaving;
        }
        Action::Quit => state.effects.push(Effect::Quit),
        Action::Suspend => state.effects.push(Effect::Suspend),
        action => {
            // What was said of the picture before may be true no longer.
            state.note = None;
            match state.overlay {
                Overlay::None => chosen(state, action),
                _ => overlay::update(state, action),
            }
        }
    }
    view::refresh(state);
    navigate::keep_lists(state);
}

fn sampled(state: &mut State, event: &Event) {
    if state.awaits_tasks
        && let Event::Sample(Sample { outcome: Outcome::Taken(threads), .. }) = event
        && threads.iter().any(|thread| thread.flags.has(Flags::TASK))
    {
        state.awaits_tasks = false;
        time::forget(state);
    }
    let below = state.profile.totals().below;
    state.profile.record(event);
    match event {
        Event::About(_) => view::refresh(state),
        Event::Ended(_) => {
            console::over(state);
            view::refresh(state);
        }
        // The first picture must not wait for the next turn of the clock.
        Event::Sample(_) if state.view.looks() == 0 => view::refresh(state),
        Event::Totals(totals) if totals.below != below => state.dirty = true,
        _ => {}
    }
}

fn tick(state: &mut State, now: Micros) {
    state.now = now;
    if state.note.as_ref().is_some_and(|(_, until)| *until <= now) {
        state.note = None;
        state.dirty = true;
    }
    let newest = state.profile.last_at().unwrap_or_default();
    let due = newest.0.saturating_sub(state.view.at.0) >= state.refresh.0;
    if due && state.frozen.is_none() {
        view::refresh(state);
    } else if due && state.view.drawn_at.0 + 1_000_000 <= now.0 {
        // A frozen picture counts the seconds and samples that it misses.
        state.dirty = true;
    }
    if state.dirty {
        state.view.drawn_at = now;
    }
}

/// What a person chose.
fn chosen(state: &mut State, action: Action) {
    match action {
        Action::Move(_)
        | Action::First
        | Action::Last
        | Action::RowStart
        | Action::RowEnd
        | Action::PageUp
        | Action::PageDown
        | Action::Enter
        | Action::Back
        | Action::ResetZoom
        | Action::PickBox { .. }
        | Action::PickRow(..)
        | Action::Scroll(..) => navigate::update(state, &action),
        Action::Focus(Pane::Timeline) | Action::Span if !has_timeline(state) => {
            state.say(Note::bad("there is no room for a timeline on so small a screen"));
        }
        Action::Shorter
        | Action::Longer
        | Action::Span
        | Action::SinceStart
        | Action::Forget
        | Action::Drag { .. } => time::update(state, &action),
        Action::Find
        | Action::NextMatch
        | Action::PreviousMatch
        | Action::SameFunction
        | Action::KeepMatches => find::update(state, &action),
        Action::Focus(Pane::Output) => console::hand(state, Keys::Command),
        Action::TakeKeys => console::hand(state, Keys::Viewer),
        Action::Focus(pane) => focus(state, pane),
        Action::NextPane => step_pane(state, 1),
        Action::PreviousPane => step_pane(state, Pane::ALL.len() - 1),
        Action::Palette => state.overlay = Overlay::Palette(String::new(), 0),
        Action::Help => state.overlay = Overlay::Help(Some(state.pane), 0),
        Action::HelpAll => state.overlay = Overlay::Help(None, 0),
        Action::Export | Action::ExportAs | Action::Save | Action::Copy => keep(state, &action),
        Action::Faster => set_refresh(state, state.refresh.0 / 2),
        Action::Slower => set_refresh(state, state.refresh.0 * 2),
        Action::Another(other) if state.console.is_some() => state.say(Note::bad(match other {
            Other::Chosen => "a command under -t is the only one to be watched; q leaves it",
            Other::Family => {
                "a command is watched with those below it if --subprocesses stands before its -t"
            }
        })),
        Action::Another(other) => state.effects.push(Effect::Another(other)),
        Action::Mouse => {
            state.mouse = !state.mouse;
            state.effects.push(Effect::Mouse(state.mouse));
            let whose = if state.mouse { "the viewer's" } else { "the terminal's" };
            state.say(Note::good(format!("the mouse is {whose}")));
        }
        action => switches::update(state, &action),
    }
}

/// Where there is room for a list and nothing else the flame gives way, until there is more.
fn choose_pane(state: &mut State) {
    let small = layout::is_small(state.size);
    if small && state.pane == Pane::Flame {
        state.pane = Pane::Top;
        state.instead = true;
    } else if !small && std::mem::take(&mut state.instead) && state.pane == Pane::Top {
        state.pane = Pane::Flame;
    }
}

fn focus(state: &mut State, pane: Pane) {
    state.opened_from = state.looked_at();
    state.pane = pane;
    state.instead = false;
    state.source_top = None;
}

fn step_pane(state: &mut State, by: usize) {
    let next = Pane::ALL[(state.pane as usize + by) % Pane::ALL.len()];
    focus(state, next);
    let is_there = match next {
        Pane::Timeline => has_timeline(state),
        Pane::Output => state.console.is_some(),
        _ => true,
    };
    if !is_there {
        step_pane(state, by);
    } else if let (Pane::Output, Some(console)) = (next, &mut state.console) {
        // Who passes by must not lose the keys.
        console.keys = Keys::Viewer;
    }
}

/// Would the timeline be on the screen if it had the keys?
fn has_timeline(state: &State) -> bool {
    !layout::areas(state.size, Pane::Timeline, state.strip).timeline.is_empty()
}

fn set_refresh(state: &mut State, micros: u64) {
    state.refresh = Micros(micros.clamp(100_000, 4_000_000));
    let seconds = state.refresh.0 as f64 / 1e6;
    state.say(Note::good(format!("a new picture every {seconds:.1} s")));
}

/// Taking something away.
fn keep(state: &mut State, action: &Action) {
    match action {
        Action::ExportAs => {
            let name = state.options.output.as_ref().map_or(String::new(), |path| path.display().to_string());
            state.overlay = Overlay::File(name);
        }
        Action::Copy => match stack::under_cursor(state) {
            Some(stack) => state.effects.push(Effect::Copy(stack)),
            None => state.say(Note::bad("there is no stack under the cursor")),
        },
        Action::Export | Action::Save => {
            let with_picture = *action == Action::Save;
            let (format, grouping) = (state.options.format, state.options.grouping());
            let file = state.options.output.clone();
            state.effects.push(Effect::Write { format, grouping, file, with_picture });
        }
        _ => {}
    }
}
