//! Where everything stands on a screen of a given size. Painting and the mouse ask the same function,
//! so a click always means what is seen.

use ratatui::layout::Rect;

use super::keys::Pane;

/// Rectangles of the screen; one that is empty is not drawn. Panes share the line between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// Who is watched, and how.
    pub header: Rect,
    /// What the threads do.
    pub states: Rect,
    /// The strip of time.
    pub timeline: Rect,
    /// The pane in the middle.
    pub main: Rect,
    /// Which pane that is.
    pub shown: Option<Pane>,
    /// The threads beside it.
    pub side: Rect,
    /// The function under the cursor below it, or the command's output.
    pub strip: Rect,
    /// Which of them.
    pub below: Option<Pane>,
    /// Notes, what is being typed, or what can be pressed.
    pub footer: Rect,
    /// Panes have lines round them.
    pub framed: bool,
}

/// What stands below the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strip {
    /// The source of the function under the cursor.
    Source,
    /// What the command wrote last.
    Output,
    /// Nothing: the picture is larger.
    Closed,
}

impl Strip {
    /// The pane that it is a part of.
    pub const fn pane(self) -> Option<Pane> {
        match self {
            Self::Source => Some(Pane::Source),
            Self::Output => Some(Pane::Output),
            Self::Closed => None,
        }
    }
}

/// From this width on the threads stand beside the picture.
const WIDE: u16 = 110;
/// From this height on there is room for the source of what the cursor stands on.
const TALL: u16 = 20;

/// At this size there is room for a list and nothing else.
pub fn is_small(size: (u16, u16)) -> bool {
    size.0 < 50 || size.1 < 11
}

/// Divides a screen.
///
/// ```text
/// header
/// states
/// ┌ timeline ───────────────────────┐
/// ├ main ──────────────┬ side ──────┤
/// │                    │            │
/// ├ strip ─────────────┴────────────┤
/// └─────────────────────────────────┘
/// footer
/// ```
///
/// The command's output has all of the width and of the height, as a terminal should.
pub fn areas(size: (u16, u16), pane: Pane, strip: Strip) -> Areas {
    let (width, height) = size;
    let line = |y: u16| Rect::new(0, y, width, 1);
    let shown = if pane == Pane::Timeline { Pane::Flame } else { pane };
    let mut areas = Areas { shown: Some(shown), ..Areas::default() };
    if width == 0 || height == 0 {
        return Areas { shown: None, ..areas };
    }
    areas.header = line(0);
    if height < 3 {
        areas.shown = None;
        return areas;
    }
    let mut top = 1;
    let mut bottom = height;
    if is_small(size) {
        // One line of state and a list: a footer only where it costs little.
        if height >= 8 {
            areas.footer = line(height - 1);
            bottom -= 1;
        }
        areas.main = Rect::new(0, top, width, bottom - top);
        return areas;
    }
    areas.framed = true;
    areas.footer = line(height - 1);
    bottom -= 1;
    areas.states = line(1);
    top += 1;
    let whole = shown == Pane::Output;
    if height >= 14 && !whole {
        let rows = if height >= 30 { 2 } else { 1 };
        areas.timeline = Rect::new(0, top, width, rows + 2);
        top += rows + 1;
    }
    areas.below = strip.pane().filter(|below| height >= TALL && !whole && shown != *below);
    if areas.below.is_some() {
        let rows = height * 3 / 10;
        areas.strip = Rect::new(0, bottom - rows, width, rows);
        bottom -= rows - 1;
    }
    let mut wide = width;
    if width >= WIDE && !whole && shown != Pane::Threads {
        let beside = (width / 4).min(44);
        areas.side = Rect::new(width - beside, top, beside, bottom - top);
        wide -= beside - 1;
    }
    areas.main = Rect::new(0, top, wide, bottom - top);
    areas
}

impl Areas {
    /// What is inside of a pane's lines.
    pub fn inner(&self, area: Rect) -> Rect {
        if !self.framed || area.width < 2 || area.height < 2 {
            return area;
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    /// The columns of the flame, whether or not it is on the screen.
    pub fn flame_width(&self) -> u16 {
        self.inner(self.main).width
    }

    /// The pane at a place of the screen, and the place within it.
    pub fn pane_at(&self, x: u16, y: u16) -> Option<(Pane, Rect)> {
        let inside = |area: Rect| area.contains((x, y).into());
        let panes = [
            (self.inner(self.timeline), Some(Pane::Timeline)),
            (self.inner(self.side), Some(Pane::Threads)),
            (self.inner(self.strip), self.below),
            (self.inner(self.main), self.shown),
        ];
        panes.into_iter().find_map(|(area, pane)| Some((pane.filter(|_| inside(area))?, area)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_divided_without_leaving_the_screen() {
        for width in (0..30).chain([49, 50, 80, 109, 110, 160, 500]) {
            for height in (0..60).chain([200]) {
                for pane in Pane::ALL {
                    for strip in [Strip::Source, Strip::Output, Strip::Closed] {
                        let areas = areas((width, height), pane, strip);
                        for area in [
                            areas.header,
                            areas.states,
                            areas.timeline,
                            areas.main,
                            areas.side,
                            areas.strip,
                            areas.footer,
                        ] {
                            assert!(area.right() <= width && area.bottom() <= height, "{areas:?}");
                            let inner = areas.inner(area);
                            assert!(inner.right() <= width && inner.bottom() <= height, "{areas:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_follow_each_other_without_a_gap() {
        let areas = areas((160, 48), Pane::Flame, Strip::Source);
        assert_eq!(areas.timeline.bottom(), areas.main.top() + 1, "panes share a line");
        assert_eq!(areas.main.bottom(), areas.strip.top() + 1);
        assert_eq!(areas.strip.bottom(), areas.footer.top());
        assert_eq!(areas.main.right(), areas.side.left() + 1);
    }
}
