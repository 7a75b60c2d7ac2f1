//! The strip of time: how many threads ran and waited, the changes, and the span that is looked at.

use std::ops::{Range, RangeInclusive};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::keys::Pane;
use super::layout;
use super::picture::{put, row};
use super::signs::Signs;
use super::state::State;
use super::text;
use crate::profile::{Bucket, MarkKind, Span as Time, State as Doing, Timeline};
use crate::sample::Micros;

/// Room for the names of the rows.
pub(super) const LABEL: u16 = 7;
/// Ways to put steps together: a strip that shows five minutes at most before anybody zooms.
const LADDER: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const USUAL: u64 = 300_000_000;

/// The time that columns stand for, worked out once for all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruler {
    /// How many columns there are.
    pub(super) columns: u16,
    /// How many steps a column shows.
    pub(super) steps: u32,
    /// When the first column of all began.
    origin: Option<Micros>,
    /// The number of the newest column, counted from that one.
    newest: u64,
}

impl Ruler {
    /// That of the strip: a column shows as few steps as show all there is, up to five minutes of it.
    pub(super) fn of(state: &State) -> Self {
        let areas = layout::areas(state.size, state.pane, state.strip);
        let columns = areas.inner(areas.timeline).width.saturating_sub(LABEL);
        let line = &state.view.timeline;
        let steps_seen = line.first_number() + line.buckets().len() as u64;
        let there = steps_seen.clamp(1, USUAL / Timeline::STEP.0);
        let all_fits = |steps: &u32| u64::from(*steps) * u64::from(columns.max(1)) >= there;
        let steps = match state.timeline.zoom {
            0 => LADDER.into_iter().find(all_fits).unwrap_or(LADDER[LADDER.len() - 1]),
            zoom => zoom,
        };
        let newest = steps_seen.saturating_sub(1) / u64::from(steps);
        Self { columns, steps, origin: state.profile.first_at(), newest }
    }

    /// When a column, counted from the newest one, begins and ends.
    pub(super) fn ends(&self, before: u16) -> Option<(Micros, Micros)> {
        let origin = self.origin?;
        let width = u64::from(self.steps) * Timeline::STEP.0;
        let from = origin.0 + self.newest.saturating_sub(u64::from(before)) * width;
        Some((Micros(from), Micros(from + width)))
    }

    /// The column, counted from the newest one, in which a moment lies.
    pub(super) fn before(&self, at: Option<Micros>) -> u16 {
        let (Some(origin), Some(at)) = (self.origin, at) else { return 0 };
        let number = at.0.saturating_sub(origin.0) / (u64::from(self.steps) * Timeline::STEP.0);
        u16::try_from(self.newest.saturating_sub(number)).unwrap_or(u16::MAX)
    }

    /// The steps that a column shows.
    fn numbers(&self, before: u16) -> Option<Range<u64>> {
        let steps = u64::from(self.steps);
        let number = self.newest.checked_sub(u64::from(before))?;
        Some(number * steps..(number + 1) * steps)
    }
}

/// When the column begins that is this far from the first one on the screen.
pub(super) fn moment_at(state: &State, column: u16) -> Option<Micros> {
    let ruler = Ruler::of(state);
    ruler.ends(ruler.columns.saturating_sub(1).saturating_sub(column)).map(|(from, _)| from)
}

/// What happened in these steps.
fn bucket(line: &Timeline, steps: Range<u64>) -> Bucket {
    let mut sum = Bucket::default();
    for step in steps {
        let place = step.checked_sub(line.first_number()).and_then(|place| usize::try_from(place).ok());
        if let Some(bucket) = place.and_then(|place| line.buckets().get(place)) {
            sum.looks += bucket.looks;
            sum.failed += bucket.failed;
            for (own, more) in sum.states.iter_mut().zip(bucket.states) {
                *own += more;
            }
        }
    }
    sum
}

/// The words in the line above the strip.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let ruler = Ruler::of(state);
    let shown = u64::from(ruler.columns) * u64::from(ruler.steps) * Timeline::STEP.0;
    let mut words = format!("{} {} wide", theme.signs.dot, text::seconds(Micros(shown)));
    if state.pane == Pane::Timeline {
        if let Some((from, _)) = ruler.ends(ruler.before(state.timeline.at)) {
            let at = text::clock(from, state.options.east);
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
    let ruler = Ruler::of(state);
    let marked = marked(state, &ruler);
    let buckets: Vec<Option<Bucket>> = (0..columns)
        .map(|before| ruler.numbers(before).map(|steps| bucket(&state.view.timeline, steps)))
        .collect();
    let rows: &[Tells] = if area.height < 2 { &[Tells::All] } else { &[Tells::Running, Tells::Waiting] };
    for (at, tells) in (0..).zip(rows) {
        let line = row(area, at);
        let heights = buckets.iter().flatten().map(|bucket| tells.height(bucket));
        let (top, scale) = scale(heights.fold(1.0, f64::max));
        put(Span::styled(format!("{:<4}{scale}", tells.label()), theme.faint()), line, buffer);
        for before in 0..columns {
            let Some(bucket) = &buckets[usize::from(before)] else { continue };
            let (sign, doing) = tells.bar(bucket, top, theme.signs);
            let ends = ruler.ends(before);
            let shown = ends.is_some_and(|ends| in_window(state, ends));
            let cell = &mut buffer[(area.right() - 1 - before, line.y)];
            cell.set_symbol(sign).set_style(if shown { theme.state(doing) } else { theme.faint() });
            if let Some(mark) = ends.and_then(|ends| mark(state, ends)) {
                cell.set_symbol(mark).set_style(theme.alert());
            }
            if marked.as_ref().is_some_and(|marked| marked.contains(&before)) {
                cell.set_style(Style::new().add_modifier(Modifier::REVERSED));
            }
        }
    }
}

/// What a row of the strip tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// How many threads ran.
    Running,
    /// How many waited, for the GIL or for something else.
    Waiting,
    /// Both.
    All,
}

impl Tells {
    const fn label(self) -> &'static str {
        match self {
            Self::Running => "cpu",
            Self::Waiting => "wait",
            Self::All => "busy",
        }
    }

    fn height(self, bucket: &Bucket) -> f64 {
        let [running, gil, waiting] = busy(bucket);
        match self {
            Self::Running => running,
            Self::Waiting => gil + waiting,
            Self::All => running + gil + waiting,
        }
    }

    /// A column's sign, and what most of its threads did: that gives it its shape and its colour.
    fn bar(self, bucket: &Bucket, top: f64, signs: &Signs) -> (&'static str, Doing) {
        let [running, gil, waiting] = busy(bucket);
        let doing = match self {
            Self::Running => Doing::Running,
            Self::All if running >= gil.max(waiting) => Doing::Running,
            _ if gil > waiting => Doing::GilWait,
            _ => Doing::Waiting,
        };
        let bars = match (self, doing) {
            (_, Doing::GilWait) => &signs.gil,
            (Self::All, Doing::Waiting) => &signs.waiting,
            _ => &signs.levels,
        };
        let height = self.height(bucket);
        let level = (height / top * 8.0).round() as usize;
        let level = if height > 0.02 { level.clamp(1, 8) } else { level.min(8) };
        (if bucket.looks == 0 { signs.dot } else { bars[level] }, doing)
    }
}

/// Each row has a scale of its own, in whole threads, or in thousands where there is no room for so many digits. It stands
/// before the row.
fn scale(highest: f64) -> (f64, String) {
    let top = highest.ceil();
    if top < 1000.0 {
        return (top, format!("{top:>2} "));
    }
    let thousands = (top / 1000.0).ceil();
    (thousands * 1000.0, format!("{thousands:>2}k"))
}

/// Mean threads that ran, stood before the GIL, and waited for something.
fn busy(bucket: &Bucket) -> [f64; 3] {
    let looks = bucket.looks.max(1) as f64;
    Doing::BUSY.map(|doing| bucket.states[doing.index()] as f64 / looks)
}

/// Is a column that begins and ends then part of the picture?
fn in_window(state: &State, (from, to): (Micros, Micros)) -> bool {
    let newest = state.view.at.0;
    let (start, end) = match state.span() {
        Time::All => (0, u64::MAX),
        Time::Last(length) => (newest.saturating_sub(length.0), u64::MAX),
        Time::Since(start) => (start.0, u64::MAX),
        Time::Between(start, end) => (start.0, end.0),
    };
    to.0 > start && from.0 < end
}

fn mark(state: &State, (from, to): (Micros, Micros)) -> Option<&'static str> {
    let inside = |at: Micros| from <= at && at < to;
    let mark = state.profile.marks().iter().rev().take(64).find(|mark| inside(mark.at))?;
    Some(match mark.kind {
        MarkKind::Change | MarkKind::Exec => state.theme.signs.rule,
        MarkKind::Gap(_) => state.theme.signs.ellipsis,
    })
}

/// The columns under the cursor, or of the span that is being chosen.
fn marked(state: &State, ruler: &Ruler) -> Option<RangeInclusive<u16>> {
    let at = ruler.before(state.timeline.at);
    match state.timeline.anchor {
        Some(anchor) => {
            let anchor = ruler.before(Some(anchor));
            Some(anchor.min(at)..=anchor.max(at))
        }
        None => (state.pane == Pane::Timeline).then_some(at..=at),
    }
}
