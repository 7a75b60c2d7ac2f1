//! The list of processes, painted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::picker::{Candidate, Picker};
use super::picture::{put, put_right, say};
use super::text;

/// Lines above the list: what this is, what was typed, what the columns are.
const HEAD: u16 = 3;
/// Lines below it, on a screen that is tall enough: a rule, what is known of the selected one.
const DETAIL: u16 = 5;
/// From this height on there is room for those.
const TALL: u16 = 14;

/// How many processes a screen of this size shows.
pub(super) fn rows(size: (u16, u16)) -> usize {
    usize::from(size.1.saturating_sub(HEAD + 1 + detail(size)))
}

fn detail(size: (u16, u16)) -> u16 {
    if size.1 >= TALL { DETAIL } else { 0 }
}

/// The row of the list at this line of the screen.
pub(super) fn row_at(picker: &Picker, y: u16) -> Option<usize> {
    let row = usize::from(y.checked_sub(HEAD)?);
    let inside = row < rows(picker.size) && picker.top + row < picker.shown().count();
    inside.then_some(picker.top + row)
}

/// Paints the screen.
pub fn paint(picker: &Picker, buffer: &mut Buffer) {
    let (width, height) = picker.size;
    let line = |y: u16| Rect { x: 0, y, width, height: u16::from(y < height) };
    let theme = picker.theme;
    let signs = theme.signs;
    let shown = picker.shown().count();
    let count = format!("{shown} of {} ", picker.candidates.len());
    let taken = put_right(vec![Span::styled(count, theme.faint())], line(0), buffer);
    let title = vec![
        Span::styled(" pyflame-tui ", theme.strong()),
        Span::raw(if width >= 60 { "Which Python shall be watched?" } else { "Which?" }),
    ];
    put(title, Rect { width: width.saturating_sub(taken), ..line(0) }, buffer);
    let room = usize::from(width).saturating_sub(6);
    let typed = text::cut_start(&text::clean(&picker.typed, signs), room, signs);
    let mut prompt =
        vec![Span::styled(" / ", theme.key()), Span::raw(typed), Span::styled(" ", theme.cursor())];
    if picker.typed.is_empty() {
        prompt.push(Span::styled("  type to find", theme.faint()));
    }
    put(prompt, line(1), buffer);
    put(Span::styled(columns(width, &HEADINGS, "COMMAND", picker), theme.faint()), line(2), buffer);
    let list = Rect { x: 0, y: HEAD, width, height: rows(picker.size) as u16 }.intersection(buffer.area);
    if shown == 0 {
        let words = match (picker.listed, picker.candidates.is_empty()) {
            (false, _) => "looking for Pythons",
            (true, true) => "no Python runs here that we can see",
            (true, false) => "none matches; Esc takes the filter back",
        };
        say(words, theme.faint(), list, buffer);
    }
    let cursor = picker.row();
    for (y, (row, one)) in (list.top()..list.bottom()).zip(picker.shown().enumerate().skip(picker.top)) {
        paint_row(picker, one, row == cursor, line(y), buffer);
    }
    if detail(picker.size) > 0 {
        let top = height - 1 - DETAIL;
        paint_detail(picker, Rect { x: 0, y: top, width, height: DETAIL }, buffer);
    }
    if height > HEAD {
        paint_footer(picker, line(height - 1), buffer);
    }
}

/// The words above the columns, in their order.
const HEADINGS: [&str; 7] = ["CPU", "PID", "AGE", "PYTHON", "THREADS", "USER", "ATTACH"];

/// A row: numbers to the right, words to the left, what there is no room for left away.
fn columns(width: u16, values: &[&str; 7], command: &str, picker: &Picker) -> String {
    let signs = picker.theme.signs;
    let [cpu, pid, age, python, threads, user, attach] = values;
    let right = |text: &str, cells: usize| text::pad_start(text, cells, signs);
    let left = |text: &str, cells: usize| text::pad(text, cells, signs);
    let mut parts = vec![format!(" {} {}", right(cpu, 6), right(pid, 7))];
    if width >= 50 {
        parts.push(format!("  {} {}", right(age, 6), left(python, 7)));
    }
    if width >= 70 {
        parts.push(format!("{} {}", right(threads, 7), left(&format!(" {user}"), 10)));
    }
    parts.push(format!(" {} ", left(attach, if width >= 50 { 8 } else { 6 })));
    let line = parts.concat();
    let room = usize::from(width).saturating_sub(text::width(&line));
    line + &text::pad(command, room, signs)
}

fn paint_row(picker: &Picker, one: &Candidate, selected: bool, line: Rect, buffer: &mut Buffer) {
    let signs = picker.theme.signs;
    let cpu = one.cpu.map_or("?".to_owned(), text::percent);
    let (pid, threads) = (one.pid.to_string(), one.threads.to_string());
    let attach = one.barred.as_ref().map_or("yes", |barred| barred.word);
    let python = text::clean(&one.python, signs);
    let user = text::clean(&one.user, signs);
    let values = [&cpu, &pid, &*text::seconds(one.age), &python, &threads, &user, attach];
    // Where the interpreter lies is what matters least, and it is long.
    let (interpreter, rest) = one.command.split_once(' ').unwrap_or((&one.command, ""));
    let command = format!("{} {rest}", text::base_name(interpreter));
    let command = text::clean(&command, signs);
    let style = if one.barred.is_some() { picker.theme.faint() } else { picker.theme.text() };
    put(Span::styled(columns(line.width, &values, &command, picker), style), line, buffer);
    if selected {
        put(Span::raw(signs.pointer), Rect { width: line.width.min(1), ..line }, buffer);
        buffer.set_style(line.intersection(buffer.area), picker.theme.cursor());
    }
}

/// The whole command of the selected one, and what is in the way of attaching to it.
fn paint_detail(picker: &Picker, area: Rect, buffer: &mut Buffer) {
    let theme = picker.theme;
    let signs = theme.signs;
    let row = |at: u16| Rect { y: area.y + at, height: 1, ..area };
    put(
        Span::styled(signs.border.horizontal_top.repeat(usize::from(area.width)), theme.faint()),
        row(0),
        buffer,
    );
    let width = usize::from(area.width).saturating_sub(2).max(1);
    let Some(one) = picker.selected() else { return };
    let mut lines: Vec<(String, Style)> = Vec::new();
    let why = picker.refused.as_ref().or(one.barred.as_ref().map(|barred| &barred.why));
    let command_rows = if why.is_some() { 1 } else { 4 };
    let command = text::clean(&one.command, signs);
    lines.extend(
        text::wrap(&command, width).into_iter().take(command_rows).map(|line| (line, theme.strong())),
    );
    for sentence in why.into_iter().flat_map(|why| why.lines()) {
        let style = if picker.refused.is_some() { theme.alert() } else { theme.text() };
        lines.extend(text::wrap(&text::clean(sentence, signs), width).into_iter().map(|line| (line, style)));
    }
    for (at, (line, style)) in (1..area.height).zip(lines) {
        put(Span::styled(format!(" {}", text::cut(&line, width, signs)), style), row(at), buffer);
    }
}

fn paint_footer(picker: &Picker, line: Rect, buffer: &mut Buffer) {
    let theme = picker.theme;
    let ascii = theme.signs.ascii;
    // Without room for the details, what was refused stands here.
    if let (Some(why), 0) = (&picker.refused, detail(picker.size)) {
        let words = why.replace('\n', " ");
        let words = text::clean(&words, theme.signs);
        let room = usize::from(line.width).saturating_sub(1);
        return put(
            Span::styled(format!(" {}", text::cut(&words, room, theme.signs)), theme.alert()),
            line,
            buffer,
        );
    }
    let (escape, leads_to) = match picker.watched {
        _ if !picker.typed.is_empty() => ("Esc", "all again"),
        Some(_) => ("Esc", "back"),
        None => ("Esc q", "leave"),
    };
    let quits = picker.typed.is_empty() && picker.watched.is_some();
    let hints = [
        (if ascii { "Enter" } else { "↵" }, "attach"),
        (if ascii { "Up Down" } else { "↑ ↓" }, "move"),
        ("^U", "empty"),
        (escape, leads_to),
        ("q", "leave"),
    ];
    let mut spans = vec![Span::raw(" ")];
    // The filter is emptied by Esc, too.
    let hints = hints.into_iter().filter(|(key, _)| match *key {
        "^U" => line.width >= 50,
        "q" => quits,
        _ => true,
    });
    for (key, words) in hints {
        spans.push(Span::styled(key, theme.key()));
        spans.push(Span::raw(format!(" {words}  ")));
    }
    put(spans, line, buffer);
}
