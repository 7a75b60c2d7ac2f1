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
    /// The function under the cursor below it.
    pub strip: Rect,
    /// Notes, what is being typed, or what can be pressed.
    pub footer: Rect,
    /// Panes have lines round them.
    pub framed: bool,
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
pub fn areas(size: (u16, u16), pane: Pane, source_open: bool) -> Areas {
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
    if height >= 14 {
        let rows = if height >= 30 { 2 } else { 1 };
        areas.timeline = Rect::new(0, top, width, rows + 2);
        top += rows + 1;
    }
    let strip = height * 3 / 10;
    if source_open && height >= TALL && shown != Pane::Source {
        areas.strip = Rect::new(0, bottom - strip, width, strip);
        bottom -= strip - 1;
    }
    let mut wide = width;
    if width >= WIDE && shown != Pane::Threads {
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
            (self.inner(self.strip), Some(Pane::Source)),
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
                    for open in [false, true] {
                        let areas = areas((width, height), pane, open);
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
        let areas = areas((160, 48), Pane::Flame, true);
        assert_eq!(areas.timeline.bottom(), areas.main.top() + 1, "panes share a line");
        assert_eq!(areas.main.bottom(), areas.strip.top() + 1);
        assert_eq!(areas.strip.bottom(), areas.footer.top());
        assert_eq!(areas.main.right(), areas.side.left() + 1);
    }
}
