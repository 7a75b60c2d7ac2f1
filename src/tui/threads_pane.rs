//! The threads: what each does, where, and for how long already; the stuck come first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::keys::Pane;
use super::picture::{put, row, say};
use super::state::State;
use super::text;
use super::theme::state_label;
use crate::profile::{NodeId, Origin, State as Doing, Thread, ThreadNo, ThreadRow};
use crate::sample::Micros;

/// Who stands in one stack for so long is shown there.
const STUCK: Micros = Micros(1_000_000);
/// Steps of the strip that a sparkline shows.
const SPARK: usize = 40;

/// The words in the line above the list.
pub(super) fn title(state: &State) -> Vec<Span<'static>> {
    let words = format!("{} {}", state.theme.signs.dot, state.view.threads.len());
    vec![Span::styled(words, state.theme.faint())]
}

/// A thread's name, or its number where it has none.
pub(super) fn name(state: &State, thread: ThreadNo) -> String {
    let thread = state.profile.thread(thread);
    if is_unnamed_main(state, thread) {
        "MainThread".to_owned()
    } else if thread.name.is_empty() {
        format!("thread {}", thread.id.tid)
    } else {
        text::clean(&thread.name, state.theme.signs)
    }
}

/// A program that does not know `threading` has named no thread: the kernel calls its first one by the executable.
fn is_unnamed_main(state: &State, thread: &Thread) -> bool {
    state.profile.about().is_some_and(|about| {
        let executable = about.command.split(' ').next().map_or("", text::base_name);
        thread.id.tid == about.pid && executable.starts_with(&*thread.name)
    })
}

/// Paints the list: a line a thread.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows = &state.view.threads;
    if rows.is_empty() {
        return say("no threads seen", state.theme.faint(), area, buffer);
    }
    let cursor = state.thread_list.cursor.min(rows.len() - 1);
    let height = usize::from(area.height);
    let first = if state.pane == Pane::Threads { cursor.saturating_sub(height - 1) } else { 0 };
    for (at, thread) in (0..area.height).zip(rows.iter().skip(first)) {
        let selected = state.pane == Pane::Threads && first + usize::from(at) == cursor;
        paint_row(state, thread, selected, row(area, at), buffer);
    }
    let below = rows.len().saturating_sub(first + height);
    if below > 0 && state.pane != Pane::Threads {
        let words = format!(" +{} more (3)", below + 1);
        let last = row(area, area.height - 1);
        put(
            Span::styled(text::pad(&words, usize::from(last.width), state.theme.signs), state.theme.faint()),
            last,
            buffer,
        );
    }
}

fn paint_row(state: &State, thread: &ThreadRow, selected: bool, line: Rect, buffer: &mut Buffer) {
    let theme = state.theme;
    let signs = theme.signs;
    let width = usize::from(line.width);
    let chosen = state.threads.as_ref().is_some_and(|set| set.contains(&thread.thread));
    let (doing, leaf) = shown(state, thread);
    let mark = if chosen { signs.live } else { " " };
    let longest = state.view.threads.iter().map(|row| text::width(&name(state, row.thread))).max();
    let name_width =
        longest.unwrap_or(0).min(if width >= 100 { 28 } else { (width / 3).clamp(8, 20).min(width) });
    let mut spans = vec![
        Span::styled(
            format!("{mark}{}", text::pad(&name(state, thread.thread), name_width, signs)),
            theme.text(),
        ),
        Span::styled(format!(" {:<8}", state_label(doing)), theme.state(doing)),
    ];
    let standing = if thread.standing >= STUCK && doing != Doing::Running {
        text::seconds(thread.standing)
    } else {
        String::new()
    };
    let spark = if width >= 100 { SPARK } else { 0 };
    let taken: usize = spans.iter().map(Span::width).sum();
    let rest = width.saturating_sub(taken + spark + 1);
    let place = place(state, leaf, rest.saturating_sub(text::width(&standing) + 1));
    let words = if standing.is_empty() {
        text::pad(&place, rest, signs)
    } else {
        let room = rest.saturating_sub(text::width(&standing) + 1);
        format!("{} {standing}", text::pad(&place, room, signs))
    };
    let faint = doing == Doing::Idle;
    spans.push(Span::styled(format!(" {words}"), if faint { theme.faint() } else { theme.text() }));
    if spark > 0 {
        spans.push(Span::styled(sparkline(state, thread.thread), theme.state(Doing::Running)));
    }
    put(spans, line, buffer);
    if selected {
        buffer.set_style(line.intersection(buffer.area), theme.cursor());
    }
}

/// What it does, and where: now, if it has stood there for a while; else most of the time, for the newest look alone
/// would flicker.
fn shown(state: &State, thread: &ThreadRow) -> (Doing, Option<NodeId>) {
    match (thread.now, state.view.stood(thread.thread)) {
        (Some(now), Some(node)) if thread.standing >= STUCK => (now, Some(node)),
        (_, stood) if thread.looks() == 0 => (Doing::Idle, stood),
        _ => {
            let (doing, node) = thread.mostly();
            (doing, Some(node))
        }
    }
}

/// Where it stands in the program's own code, and what that has called, as far as there is room.
fn place(state: &State, leaf: Option<NodeId>, width: usize) -> String {
    let profile = &state.profile;
    let signs = state.theme.signs;
    let Some(leaf) = leaf.filter(|node| profile.frame(*node).is_some()) else {
        return "no Python frame".to_owned();
    };
    let is_own = |node: &NodeId| {
        profile.frame(*node).is_some_and(|(function, _)| profile.origin(function) == Origin::Own)
    };
    let own = profile.path(leaf).find(is_own).unwrap_or(leaf);
    let words = |node: NodeId, shorten: fn(&str) -> &str| {
        profile.frame(node).map_or(String::new(), |(function, line)| {
            format!("{}:{line}", text::clean(shorten(&profile.function(function).name), signs))
        })
    };
    let whole = words(own, text::local_name);
    let both = format!("{whole}{}{}", signs.chain, words(leaf, text::local_name));
    let tries = if own == leaf { vec![whole] } else { vec![both, whole] };
    let found = tries.into_iter().find(|words| text::width(words) <= width);
    found.unwrap_or_else(|| words(own, text::last_name))
}

/// How much it ran, a sign a step of the strip, oldest first.
fn sparkline(state: &State, thread: ThreadNo) -> String {
    let buckets = state.view.timeline.buckets();
    let skipped = buckets.len().saturating_sub(SPARK);
    let levels = state.theme.signs.levels;
    let mut line = " ".repeat(SPARK.saturating_sub(buckets.len()));
    for bucket in buckets.iter().skip(skipped) {
        let running = bucket.threads.get(&thread).map_or(0, |states| states[Doing::Running.index()]);
        let share = f64::from(running) / bucket.looks.max(1) as f64;
        let level = (share * 8.0).ceil() as usize;
        line.push_str(levels[level.min(8)]);
    }
    line
}
