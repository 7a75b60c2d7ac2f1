//! The one table of keys. Footer, help, palette and the README's section are derived from it, and a
//! key that is not in it does nothing. What a key *does* stands in `update`.

use std::fmt::Write;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, Direction, Other};
use super::state::State;

/// A part of the screen that can have the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    /// The strip of time.
    Timeline,
    /// The icicle.
    Flame,
    /// Who does what.
    Threads,
    /// Functions by weight.
    Top,
    /// The file, with heat.
    Source,
    /// What the command wrote.
    Output,
}

impl Pane {
    /// All panes in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Timeline, Self::Flame, Self::Threads, Self::Top, Self::Source, Self::Output];

    /// The digit that leads to it.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// What stands in its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Timeline => "Timeline",
            Self::Flame => "Flame",
            Self::Threads => "Threads",
            Self::Top => "Top",
            Self::Source => "Source",
            Self::Output => "Output",
        }
    }
}

/// A key as the table names it: shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Which.
    pub code: KeyCode,
    /// Together with Ctrl.
    pub control: bool,
}

impl Key {
    /// What was pressed, in the table's terms.
    pub fn pressed(event: KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            // crossterm 0.29 has this name for the byte that terminals send for ^].
            KeyCode::Char('5') if control => KeyCode::Char(']'),
            code => code,
        };
        Self { code, control }
    }

    /// How it is written on the screen.
    pub fn label(self, ascii: bool) -> String {
        let plain = match self.code {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(character) if self.control => character.to_ascii_uppercase().to_string(),
            KeyCode::Char(character) => character.to_string(),
            KeyCode::Enter => if ascii { "Enter" } else { "↵" }.to_owned(),
            KeyCode::Backspace => if ascii { "Bksp" } else { "⌫" }.to_owned(),
            KeyCode::Left => if ascii { "Left" } else { "←" }.to_owned(),
            KeyCode::Right => if ascii { "Right" } else { "→" }.to_owned(),
            KeyCode::Up => if ascii { "Up" } else { "↑" }.to_owned(),
            KeyCode::Down => if ascii { "Down" } else { "↓" }.to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "S-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        if self.control { format!("^{plain}") } else { plain }
    }
}

/// What belongs together in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Going about.
    Move,
    /// What the picture shows.
    Picture,
    /// Which stretch of time.
    Time,
    /// Looking for a function.
    Find,
    /// Panes.
    Panes,
    /// What runs under `-t`.
    Command,
    /// Taking something away.
    Keep,
    /// The program itself.
    Program,
}

impl Group {
    /// All groups in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Move,
        Self::Picture,
        Self::Time,
        Self::Find,
        Self::Panes,
        Self::Command,
        Self::Keep,
        Self::Program,
    ];

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Picture => "Picture",
            Self::Time => "Time",
            Self::Find => "Find",
            Self::Panes => "Panes",
            Self::Command => "The command that runs under -t",
            Self::Keep => "Keep and share",
            Self::Program => "Program",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Binding {
    /// Any of these.
    pub keys: &'static [Key],
    /// Does this.
    pub action: Action,
    /// Where; nowhere in particular means everywhere.
    pub panes: &'static [Pane],
    /// Heading in the help.
    pub group: Group,
    /// One or two words for the footer; empty for what is found in the help only.
    pub hint: &'static str,
    /// A sentence for help and palette.
    pub help: &'static str,
}

impl Binding {
    /// Holds in this pane.
    pub fn holds_in(&self, pane: Pane) -> bool {
        self.panes.is_empty() || self.panes.contains(&pane)
    }

    /// Means something on this screen.
    pub fn holds_on(&self, state: &State) -> bool {
        self.holds_in(state.pane) && (self.group != Group::Command || state.console.is_some())
    }

    /// Its keys as they are written on the screen.
    pub fn label(&self, ascii: bool) -> String {
        self.keys.iter().map(|key| key.label(ascii)).collect::<Vec<_>>().join(" ")
    }
}

/// What `key` does while `pane` has the keys.
pub fn meaning(pane: Pane, key: Key) -> Option<&'static Action> {
    TABLE
        .iter()
        .find(|binding| binding.holds_in(pane) && binding.keys.contains(&key))
        .map(|binding| &binding.action)
}

/// The README's section: a table in Markdown.
pub fn markdown() -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let _ = write!(out, "**{}**\n\n| key | what it does |\n|---|---|\n", group.title());
        for binding in TABLE.iter().filter(|binding| binding.group == group) {
            let keys: Vec<_> = binding.keys.iter().map(|key| format!("`{}`", key.label(false))).collect();
            let keys = keys.join(" ").replace('|', "\\|");
            let _ = writeln!(out, "| {keys} | {} |", binding.help);
        }
        out.push('\n');
    }
    out
}

const fn char(character: char) -> Key {
    Key { code: KeyCode::Char(character), control: false }
}

const fn control(character: char) -> Key {
    Key { code: KeyCode::Char(character), control: true }
}

const fn code(code: KeyCode) -> Key {
    Key { code, control: false }
}

const fn row(
    keys: &'static [Key],
    action: Action,
    panes: &'static [Pane],
    group: Group,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, action, panes, group, hint, help }
}

const ANY: &[Pane] = &[];
const PICTURE: &[Pane] = &[Pane::Timeline, Pane::Flame, Pane::Threads, Pane::Top];
const STRIP: &[Pane] = &[Pane::Timeline];
const SIDEWAYS: &[Pane] = &[Pane::Flame, Pane::Threads];
const ROWS: &[Pane] = &[Pane::Flame, Pane::Threads, Pane::Top];
const TEXT: &[Pane] = &[Pane::Source, Pane::Output];
const ALL_BUT_STRIP: &[Pane] = &[Pane::Flame, Pane::Threads, Pane::Top, Pane::Source, Pane::Output];

/// Every key that means something. The order is that of footer and help.
#[rustfmt::skip]
pub static TABLE: &[Binding] = &[
    row(&[char('h'), code(KeyCode::Left)], Action::Move(Direction::Left), SIDEWAYS, Group::Move, "", "to the left: the sibling before; fold a pool"),
    row(&[char('j'), code(KeyCode::Down)], Action::Move(Direction::Down), ROWS, Group::Move, "move", "down: to the heaviest callee; the next row"),
    row(&[char('k'), code(KeyCode::Up)], Action::Move(Direction::Up), ROWS, Group::Move, "", "up: to the caller; the row before"),
    row(&[char('j'), code(KeyCode::Down)], Action::Move(Direction::Down), TEXT, Group::Move, "scroll", "source and output: a line down"),
    row(&[char('k'), code(KeyCode::Up)], Action::Move(Direction::Up), TEXT, Group::Move, "", "source and output: a line up"),
    row(&[char('l'), code(KeyCode::Right)], Action::Move(Direction::Right), SIDEWAYS, Group::Move, "", "to the right: the sibling behind; open a pool"),
    row(&[char('h'), code(KeyCode::Left)], Action::Move(Direction::Left), STRIP, Group::Move, "move", "timeline: back in time"),
    row(&[char('l'), code(KeyCode::Right)], Action::Move(Direction::Right), STRIP, Group::Move, "", "timeline: on in time"),
    row(&[char('g'), code(KeyCode::Home)], Action::First, ANY, Group::Move, "", "to the root; the first row"),
    row(&[char('G'), code(KeyCode::End)], Action::Last, ANY, Group::Move, "", "to the hottest leaf below; the last row"),
    row(&[char('0')], Action::RowStart, ANY, Group::Move, "", "to the first sibling in the row"),
    row(&[char('$')], Action::RowEnd, ANY, Group::Move, "", "to the last sibling in the row"),
    row(&[code(KeyCode::PageUp), control('b'), control('u')], Action::PageUp, ANY, Group::Move, "", "a screen up"),
    row(&[code(KeyCode::PageDown), control('f'), control('d')], Action::PageDown, ANY, Group::Move, "", "a screen down"),

    row(&[code(KeyCode::Enter)], Action::Enter, &[Pane::Flame], Group::Picture, "zoom", "flame: zoom in; list a box of many"),
    row(&[code(KeyCode::Enter)], Action::Enter, &[Pane::Threads], Group::Picture, "only", "threads: only this one, or this pool; again for all"),
    row(&[code(KeyCode::Enter)], Action::Enter, &[Pane::Top], Group::Picture, "show", "top: to where it weighs most in the flame"),
    row(&[code(KeyCode::Enter)], Action::Enter, &[Pane::Source], Group::Picture, "edit", "source: $EDITOR at the hottest line"),
    row(&[code(KeyCode::Esc), code(KeyCode::Backspace)], Action::Back, ANY, Group::Picture, "back", "one step back; never quits"),
    row(&[char('=')], Action::ResetZoom, ANY, Group::Picture, "", "the whole picture again: no zoom, no span, all threads"),
    row(&[char(' '), char('z')], Action::Freeze, ANY, Group::Picture, "freeze", "freeze the picture, not the sampling; again to go on"),
    row(&[char('o')], Action::Invert, ANY, Group::Picture, "callers", "turn the flame round: leaves on top, their callers below"),
    row(&[char('x')], Action::Idle, ANY, Group::Picture, "idle", "hide idle threads; then all that neither run nor hold the GIL; then none"),
    row(&[char('a')], Action::Holders, ANY, Group::Picture, "", "all threads, or only those that hold the GIL; exports follow"),
    row(&[char('A')], Action::Tasks, ANY, Group::Picture, "", "asyncio's tasks that wait (3.11 and later), or threads; exports follow"),
    row(&[char('p')], Action::Frames, ANY, Group::Picture, "", "only own code and what it calls; all frames; all but plumbing"),
    row(&[char('L')], Action::Lines, ANY, Group::Picture, "", "one row per line instead of per function"),
    row(&[char('t')], Action::ThisThread, ANY, Group::Picture, "thread", "only the thread under the cursor, or the next one"),
    row(&[char('T')], Action::AllThreads, ANY, Group::Picture, "", "all threads again"),
    row(&[char('s')], Action::Sort, &[Pane::Top], Group::Picture, "sort", "sort by the next column"),
    row(&[char('s')], Action::ShowSource, &[Pane::Timeline, Pane::Flame, Pane::Threads, Pane::Source], Group::Panes, "source", "below: the source of the function, the command's output, or nothing"),

    row(&[char('[')], Action::Shorter, ALL_BUT_STRIP, Group::Time, "window", "a shorter window of fixed length"),
    row(&[char(']')], Action::Longer, ALL_BUT_STRIP, Group::Time, "", "a longer window; past the longest: auto"),
    row(&[char('[')], Action::Shorter, STRIP, Group::Time, "zoom", "timeline: less of the time, in finer steps"),
    row(&[char(']')], Action::Longer, STRIP, Group::Time, "", "timeline: more of the time, in coarser steps"),
    row(&[code(KeyCode::Enter)], Action::Enter, STRIP, Group::Time, "span", "timeline: begin or end a span of time"),
    row(&[char('v')], Action::Span, PICTURE, Group::Time, "", "begin or end a span of time on the timeline"),
    row(&[char('c')], Action::SinceStart, ANY, Group::Time, "", "everything since the start, or auto again"),
    row(&[char('r')], Action::Forget, ANY, Group::Time, "", "forget the past: look at what comes from now on"),

    row(&[char('/')], Action::Find, ANY, Group::Find, "find", "find functions, fuzzily, as you type"),
    row(&[char('n')], Action::NextMatch, ANY, Group::Find, "", "to the next match"),
    row(&[char('N')], Action::PreviousMatch, ANY, Group::Find, "", "to the match before"),
    row(&[char('*')], Action::SameFunction, ANY, Group::Find, "", "light up the same function everywhere"),
    row(&[char('&')], Action::KeepMatches, ANY, Group::Find, "", "keep only stacks with a match, or all again"),

    row(&[char('1')], Action::Focus(Pane::Timeline), ANY, Group::Panes, "", "the timeline"),
    row(&[char('2')], Action::Focus(Pane::Flame), ANY, Group::Panes, "", "the flame"),
    row(&[char('3')], Action::Focus(Pane::Threads), ANY, Group::Panes, "", "the threads"),
    row(&[char('4')], Action::Focus(Pane::Top), ANY, Group::Panes, "top", "functions by weight"),
    row(&[char('5')], Action::Focus(Pane::Source), ANY, Group::Panes, "", "the source, full size"),
    row(&[code(KeyCode::Tab)], Action::NextPane, ANY, Group::Panes, "panes", "the next pane"),
    row(&[code(KeyCode::BackTab)], Action::PreviousPane, ANY, Group::Panes, "", "the pane before"),

    row(&[char('6')], Action::Focus(Pane::Output), ANY, Group::Command, "output", "what it writes, full size, and the keys to it"),
    row(&[code(KeyCode::Enter)], Action::Enter, &[Pane::Output], Group::Command, "type", "output: give it the keys"),
    row(&[control(']')], Action::TakeKeys, ANY, Group::Command, "", "take the keys back from it; all others are its own while it has them"),

    row(&[char('e')], Action::Export, ANY, Group::Keep, "export", "write what is selected to a file, for flamegraph.pl"),
    row(&[char('E')], Action::ExportAs, ANY, Group::Keep, "", "the same, asking for file and format"),
    row(&[char('w')], Action::Save, ANY, Group::Keep, "", "the same, with the screen as text beside it"),
    row(&[char('y')], Action::Copy, ANY, Group::Keep, "", "copy the stack under the cursor (OSC 52)"),

    row(&[char('+')], Action::Faster, ANY, Group::Program, "", "draw more often"),
    row(&[char('-')], Action::Slower, ANY, Group::Program, "", "draw less often"),
    row(&[char('M')], Action::Mouse, ANY, Group::Program, "", "give the mouse back to the terminal, or take it"),
    row(&[control('z')], Action::Suspend, ANY, Group::Program, "", "suspend, where a shell can continue us; fg comes back"),
    row(&[char(':'), control('p')], Action::Palette, ANY, Group::Program, "all commands", "every command by name"),
    row(&[code(KeyCode::F(1))], Action::HelpAll, ANY, Group::Program, "", "every key"),
    row(&[char('?')], Action::Help, ANY, Group::Program, "help", "help on this pane"),
    row(&[char('P')], Action::Another(Other::Chosen), ANY, Group::Program, "", "choose another process; Esc comes back to this one"),
    row(&[char('B')], Action::Another(Other::Family), ANY, Group::Program, "", "begin anew with the Pythons below it, too, or without them"),
    row(&[char('q'), control('c')], Action::Quit, ANY, Group::Program, "quit", "quit; a process lives on, a command under -t is hung up"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_pane() {
        for pane in Pane::ALL {
            let mut seen: Vec<Key> = Vec::new();
            for binding in TABLE.iter().filter(|binding| binding.holds_in(pane)) {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{pane:?}: {} twice", key.label(false));
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn every_row_has_keys_and_a_sentence_and_stands_in_the_readme() {
        let readme = markdown();
        for binding in TABLE {
            assert!(!binding.keys.is_empty() && !binding.help.is_empty());
            assert!(readme.contains(&binding.help.replace('|', "\\|")));
        }
    }

    #[test]
    fn labels_keep_to_seven_bits_when_told_to() {
        for binding in TABLE {
            assert!(binding.label(true).is_ascii(), "{}", binding.label(true));
        }
    }
}
