//! Everything the screen is: what was measured, what the person chose, and the picture that follows
//! from both. Plain data; it changes in `update` only.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ratatui::style::Style;

use super::action::{Effect, Note};
use super::console::Console;
use super::keys::Pane;
use super::layout::{self, Strip};
use super::list::List;
use super::options::Options;
use super::pools::Fold;
use super::source::Text;
use super::theme::Theme;
use super::threads_pane;
use super::view::View;
use crate::profile::{
    Direction, Frames, FunctionId, Grouping, Idle, Lines, Profile, Selection, Span, Step, ThreadNo, Threads,
    Who,
};
use crate::sample::Micros;

/// Which stretch of time the picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The last seconds, up to the last change.
    Auto,
    /// The last so much.
    Last(Micros),
    /// Everything.
    Start,
    /// Since the past was forgotten.
    Since(Micros),
    /// A span chosen on the timeline.
    Between(Micros, Micros),
}

/// The lengths that `[` and `]` step through.
pub const LENGTHS: [Micros; 8] = [
    Micros(1_000_000),
    Micros(2_000_000),
    Micros(5_000_000),
    Micros(10_000_000),
    Micros(15_000_000),
    Micros(30_000_000),
    Micros(60_000_000),
    Micros(300_000_000),
];

/// What lies over the panes and has the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    None,
    /// A pattern is being typed.
    Find,
    /// Commands by name: what was typed, and the row of the cursor.
    Palette(String, usize),
    /// The keys of one pane, or of all; scrolled by so many rows.
    Help(Option<Pane>, usize),
    /// The many small children of a call: the path to their parent, and the row of the cursor.
    Crowd(Vec<Step>, usize),
    /// The file to export to.
    File(String),
    /// Leaving would hang up the command: shall it?
    Leaving,
}

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Find {
    /// As typed; empty for no search.
    pub pattern: String,
    /// A function chosen with `*` instead.
    pub exact: Option<FunctionId>,
    /// The functions that match.
    pub matches: BTreeSet<FunctionId>,
    /// Those that have the pattern in their name.
    pub plain: BTreeSet<FunctionId>,
    /// Those that have its letters in this order.
    pub fuzzy: BTreeSet<FunctionId>,
    /// Functions looked at so far: new ones must be looked at, too.
    pub seen: usize,
    /// Only stacks with a match are shown.
    pub keep: bool,
}

impl Find {
    /// Something is searched for.
    pub fn is_on(&self) -> bool {
        !self.pattern.is_empty() || self.exact.is_some()
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By the weight that ends there.
    Own,
    /// By the weight that passes through.
    Total,
    /// By name.
    Name,
}

/// The picture was frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// When.
    pub at: Micros,
    /// The samples there were.
    pub samples: u64,
    /// The time that is looked at, nailed down.
    pub span: Span,
    /// What was chosen then.
    pub reach: Reach,
}

/// What one step back takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The zoom.
    pub zoom: Vec<Step>,
    /// The cursor.
    pub cursor: Vec<Step>,
}

/// The screen.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct State {
    /// What the program was told to do.
    pub options: Options,
    /// Colours and signs.
    pub theme: Theme,
    /// Columns and rows.
    pub size: (u16, u16),
    /// The time, since the epoch.
    pub now: Micros,
    /// When the first event came in.
    pub began: Option<Micros>,
    /// What was measured.
    pub profile: Profile,
    /// The sampler is gone, and did not say why.
    pub silent: bool,

    /// The pane that has the keys.
    pub pane: Pane,
    /// The pane from which the source was opened: its cursor says whose.
    pub opened_from: Pane,
    /// It is the top list because there is no room for the flame, not because somebody chose it.
    pub instead: bool,
    /// What stands below the picture.
    pub strip: Strip,
    /// The screen of the command that we run, if we do.
    pub console: Option<Console>,
    /// What lies over it.
    pub overlay: Overlay,

    /// Which time.
    pub reach: Reach,
    /// What [`Reach::Auto`] comes to at the moment.
    pub auto_span: Span,
    /// What [`Reach::Between`] goes back to.
    pub reach_before: Reach,
    /// The timeline's cursor and where a span begins.
    pub timeline: TimelineCursor,
    /// Which threads.
    pub threads: Option<BTreeSet<ThreadNo>>,
    /// What becomes of idle ones.
    pub idle: Idle,
    /// Everybody is idle, so idle threads are shown, whatever is wanted.
    pub all_idle: bool,
    /// Every thread, or those that hold the GIL, or tasks.
    pub who: Who,
    /// Tasks were asked for, and none has been seen yet.
    pub awaits_tasks: bool,
    /// Which frames of stacks are shown.
    pub frames: Frames,
    /// Lines or functions.
    pub lines: Lines,
    /// Callees or callers.
    pub direction: Direction,
    /// The call that fills the width.
    pub zoom: Vec<Step>,
    /// The call under the cursor.
    pub cursor: Vec<Step>,
    /// The cursor follows the heaviest call until somebody moves it.
    pub follow: bool,
    /// What Esc goes back to.
    pub trail: Vec<Back>,
    /// Rows of the flame above the screen.
    pub scroll: usize,
    /// The search.
    pub find: Find,
    /// The thread list.
    pub thread_list: List,
    /// Its rows above the screen where it stands beside another pane.
    pub beside: usize,
    /// Pools that somebody has opened or folded in it, by what the names of their threads have in common.
    pub folds: HashMap<String, Fold>,
    /// The top list.
    pub top_list: List,
    /// What it is sorted by.
    pub order: Order,
    /// The first line of the source on the screen, where somebody scrolled.
    pub source_top: Option<(FunctionId, usize)>,
    /// The picture stands.
    pub frozen: Option<Frozen>,
    /// Time between two pictures.
    pub refresh: Micros,
    /// The mouse is ours.
    pub mouse: bool,

    /// The picture.
    pub view: View,
    /// Files of the target that were read, or why they could not be.
    pub files: HashMap<Box<str>, Option<Result<Text, String>>>,
    /// A sentence at the foot, and until when.
    pub note: Option<(Note, Micros)>,
    /// Files that were written, for the last words.
    pub saved: Vec<String>,
    /// Something on the screen is not as it was drawn.
    pub dirty: bool,
    /// What the world is to do.
    pub effects: Vec<Effect>,
}

/// Where the timeline's cursor stands: moments, for columns move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimelineCursor {
    /// The cursor; nothing for the newest column, whichever that is.
    pub at: Option<Micros>,
    /// The other end of a span that is being chosen.
    pub anchor: Option<Micros>,
    /// Columns show this many times the finest step; 0 for what fits.
    pub zoom: u32,
}

impl State {
    /// An empty screen.
    pub fn new(options: Options, size: (u16, u16)) -> Self {
        let theme = Theme::new(options.depth, options.ascii);
        Self {
            theme,
            size,
            now: Micros(0),
            began: None,
            profile: Profile::new(),
            silent: false,
            pane: if layout::is_small(size) { Pane::Top } else { Pane::Flame },
            opened_from: Pane::Flame,
            instead: layout::is_small(size),
            strip: if options.command.is_some() { Strip::Output } else { Strip::Source },
            console: options.command.clone().map(|command| Console::new(command, size)),
            overlay: Overlay::None,
            reach: Reach::Auto,
            reach_before: Reach::Auto,
            auto_span: Span::All,
            timeline: TimelineCursor::default(),
            threads: None,
            idle: if options.exclude_idle { Idle::Excluded } else { Idle::RestingHidden },
            all_idle: false,
            awaits_tasks: options.tasks,
            who: if options.tasks { Who::Tasks } else { Who::AllThreads },
            frames: Frames::NoPlumbing,
            lines: Lines::Merged,
            direction: Direction::Callees,
            zoom: Vec::new(),
            cursor: Vec::new(),
            follow: true,
            trail: Vec::new(),
            scroll: 0,
            find: Find::default(),
            thread_list: List::default(),
            beside: 0,
            folds: HashMap::new(),
            top_list: List::default(),
            order: Order::Own,
            source_top: None,
            frozen: None,
            refresh: Micros(250_000),
            mouse: options.mouse,
            view: View::default(),
            files: HashMap::new(),
            note: None,
            saved: Vec::new(),
            dirty: true,
            effects: Vec::new(),
            options,
        }
    }

    /// How a share is shown: in this style, but in grey while there are so few samples that it says little.
    pub fn of_share(&self, style: Style) -> Style {
        if self.view.says_little() { self.theme.faint() } else { style }
    }

    /// Nothing more will come.
    pub fn is_over(&self) -> bool {
        self.profile.ending().is_some() || self.silent
    }

    /// How many there were of what is looked at, on average: as many as those in each state come to. Where they come
    /// and go, many more were seen.
    pub fn count(&self) -> usize {
        self.view.states.iter().sum::<f64>().round() as usize
    }

    /// What is looked at, so many of them.
    pub fn unit(&self, count: usize) -> &'static str {
        match (self.who, count) {
            (Who::Tasks, 1) => "task",
            (Who::Tasks, _) => "tasks",
            (_, 1) => "thread",
            _ => "threads",
        }
    }

    /// The time that the picture shows.
    pub fn span(&self) -> Span {
        if let Some(frozen) = self.frozen {
            return frozen.span;
        }
        self.reach_span()
    }

    /// The time that a living picture shows.
    pub fn reach_span(&self) -> Span {
        match self.reach {
            Reach::Auto => self.auto_span,
            Reach::Last(length) => Span::Last(length),
            Reach::Start => Span::All,
            Reach::Since(from) => Span::Since(from),
            Reach::Between(from, to) => Span::Between(from, to),
        }
    }

    /// The part of the profile that is on the screen: what panes and exports are functions of.
    pub fn selection(&self) -> Selection {
        self.selection_in(&self.view)
    }

    /// The same while the picture is worked out: what passes through the call that fills its width.
    pub fn selection_in(&self, view: &View) -> Selection {
        Selection { root: view.tree.path(view.zoom), ..self.whole_selection() }
    }

    /// The same without the zoom: what the flame is built of.
    pub fn whole_selection(&self) -> Selection {
        Selection {
            span: self.span(),
            threads: self.threads.clone().map_or(Threads::All, Threads::Only),
            who: self.who,
            idle: if self.all_idle { Idle::Shown } else { self.idle },
            lines: self.lines,
            frames: self.frames,
            fold_recursion: true,
            root: Vec::new(),
            through: (self.find.keep && self.find.is_on()).then(|| self.find.matches.clone()),
            direction: self.direction,
            grouping: Grouping::Merged,
        }
    }

    /// The pane whose cursor says what is looked at.
    pub fn looked_at(&self) -> Pane {
        if self.pane == Pane::Source { self.opened_from } else { self.pane }
    }

    /// The function under the cursor, wherever the cursor is.
    pub fn function(&self) -> Option<FunctionId> {
        match self.looked_at() {
            Pane::Top => self.view.top.get(self.top_list.cursor).map(|row| row.step.function),
            Pane::Threads => threads_pane::under_cursor(self)?.1.map(|spot| spot.own.0),
            _ => self.view.cursor_call()?.step.map(|step| step.function),
        }
    }

    /// How long until there should be another picture; nothing if it should be there already.
    pub fn until_due(&self) -> Option<Duration> {
        (self.view.at.0 + self.refresh.0).checked_sub(self.now.0).map(Duration::from_micros)
    }

    /// Says something at the foot of the screen.
    pub fn say(&mut self, note: Note) {
        let length = if note.failed { 12_000_000 } else { 8_000_000 };
        self.note = Some((note, Micros(self.now.0 + length)));
        self.dirty = true;
    }

    /// How long somebody has looked.
    pub fn watched(&self) -> Micros {
        self.profile.totals().elapsed
    }
}
