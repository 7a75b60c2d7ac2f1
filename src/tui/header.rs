//! The first line: who is watched, whether the picture lives, and what the watching costs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::console;
use super::layout;
use super::picture::{put, put_right};
use super::state::{Frozen, Reach, State};
use super::text;
use crate::profile::{Span as Time, State as Doing, Thread};
use crate::sample::{Ending, Flags, Micros};

/// Paints the header.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let small = layout::is_small(state.size);
    let mut right = if small { Vec::new() } else { cost(state) };
    // What matters least goes first: costs from the back, then the badge's window.
    let fixed = badge(state);
    let room = usize::from(area.width) * if area.width < 120 { 11 } else { 13 } / 20;
    let length = |parts: &[Span<'_>]| parts.iter().map(Span::width).sum::<usize>();
    while length(&fixed) + length(&right) > room && !right.is_empty() {
        right.pop();
    }
    let mut spans = fixed;
    spans.extend(right);
    spans.push(Span::raw(" "));
    let taken = put_right(spans, area, buffer);
    let left = Rect { width: area.width - taken, ..area };
    let spans = if small { who_does_what(state, left.width) } else { who(state, left.width) };
    put(spans, left, buffer);
}

/// On a screen without a WHERE line: the process, and what its threads do.
fn who_does_what(state: &State, width: u16) -> Vec<Span<'static>> {
    let theme = state.theme;
    let Some(about) = state.profile.about().filter(|_| state.view.looks() > 0) else {
        return who(state, width);
    };
    let mut spans = vec![Span::raw(" "), Span::styled(format!("{} ", about.pid), theme.strong())];
    let mut taken: usize = spans.iter().map(Span::width).sum();
    for (doing, word) in [(Doing::Running, "CPU"), (Doing::GilWait, "GIL"), (Doing::Waiting, "wait")] {
        let mean = state.view.states[doing.index()];
        let words = format!("{word} {} ", text::threads(mean));
        taken += words.len();
        if (doing == Doing::GilWait && mean < 0.05) || taken > usize::from(width) {
            continue;
        }
        spans.push(Span::styled(words, theme.state(doing)));
    }
    let of = format!("of {}", state.count());
    if taken + of.len() <= usize::from(width) {
        spans.push(Span::styled(of, theme.faint()));
    }
    spans
}

/// Who is watched: everything in front of the command fits on the smallest screen.
fn who(state: &State, width: u16) -> Vec<Span<'static>> {
    let theme = state.theme;
    let Some(about) = state.profile.about() else {
        let words = match &state.console {
            None => "waiting for the first sample".to_owned(),
            Some(console) if console::runs(state) => {
                format!("waiting for a Python in {}", text::clean(&console.command, theme.signs))
            }
            Some(console) => text::clean(&console.command, theme.signs).into_owned(),
        };
        return vec![Span::styled(" pyflame-tui ", theme.strong()), Span::raw(words)];
    };
    let signs = theme.signs;
    let mut spans = vec![Span::raw(" ")];
    if width >= 90 {
        spans.push(Span::styled("pyflame-tui ", theme.faint()));
    }
    spans.push(Span::styled(format!("{} ", about.pid), theme.strong()));
    let up = Micros(about.age.0 + state.profile.totals().elapsed.0);
    let is_there = |no, thread: &Thread| state.profile.is_present(no) && !thread.flags.has(Flags::TASK);
    let threads = state.profile.threads().filter(|(no, thread)| is_there(*no, thread)).count();
    let dot = signs.dot;
    let python = text::clean(&about.python, signs);
    let mut facts = vec![format!(" {python}")];
    if width >= 60 {
        facts.push(format!(" {dot} up {}", text::seconds(up)));
    }
    if width >= 50 {
        let plural = if threads == 1 { "" } else { "s" };
        let places = match state.profile.totals().processes {
            ..=1 => String::new(),
            processes => format!(" in {processes} processes"),
        };
        facts.push(format!(" {dot} {threads} thread{plural}{places}"));
    }
    let taken: usize =
        spans.iter().map(Span::width).sum::<usize>() + facts.iter().map(|f| text::width(f)).sum::<usize>();
    let room = usize::from(width).saturating_sub(taken + 1);
    let command = text::command(&about.command);
    spans.push(Span::raw(text::cut(&text::clean(&command, signs), room, signs)));
    spans.extend(facts.into_iter().map(|fact| Span::styled(fact, theme.faint())));
    spans
}

/// Does the picture live, and what time does it show?
fn badge(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let signs = theme.signs;
    let mut spans = Vec::new();
    if let Some(ending) = state.profile.ending() {
        let style = if matches!(ending, Ending::Exited(Some(0)) | Ending::Detached) {
            theme.strong()
        } else {
            theme.alert()
        };
        spans.push(Span::styled(
            format!(" {} {}", signs.frozen, text::clean(&ending_text(ending), signs)),
            style,
        ));
    } else if state.silent {
        spans.push(Span::styled(format!(" {} the sampler is gone", signs.frozen), theme.alert()));
    } else if let Some(frozen) = state.frozen {
        let missed = state.profile.totals().samples.saturating_sub(frozen.samples);
        let since = Micros(state.now.0.saturating_sub(frozen.at.0));
        let words =
            format!(" FROZEN {} {}, +{} samples", signs.frozen, text::seconds(since), text::grouped(missed));
        spans.push(Span::styled(words, theme.alert()));
    } else if state.profile.totals().stands {
        let pid = state.profile.about().map_or(0, |about| about.pid);
        let cure = if layout::is_small(state.size) { String::new() } else { format!(" (kill -CONT {pid})") };
        spans.push(Span::styled(format!(" STOPPED {}{cure}", signs.frozen), theme.alert()));
    } else if matches!(state.reach, Reach::Between(..)) {
        let word = if layout::is_small(state.size) { "" } else { "PAST " };
        spans.push(Span::styled(format!(" {word}{}", signs.frozen), theme.strong()));
    } else {
        let word = if layout::is_small(state.size) { "" } else { "LIVE " };
        spans.push(Span::styled(format!(" {word}{}", signs.live), theme.key()));
    }
    let words = window(state);
    let words = if layout::is_small(state.size) {
        words.trim_start_matches("last ").replace(" (auto)", "")
    } else {
        words
    };
    spans.push(Span::raw(format!(" {words}")));
    spans
}

/// The time that the picture shows, in words.
fn window(state: &State) -> String {
    let last = state.profile.last_at().unwrap_or_default();
    // What comes in while the picture is frozen is not in it.
    let (reach, newest) = match state.frozen {
        Some(Frozen { reach, span: Time::Between(_, end), .. }) => (reach, Micros(end.0.saturating_sub(1))),
        Some(Frozen { reach, .. }) => (reach, last),
        None => (state.reach, last),
    };
    let first = state.profile.first_at().unwrap_or_default();
    let length = |from: Micros| Micros(newest.0.saturating_sub(from.0.max(first.0)));
    let since = |from: Micros| match length(from) {
        Micros(..1_000_000) => "<1 s".to_owned(),
        length => text::seconds(length),
    };
    match reach {
        Reach::Auto => match state.auto_span {
            Time::Since(from) => format!("last {} (auto)", since(from)),
            Time::Last(length) => format!("last {} (auto)", since(Micros(newest.0.saturating_sub(length.0)))),
            _ => "auto".to_owned(),
        },
        // So much has not been seen yet.
        Reach::Last(wanted) if length(first).0 + 1_000_000 < wanted.0 => {
            format!("last {} of {}", since(first), text::seconds(wanted))
        }
        Reach::Last(wanted) => format!("last {}", text::seconds(wanted)),
        Reach::Start => format!("since start, {}", since(first)),
        Reach::Since(from) => format!("last {}", since(from)),
        Reach::Between(from, to) => {
            format!("{} from {}", text::span(Micros(to.0 - from.0)), text::clock(from, state.options.east))
        }
    }
}

/// What the watching costs, and what it missed.
fn cost(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme;
    let dot = theme.signs.dot;
    let totals = state.profile.totals();
    let elapsed = totals.elapsed.0.max(1) as f64;
    if totals.elapsed.0 == 0 {
        return Vec::new();
    }
    let rate = totals.samples as f64 / elapsed * 1e6;
    let stopped = totals.stopped.0 as f64 / elapsed;
    let mut parts = vec![
        Span::styled(
            format!(" {dot} stopped {}", text::percent(stopped)),
            if stopped > 0.02 { theme.alert() } else { theme.text() },
        ),
        Span::styled(format!(" {dot} {rate:.0}/s"), theme.text()),
    ];
    let failed: u64 = totals.failed.iter().sum();
    for (count, word) in
        [(failed, "failed"), (totals.late, "late"), (totals.dropped, "dropped"), (totals.retried, "retried")]
    {
        let heavy = count * 100 > totals.samples && word != "retried";
        let style = if heavy { theme.alert() } else { theme.faint() };
        parts.push(Span::styled(format!(" {dot} {} {word}", text::grouped(count)), style));
    }
    if state.profile.thinned_before().is_some() {
        parts.insert(2, Span::styled(format!(" {dot} oldest minutes thinned"), theme.faint()));
    }
    parts
}

/// How the sampling ended, in words.
pub(super) fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Detached => "detached".to_owned(),
        Ending::Exited(Some(status)) => format!("exited, status {status}"),
        Ending::Exited(None) => "exited".to_owned(),
        Ending::Killed(signal) => match signal_hook::low_level::signal_name(*signal) {
            Some(name) => format!("killed by {name}"),
            None => format!("killed by signal {signal}"),
        },
        Ending::NotPython(cause) => format!("no Python: {cause}"),
        Ending::Lost(why) => why.clone(),
    }
}
