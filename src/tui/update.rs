//! The one way anything changes. An [`Action`] comes from a key, the mouse, the clock or the sampler;
//! what it asks of the world is left in [`State::effects`].

use std::collections::BTreeSet;

use crossterm::event::KeyEvent;

use super::action::{Action, Effect, Note};
use super::console::{self, Keys};
use super::keys::{self, Key, Pane};
use super::layout::Strip;
use super::state::{Frozen, Order, Overlay, State};
use super::{find, layout, navigate, overlay, stack, time, view};
use crate::profile::{Direction, Idle, Lines, Who};
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
        Action::Another if state.console.is_some() => {
            state.say(Note::bad("a command under -t is the only one to be watched; q leaves it"));
        }
        Action::Another => state.effects.push(Effect::Another),
        Action::Mouse => {
            state.mouse = !state.mouse;
            state.effects.push(Effect::Mouse(state.mouse));
            let whose = if state.mouse { "the viewer's" } else { "the terminal's" };
            state.say(Note::good(format!("the mouse is {whose}")));
        }
        action => picture(state, &action),
    }
}

/// How the picture is made.
fn picture(state: &mut State, action: &Action) {
    match action {
        Action::Freeze => freeze(state),
        Action::Invert => {
            state.direction = match state.direction {
                Direction::Callees => Direction::Callers,
                Direction::Callers => Direction::Callees,
    state.opened_from = state.looked_at();
            };
            forget_paths(state);
        }
        Action::Idle => {
            state.idle = match state.idle {
                Idle::Shown => Idle::RestingHidden,
                // No task runs.
                Idle::RestingHidden if state.who == Who::Tasks => Idle::Shown,
                Idle::RestingHidden => Idle::Excluded,
                Idle::Excluded => Idle::Shown,
            };
            state.say(Note::good(match state.idle {
                Idle::Shown => format!("idle {} are shown", state.unit(2)),
                Idle::RestingHidden => {
                    format!("idle {} are hidden; those that wait for something are not", state.unit(2))
                }
                Idle::Excluded => "only threads that run or hold the GIL".to_owned(),
            }));
        }
        Action::Holders => {
            if state.who == Who::Tasks {
                return show_tasks(state);
            }
            state.who = match state.who {
                Who::GilHolder => Who::AllThreads,
                Who::AllThreads | Who::Tasks => Who::GilHolder,
            };
            state.say(Note::good(match state.who {
                Who::GilHolder => "only threads that hold the GIL, here and in exports",
                Who::AllThreads | Who::Tasks => "all threads, here and in exports",
            }));
        }
        Action::Tasks => show_tasks(state),
        Action::Plumbing => {
            state.hide_plumbing = !state.hide_plumbing;
            forget_paths(state);
        }
        Action::Lines => {
            state.lines = match state.lines {
                Lines::Apart => Lines::Merged,
                Lines::Merged => Lines::Apart,
            };
            forget_paths(state);
        }
        Action::ThisThread => next_thread(state),
        Action::AllThreads => state.threads = None,
        Action::Sort => {
            state.order = match state.order {
                Order::Own => Order::Total,
                Order::Total => Order::Name,
                Order::Name => Order::Own,
            };
        }
        Action::ShowSource => {
            state.strip = match state.strip {
                Strip::Source => Strip::Closed,
                Strip::Closed if state.console.is_some() => Strip::Output,
                Strip::Output | Strip::Closed => Strip::Source,
            };
            state.source_top = None;
            if state.pane == Pane::Source {
                state.pane = Pane::Flame;
            }
        }
        _ => {}
    }
}

/// Paths of one tree mean nothing in another.
fn forget_paths(state: &mut State) {
    state.zoom.clear();
    state.cursor.clear();
    state.trail.clear();
    state.follow = true;
    state.scroll = 0;
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

fn freeze(state: &mut State) {
    state.frozen = match state.frozen {
        Some(_) => None,
        None => Some(Frozen {
            at: state.now,
            samples: state.profile.totals().samples,
            span: state.span().pinned(&state.profile),
            reach: state.reach,
        }),
    };
}

/// From threads to tasks, or back.
fn show_tasks(state: &mut State) {
    let tasks = state.who != Who::Tasks;
    if tasks && !state.profile.about().is_some_and(|about| about.tasks) {
        let words = "asyncio's tasks can be read from Python 3.11 on, and not with --nonblocking";
        return state.say(Note::bad(words));
    }
    state.who = if tasks { Who::Tasks } else { Who::AllThreads };
    state.effects.push(Effect::Tasks(tasks));
    state.threads = None;
    forget_paths(state);
    state.awaits_tasks = tasks && !state.is_over();
    if state.awaits_tasks {
        // Looks before did not read them, nor will the very next.
        time::forget(state);
    }
    state.say(Note::good(match (tasks, state.is_over()) {
        (true, true) => "asyncio's tasks that were seen while it ran, here and in exports",
        (true, false) => "asyncio's tasks that wait, from now on, here and in exports",
        (false, _) => "all threads, here and in exports",
    }));
}

/// From all threads to the one under the cursor, and from each to the next in the list.
fn next_thread(state: &mut State) {
    if state.pane == Pane::Threads {
        state.threads = state.view.threads_at(state.thread_list.cursor);
        return;
    }
    let rows = &state.view.threads;
    let chosen = state.threads.as_ref().and_then(|set| set.first().copied());
    let next = match chosen {
        None => rows.first(),
        Some(thread) => {
            let place = rows.iter().position(|row| row.thread == thread).map_or(0, |place| place + 1);
            rows.get(place)
        }
    };
    state.threads = next.map(|row| BTreeSet::from([row.thread]));
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
            let (format, grouping) = (state.options.format(), state.options.grouping());
            let file = state.options.output.clone();
            state.effects.push(Effect::Write { format, grouping, file, with_picture });
        }
        _ => {}
    }
}
