//! The last line: what is being typed, what was just said, or what can be pressed here; and what the
//! cursor stands on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::action::Action;
use super::console;
use super::find;
use super::flame::What;
use super::keys::{Binding, Group, Pane, TABLE};
use super::picture::{put, put_right};
use super::state::{Overlay, State};
use super::text;
use crate::profile::share_error;

/// Hints that go first where there is no room for all: their keys are rarer, or found by others.
const RARER: [&str; 11] = [
    "source",
    "top",
    "callers",
    "idle",
    "thread",
    "window",
    "freeze",
    "export",
    "all commands",
    "find",
    "panes",
];

/// A hint, and where it stands.
#[derive(Debug)]
struct Hint {
    key: String,
    words: &'static str,
    /// What a click on it does.
    action: Option<Action>,
    /// Its first column.
    left: u16,
    /// The column behind its last.
    right: u16,
}

/// What the line shows. Painting and the mouse ask the same, so a click never presses what is not seen.
#[derive(Debug, Default)]
struct Shown {
    words: Vec<Span<'static>>,
    /// What can be pressed, behind the words.
    hints: Vec<Hint>,
    /// At the right end.
    weight: Vec<Span<'static>>,
}

impl Shown {
    fn words(words: impl Into<Vec<Span<'static>>>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    /// Keys, what they do, and what a click there does.
    fn keys(
        words: impl Into<Vec<Span<'static>>>,
        keys: impl IntoIterator<Item = (impl Into<String>, &'static str, Option<Action>)>,
    ) -> Self {
        let words = words.into();
        let width: usize = words.iter().map(Span::width).sum();
        let mut left = width.max(1) as u16;
        let hints = keys.into_iter().map(|(key, words, action)| {
            let key = key.into();
            let right = left.saturating_add((text::width(&key) + 1 + text::width(words)) as u16);
            let hint = Hint { key, words, action, left, right };
            left = right.saturating_add(2);
            hint
        });
        Self { hints: hints.collect(), words, ..Self::default() }
    }
}

/// The hints for which there is room. After the rarer ones they are dropped from the middle: `?` and `q`, which are last
/// in the table, always stay.
fn hints(state: &State, width: u16) -> Shown {
    let ascii = state.theme.signs.ascii;
    let mut shown: Vec<(&Binding, u16)> = TABLE
        .iter()
        .filter(|binding| !binding.hint.is_empty() && binding.holds_on(state) && is_seen(binding, state))
        .map(|binding| (binding, (text::width(&words(binding, ascii)) + 2) as u16))
        .collect();
    while shown.iter().map(|(_, width)| width).sum::<u16>() > width.saturating_sub(1) && shown.len() > 2 {
        let is_there = |hint| shown.iter().position(|(binding, _)| binding.hint == hint);
        let rarer = RARER.into_iter().find_map(is_there);
        shown.remove(rarer.unwrap_or_else(|| (shown.len() / 2).min(shown.len() - 3)));
    }
    let keys = shown
        .into_iter()
        .map(|(binding, _)| (key(binding, ascii), binding.hint, Some(binding.action.clone())));
    Shown::keys([], keys)
}

/// Does it change something that this pane shows? Nothing but its output is to be seen beside a command's, and who has
/// ended is not typed to.
fn is_seen(binding: &Binding, state: &State) -> bool {
    let is_elsewhere = matches!(binding.group, Group::Picture | Group::Time | Group::Find);
    let types = binding.action == Action::Enter;
    state.pane != Pane::Output || !(is_elsewhere || types && !console::runs(state))
}

/// The key that stands in the hint: the first.
fn key(binding: &Binding, ascii: bool) -> String {
    binding.keys.first().map_or(String::new(), |key| key.label(ascii))
}

fn words(binding: &Binding, ascii: bool) -> String {
    format!("{} {}", key(binding, ascii), binding.hint)
}

/// What there is to show in so many columns.
fn shown(state: &State, width: u16) -> Shown {
    let theme = state.theme;
    let signs = theme.signs;
    match &state.overlay {
        Overlay::Find => return typed("/", &state.find.pattern, &tally(state), state, width),
        Overlay::File(name) => {
            const LEAD: &str = "export to: ";
            let room = usize::from(width).saturating_sub(text::width(LEAD) + text::width(name) + 2);
            return typed(LEAD, name, &endings(room), state, width);
        }
        Overlay::Leaving => return Shown::words(leaving(state, width)),
        _ => {}
    }
    if console::is_typing(state) {
        let words = Span::styled(" The command has the keys.  ", theme.strong());
        return Shown::keys([words], [("^]", "back", Some(Action::TakeKeys))]);
    }
    if let Some((note, _)) = &state.note {
        let style = if note.failed { theme.alert() } else { theme.strong() };
        let room = usize::from(width).saturating_sub(1);
        let words = format!(" {}", text::cut(&text::clean(&note.text, signs), room, signs));
        return Shown::words([Span::styled(words, style)]);
    }
    let close = ("Esc", "close", Some(Action::Back));
    match state.overlay {
        Overlay::Help(..) => return Shown::keys([], [("j k", "scroll", None), close]),
        Overlay::Palette(..) => return choice("do it", close, state),
        Overlay::Crowd(..) => return choice("zoom", close, state),
        _ => {}
    }
    if state.pane == Pane::Timeline && state.timeline.anchor.is_some() {
        let keys = [
            ("h l", "to the other end of the span", None),
            ("v", "take it", Some(Action::Span)),
            ("Esc", "let go", Some(Action::Back)),
        ];
        return Shown::keys([], keys);
    }
    if state.find.is_on() {
        let what = match state.find.exact {
            Some(function) => format!("* {}", text::clean(&state.profile.function(function).name, signs)),
            None => format!("/{}", text::clean(&state.find.pattern, signs)),
        };
        let words = Span::styled(format!(" {what} {} {}  ", signs.dot, tally(state)), theme.key());
        let keys = [
            ("n N", "next", Some(Action::NextMatch)),
            ("*", "same", Some(Action::SameFunction)),
            ("Esc", "done", Some(Action::Back)),
        ];
        return Shown::keys([words], keys);
    }
    let weight = if width >= 70 { weight(state) } else { Vec::new() };
    let taken: usize = weight.iter().map(Span::width).sum();
    let room = if width >= 70 { width.saturating_sub(taken as u16 + 1) } else { width };
    Shown { weight, ..hints(state, room) }
}

/// What a click on a column of the line presses.
pub(super) fn pressed(state: &State, area: Rect, x: u16) -> Option<Action> {
    let hints = shown(state, area.width).hints;
    hints.into_iter().find(|hint| (hint.left..hint.right).contains(&(x - area.x)))?.action
}

/// Paints the line.
pub(super) fn paint(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let shown = shown(state, area.width);
    put_right(shown.weight, area, buffer);
    put(shown.words, area, buffer);
    for hint in shown.hints {
        let left = hint.left.min(area.width);
        let place = Rect { x: area.x + left, width: (hint.right - hint.left).min(area.width - left), ..area };
        let spans = vec![Span::styled(hint.key, state.theme.key()), Span::raw(format!(" {}", hint.words))];
        put(spans, place, buffer);
    }
}

/// The question before a command is hung up.
fn leaving(state: &State, width: u16) -> Vec<Span<'static>> {
    let words = if width >= 70 { " The command still runs. " } else { " It still runs. " };
    vec![
        Span::styled(words, state.theme.alert()),
        Span::styled("q", state.theme.key()),
        Span::raw(if width >= 70 { " hangs it up (SIGHUP) and quits  " } else { " hang up  " }),
        Span::styled("Esc", state.theme.key()),
        Span::raw(if width >= 70 { " stays here" } else { " stay" }),
    ]
}

/// What holds in a list that lies over the panes.
fn choice(enter: &'static str, close: (&'static str, &'static str, Option<Action>), state: &State) -> Shown {
    let (accept, moves) = if state.theme.signs.ascii { ("Enter", "Up Down") } else { ("↵", "↑ ↓") };
    Shown::keys([], [(accept, enter, Some(Action::Accept)), (moves, "move", None), close])
}

/// What the endings of an export's name ask for, as far as there is room.
fn endings(room: usize) -> String {
    let mut help = String::from("  Enter writes");
    for words in [
        ".svg: for a browser",
        ".threads: by thread",
        ".speedscope.json: in order of time",
        ".pb.gz: for pprof",
        "empty: a name of its own",
    ] {
        if text::width(&help) + 2 + text::width(words) <= room {
            help = help + "; " + words;
        }
    }
    help
}

/// A line that is being typed. Its end is always seen, and the cursor behind it.
fn typed(lead: &str, line: &str, help: &str, state: &State, width: u16) -> Shown {
    let signs = state.theme.signs;
    let room = usize::from(width).saturating_sub(text::width(lead) + 2);
    Shown::words([
        Span::styled(format!(" {lead}"), state.theme.key()),
        Span::raw(text::cut_start(&text::clean(line, signs), room, signs)),
        Span::styled(" ", state.theme.cursor()),
        Span::styled(format!("  {help}"), state.theme.faint()),
    ])
}

/// `12 frames, 33.8 %`.
fn tally(state: &State) -> String {
    if !state.find.is_on() {
        return "type a part of a function's or a file's name".to_owned();
    }
    let (count, share) = find::tally(&state.find, &state.view.tree);
    format!("{count} frame{}, {:.1} %", if count == 1 { "" } else { "s" }, share * 100.0)
}

/// The weight of what the cursor stands on in the pane that has the keys.
fn selected(state: &State) -> Option<u64> {
    let view = &state.view;
    match state.pane {
        Pane::Top => view.top.get(state.top_list.cursor).map(|row| row.total),
        Pane::Source => Some(view.heat.total),
        Pane::Threads | Pane::Output => None,
        Pane::Timeline | Pane::Flame => {
            let place = view.flame.find(&view.tree, view.cursor);
            let cell = place.and_then(|at| view.flame.cell(at));
            let crowd = cell.filter(|cell| matches!(cell.what, What::Crowd(_)));
            Some(crowd.map_or_else(|| view.tree.call(view.cursor).total, |crowd| crowd.weight(&view.tree)))
        }
    }
}

/// The same in words: in threads, as a share, and how sure that is.
fn weight(state: &State) -> Vec<Span<'static>> {
    let tree = &state.view.tree;
    if tree.is_empty() {
        return Vec::new();
    }
    let Some(total) = selected(state) else { return Vec::new() };
    let whole = tree.total();
    let counted_as = state.view.mean_weight();
    let sure = 2.0 * share_error(total, whole, counted_as) * 100.0;
    let signs = state.theme.signs;
    let sure = if sure < 0.95 { format!("{sure:.1}") } else { format!("{sure:.0}") };
    let words = format!(
        "sel {} {} {} {}{sure} % ",
        text::threads(tree.in_threads(total)),
        state.unit(2),
        text::percent(total as f64 / whole.max(1) as f64),
        signs.plus_minus
    );
    vec![Span::styled(words, state.of_share(state.theme.strong()))]
}
