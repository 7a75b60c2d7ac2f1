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
        Action::Forget if state.is_over() => {
            state.say(Note::bad("nothing comes any more: the past is all that there is"));
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
    let ruler = Ruler::of(state);
    let last = ruler.columns.saturating_sub(1);
    let at = ruler.before(state.timeline.at).min(last);
    let before = match action {
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
    // At the newest column it stays there.
    state.timeline.at = if before == 0 { None } else { ruler.ends(before).map(|(from, _)| from) };
}

/// Begins a span at the cursor, or takes the one that was begun.
fn span(state: &mut State) {
    let ruler = Ruler::of(state);
    let here = ruler.ends(ruler.before(state.timeline.at)).map(|(from, _)| from);
    let at = state.timeline.at.or(here);
    if let (Some(anchor), Some(at)) = (state.timeline.anchor.take(), at) {
        if let Some((_, end)) = ruler.ends(ruler.before(Some(anchor.max(at)))) {
            take(state, anchor.min(at), end);
        }
        return;
    }
    state.pane = Pane::Timeline;
    state.timeline.anchor = at;
}

fn drag(state: &mut State, from: Micros, to: Micros, done: bool) {
    state.timeline.at = Some(to);
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
    if !matches!(state.reach, Reach::Between(..)) {
        state.reach_before = state.reach;
    }
    state.reach = Reach::Between(from, to);
    state.frozen = None;
    let length = Micros(to.0.saturating_sub(from.0));
    let clock = text::clock(from, state.options.east);
    state.say(Note::good(format!("{} from {clock}; Esc goes back", text::span(length))));
}
