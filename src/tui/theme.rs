//! Colours and signs: what a kind of frame, a state or a piece of text looks like, in four depths
//! of colour and with or without Unicode. Nothing here decides what is drawn, only how it looks.
//! Hues are Okabe and Ito's, which people who see few colours can tell apart.

use ratatui::style::{Color, Modifier, Style};

use super::signs::{ASCII, Signs, UNICODE};
use crate::profile::{Origin, State};

/// How many colours the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits; only where `COLORTERM` says so.
    True,
    /// The 256 indexed ones.
    Indexed,
    /// The 16 that every terminal re-themes.
    Sixteen,
    /// None at all: reverse, dim, underline and words.
    Mono,
}

impl Depth {
    /// What the environment asks for, given as a lookup so that a test can be any terminal.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let has_none = |term: &str| {
            term == "dumb" || term.starts_with("vt") || term.ends_with("-mono") || term.ends_with("-m")
        };
        if set("NO_COLOR").is_some() || has_none(&term) {
            return Self::Mono;
        }
        // screen and tmux pass 24 bits on only where they were told to; 256 they always understand.
        if term.starts_with("screen") || term.starts_with("tmux") {
            return Self::Indexed;
        }
        if set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
            return Self::True;
        }
        if term.contains("256color") { Self::Indexed } else { Self::Sixteen }
    }
}

/// Where a function comes from: the one thing that a box's colour tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The target's own code.
    Own,
    /// Something installed beside it.
    Library,
    /// Python's standard library, frozen modules included.
    Standard,
    /// Not Python.
    Native,
    /// Nothing runs: the thread waits here.
    Waiting,
}

impl Kind {
    /// The word that stands where colour cannot.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Own => "own code",
            Self::Library => "library",
            Self::Standard => "standard library",
            Self::Native => "native",
            Self::Waiting => "waiting",
        }
    }

    /// Whose code it is, as the profile tells from the file.
    pub const fn of(origin: Origin) -> Self {
        match origin {
            Origin::Own => Self::Own,
            Origin::Library => Self::Library,
            Origin::Standard => Self::Standard,
        }
    }

    const fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Own => (0xE6, 0x9F, 0x00),
            Self::Library => (0x56, 0xB4, 0xE9),
            Self::Standard => (0x00, 0x9E, 0x73),
            Self::Native => (0xCC, 0x79, 0xA7),
            Self::Waiting => (0x5F, 0x5F, 0x69),
        }
    }

    /// The index of the hue, and of the shade that its neighbour takes.
    const fn indexed(self) -> (u8, u8) {
        match self {
            Self::Own => (214, 178),
            Self::Library => (74, 68),
            Self::Standard => (36, 29),
            Self::Native => (175, 139),
            Self::Waiting => (240, 238),
        }
    }

    const fn sixteen(self) -> (Color, Color) {
        match self {
            Self::Own => (Color::Yellow, Color::LightYellow),
            Self::Library => (Color::Cyan, Color::LightCyan),
            Self::Standard => (Color::Green, Color::LightGreen),
            Self::Native => (Color::Magenta, Color::LightMagenta),
            Self::Waiting => (Color::DarkGray, Color::DarkGray),
        }
    }
}

/// The word for what a thread does.
pub const fn state_label(state: State) -> &'static str {
    match state {
        State::Running => "CPU",
        State::GilWait => "GIL-wait",
        State::Waiting => "waiting",
        State::Idle => "idle",
        State::Unknown => "unknown",
    }
}

/// How a box of the flame stands out from its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emphasis {
    /// One of many.
    Plain,
    /// It matches what is searched for.
    Lit,
    /// Something else is searched for.
    Dimmed,
    /// The cursor stands on it.
    Selected,
}

/// A depth of colour and a set of signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// How many colours.
    pub depth: Depth,
    /// The signs.
    pub signs: &'static Signs,
}

impl Theme {
    /// The theme for this depth; `ascii` keeps to 7 bits.
    pub const fn new(depth: Depth, ascii: bool) -> Self {
        Self { depth, signs: if ascii { &ASCII } else { &UNICODE } }
    }

    /// One of four colours by depth; a mono screen sets none at all.
    fn colour(self, rgb: (u8, u8, u8), indexed: u8, sixteen: Color) -> Option<Color> {
        match self.depth {
            Depth::True => Some(Color::Rgb(rgb.0, rgb.1, rgb.2)),
            Depth::Indexed => Some(Color::Indexed(indexed)),
            Depth::Sixteen => Some(sixteen),
            Depth::Mono => None,
        }
    }

    fn foreground(self, rgb: (u8, u8, u8), indexed: u8, sixteen: Color, mono: Modifier) -> Style {
        match self.colour(rgb, indexed, sixteen) {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(mono),
        }
    }

    /// Black that stays black: the 16 are re-themed by nearly everybody.
    fn black(self) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(0, 0, 0),
            Depth::Indexed => Color::Indexed(16),
            Depth::Sixteen | Depth::Mono => Color::Black,
        }
    }

    /// White by the same argument.
    fn white(self) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(255, 255, 255),
            Depth::Indexed => Color::Indexed(231),
            Depth::Sixteen | Depth::Mono => Color::White,
        }
    }

    /// A box of the flame. `second` is every other one among siblings.
    pub fn frame(self, kind: Kind, second: bool, emphasis: Emphasis) -> Style {
        let style = match self.depth {
            Depth::Mono => return Self::mono_frame(kind, emphasis),
            _ if emphasis == Emphasis::Selected => {
                Style::new().bg(self.white()).fg(self.black()).add_modifier(Modifier::BOLD)
            }
            Depth::True => {
                let (r, g, b) = kind.rgb();
                let factor = match (emphasis, second) {
                    (Emphasis::Dimmed, _) => 0.38,
                    (_, true) => 0.88,
                    (_, false) => 1.0,
                };
                let scale = |part: u8| (f32::from(part) * factor).round() as u8;
                Style::new().bg(Color::Rgb(scale(r), scale(g), scale(b)))
            }
            Depth::Indexed => {
                let (first, other) = kind.indexed();
                let index = match (emphasis, second) {
                    (Emphasis::Dimmed, false) => 238,
                    (Emphasis::Dimmed, true) => 236,
                    (_, second) => [first, other][usize::from(second)],
                };
                Style::new().bg(Color::Indexed(index))
            }
            Depth::Sixteen => {
                let (first, other) = kind.sixteen();
                let colour = if emphasis == Emphasis::Dimmed {
                    Color::DarkGray
                } else {
                    [first, other][usize::from(second)]
                };
                Style::new().bg(colour)
            }
        };
        let text = if kind == Kind::Waiting { self.white() } else { self.black() };
        match emphasis {
            Emphasis::Selected => style,
            Emphasis::Dimmed => style.fg(self.white()),
            Emphasis::Lit => style.fg(text).add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            Emphasis::Plain => style.fg(text),
        }
    }

    /// The box that holds all others.
    pub fn root(self) -> Style {
        match self.depth {
            Depth::True => Style::new().bg(Color::Rgb(0x3A, 0x3A, 0x44)).fg(self.white()),
            Depth::Indexed => Style::new().bg(Color::Indexed(237)).fg(self.white()),
            Depth::Sixteen => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Mono => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    /// A line at which stacks end: quieter than a call, in the colour of its code.
    pub fn line(self, kind: Kind, emphasis: Emphasis) -> Style {
        match (emphasis, self.depth) {
            (Emphasis::Dimmed, _) => self.faint(),
            (_, Depth::Mono) if kind == Kind::Waiting => self.faint(),
            (_, Depth::Mono) => self.text(),
            _ if kind == Kind::Waiting => self.frame(kind, false, emphasis),
            (_, Depth::True) => self.kind(kind).bg(Color::Rgb(0x2A, 0x2A, 0x30)),
            (_, Depth::Indexed) => self.kind(kind).bg(Color::Indexed(235)),
            (_, Depth::Sixteen) => self.kind(kind),
        }
    }

    fn mono_frame(kind: Kind, emphasis: Emphasis) -> Style {
        let kind = match kind {
            Kind::Own => Modifier::REVERSED,
            Kind::Library => Modifier::REVERSED | Modifier::DIM,
            Kind::Standard => Modifier::UNDERLINED,
            Kind::Native => Modifier::ITALIC,
            Kind::Waiting => Modifier::DIM,
        };
        Style::new().add_modifier(match emphasis {
            Emphasis::Plain => kind,
            Emphasis::Lit => kind | Modifier::BOLD,
            Emphasis::Dimmed => Modifier::DIM,
            Emphasis::Selected => Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED,
        })
    }

    /// Text in the colour of an kind, on the terminal's own background.
    pub fn kind(self, kind: Kind) -> Style {
        self.foreground(kind.rgb(), kind.indexed().0, kind.sixteen().0, Modifier::empty())
    }

    /// A thread's state, as text or as the fill of a bar.
    pub fn state(self, state: State) -> Style {
        match state {
            State::Running => self.foreground((0xD5, 0x5E, 0x00), 166, Color::Red, Modifier::BOLD),
            State::GilWait => self.foreground((0xC9, 0xB4, 0x00), 178, Color::Yellow, Modifier::empty()),
            State::Waiting => self.foreground((0x3A, 0x8F, 0xC8), 32, Color::Blue, Modifier::empty()),
            State::Idle | State::Unknown => self.faint(),
        }
    }

    /// Ordinary text: the terminal's own colours.
    pub const fn text(self) -> Style {
        Style::new()
    }

    /// Text that matters less: readable on black and on white.
    pub fn faint(self) -> Style {
        self.foreground((0x87, 0x87, 0x8C), 245, Color::DarkGray, Modifier::DIM)
    }

    /// Text that matters more.
    pub const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Something to press.
    pub fn key(self) -> Style {
        self.foreground((0x3A, 0x8F, 0xC8), 32, Color::Blue, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    /// Something changed, or something is not as it should be; always beside a word or a sign.
    pub fn alert(self) -> Style {
        self.foreground((0xD5, 0x5E, 0x00), 166, Color::Red, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    /// Lines between panes; those of the pane that has the keys stand out.
    pub fn border(self, focused: bool) -> Style {
        if focused { self.key() } else { self.faint() }
    }

    /// The row of a list on which the cursor stands: one bar, whatever colours its words had.
    pub const fn cursor(self) -> Style {
        Style::reset().add_modifier(Modifier::REVERSED)
    }

    /// A box needs brackets where its colour does not set it off from its neighbour.
    pub fn brackets(self) -> bool {
        self.depth == Depth::Mono
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(pairs: &[(&str, &str)]) -> Depth {
        Depth::from_environment(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_decides_how_many_colours() {
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "tmux-256color"), ("COLORTERM", "truecolor")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::Mono);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "xterm-mono")]), Depth::Mono);
        assert_eq!(depth(&[("TERM", "linux-m")]), Depth::Mono);
    }

    #[test]
    fn mono_sets_no_colour() {
        let theme = Theme::new(Depth::Mono, false);
        for kind in [Kind::Own, Kind::Library, Kind::Standard, Kind::Native, Kind::Waiting] {
            for emphasis in [Emphasis::Plain, Emphasis::Lit, Emphasis::Dimmed, Emphasis::Selected] {
                let style = theme.frame(kind, true, emphasis);
                assert_eq!((style.fg, style.bg), (None, None));
            }
        }
    }

    /// Relative luminance as WCAG defines it.
    fn luminance(colour: Option<Color>) -> f64 {
        let Some(Color::Rgb(red, green, blue)) = colour else { panic!("true colour sets both") };
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
    }

    #[test]
    fn text_on_a_box_has_contrast() {
        let theme = Theme::new(Depth::True, false);
        for kind in [Kind::Own, Kind::Library, Kind::Standard, Kind::Native, Kind::Waiting] {
            for second in [false, true] {
                let style = theme.frame(kind, second, Emphasis::Plain);
                let (one, two) = (luminance(style.bg), luminance(style.fg));
                let ratio = (one.max(two) + 0.05) / (one.min(two) + 0.05);
                assert!(ratio >= 4.5, "{kind:?} {second}: {ratio:.1}");
            }
        }
    }
}
