//! What threads do where their stacks end: of each function and each line there, in how many samples it ran and in how
//! many it waited.

use hashbrown::HashMap;

use crate::profile::{Ends, FunctionId, Heat, LineHeat, Profile, Selection, State as Doing, Window};

/// Samples by what the thread did, by `State::ALL`.
type Counts = [u64; 5];

/// The functions and lines at the top of stacks.
#[derive(Debug, Default)]
pub struct Leaves {
    functions: HashMap<FunctionId, Counts>,
    lines: HashMap<(FunctionId, u32), Counts>,
}

impl Leaves {
    /// Those of a window; of all threads, whichever are looked at.
    pub(super) fn of(profile: &Profile, window: &Window, selection: &Selection) -> Self {
        let mut leaves = Self::default();
        let mut ends = Ends::new(profile, selection.frames);
        for (_, node, flags, count) in window.counts() {
            if let Some((function, line)) = profile.frame(node).filter(|_| selection.is_kind(flags)) {
                let doing = profile.state(node, flags).index();
                // What is hidden at the end of a stack is told by the frame that stands for it.
                let end = ends.of(node).and_then(|end| profile.frame(end));
                leaves.functions.entry(end.map_or(function, |(shown, _)| shown)).or_default()[doing] += count;
                leaves.lines.entry((function, line)).or_default()[doing] += count;
            }
        }
        leaves
    }

    /// Does a thread that stands at the top in this function mostly wait?
    pub fn waits(&self, function: FunctionId) -> bool {
        self.functions.get(&function).is_some_and(mostly_waits)
    }

    /// The same of one of its lines.
    pub fn line_waits(&self, function: FunctionId, line: u32) -> bool {
        self.lines.get(&(function, line)).is_some_and(mostly_waits)
    }

    /// Of so much time at the top of stacks at this line, how much it ran.
    fn ran(&self, function: FunctionId, line: u32, own: u64) -> u64 {
        let (runs, waits) = self.lines.get(&(function, line)).map_or((1, 0), runs_and_waits);
        own * runs / (runs + waits).max(1)
    }

    /// The running line of a function: the one at which it ran most; if it never ran, at which it waited most.
    pub fn running_line(&self, function: FunctionId, heat: &Heat) -> Option<LineHeat> {
        let ends = heat.lines.iter().filter(|line| line.own > 0);
        ends.max_by_key(|line| (self.ran(function, line.line, line.own), line.own)).copied()
    }

    /// How much time at the top of stacks draws the eye: a thread that waits is often meant to, one that runs never is.
    pub(super) fn heat(&self, function: FunctionId, weight: u64) -> u64 {
        let (runs, waits) = self.functions.get(&function).map_or((1, 0), runs_and_waits);
        weight * (4 * runs + waits) / (4 * (runs + waits)).max(1)
    }
}

fn runs_and_waits(counts: &Counts) -> (u64, u64) {
    let of = |doing: Doing| counts[doing.index()];
    // Who stands before the GIL would run.
    (of(Doing::Running) + of(Doing::GilWait), of(Doing::Waiting) + of(Doing::Idle))
}

fn mostly_waits(counts: &Counts) -> bool {
    let (runs, waits) = runs_and_waits(counts);
    waits > 2 * runs
}
