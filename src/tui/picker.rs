//! Which process? The list to choose from when none was named: what it is, how it changes, what keys mean. As with the
//! viewer, everything that happens is an action, and the picture follows from the state.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::options::Options;
use super::picker_pane;
use super::theme::Theme;
use crate::sample::Micros;

/// After a key the rows keep their order for so long: who looks for one must not see it run away.
const CALM: Micros = Micros(3_000_000);
/// Differences of CPU time that are smaller than this share of a CPU move no row.
const STEPS: f64 = 20.0;
/// Nobody types more to find a process.
const LONGEST: usize = 200;

/// A process that may be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its number.
    pub pid: u32,
    /// When it began, in any unit: with its number that is an identity.
    pub start: u64,
    /// CPUs that it used lately; none if that is not known yet.
    pub cpu: Option<f64>,
    /// How long ago it began.
    pub age: Micros,
    /// Which Python, as far as the names of its files tell.
    pub python: String,
    /// How many threads it has.
    pub threads: u32,
    /// Whose it is.
    pub user: String,
    /// Its words.
    pub command: String,
    /// Why it cannot be attached to, if that is known.
    pub barred: Option<Barred>,
}

/// Why a process cannot be attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    /// In a word.
    pub word: &'static str,
    /// In sentences, with what helps.
    pub why: String,
}

impl Candidate {
    fn identity(&self) -> (u32, u64) {
        (self.pid, self.start)
    }
}

/// Everything that happens to the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The processes as they are now.
    Listed(Vec<Candidate>),
    /// This is now.
    Now(Micros),
    /// The screen has this many columns and rows.
    Resized(u16, u16),
    /// A character for the filter.
    Type(char),
    /// Take the last one back.
    Erase,
    /// Take all of them back.
    EraseAll,
    /// So many rows down; up if negative.
    Move(i64),
    /// To this row of the screen.
    Point(u16),
    /// Attach to the selected process.
    Enter,
    /// That was refused; these sentences say why.
    Refused(String),
    /// Take the filter back; without one, go back or leave.
    Back,
    /// Leave.
    Leave,
    /// Stop until told to go on.
    Suspend,
}

/// What the list asks of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Attach to this process.
    Attach(u32),
    /// Leave.
    Leave,
    /// Go back to the process that was watched before.
    Back,
    /// Stop until told to go on.
    Suspend,
}

/// The list.
#[derive(Debug)]
pub struct Picker {
    /// Colours and signs.
    pub theme: Theme,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What was typed.
    pub typed: String,
    /// Why the last one was refused.
    pub refused: Option<String>,
    /// Everybody, in the order of the screen.
    pub candidates: Vec<Candidate>,
    /// A list has come.
    pub listed: bool,
    /// The process that was watched before, if there is one to go back to.
    pub watched: Option<u32>,
    /// The first row on the screen.
    pub top: usize,
    /// Something on the screen is not as it was drawn.
    pub dirty: bool,
    selected: Option<(u32, u64)>,
    now: Micros,
    /// When somebody last chose something.
    touched: Option<Micros>,
    shown: Vec<usize>,
}

impl Picker {
    /// Nobody is on it yet.
    pub fn new(options: &Options, size: (u16, u16)) -> Self {
        Self {
            theme: Theme::new(options.depth, options.ascii),
            size,
            typed: String::new(),
            refused: None,
            candidates: Vec::new(),
            listed: false,
            watched: None,
            top: 0,
            dirty: true,
            selected: None,
            now: Micros(0),
            touched: None,
            shown: Vec::new(),
        }
    }

    /// Those that match what was typed, in the order of the screen.
    pub fn shown(&self) -> impl Iterator<Item = &Candidate> {
        self.shown.iter().filter_map(|at| self.candidates.get(*at))
    }

    /// The row of the selected one, among those that are shown.
    pub fn row(&self) -> usize {
        self.shown().position(|one| Some(one.identity()) == self.selected).unwrap_or(0)
    }

    /// The selected one.
    pub fn selected(&self) -> Option<&Candidate> {
        self.shown().nth(self.row())
    }

    fn select(&mut self, row: usize) {
        let row = row.min(self.shown.len().saturating_sub(1));
        let selected = self.shown().nth(row).map(Candidate::identity);
        self.selected = selected;
        self.show();
    }

    /// Scrolls as little as is needed to see the selected row.
    fn show(&mut self) {
        let height = picker_pane::rows(self.size).max(1);
        let row = self.row();
        self.top = self.top.clamp((row + 1).saturating_sub(height), row);
    }

    /// Takes in a new list. The selection stays with its process, and that, if it can, in its row of the screen.
    fn list(&mut self, mut fresh: Vec<Candidate>) {
        for one in &mut fresh {
            let before = self.candidates.iter().find(|before| before.identity() == one.identity());
            // Half of what it was before: numbers that jump cannot be read.
            if let (Some(now), Some(before)) = (one.cpu, before.and_then(|before| before.cpu)) {
                one.cpu = Some(f64::midpoint(now, before));
            }
        }
        let were_measured = self.candidates.iter().any(|one| one.cpu.is_some());
        let is_calm = self.touched.is_none_or(|at| self.now.0.saturating_sub(at.0) >= CALM.0);
        let place =
            |one: &Candidate| self.candidates.iter().position(|before| before.identity() == one.identity());
        if is_calm || !were_measured {
            fresh.sort_by_key(|one| (std::cmp::Reverse(steps(one)), one.pid));
        } else {
            fresh.sort_by_key(|one| (place(one).unwrap_or(usize::MAX), std::cmp::Reverse(steps(one))));
        }
        let row = self.row();
        let first = self.touched.is_none() && !were_measured;
        self.candidates = fresh;
        self.listed = true;
        self.filter();
        if first || !self.shown().any(|one| Some(one.identity()) == self.selected) {
            // The first list that tells who works, or the selected one has ended.
            self.select(if first { 0 } else { row });
        } else {
            self.top = (self.top + self.row()).saturating_sub(row);
            self.show();
        }
        self.top = self.top.min(self.shown.len().saturating_sub(picker_pane::rows(self.size)));
        self.show();
    }

    /// Those that have what was typed in them; only if there is none, those that have its letters in this order.
    fn filter(&mut self) {
        let typed = self.typed.to_lowercase();
        let words = |one: &Candidate| {
            format!("{} {} {} {}", one.pid, one.command, one.user, one.python).to_lowercase()
        };
        let having = |wanted: &mut dyn FnMut(&str) -> bool| {
            let all = self.candidates.iter().enumerate();
            all.filter(|(_, one)| wanted(&words(one))).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let mut shown = having(&mut |words| words.contains(&typed));
        if shown.is_empty() {
            let pattern = Pattern::parse(&typed, CaseMatching::Ignore, Normalization::Smart);
            let mut matcher = Matcher::new(Config::DEFAULT);
            let mut buffer = Vec::new();
            shown =
                having(&mut |words| pattern.score(Utf32Str::new(words, &mut buffer), &mut matcher).is_some());
        }
        self.shown = shown;
    }

    fn retyped(&mut self) {
        self.filter();
        self.top = 0;
        self.select(0);
    }
}

/// What counts for the order.
fn steps(one: &Candidate) -> u64 {
    (one.cpu.unwrap_or(0.0).clamp(0.0, 1e6) * STEPS).round() as u64
}

/// Changes the list; says what the world is to do.
pub fn update(picker: &mut Picker, act: Act) -> Option<Wish> {
    if let Act::Now(now) = act {
        picker.now = now;
        return None;
    }
    picker.dirty = true;
    let by_hand = !matches!(act, Act::Listed(_) | Act::Resized(..) | Act::Refused(_));
    if by_hand {
        picker.touched = Some(picker.now);
        picker.refused = None;
    }
    match act {
        Act::Listed(fresh) => picker.list(fresh),
        Act::Resized(width, height) => {
            picker.size = (width, height);
            picker.show();
        }
        Act::Refused(why) => picker.refused = Some(why),
        Act::Type(character) if picker.typed.chars().count() < LONGEST => {
            picker.typed.push(character);
            picker.retyped();
        }
        Act::Erase => {
            picker.typed.pop();
            picker.retyped();
        }
        Act::EraseAll => {
            picker.typed.clear();
            picker.retyped();
        }
        Act::Move(by) => {
            let row = i64::try_from(picker.row()).unwrap_or(0).saturating_add(by).max(0);
            picker.select(usize::try_from(row).unwrap_or(0));
        }
        Act::Point(y) => {
            let row = picker_pane::row_at(picker, y)?;
            if row == picker.row() {
                return update(picker, Act::Enter);
            }
            picker.select(row);
        }
        Act::Enter => {
            let pid = picker.selected()?.pid;
            return Some(if picker.watched == Some(pid) { Wish::Back } else { Wish::Attach(pid) });
        }
        Act::Back if !picker.typed.is_empty() => return update(picker, Act::EraseAll),
        Act::Back if picker.watched.is_some() => return Some(Wish::Back),
        Act::Back | Act::Leave => return Some(Wish::Leave),
        Act::Suspend => return Some(Wish::Suspend),
        Act::Type(_) | Act::Now(_) => {}
    }
    None
}

/// What pressing a key comes to. All letters are for the filter, but `q` as the first: whoever wants to leave tries that.
pub fn pressed(picker: &Picker, key: KeyEvent) -> Option<Act> {
    let page = i64::try_from(picker_pane::rows(picker.size)).unwrap_or(1).max(2) - 1;
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::Leave,
        KeyCode::Char('z') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::Suspend,
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::EraseAll,
        KeyCode::Char('n') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::Move(1),
        KeyCode::Char('p') if key.modifiers.contains(KeyModifiers::CONTROL) => Act::Move(-1),
        KeyCode::Char(_) if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            return None;
        }
        KeyCode::Char('q') if picker.typed.is_empty() => Act::Leave,
        KeyCode::Char(character) => Act::Type(character),
        KeyCode::Backspace => Act::Erase,
        KeyCode::Esc => Act::Back,
        KeyCode::Enter => Act::Enter,
        KeyCode::Up => Act::Move(-1),
        KeyCode::Down => Act::Move(1),
        KeyCode::PageUp => Act::Move(-page),
        KeyCode::PageDown => Act::Move(page),
        KeyCode::Home => Act::Move(i64::from(i32::MIN)),
        KeyCode::End => Act::Move(i64::from(i32::MAX)),
        _ => return None,
    })
}

/// What the mouse comes to: a click selects, another on the same row attaches.
pub fn pointed(event: MouseEvent) -> Option<Act> {
    Some(match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Act::Point(event.row),
        MouseEventKind::Down(MouseButton::Right) => Act::Back,
        MouseEventKind::ScrollUp => Act::Move(-3),
        MouseEventKind::ScrollDown => Act::Move(3),
        _ => return None,
    })
}
