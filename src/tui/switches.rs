//! The switches of the picture: whose stacks it is made of, which of their frames it shows, and how it is laid out. Each
//! goes on to its next state, and says what that is where the picture does not.

use std::collections::BTreeSet;

use super::action::{Action, Effect, Note};
use super::keys::Pane;
use super::layout::Strip;
use super::state::{Frozen, Order, State};
use super::time;
use crate::profile::{Direction, Frames, Idle, Lines, Who};

/// Turns a switch.
pub(super) fn update(state: &mut State, action: &Action) {
    match action {
        Action::Freeze => freeze(state),
        Action::Invert => {
            state.direction = match state.direction {
                Direction::Callees => Direction::Callers,
                Direction::Callers => Direction::Callees,
            };
            forget_paths(state);
        }
        Action::Idle => hide_idle(state),
        Action::Holders => show_holders(state),
        Action::Tasks => show_tasks(state),
        Action::Frames => show_frames(state),
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
        Action::ShowSource => show_below(state),
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

fn hide_idle(state: &mut State) {
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

fn show_holders(state: &mut State) {
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

fn show_frames(state: &mut State) {
    state.frames = match state.frames {
        Frames::NoPlumbing => Frames::Own,
        Frames::Own => Frames::All,
        Frames::All => Frames::NoPlumbing,
    };
    forget_paths(state);
    state.say(Note::good(match state.frames {
        Frames::NoPlumbing => "all but plumbing: thread bootstrap, runpy, import machinery",
        Frames::Own => "own code and what it calls; exports stay whole",
        Frames::All => "every frame",
    }));
}

/// From all threads to the one under the cursor, and from each to the next in the list.
fn next_thread(state: &mut State) {
    if state.looked_at() == Pane::Threads {
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

/// What stands below the picture: the source, the command's output, or nothing.
fn show_below(state: &mut State) {
    state.strip = match state.strip {
        Strip::Source => Strip::Closed,
        Strip::Closed if state.console.is_some() => Strip::Output,
        Strip::Output | Strip::Closed => Strip::Source,
    };
    state.source_top = None;
    state.pane = state.looked_at();
}
