//! The call tree of a selection: what the flame pane draws. An arena of calls, children beside each
//! other, built from a window's weights under the selection's folds.

use hashbrown::HashMap;

use super::frames::{Ends, Frames};
use super::selection::{Direction, Idle, Lines, Selection, Step, Who};
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
use super::weights::{Weights, step_of};
use super::window::Window;

/// Callers are followed this far from the executing function: a tree of callers shares little, and
/// stacks may be 100,000 frames deep.
const CALLERS: usize = 256;

/// A place in a [`CallTree`]; valid for that tree only. [`Call::key`] outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u32);

impl CallId {
    /// The root, "all".
    pub const ROOT: Self = Self(0);

    /// Its place in [`CallTree::calls`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A function as it was reached on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which function, and which line if lines are told apart; nothing for the root.
    pub step: Option<Step>,
    /// Who called it. The root is its own parent. (In a tree of callers: whom it called.)
    pub parent: CallId,
    /// Distance from the root.
    pub depth: u32,
    /// Weight that passes through here, in samples of threads.
    pub total: u64,
    /// Weight that ends here.
    pub own: u64,
    /// How many frames in a row were folded into this one at most, itself among them (`fib ×18`).
    pub repeats: u32,
    /// The path from the root as a number: the same in every tree of this profile that is built with
    /// the same rules, whatever the weights.
    pub key: u64,
}

impl Call {
    const ALL: Self =
        Self { step: None, parent: CallId::ROOT, depth: 0, total: 0, own: 0, repeats: 1, key: 0 };
}

/// The calls that a selection takes, with their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTree {
    calls: Vec<Call>,
    /// The children of call `i` are `order[first[i]..first[i + 1]]`.
    first: Vec<u32>,
    order: Vec<CallId>,
    /// The lines that call `i`'s own weight lies in are `lines[first_line[i]..first_line[i + 1]]`; some may come again.
    first_line: Vec<u32>,
    lines: Vec<(u32, u64)>,
    looks: u64,
    idle: u64,
    failed: u64,
}

impl Default for CallTree {
    /// Nothing but the root.
    fn default() -> Self {
        Grown::new(&Selection::default()).finish(0, 0, 0)
    }
}

impl CallTree {
    /// Counts anew and builds.
    pub fn of(profile: &Profile, selection: &Selection) -> Self {
        Self::build(profile, &Window::of(profile, selection.span), selection)
    }

    /// Builds from a window that was counted already; `selection.span` is not looked at.
    pub fn build(profile: &Profile, window: &Window, selection: &Selection) -> Self {
        Self::laid(profile, window, &Weights::of(profile, window, selection), selection)
    }

    /// Builds from the weights that this selection takes of this window.
    pub fn laid(profile: &Profile, window: &Window, weights: &Weights, selection: &Selection) -> Self {
        Self::grow(profile, window, (weights, selection), selection)
    }

    /// The stacks as they are, root first and without folds; lines as the selection says. Its root is
    /// matched under its folds, as in [`CallTree::build`]: these are the stacks that the view shows.
    pub fn stacks(profile: &Profile, window: &Window, selection: &Selection) -> Self {
        Self::stacks_of(profile, window, &Weights::of(profile, window, selection), selection)
    }

    /// The same of the weights of some threads.
    pub fn stacks_of(profile: &Profile, window: &Window, weights: &Weights, selection: &Selection) -> Self {
        let plain = Selection {
            lines: selection.lines,
            idle: selection.idle,
            who: selection.who,
            ..Selection::default()
        };
        Self::grow(profile, window, (weights, selection), &plain)
    }

    fn grow(
        profile: &Profile,
        window: &Window,
        (weights, taken): (&Weights, &Selection),
        folds: &Selection,
    ) -> Self {
        let mut grown = Grown::new(folds);
        match folds.direction {
            Direction::Callees => grown.callees(profile, weights),
            Direction::Callers => grown.callers(profile, weights),
        }
        let verdicts = window.verdicts();
        grown.finish(window.looks(), idle_looks(window, taken), verdicts.failed())
    }

    /// A call.
    pub fn call(&self, id: CallId) -> &Call {
        &self.calls[id.index()]
    }

    /// How many calls there are, the root among them.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.calls.len() == 1
    }

    /// All calls; parents come before their children.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &Call)> {
        (0..).map(CallId).zip(&self.calls)
    }

    /// What a call called: heaviest first, equals in the order in which the functions were first seen.
    pub fn children(&self, id: CallId) -> &[CallId] {
        &self.order[self.first[id.index()] as usize..self.first[id.index() + 1] as usize]
    }

    /// The lines that a call's own weight lies in, heaviest first; in a tree of callers, none.
    pub fn own_lines(&self, id: CallId) -> Vec<(u32, u64)> {
        let here = self.first_line[id.index()] as usize..self.first_line[id.index() + 1] as usize;
        let mut lines = self.lines[here].to_vec();
        lines.sort_unstable();
        lines.dedup_by(|(line, own), (before, sum)| {
            let same = line == before;
            *sum += if same { *own } else { 0 };
            same
        });
        lines.sort_by_key(|(line, own)| (std::cmp::Reverse(*own), *line));
        lines
    }

    /// The weight of all stacks that the selection takes.
    pub fn total(&self) -> u64 {
        self.calls[0].total
    }

    /// Looks that were taken in the span. A weight divided by it is "in threads".
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// `(idle)` looks, if the selection shows them. Not part of [`CallTree::total`].
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// Looks that failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// A weight as a number of threads.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn in_threads(&self, weight: u64) -> f64 {
        if self.looks == 0 { 0.0 } else { weight as f64 / self.looks as f64 }
    }

    /// The path from the root to a call.
    pub fn path(&self, id: CallId) -> Vec<Step> {
        let up = std::iter::successors(Some(id), |id| Some(self.call(*id).parent))
            .take(self.call(id).depth as usize);
        let mut path: Vec<Step> = up.filter_map(|id| self.call(id).step).collect();
        path.reverse();
        path
    }

    /// The call that a path leads to.
    pub fn find(&self, path: &[Step]) -> Option<CallId> {
        path.iter().try_fold(CallId::ROOT, |id, step| {
            self.children(id).iter().copied().find(|child| self.call(*child).step == Some(*step))
        })
    }

    /// The longest beginning of a path that still exists: its call, and how many steps it took.
    pub fn find_nearest(&self, path: &[Step]) -> (CallId, usize) {
        let mut at = CallId::ROOT;
        for (taken, step) in path.iter().enumerate() {
            match self.children(at).iter().find(|child| self.call(**child).step == Some(*step)) {
                Some(child) => at = *child,
                None => return (at, taken),
            }
        }
        (at, path.len())
    }

    /// The chain that begins here: each call but the last has a single child and less than `share` of
    /// [`CallTree::total`] of its own. Draw it as one row, whose own weight is the last one's.
    #[expect(clippy::cast_precision_loss, reason = "a limit of taste")]
    pub fn chain(&self, id: CallId, share: f64) -> Vec<CallId> {
        let limit = share * self.total() as f64;
        let mut chain = vec![id];
        let mut at = id;
        while let ([child], true) = (self.children(at), (self.call(at).own as f64) < limit) {
            chain.push(*child);
            at = *child;
        }
        chain
    }

    /// The number of rows below the root.
    pub fn depth(&self) -> u32 {
        self.calls.iter().map(|call| call.depth).max().unwrap_or(0)
    }
}

/// Looks that count as `(idle)` for a selection.
pub fn idle_looks(window: &Window, selection: &Selection) -> u64 {
    let verdicts = window.verdicts();
    match (selection.idle, selection.who) {
        (Idle::RestingHidden | Idle::Excluded, _) | (_, Who::Tasks) => 0,
        (Idle::Shown, Who::GilHolder) => verdicts.unheld + verdicts.nobody,
        (Idle::Shown, Who::AllThreads) => verdicts.nobody,
    }
}

/// A tree while it grows.
struct Grown<'a> {
    selection: &'a Selection,
    calls: Vec<Call>,
    known: HashMap<(CallId, Step), CallId>,
    plain: bool,
    lines: Vec<(CallId, u32, u64)>,
}

impl<'a> Grown<'a> {
    fn new(selection: &'a Selection) -> Self {
        let folds =
            selection.frames != Frames::All || selection.fold_recursion || selection.lines == Lines::Merged;
        let plain = !folds && selection.direction == Direction::Callees;
        Self { selection, calls: vec![Call::ALL], known: HashMap::new(), plain, lines: Vec::new() }
    }

    /// Where a frame goes that was called from `from`, which is the `run`-th of equal frames in a row.
    fn go(&mut self, profile: &Profile, from: (CallId, u32), node: NodeId) -> (CallId, u32) {
        let Some((function, _)) = profile.frame(node) else { return from };
        if !self.selection.frames.shows(profile, function) {
            return from;
        }
        self.enter(profile, from, node)
    }

    /// The same for a frame that is shown.
    fn enter(&mut self, profile: &Profile, from: (CallId, u32), node: NodeId) -> (CallId, u32) {
        let Some((function, line)) = profile.frame(node) else { return from };
        let step = step_of(function, line, self.selection.lines);
        let (parent, run) = from;
        let above = &mut self.calls[parent.index()];
        if self.selection.fold_recursion && above.step == Some(step) {
            above.repeats = above.repeats.max(run + 1);
            return (parent, run + 1);
        }
        let (depth, key) = (above.depth + 1, key_of(above.key, function, step.line));
        let calls = &mut self.calls;
        let mut make = || {
            let id = CallId(calls.len() as u32);
            calls.push(Call { step: Some(step), parent, depth, total: 0, own: 0, repeats: 1, key });
            id
        };
        // Where nothing is folded, nodes and calls are the same, and each comes once.
        let id = if self.plain { make() } else { *self.known.entry((parent, step)).or_insert_with(make) };
        (id, 1)
    }

    fn callees(&mut self, profile: &Profile, weights: &Weights) {
        let mut places = vec![(CallId::ROOT, 0); weights.nodes.len()];
        self.calls.reserve(weights.nodes.len());
        if !self.plain {
            self.known.reserve(weights.nodes.len());
        }
        let mut ends = Ends::new(profile, self.selection.frames);
        for (place, node) in weights.nodes.iter().enumerate() {
            let from = places[weights.parents[place] as usize];
            places[place] = self.go(profile, from, *node);
            let own = weights.own[place];
            let mut call = places[place].0;
            if own > 0
                && let Some(end) = ends.of(*node)
            {
                call = self.enter(profile, places[place], end).0;
            }
            let call_itself = &mut self.calls[call.index()];
            call_itself.own += own;
            // What plumbing does itself counts for its caller, but not in the caller's lines.
            let step = call_itself.step.filter(|_| own > 0 && self.selection.lines == Lines::Merged);
            let frame = profile.frame(*node);
            if let Some((_, line)) =
                frame.filter(|(function, _)| step.is_some_and(|step| step.function == *function))
            {
                self.lines.push((call, line, own));
            }
        }
    }

    fn callers(&mut self, profile: &Profile, weights: &Weights) {
        let mut ends = Ends::new(profile, self.selection.frames);
        for (node, own) in weights.nodes.iter().zip(&weights.own).filter(|(_, own)| **own > 0) {
            let mut at = (CallId::ROOT, 0);
            for caller in ends.shown(*node).take(CALLERS) {
                at = self.enter(profile, at, caller);
            }
            self.calls[at.0.index()].own += own;
        }
    }

    fn finish(mut self, looks: u64, idle: u64, failed: u64) -> CallTree {
        for place in (1..self.calls.len()).rev() {
            let (total, parent) = (self.calls[place].own + self.calls[place].total, self.calls[place].parent);
            self.calls[place].total = total;
            self.calls[parent.index()].total += total;
        }
        self.calls[0].total += self.calls[0].own;
        let calls = self.calls;
        let parents = calls.iter().skip(1).map(|call| call.parent);
        let (first, mut order) = together(calls.len(), parents.zip((1..).map(CallId)));
        let lines = self.lines.iter().map(|(call, line, own)| (*call, (*line, *own)));
        let (first_line, lines) = together(calls.len(), lines);
        for siblings in first.windows(2).filter(|ends| ends[1] - ends[0] > 1) {
            order[siblings[0] as usize..siblings[1] as usize].sort_unstable_by_key(|id| {
                let call = &calls[id.index()];
                (std::cmp::Reverse(call.total), call.step)
            });
        }
        CallTree { calls, first, order, first_line, lines, looks, idle, failed }
    }
}

/// Puts together what belongs to the same call: where each call's begins, one more for the end, and all in this order.
fn together<T: Copy>(calls: usize, all: impl Iterator<Item = (CallId, T)> + Clone) -> (Vec<u32>, Vec<T>) {
    let mut first = vec![0_u32; calls + 1];
    for (call, _) in all.clone() {
        first[call.index() + 1] += 1;
    }
    for place in 0..calls {
        first[place + 1] += first[place];
    }
    let Some((_, any)) = all.clone().next() else { return (first, Vec::new()) };
    let mut sorted = vec![any; first[calls] as usize];
    let mut next = first.clone();
    for (call, one) in all {
        let place = &mut next[call.index()];
        sorted[*place as usize] = one;
        *place += 1;
    }
    (first, sorted)
}

fn key_of(parent: u64, function: FunctionId, line: Option<u32>) -> u64 {
    let line = line.map_or(0, |line| u64::from(line) + 1);
    let word = u64::from(function.0) << 33 ^ line;
    // splitmix64's finisher: paths that differ in a bit get keys that differ in half of them.
    let mut key = parent.rotate_left(23) ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ key >> 31
}
