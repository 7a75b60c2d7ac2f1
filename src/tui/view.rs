//! The picture before it is painted: everything that panes read off the profile, worked out anew
//! when there is something new to show, and kept while nothing is.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::action::Effect;
use super::find;
use super::flame::Flame;
use super::keys::Pane;
use super::layout;
use super::leaves::Leaves;
use super::list;
use super::overlay;
use super::pools::{self, Line};
use super::state::{Order, Reach, State};
use super::still::{self, Moment, Stillness};
use super::text;
use crate::profile::{
    AutoWindow, Call, CallId, CallTree, Caller, Diff, Direction, FunctionId, Heat, Idle, MarkKind, Origin,
    Selection, Span, Step, ThreadNo, ThreadRow, Timeline, Top, TopRow, Trend, Weights, Who, Window,
    look_closer, thread_rows,
};
use crate::sample::Micros;

/// How much of the past the strip can show.
const KEPT: Micros = Micros(600_000_000);
/// For how long a growth is written into its box.
const NEWS: Micros = Micros(60_000_000);
/// Under so many samples a share says little.
const FEW: f64 = 20.0;

/// What panes show.
#[derive(Debug)]
pub struct View {
    /// When it was worked out; the sampler's clock.
    pub at: Micros,
    /// When it last went to the screen; our clock.
    pub drawn_at: Micros,
    window: Window,
    auto: AutoWindow,
    /// The strip of time.
    pub timeline: Timeline,
    timeline_of: Selection,
    trend: Option<(Selection, Trend)>,
    still: Stillness,
    /// How far chance alone moves shares, as of so many complete steps of the timeline.
    dispersion: (u64, f64),
    /// Calls with their weights.
    pub tree: CallTree,
    /// The same as boxes.
    pub flame: Flame,
    /// The call that fills the width.
    pub zoom: CallId,
    /// The call under the cursor.
    pub cursor: CallId,
    /// What the tree is compared with, and how that was looked at.
    diff: Option<(Selection, Diff)>,
    /// When things last changed.
    pub changed: Option<Micros>,
    /// Threads and how they spent the window.
    pub threads: Vec<ThreadRow>,
    /// The same as they are listed: pools, and their threads where those are shown.
    pub thread_lines: Vec<Line>,
    /// Mean threads in each state, by `State::ALL`, of all threads.
    pub states: [f64; 5],
    /// Mean threads that collect garbage.
    pub collecting: f64,
    /// Functions by weight.
    pub top: Vec<TopRow>,
    /// The lines of the function under the cursor.
    pub heat: Heat,
    /// Who called it.
    pub callers: Vec<Caller>,
    /// What threads do where their stacks end.
    pub leaves: Leaves,
}

impl Default for View {
    fn default() -> Self {
        let selection = Selection::default();
        Self {
            at: Micros(0),
            drawn_at: Micros(0),
            window: Window::new(),
            auto: AutoWindow::new(),
            timeline: Timeline::new(&selection, KEPT),
            timeline_of: selection.clone(),
            trend: None,
            still: Stillness::default(),
            dispersion: (0, 1.0),
            tree: CallTree::default(),
            flame: Flame::default(),
            zoom: CallId::ROOT,
            cursor: CallId::ROOT,
            diff: None,
            changed: None,
            threads: Vec::new(),
            thread_lines: Vec::new(),
            states: [0.0; 5],
            collecting: 0.0,
            top: Vec::new(),
            heat: Heat::default(),
            callers: Vec::new(),
            leaves: Leaves::default(),
        }
    }
}

impl View {
    /// The call under the cursor.
    pub fn cursor_call(&self) -> Option<&Call> {
        Some(self.tree.call(self.cursor)).filter(|call| call.step.is_some())
    }

    /// The time that trends are of.
    pub fn trend_length(&self) -> Micros {
        self.trend.as_ref().map_or(Micros(0), |(_, trend)| trend.length())
    }

    /// How a function fared in that time, oldest first, as numbers of threads: own and total.
    pub fn trend(&self, function: FunctionId) -> Vec<(f64, f64)> {
        self.trend.as_ref().map_or_else(Vec::new, |(_, trend)| trend.of(function).collect())
    }

    /// The threads of a line of the list.
    pub fn threads_at(&self, line: usize) -> Option<BTreeSet<ThreadNo>> {
        let rows = self.threads.get(self.thread_lines.get(line)?.rows())?;
        Some(rows.iter().map(|row| row.thread).collect())
    }

    /// Looks of the window that were taken.
    pub fn looks(&self) -> u64 {
        self.window.looks()
    }

    /// Is the picture one of so few samples that its shares say little?
    pub fn says_little(&self) -> bool {
        (self.tree.total() as f64) < FEW * self.mean_weight()
    }

    /// How much of the picture is in no Python code, where it is worth a word, with this before it.
    pub(super) fn bare(&self, before: &str) -> String {
        let share = self.tree.call(CallId::ROOT).own as f64 / self.tree.total().max(1) as f64;
        if share < 0.01 { String::new() } else { format!("{before}no Python code {}", text::percent(share)) }
    }

    /// For how many looks each of them stands, on average.
    pub fn mean_weight(&self) -> f64 {
        self.window.mean_weight()
    }
}

/// Forgets the past: what comes from now on is the picture.
pub fn restart(state: &mut State) {
    let at = state.profile.last_at().map_or(state.now, |at| Micros(at.0 + 1));
    state.view.auto.restart(&state.profile, at);
    state.view.diff = None;
    state.view.changed = None;
}

/// Works the picture out anew.
pub fn refresh(state: &mut State) {
    let in_crowd = overlay::crowd_cursor(state);
    let mut view = std::mem::take(&mut state.view);
    find::look(state);
    if state.frozen.is_none() {
        view.follow(state);
    }
    let weights = view.count(state);
    view.compare(state);
    view.stand(state);
    state.view = view;
    if let Some(stood) = in_crowd {
        overlay::stay_in_crowd(state, stood);
    }
    (state.view.heat, state.view.callers) = closer(state, weights);
    ask_for_source(state);
    state.dirty = true;
}

impl View {
    /// Follows the time: the strip, and whether things changed.
    fn follow(&mut self, state: &mut State) {
        let selection = Selection { span: Span::All, root: Vec::new(), ..state.whole_selection() };
        let of =
            |selection: &Selection| (selection.threads.clone(), selection.idle, selection.who == Who::Tasks);
        if of(&selection) != of(&self.timeline_of) {
            self.dispersion.0 = 0;
            self.timeline = Timeline::new(&selection, KEPT);
            self.timeline_of = selection;
        }
        self.timeline.advance(&state.profile);
        if let Some(change) = self.auto.follow(&state.profile, &self.timeline) {
            state.profile.mark(change.at, MarkKind::Change);
            self.changed = Some(change.at);
            self.diff = None;
        }
        let now = state.profile.last_at().unwrap_or_default();
        state.auto_span = self.auto.span(&state.profile);
        self.at = now;
    }

    /// Counts the window and reads tree, threads and list off it; the weights are those of the tree.
    fn count(&mut self, state: &mut State) -> Weights {
        self.window.advance(&state.profile, state.span());
        state.all_idle = false;
        let mut weights = self.grow(state);
        if self.tree.total() == 0 && state.idle == Idle::RestingHidden {
            state.all_idle = true;
            weights = self.grow(state);
            // Nobody is there at all, or nobody who is looked for.
            state.all_idle = self.tree.total() > 0;
        }
        self.count_threads(state);
        self.leaves = Leaves::of(&state.profile, &self.window, &state.whole_selection());
        if state.looked_at() == Pane::Top || layout::is_small(state.size) {
            self.count_top(state);
        }
        weights
    }

    fn grow(&mut self, state: &State) -> Weights {
        let selection = state.whole_selection();
        let weights = Weights::of(&state.profile, &self.window, &selection);
        self.tree = CallTree::laid(&state.profile, &self.window, &weights, &selection);
        // If what was zoomed into is not there at the moment, its nearest caller fills the width; the
        // path is kept for when it comes back.
        self.zoom = self.tree.find_nearest(&state.zoom).0;
        weights
    }

    fn count_threads(&mut self, state: &mut State) {
        let everybody = Selection { threads: crate::profile::Threads::All, ..state.whole_selection() };
        let rows = thread_rows(&state.profile, &self.window, &everybody);
        let before = std::mem::replace(&mut self.threads, rows);
        if state.frozen.is_some() {
            // A frozen picture shows where they stood when it froze.
            let before: HashMap<_, _> = before.iter().map(|row| (row.thread, row)).collect();
            for row in &mut self.threads {
                if let Some(old) = before.get(&row.thread) {
                    (row.now, row.standing, row.here, row.unseen) =
                        (old.now, old.standing, old.here, old.unseen);
                }
            }
        }
        let looks = self.window.looks().max(1) as f64;
        let mean =
            |count: &dyn Fn(&ThreadRow) -> u64| self.threads.iter().map(count).sum::<u64>() as f64 / looks;
        self.states = std::array::from_fn(|doing| mean(&|row| row.states[doing]));
        self.collecting = mean(&|row| row.collecting);
        let name = |thread| super::threads_pane::given_name(state, thread);
        let lines = pools::arrange(&mut self.threads, name, &state.folds);
        let lines_before = std::mem::replace(&mut self.thread_lines, lines);
        list::stay_in_threads(state, (&lines_before, &before), (&self.thread_lines, &self.threads));
    }

    fn count_top(&mut self, state: &mut State) {
        let selection = state.selection_in(self);
        let mut top = Top::build(&state.profile, &self.window, &selection);
        match state.order {
            Order::Own => {}
            Order::Total => top.sort_by_total(),
            Order::Name => top.rows.sort_by(|a, b| {
                let key = |row: &TopRow| std::sync::Arc::clone(state.profile.function(row.step.function));
                key(a).name.cmp(&key(b).name).then(a.step.cmp(&b.step))
            }),
        }
        let before = std::mem::replace(&mut self.top, top.rows);
        list::stay_in_top(state, &before, &self.top);
        // Of a span that was chosen, else of the last minute, whatever else the picture shows.
        let span = match state.frozen.map_or(state.reach, |frozen| frozen.reach) {
            Reach::Between(from, to) => Span::Between(from, to),
            _ => Span::All,
        };
        let merged = Selection { span, ..selection };
        if self.trend.as_ref().is_none_or(|(of, _)| *of != merged) {
            self.trend = Some((merged.clone(), Trend::new(&merged)));
        }
        if let Some((_, trend)) = &mut self.trend {
            trend.advance_to(&state.profile, self.at);
        }
    }

    /// Compares with what was before the last change.
    fn compare(&mut self, state: &State) {
        let Some(changed) = self.changed else { return };
        let from = Micros(changed.0.saturating_sub(AutoWindow::LONGEST.0));
        let before = Selection { span: Span::Between(from, changed), ..state.whole_selection() };
        // The past stays as it was: it is counted again only if it is looked at in another way.
        if self.diff.as_ref().is_none_or(|(of, _)| *of != before) {
            let tree = CallTree::of(&state.profile, &before);
            let diff = Diff::against(&tree);
            self.diff = Some((before, diff));
        }
    }

    /// By how much a call's share grew at the last change, for a while after it.
    pub fn growth(&self, call: &Call) -> Option<f64> {
        let is_news = |at: &Micros| self.at.0.saturating_sub(at.0) <= NEWS.0;
        self.changed.filter(is_news).and_then(|_| self.growth_since(call))
    }

    /// The same, however long ago that was.
    pub fn growth_since(&self, call: &Call) -> Option<f64> {
        self.diff.as_ref().and_then(|(_, diff)| diff.growth(&self.tree, call))
    }

    /// Gives every box its place, and the cursor.
    fn stand(&mut self, state: &mut State) {
        if state.follow {
            self.cursor = self.hottest(state, self.cursor_still_there(&state.cursor));
            state.cursor = self.tree.path(self.cursor);
        } else {
            self.cursor = self.tree.find_nearest(&state.cursor).0;
        }
        let width = layout::areas(state.size, state.pane, state.strip).flame_width();
        let window = match state.reach {
            Reach::Last(length) => length,
            _ => AutoWindow::LONGEST,
        };
        let dispersion = self.dispersion();
        let moment =
            Moment { now: self.at, window, whole: self.tree.call(self.zoom).total, dispersion, width };
        self.flame.lay_out(&self.tree, self.zoom, &mut self.still, &moment);
    }

    /// Found anew when a step is complete, not at each picture.
    fn dispersion(&mut self) -> f64 {
        let buckets = self.timeline.buckets();
        let number = self.timeline.first_number() + buckets.len() as u64;
        if self.dispersion.0 == number {
            return self.dispersion.1;
        }
        let recent = (AutoWindow::LONGEST.0 / Timeline::STEP.0) as usize;
        // The newest one is still filling.
        let complete = buckets.len().saturating_sub(1);
        let steps: Vec<_> =
            buckets.range(complete.saturating_sub(recent)..complete).map(|bucket| &bucket.leaves).collect();
        self.dispersion = (number, still::dispersion(&steps));
        self.dispersion.1
    }

    fn cursor_still_there(&self, path: &[Step]) -> Option<CallId> {
        self.tree.find(path).filter(|call| *call != CallId::ROOT)
    }

    /// Where most time ends in code of one's own: the call to look at first. It stays with `before`
    /// unless something is clearly heavier.
    pub fn hottest(&self, state: &State, before: Option<CallId>) -> CallId {
        let turned = state.direction == Direction::Callers;
        let own = |step: Step| state.profile.origin(step.function) == Origin::Own;
        let counts = |call: &Call| if turned { call.depth == 1 } else { call.step.is_some_and(own) };
        let mut weights: HashMap<CallId, u64> = HashMap::new();
        // What ends in no frame that is shown (plumbing that waits for work) is nothing to look at.
        for (id, call) in self.tree.calls().filter(|(id, call)| call.own > 0 && *id != CallId::ROOT) {
            // The time of a library counts for whoever of the program called it.
            let mut at = id;
            while at != CallId::ROOT && !counts(self.tree.call(at)) {
                at = self.tree.call(at).parent;
            }
            let at = if at == CallId::ROOT { id } else { at };
            let leaf = self.tree.call(if turned { at } else { id });
            let heat = leaf.step.map(|step| self.leaves.heat(step.function, call.own));
            *weights.entry(at).or_default() += heat.unwrap_or(call.own);
        }
        let heaviest = weights.iter().max_by_key(|(id, weight)| (**weight, std::cmp::Reverse(**id)));
        let Some((heaviest, weight)) = heaviest else { return CallId::ROOT };
        match before {
            Some(before) if weights.get(&before).is_some_and(|old| old * 3 >= weight * 2) => before,
            _ => *heaviest,
        }
    }
}

/// Lines and callers of the function under the cursor.
fn closer(state: &State, whole: Weights) -> (Heat, Vec<Caller>) {
    let zoomed = || Weights::of(&state.profile, &state.view.window, &state.selection());
    let weights = if state.view.zoom == CallId::ROOT { whole } else { zoomed() };
    let seen = state.function().map(|function| look_closer(&state.profile, &weights, function));
    seen.unwrap_or_default()
}

/// Has the file of the function under the cursor read, once.
fn ask_for_source(state: &mut State) {
    let Some(function) = state.function() else { return };
    let file = state.profile.function(function).file.clone();
    if !state.files.contains_key(&file) {
        state.files.insert(file.clone(), None);
        state.effects.push(Effect::Read(file));
    }
}
