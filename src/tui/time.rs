//! Which stretch of time the picture shows: windows, spans on the timeline, forgetting.

use super::action::{Action, Direction, Note};
use super::keys::Pane;
use super::state::{LENGTHS, Reach, State};
use super::timeline::Ruler;
use super::{text, view};
use crate::sample::Micros;

/// Changes the stretch of time.
pub(super) fn update(state: &mut State, action: &Action) {
    match action {
        Action::Shorter if state.pane == Pane::Timeline => zoom_strip(state, false),
        Action::Longer if state.pane == Pane::Timeline => zoom_strip(state, true),
        Action::Shorter => shorter(state),
        Action::Longer => longer(state),
        Action::SinceStart => {
            state.reach = if state.reach == Reach::Start { Reach::Auto } else { Reach::Start };
        }
        Action::Forget => {
            forget(state);
            state.say(Note::good("the past is forgotten: c shows it again"));
        }
        Action::Span => span(state),
        Action::Drag { from, to, done } => drag(state, *from, *to, *done),
        _ => {}
    }
}

/// What comes from now on is the picture.
pub(super) fn forget(state: &mut State) {
    view::restart(state);
    let now = state.profile.last_at().map_or(state.now, |at| Micros(at.0 + 1));
    if state.reach != Reach::Auto {
        state.reach = Reach::Since(now);
    }
    state.frozen = None;
}

fn shorter(state: &mut State) {
    state.reach = match state.reach {
        Reach::Last(length) => {
            let shorter = LENGTHS.iter().rev().find(|known| **known < length);
            Reach::Last(shorter.copied().unwrap_or(LENGTHS[0]))
        }
        Reach::Start => Reach::Last(LENGTHS[LENGTHS.len() - 1]),
        _ => Reach::Last(Micros(10_000_000)),
    };
}

fn longer(state: &mut State) {
    state.reach = match state.reach {
        Reach::Last(length) => {
            LENGTHS.iter().find(|known| **known > length).map_or(Reach::Auto, |known| Reach::Last(*known))
        }
        Reach::Start => Reach::Auto,
        _ => Reach::Last(Micros(30_000_000)),
    };
}

fn zoom_strip(state: &mut State, out: bool) {
    let now = Ruler::of(state).steps;
    state.timeline.zoom = if out { (now * 2).min(64) } else { (now / 2).max(1) };
}

/// Moves on the timeline; Enter takes the span that was begun.
pub(super) fn in_timeline(state: &mut State, action: &Action) {
    let columns = Ruler::of(state).columns;
    let last = columns.saturating_sub(1);
    let at = state.timeline.at;
    state.timeline.at = match action {
        Action::Move(Direction::Left) => at.saturating_add(1).min(last),
        Action::Move(Direction::Right) => at.saturating_sub(1),
        Action::PageUp => at.saturating_add(10).min(last),
        Action::PageDown => at.saturating_sub(10),
        Action::First | Action::RowStart => last,
        Action::Last | Action::RowEnd => 0,
        Action::Enter => {
            span(state);
            return;
        }
        _ => return,
    };
}

/// Begins a span at the cursor, or takes the one that was begun.
fn span(state: &mut State) {
    if let Some(anchor) = state.timeline.anchor.take() {
        let (from, to) = (anchor.max(state.timeline.at), anchor.min(state.timeline.at));
        let ruler = Ruler::of(state);
        let ends = (ruler.ends(from), ruler.ends(to));
        if let (Some((from, _)), Some((_, to))) = ends {
            take(state, from, to);
        }
        return;
    }
    state.pane = Pane::Timeline;
    state.timeline.anchor = Some(state.timeline.at);
    state.say(Note::good("move to the other end of the span, then v or Enter; Esc lets go"));
}

fn drag(state: &mut State, from: u16, to: u16, done: bool) {
    let right = Ruler::of(state).columns.saturating_sub(1);
    let (from, to) = (right.saturating_sub(from), right.saturating_sub(to));
    state.timeline.at = to;
    state.timeline.anchor = Some(from);
    if !done {
        return;
    }
    if from == to {
        // A click only puts the cursor there.
        state.timeline.anchor = None;
        state.pane = Pane::Timeline;
        return;
    }
    span(state);
}

fn take(state: &mut State, from: Micros, to: Micros) {
    state.reach = Reach::Between(from, to);
    state.frozen = None;
    let length = Micros(to.0.saturating_sub(from.0));
    let clock = text::clock(from, state.options.east);
    state.say(Note::good(format!("{} from {clock}; Esc goes back to now", text::span(length))));
}
