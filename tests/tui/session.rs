//! A whole session without a terminal: events and keys go in by their time, pictures come out as text.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::sample::Micros;
use pyflame_tui::tui::action::{Action, Effect};
use pyflame_tui::tui::mouse::Mouse;
use pyflame_tui::tui::state::State;
use pyflame_tui::tui::{Options, picture, update};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::simulation::{Program, START, Simulation};

/// A viewer and the program that it watches.
pub(crate) struct Session {
    pub state: State,
    pub simulation: Simulation,
    pub now: Micros,
    pub effects: Vec<Effect>,
    mouse: Mouse,
}

impl Session {
    pub(crate) fn new(program: Program, size: (u16, u16)) -> Self {
        Self::with(program, size, Options::default())
    }

    pub(crate) fn with(program: Program, size: (u16, u16), options: Options) -> Self {
        let simulation = Simulation::new(program, 1000, 7);
        let state = State::new(options, size);
        let mut session =
            Self { state, simulation, now: START, effects: Vec::new(), mouse: Mouse::default() };
        session.act(Action::Now(START));
        session
    }

    pub(crate) fn act(&mut self, action: Action) {
        update::update(&mut self.state, action);
        self.effects.append(&mut self.state.effects);
    }

    /// Lets time pass, in turns of 50 ms as the loop does.
    pub(crate) fn run(&mut self, seconds: f64) {
        let end = Micros(self.now.0 + (seconds * 1e6) as u64);
        while self.now < end {
            self.turn();
        }
    }

    pub(crate) fn turn(&mut self) {
        self.now.0 += 50_000;
        for event in self.simulation.until(self.now) {
            self.act(Action::Sampled(event));
        }
        self.act(Action::Now(self.now));
    }

    /// Presses keys, each named by its character or as in the table (`Enter`, `Esc`, `Tab`, `^C`).
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (held, key) = match key.strip_prefix('^') {
                Some(key) if !key.is_empty() => (KeyModifiers::CONTROL, key),
                _ => (KeyModifiers::NONE, *key),
            };
            let code = match key {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "Down" => KeyCode::Down,
                "Right" => KeyCode::Right,
                key => KeyCode::Char(key.chars().next().unwrap()),
            };
            let event = KeyEvent::new(code, held);
            if let Some(action) = update::pressed(&self.state, event) {
                self.act(action);
            }
        }
    }

    pub(crate) fn point(&mut self, event: MouseEvent) {
        for action in self.mouse.meaning(&self.state, event, self.now) {
            self.act(action);
        }
    }

    /// What the mouse does at this column and row.
    pub(crate) fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) {
        self.point(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    }

    pub(crate) fn click(&mut self, place: (u16, u16)) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), place);
    }

    /// Where these words stand on the screen: column and row.
    #[track_caller]
    pub(crate) fn place(&self, words: &str) -> (u16, u16) {
        let lines = self.lines();
        let found = lines.iter().enumerate().find_map(|(row, line)| {
            let at = line.find(words)?;
            Some((line[..at].chars().count() as u16, row as u16))
        });
        found.unwrap_or_else(|| panic!("{words:?} is not on the screen\n{}", self.text()))
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let (width, height) = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        picture::paint(&self.state, &mut buffer);
        buffer
    }

    /// The picture as lines of text.
    pub(crate) fn lines(&self) -> Vec<String> {
        lines(&self.buffer())
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    #[track_caller]
    pub(crate) fn expect(&self, words: &str) {
        assert!(self.text().contains(words), "{words:?} is not in\n{}", self.text());
    }

    #[track_caller]
    pub(crate) fn expect_not(&self, words: &str) {
        assert!(!self.text().contains(words), "{words:?} is in\n{}", self.text());
    }
}

/// A picture as lines of text.
pub(crate) fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| {
        let mut line = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (unicode_width::UnicodeWidthStr::width(symbol) as u16).max(1);
        }
        line.trim_end().to_owned()
    };
    (0..area.height).map(line).collect()
}
