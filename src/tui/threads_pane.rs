//! The threads: what each does, where, and for how long already; the stuck come first.

use std::collections::BTreeSet;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::keys::Pane;
use super::navigate;
use super::picture::{put, row, say};
use super::pools::{Fold, Line};
use super::state::State;
use super::text;
use super::theme::state_label;
use crate::profile::{FunctionId, Span as Time, Spot, State as Doing, ThreadNo, ThreadRow, Who};
use crate::sample::Micros;

/// Who stands in one stack for so long is shown there.
const STUCK: Micros = Micros(1_000_000);
/// Who was not seen for so long has ended.
const GONE: Micros = Micros(250_000);
/// Steps of the strip that a sparkline shows.
const SPARK: usize = 40;

/// Had it ended when the window did? One look may have failed to see it. (A task may run instead, or await others, which are
/// shown below it.)
pub(super) fn is_gone(thread: &ThreadRow) -> bool {
    !is_there(thread) && thread.unseen >= GONE
}

/// What is said of those.
fn gone_word(state: &State) -> &'static str {
    if state.who == Who::Tasks { "away" } else { "gone" }
}

fn is_there(thread: &ThreadRow) -> bool {
    thread.now.is_some() || thread.unseen == Micros(0)
}

/// The words in the line above the list.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let rows = &state.view.threads;
    let count = rows.iter().filter(|row| is_there(row)).count();
    let tasks = if state.who == Who::Tasks { format!(" {}", state.unit(count)) } else { String::new() };
    let dot = state.theme.signs.dot;
    let gone = rows.iter().filter(|row| is_gone(row)).count();
    let gone = if gone > 0 { format!(" {dot} {gone} {}", gone_word(state)) } else { String::new() };
    vec![Span::styled(format!("{dot} {count}{tasks}{gone}"), state.theme.faint())]
}

/// A thread's name, or its number where it has none.
pub(super) fn name(state: &State, thread: ThreadNo) -> String {
    text::clean(&state.profile.full_name_of(state.profile.thread(thread)), state.theme.signs).into_owned()
}

/// Its name as somebody gave it; nothing where nobody did.
pub(super) fn given_name(state: &State, thread: ThreadNo) -> Option<String> {
    let known = state.profile.thread(thread);
    (!known.name.is_empty() && !state.profile.is_unnamed_main(known)).then(|| name(state, thread))
}

/// The thread under the cursor, and where its row says that it stands; of a pool, the first of its threads.
pub(super) fn under_cursor(state: &State) -> Option<(&ThreadRow, Option<Spot>)> {
    let line = state.view.thread_lines.get(state.thread_list.cursor)?;
    let row = state.view.threads.get(line.rows().start)?;
    Some((row, says(state, row).2))
}

/// The threads that are chosen, in words: a pool by its name.
pub(super) fn names(state: &State, set: &BTreeSet<ThreadNo>) -> String {
    let pool = state.view.thread_lines.iter().enumerate().find_map(|(place, line)| match line {
        Line::Pool { stem, rows, .. } if state.view.threads_at(place).as_ref() == Some(set) => {
            Some(pool_name(state, stem, rows.clone(), usize::MAX))
        }
        _ => None,
    });
    let each = || set.iter().map(|thread| name(state, *thread)).collect::<Vec<_>>().join(", ");
    pool.unwrap_or_else(each)
}

/// In at most so many cells; what is cut is the name, and never the number: of those that are there, if any is.
fn pool_name(state: &State, stem: &str, rows: Range<usize>, cells: usize) -> String {
    let signs = state.theme.signs;
    let rows = state.view.threads.get(rows).unwrap_or_default();
    let there = rows.iter().filter(|row| is_there(row)).count();
    let count = format!(" {}{}", signs.times, if there > 0 { there } else { rows.len() });
    format!("{}{count}", text::cut(stem, cells.saturating_sub(text::width(&count)), signs))
}

/// The name of a line: a thread of a pool has only what tells it from the others.
fn label(state: &State, line: &Line, cells: usize) -> String {
    match line {
        Line::Pool { stem, rows, .. } => pool_name(state, stem, rows.clone(), cells),
        Line::Thread { row, suffix } => {
            let Some(thread) = state.view.threads.get(*row).map(|row| row.thread) else {
                return String::new();
            };
            match suffix.as_deref() {
                None => name(state, thread),
                Some("") => format!("  {}", state.profile.thread(thread).id.tid),
                Some(suffix) => format!("  {suffix}"),
            }
        }
    }
}

/// Paints the list: a line a thread, and one a pool.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let lines = &state.view.thread_lines;
    if lines.is_empty() {
        return say(&format!("no {} seen", state.unit(2)), state.theme.faint(), area, buffer);
    }
    let width = usize::from(area.width);
    let most = if width >= 100 { 28 } else { (width / 3).clamp(8, 20).min(width) };
    let labels: Vec<String> = lines.iter().map(|line| label(state, line, most)).collect();
    let columns = labels.iter().map(|label| text::width(label)).max().unwrap_or(0).min(most);
    let cursor = state.thread_list.cursor.min(lines.len() - 1);
    let height = usize::from(area.height);
    let first = navigate::first_row(state, Pane::Threads, height);
    for (at, (line, label)) in (0..area.height).zip(lines.iter().zip(&labels).skip(first)) {
        let place = row(area, at);
        paint_line(state, line, &text::pad(label, columns, state.theme.signs), place, buffer);
        if state.pane == Pane::Threads && first + usize::from(at) == cursor {
            buffer.set_style(place.intersection(buffer.area), state.theme.cursor());
        }
    }
    let below = lines.len().saturating_sub(first + height);
    if below > 0 && state.pane != Pane::Threads {
        let words = format!(" +{} more (3)", below + 1);
        let last = row(area, area.height - 1);
        put(Span::styled(text::pad(&words, width, state.theme.signs), state.theme.faint()), last, buffer);
    }
}

fn paint_line(state: &State, line: &Line, label: &str, place: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let Some(rows) = state.view.threads.get(line.rows()) else { return };
    let chosen = state.threads.as_ref().is_some_and(|set| rows.iter().all(|row| set.contains(&row.thread)));
    let folded = matches!(line, Line::Pool { fold: Fold::Closed, .. });
    let mark = match (chosen, folded) {
        (true, _) => theme.signs.live,
        (false, true) => "+",
        (false, false) => " ",
    };
    let width = usize::from(place.width);
    let name = format!("{mark}{label}");
    let taken = text::width(&name) + 9;
    let mut spans = vec![Span::styled(name, theme.text())];
    match line {
        Line::Thread { .. } => thread_spans(state, &rows[0], taken, width, &mut spans),
        Line::Pool { .. } => pool_spans(state, rows, (taken, width), folded, &mut spans),
    }
    put(spans, place, buffer);
}

/// What it does, where, for how long, and how much it ran.
fn thread_spans(state: &State, thread: &ThreadRow, taken: usize, width: usize, spans: &mut Vec<Span<'_>>) {
    let theme = state.theme;
    let (says, doing, spot) = says(state, thread);
    spans.push(says.label(state));
    let spark = if width >= 100 { SPARK } else { 0 };
    let words = standing_at(state, thread, doing, spot, width.saturating_sub(taken + spark + 1));
    let style = if doing == Doing::Idle || is_gone(thread) { theme.faint() } else { theme.text() };
    spans.push(Span::styled(format!(" {words}"), style));
    spans.push(Span::styled(
        sparkline(state, std::slice::from_ref(thread), spark),
        theme.state(Doing::Running),
    ));
}

/// What a row says of a thread, or of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    /// It has ended, as far as anybody can see.
    Gone,
    /// All of them do the same.
    Does(Doing),
    /// So many of them are busy with this, on average; with this and that.
    Busy(f64, Option<Doing>),
}

impl Says {
    fn label(self, state: &State) -> Span<'static> {
        let theme = state.theme;
        let (word, style) = match self {
            Self::Gone => (gone_word(state).to_owned(), theme.faint()),
            Self::Does(doing) => (state_label(doing).to_owned(), theme.state(doing)),
            Self::Busy(threads, doing) => {
                let word = match doing {
                    Some(Doing::Running) => "CPU",
                    Some(Doing::GilWait) => "GIL",
                    Some(Doing::Waiting) => "wait",
                    _ => "busy",
                };
                (format!("{} {word}", text::threads(threads.max(0.1))), theme.text())
            }
        };
        Span::styled(format!(" {word:<8}"), style)
    }
}

/// What its row says of a thread; what it does, and where.
fn says(state: &State, thread: &ThreadRow) -> (Says, Doing, Option<Spot>) {
    let (doing, spot) = shown(thread);
    if is_gone(thread) {
        return (Says::Gone, doing, spot);
    }
    // A worker that mostly waits for work: what it does when it has some is what there is to know.
    if doing == Doing::Idle
        && thread.standing < STUCK
        && let Some(busy) = busy(state, std::slice::from_ref(thread))
    {
        let (doing, spot) = thread.mostly_busy();
        return (Says::Busy(busy, None), doing, spot);
    }
    (Says::Does(doing), doing, spot)
}

/// What the row of a pool says: what the rows of its threads do, taken together.
fn pool_says(state: &State, rows: &[ThreadRow]) -> Says {
    let (mut counts, mut mixed) = ([0; Doing::ALL.len()], false);
    for row in rows {
        match says(state, row).0 {
            Says::Does(doing) => counts[doing.index()] += 1,
            Says::Busy(..) => mixed = true,
            Says::Gone => {}
        }
    }
    let said: Vec<Doing> = Doing::ALL.into_iter().filter(|doing| counts[doing.index()] > 0).collect();
    match (&said[..], busy(state, rows)) {
        ([], _) if !mixed => Says::Gone,
        ([doing], _) if !mixed => Says::Does(*doing),
        (_, Some(busy)) => {
            let mut with = said.into_iter().filter(|doing| Doing::BUSY.contains(doing));
            let first = with.next().filter(|_| !mixed);
            Says::Busy(busy, first.filter(|_| with.next().is_none()))
        }
        (said, None) => {
            let most = said.iter().max_by_key(|doing| counts[doing.index()]);
            Says::Does(most.copied().unwrap_or(Doing::Idle))
        }
    }
}

/// What the threads of a pool do, and how much they ran; where the first of them stands, if they are not listed and it
/// is stuck there.
fn pool_spans(
    state: &State,
    rows: &[ThreadRow],
    (taken, width): (usize, usize),
    folded: bool,
    spans: &mut Vec<Span<'_>>,
) {
    let theme = state.theme;
    let says = pool_says(state, rows);
    let label = says.label(state);
    spans.push(if matches!(says, Says::Busy(..)) { label.style(theme.strong()) } else { label });
    let rest = width.saturating_sub(taken + 1);
    let (doing, spot) = shown(&rows[0]);
    let waits = doing != Doing::Idle && doing != Doing::Running && says != Says::Gone;
    let stuck = folded && rows[0].standing >= STUCK && waits;
    let spark = if width >= 100 {
        SPARK.min(rest)
    } else if stuck {
        0
    } else {
        rest.min(SPARK / 2)
    };
    let room = rest - spark;
    let words = if stuck {
        standing_at(state, &rows[0], doing, spot, room)
    } else {
        " ".repeat(if width >= 100 { room } else { 0 })
    };
    spans.push(Span::styled(format!(" {words}"), theme.text()));
    spans.push(Span::styled(sparkline(state, rows, spark), theme.state(Doing::Running)));
}

/// How many of these have something to do, on average; nothing if that is next to none.
fn busy(state: &State, rows: &[ThreadRow]) -> Option<f64> {
    let busy: u64 = rows.iter().map(ThreadRow::busy).sum();
    let threads = busy as f64 / state.view.looks().max(1) as f64;
    (threads >= 0.05).then_some(threads)
}

/// Where a thread stands, and for how long if that is long, in so many cells.
fn standing_at(state: &State, thread: &ThreadRow, doing: Doing, spot: Option<Spot>, room: usize) -> String {
    let signs = state.theme.signs;
    let standing = if thread.standing >= STUCK && doing != Doing::Running && !is_gone(thread) {
        text::seconds(thread.standing)
    } else {
        String::new()
    };
    let rest = room.saturating_sub(text::width(&standing) + 1);
    let place = place(state, spot, rest);
    if standing.is_empty() {
        text::pad(&place, room, signs)
    } else {
        format!("{} {standing}", text::pad(&place, rest, signs))
    }
}

/// What it does, and where: now, if it has stood there for a while; else most of the time, for the newest look alone
/// would flicker.
fn shown(thread: &ThreadRow) -> (Doing, Option<Spot>) {
    match thread.now {
        Some(now) if thread.standing >= STUCK => (now, thread.here),
        _ if thread.looks() == 0 => (Doing::Idle, thread.here),
        _ => thread.mostly(),
    }
}

/// Where it stands in the program's own code, and what that has called, as far as there is room.
fn place(state: &State, spot: Option<Spot>, width: usize) -> String {
    let signs = state.theme.signs;
    let Some(Spot { own, leaf }) = spot else {
        let words = if width < 14 { "no Python" } else { "no Python code" };
        return words.to_owned();
    };
    let words = |(function, line): (FunctionId, u32), shorten: fn(&str) -> &str| {
        format!("{}:{line}", text::clean(shorten(&state.profile.function(function).name), signs))
    };
    let whole = words(own, text::local_name);
    let both = format!("{whole}{}{}", signs.chain, words(leaf, text::local_name));
    let tries = if own == leaf { vec![whole] } else { vec![both, whole] };
    let found = tries.into_iter().find(|words| text::width(words) <= width);
    found.unwrap_or_else(|| words(own, text::last_name))
}

/// How much they ran up to the end of what is shown, a sign a step of the strip, oldest first; a whole sign is a thread
/// that ran all the time, or as many as ever did.
fn sparkline(state: &State, rows: &[ThreadRow], steps: usize) -> String {
    let end = match state.span() {
        Time::Between(_, end) => end,
        Time::All | Time::Last(_) | Time::Since(_) => Micros(u64::MAX),
    };
    let buckets = state.view.timeline.until(&state.profile, end);
    let skipped = buckets.len().saturating_sub(steps);
    let levels = state.theme.signs.levels;
    let mut line = " ".repeat(steps.saturating_sub(buckets.len()));
    let ran: Vec<f64> = buckets
        .skip(skipped)
        .map(|bucket| {
            let of = |row: &ThreadRow| {
                bucket.threads.get(&row.thread).map_or(0, |states| states[Doing::Running.index()])
            };
            let sum: u64 = rows.iter().map(|row| u64::from(of(row))).sum();
            sum as f64 / bucket.looks.max(1) as f64
        })
        .collect();
    let top = ran.iter().copied().fold(1.0, f64::max);
    for share in ran {
        line.push_str(levels[((share / top * 8.0).ceil() as usize).min(8)]);
    }
    line
}
