//! A function under the glass: which of its lines the time goes to, and who called it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::selection::Selection;
use super::stacks::FunctionId;
use super::store::Profile;
use super::weights::Weights;
use super::window::Window;

/// A line's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineHeat {
    /// Its number; 0 where the bytecode belongs to no line.
    pub line: u32,
    /// Weight of the stacks at whose top it stands.
    pub own: u64,
    /// Weight of the stacks that it is in, each counted once.
    pub total: u64,
}

/// A function's lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heat {
    /// Its lines that were seen, by number.
    pub lines: Vec<LineHeat>,
    /// Weight of the stacks at whose top the function stands.
    pub own: u64,
    /// Weight of the stacks that it is in, each counted once.
    pub total: u64,
}

impl Heat {
    /// Where the time of a function goes; lines are always told apart.
    pub fn of(profile: &Profile, window: &Window, selection: &Selection, function: FunctionId) -> Self {
        look_closer(profile, &Weights::of(profile, window, selection), function).0
    }
}

/// Who called a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The caller; nothing where the function is the bottom of a stack.
    pub function: Option<FunctionId>,
    /// Weight of the stacks in which it is the caller.
    pub weight: u64,
}

/// The callers of a function, heaviest first. Each stack counts once, for the caller of the outermost
/// call, so recursion does not make a function its own caller and weights add up to the function's total.
pub fn callers(
    profile: &Profile,
    window: &Window,
    selection: &Selection,
    function: FunctionId,
) -> Vec<Caller> {
    look_closer(profile, &Weights::of(profile, window, selection), function).1
}

/// Both at once, of weights that are laid already.
pub fn look_closer(profile: &Profile, weights: &Weights, function: FunctionId) -> (Heat, Vec<Caller>) {
    let mut lines: BTreeMap<u32, (LineHeat, u32)> = BTreeMap::new();
    let mut heat = Heat::default();
    let mut found: HashMap<Option<FunctionId>, u64> = HashMap::new();
    let mut inside = 0_u32;
    weights.walk(|place, entering| {
        let node = weights.nodes[place];
        let Some((here, line)) = profile.frame(node) else { return };
        if here != function {
            return;
        }
        let (row, depth) = lines.entry(line).or_insert((LineHeat { line, own: 0, total: 0 }, 0));
        if !entering {
            inside -= 1;
            *depth -= 1;
            return;
        }
        let (own, total) = (weights.own[place], weights.total[place]);
        row.own += own;
        heat.own += own;
        if *depth == 0 {
            row.total += total;
        }
        if inside == 0 {
            heat.total += total;
            let caller = profile.frame(profile.parent(node)).map(|(caller, _)| caller);
            *found.entry(caller).or_default() += total;
        }
        inside += 1;
        *depth += 1;
    });
    heat.lines = lines.into_values().map(|(row, _)| row).collect();
    let mut callers: Vec<Caller> =
        found.into_iter().map(|(function, weight)| Caller { function, weight }).collect();
    callers.sort_unstable_by_key(|caller| (Reverse(caller.weight), caller.function));
    (heat, callers)
}
