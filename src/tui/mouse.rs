//! What the mouse means: the same as keys, at the place that was meant. It asks the layout where
//! things are, so a click always means what is seen.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::action::Action;
use super::console;
use super::footer;
use super::keys::Pane;
use super::layout::{self, Areas};
use super::navigate;
use super::overlay_pane;
use super::state::{Overlay, State};
use super::timeline;
use super::top_pane;
use crate::sample::Micros;

/// Two clicks within this time on one place are one double click.
const DOUBLE: Micros = Micros(400_000);

/// What must be remembered from one event of the mouse to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mouse {
    clicked: Option<(Micros, u16, u16)>,
    /// The timeline's column where the button went down, and which moment that was: columns move on.
    dragged: Option<(u16, Micros)>,
}

impl Mouse {
    /// What this event comes to, at this time.
    pub fn meaning(&mut self, state: &State, event: MouseEvent, now: Micros) -> Vec<Action> {
        let (x, y) = (event.column, event.row);
        let areas = layout::areas(state.size, state.pane, state.strip);
        if state.overlay != Overlay::None {
            return over(state, &areas, event);
        }
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(state, &areas, (x, y), now),
            MouseEventKind::Drag(MouseButton::Left) => self.drag(state, &areas, x, false),
            MouseEventKind::Up(MouseButton::Left) => self.drag(state, &areas, x, true),
            MouseEventKind::Down(MouseButton::Right) => vec![Action::Back],
            MouseEventKind::ScrollUp => wheel(&areas, (x, y), -3),
            MouseEventKind::ScrollDown => wheel(&areas, (x, y), 3),
            _ => Vec::new(),
        }
    }

    fn click(&mut self, state: &State, areas: &Areas, (x, y): (u16, u16), now: Micros) -> Vec<Action> {
        let before = self.clicked.replace((now, x, y));
        // Where the button went up before, something else may have had the mouse.
        self.dragged = None;
        let double =
            before.is_some_and(|(at, a, b)| (a, b) == (x, y) && now.0.saturating_sub(at.0) < DOUBLE.0);
        if areas.footer.contains((x, y).into()) {
            if console::is_typing(state) {
                return vec![Action::TakeKeys];
            }
            return footer::pressed(state, areas.footer, x).into_iter().collect();
        }
        let Some((pane, area)) = areas.pane_at(x, y) else { return title(areas, (x, y)) };
        let row = usize::from(y - area.y);
        let mut actions = match pane {
            Pane::Flame => {
                let row = row + navigate::flame_scroll(state);
                vec![Action::PickBox { row, column: x - area.x }]
            }
            Pane::Threads | Pane::Top => {
                let head = if pane == Pane::Top { top_pane::head(area) } else { 0 };
                let first = navigate::first_row(state, pane, usize::from(area.height - head));
                let row = row.checked_sub(usize::from(head));
                row.map(|row| Action::PickRow(pane, first + row)).into_iter().collect()
            }
            Pane::Source => vec![],
            Pane::Output => vec![Action::Focus(pane)],
            Pane::Timeline => {
                let column = x.checked_sub(area.x + timeline::LABEL);
                self.dragged = column.and_then(|column| Some((column, timeline::moment_at(state, column)?)));
                vec![Action::Focus(pane)]
            }
        };
        if double && !actions.is_empty() && !matches!(pane, Pane::Timeline | Pane::Output) {
            actions.push(Action::Enter);
        }
        actions
    }

    fn drag(&mut self, state: &State, areas: &Areas, x: u16, done: bool) -> Vec<Action> {
        let Some((start, from)) = self.dragged else { return Vec::new() };
        if done {
            self.dragged = None;
        }
        let strip = areas.inner(areas.timeline);
        let last = strip.width.saturating_sub(timeline::LABEL + 1);
        let column = x.saturating_sub(strip.x + timeline::LABEL).min(last);
        let to = if column == start { Some(from) } else { timeline::moment_at(state, column) };
        to.map(|to| Action::Drag { from, to, done }).into_iter().collect()
    }
}

/// Over help and lists the wheel scrolls. A click does what is written there, in a list or on the last line; anywhere
/// else it closes.
fn over(state: &State, areas: &Areas, event: MouseEvent) -> Vec<Action> {
    let (x, y) = (event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left)
            if areas.footer.contains((x, y).into()) && state.overlay != Overlay::Leaving =>
        {
            footer::pressed(state, areas.footer, x).into_iter().collect()
        }
        MouseEventKind::ScrollUp => vec![Action::Scroll(Pane::Source, -3)],
        MouseEventKind::ScrollDown => vec![Action::Scroll(Pane::Source, 3)],
        MouseEventKind::Down(MouseButton::Left) => match overlay_pane::row_at(state, (x, y)) {
            Some(row) => vec![Action::PickRow(state.pane, row), Action::Accept],
            None => vec![Action::Back],
        },
        MouseEventKind::Down(MouseButton::Right) => vec![Action::Back],
        _ => Vec::new(),
    }
}

fn wheel(areas: &Areas, (x, y): (u16, u16), by: i32) -> Vec<Action> {
    areas.pane_at(x, y).map(|(pane, _)| Action::Scroll(pane, by)).into_iter().collect()
}

/// A click on a pane's upper line gives it the keys.
fn title(areas: &Areas, (x, y): (u16, u16)) -> Vec<Action> {
    let on =
        |area: ratatui::layout::Rect| !area.is_empty() && y == area.y && (area.x..area.right()).contains(&x);
    let panes = [
        (areas.side, Some(Pane::Threads)),
        (areas.strip, areas.below),
        (areas.timeline, Some(Pane::Timeline)),
        (areas.main, areas.shown),
    ];
    panes
        .into_iter()
        .find(|(area, _)| on(*area))
        .and_then(|(_, pane)| pane)
        .map(Action::Focus)
        .into_iter()
        .collect()
}
