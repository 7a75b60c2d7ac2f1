//! The strip of time: how many threads ran and waited, the changes, and the span that is looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::keys::Pane;
use super::layout;
use super::picture::{put, row};
use super::state::State;
use super::text;
use crate::profile::{Bucket, MarkKind, Span as Time, State as Doing, Timeline};
use crate::sample::Micros;

/// Room for the names of the rows.
pub(super) const LABEL: u16 = 7;
/// Ways to put steps together: a strip that shows five minutes at most before anybody zooms.
const LADDER: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const USUAL: u64 = 300_000_000;

/// The columns of the strip.
pub(super) fn columns(state: &State) -> u16 {
    let areas = layout::areas(state.size, state.pane, state.strip);
    areas.inner(areas.timeline).width.saturating_sub(LABEL)
}

fn last_number(state: &State) -> u64 {
    let line = &state.view.timeline;
    (line.first_number() + line.buckets().len() as u64).saturating_sub(1)
}

/// How many steps a column shows: as few as show all there is, up to five minutes of it.
pub(super) fn steps_per_column(state: &State) -> u32 {
    if state.timeline.zoom > 0 {
        return state.timeline.zoom;
    }
    let there = (last_number(state) + 1).min(USUAL / Timeline::STEP.0);
    let columns = u64::from(columns(state).max(1));
    LADDER.into_iter().find(|steps| u64::from(*steps) * columns >= there).unwrap_or(LADDER[LADDER.len() - 1])
}

/// The number of the column that is so many before the newest one.
fn number_of(state: &State, before: u16) -> Option<u64> {
    (last_number(state) / u64::from(steps_per_column(state))).checked_sub(u64::from(before))
}

/// When a column, counted from the newest one, begins and ends.
pub(super) fn began(state: &State, before: u16) -> Option<(Micros, Micros)> {
    let origin = state.profile.first_at()?;
    let width = u64::from(steps_per_column(state)) * Timeline::STEP.0;
    let from = origin.0 + number_of(state, before).unwrap_or(0) * width;
    Some((Micros(from), Micros(from + width)))
}

/// What happened in a column.
fn bucket(state: &State, before: u16) -> Option<Bucket> {
    let steps = u64::from(steps_per_column(state));
    let number = number_of(state, before)?;
    let line = &state.view.timeline;
    let mut sum = Bucket::default();
    for step in number * steps..(number + 1) * steps {
        let place = step.checked_sub(line.first_number()).and_then(|place| usize::try_from(place).ok());
        if let Some(bucket) = place.and_then(|place| line.buckets().get(place)) {
            sum.looks += bucket.looks;
            sum.failed += bucket.failed;
            for (own, more) in sum.states.iter_mut().zip(bucket.states) {
                *own += more;
            }
        }
    }
    Some(sum)
}

/// The words in the line above the strip.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let shown = u64::from(columns(state)) * u64::from(steps_per_column(state)) * Timeline::STEP.0;
    let mut words = format!("{} {} wide", theme.signs.dot, text::seconds(Micros(shown)));
    if state.pane == Pane::Timeline {
        let clock = |before| began(state, before).map(|(from, _)| text::clock(from, state.options.east));
        if let Some(at) = clock(state.timeline.at) {
            words = format!("{words} {} cursor {at}", theme.signs.dot);
        }
        words.push_str(" · [ ] zoom · v span".replace('·', theme.signs.dot).as_str());
    }
    vec![Span::styled(words, theme.faint())]
}

/// Paints the strip.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() || area.width <= LABEL {
        return;
    }
    let theme = state.theme;
    let columns = area.width - LABEL;
    let buckets: Vec<Option<Bucket>> = (0..columns).map(|before| bucket(state, before)).collect();
    let rows: &[(&str, [bool; 2])] = match area.height {
        0 | 1 => &[("busy", [true, true])],
        _ => &[("cpu", [true, false]), ("wait", [false, true])],
    };
    for (at, (label, [runs, waits])) in (0..).zip(rows) {
        let line = row(area, at);
        let height = |bucket: &Bucket| {
            let [running, gil, waiting] = busy(bucket);
            f64::from(u8::from(*runs)) * running + f64::from(u8::from(*waits)) * (gil + waiting)
        };
        // Each row has a scale of its own, in whole threads, which stands before it.
        let top = buckets.iter().flatten().map(height).fold(1.0, f64::max).ceil();
        put(Span::styled(format!("{label:<4}{top:>2} "), theme.faint()), line, buffer);
        for before in 0..columns {
            let x = area.right() - 1 - before;
            let place = (x, line.y);
            let Some(bucket) = &buckets[usize::from(before)] else { continue };
            let [running, gil, waiting] = busy(bucket);
            let height = height(bucket);
            let level = (height / top * 8.0).round() as usize;
            let level = if height > 0.02 { level.max(1) } else { level };
            // Where one row tells everything, its colour is that of most threads.
            let doing = match (runs, waits) {
                (true, false) => Doing::Running,
                (true, true) if running >= gil.max(waiting) => Doing::Running,
                _ if gil > waiting => Doing::GilWait,
                _ => Doing::Waiting,
            };
            let sign = if bucket.looks == 0 { theme.signs.dot } else { theme.signs.levels[level.min(8)] };
            let style = if in_window(state, before) { theme.state(doing) } else { theme.faint() };
            buffer[place].set_symbol(sign).set_style(style);
            if let Some(mark) = mark(state, before) {
                buffer[place].set_symbol(mark).set_style(theme.alert());
            }
            buffer[place].set_style(cursor(state, before));
        }
    }
}

/// Mean threads that ran, stood before the GIL, and waited for something.
fn busy(bucket: &Bucket) -> [f64; 3] {
    let looks = bucket.looks.max(1) as f64;
    [Doing::Running, Doing::GilWait, Doing::Waiting].map(|doing| bucket.states[doing.index()] as f64 / looks)
}

/// Is this column part of the picture?
fn in_window(state: &State, before: u16) -> bool {
    let Some((from, to)) = began(state, before) else { return false };
    let newest = state.view.at.0;
    let (start, end) = match state.span() {
        Time::All => (0, u64::MAX),
        Time::Last(length) => (newest.saturating_sub(length.0), u64::MAX),
        Time::Since(start) => (start.0, u64::MAX),
        Time::Between(start, end) => (start.0, end.0),
    };
    to.0 > start && from.0 < end
}

fn mark(state: &State, before: u16) -> Option<&'static str> {
    let (from, to) = began(state, before)?;
    let inside = |at: Micros| from <= at && at < to;
    let mark = state.profile.marks().iter().rev().take(64).find(|mark| inside(mark.at))?;
    Some(match mark.kind {
        MarkKind::Change | MarkKind::Exec | MarkKind::Set => state.theme.signs.rule,
        MarkKind::Gap(_) => state.theme.signs.ellipsis,
    })
}

fn cursor(state: &State, before: u16) -> Style {
    let cursor = state.timeline;
    let (low, high) = match cursor.anchor {
        Some(anchor) => (anchor.min(cursor.at), anchor.max(cursor.at)),
        None if state.pane == Pane::Timeline => (cursor.at, cursor.at),
        None => return Style::new(),
    };
    if (low..=high).contains(&before) { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() }
}
