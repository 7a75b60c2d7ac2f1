//! The signs that are not letters, with and without Unicode. One cell wide each, where they must be.

use ratatui::symbols::border;

/// The signs that are not letters.
#[derive(Debug, PartialEq, Eq)]
pub struct Signs {
    /// Nothing outside of 7 bits.
    pub ascii: bool,
    /// Eight heights of a bar, and none.
    pub levels: [&'static str; 9],
    /// The same of a bar of those who stand before the GIL.
    pub gil: [&'static str; 9],
    /// The same of a bar of those who wait, where it stands among bars of those who run.
    pub waiting: [&'static str; 9],
    /// The fills of the WHERE bar, in the order of [`State::ALL`](crate::profile::State::ALL).
    pub fills: [&'static str; 5],
    /// One leads to the next: a folded chain.
    pub chain: &'static str,
    /// Text was cut here.
    pub ellipsis: &'static str,
    /// Something changed.
    pub change: &'static str,
    /// Something became less.
    pub fall: &'static str,
    /// It runs, or the picture lives.
    pub live: &'static str,
    /// The picture stands.
    pub frozen: &'static str,
    /// The cursor; the running line.
    pub pointer: &'static str,
    /// Between two facts.
    pub dot: &'static str,
    /// Give or take.
    pub plus_minus: &'static str,
    /// How often.
    pub times: &'static str,
    /// The fill of the box that stands for many small ones.
    pub hatch: &'static str,
    /// A whole cell of a bar.
    pub full: &'static str,
    /// What cannot be shown.
    pub unknown: &'static str,
    /// A line down.
    pub rule: &'static str,
    /// The lines round a pane.
    pub border: border::Set<'static>,
}

/// For terminals that show Unicode.
pub(super) const UNICODE: Signs = Signs {
    ascii: false,
    levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    gil: [" ", "⡀", "⡀", "⡄", "⡄", "⡆", "⡆", "⡇", "⡇"],
    waiting: [" ", "⣀", "⣀", "⣤", "⣤", "⣶", "⣶", "⣿", "⣿"],
    fills: ["█", "▓", "▒", "░", "?"],
    chain: " ▸ ",
    ellipsis: "…",
    change: "▲",
    fall: "▼",
    live: "●",
    frozen: "■",
    pointer: "▶",
    dot: "·",
    plus_minus: "±",
    times: "×",
    hatch: "▒",
    full: "█",
    unknown: "�",
    rule: "│",
    border: border::PLAIN,
};

/// For those that do not.
pub(super) const ASCII: Signs = Signs {
    ascii: true,
    levels: [" ", ".", ".", ":", ":", "=", "=", "#", "#"],
    gil: [" ", "_", "_", "o", "o", "g", "g", "G", "G"],
    waiting: [" ", ",", ",", ";", ";", "w", "w", "W", "W"],
    fills: ["#", "g", "w", ".", "?"],
    chain: " > ",
    ellipsis: "~",
    change: "^",
    fall: "v",
    live: "*",
    frozen: "#",
    pointer: ">",
    dot: "-",
    plus_minus: "+-",
    times: "x",
    hatch: "%",
    full: "#",
    unknown: "?",
    rule: "|",
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
};
