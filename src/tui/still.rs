//! Stillness: where the boxes of a flame stand, so that a living picture can be read. Siblings keep
//! their order unless one has been clearly heavier for a while; an edge moves only if what was
//! measured moved by more than it can have by chance. Whole cells in the end: siblings never
//! overlap, and never leave their parent.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashMap;

use crate::sample::Micros;

/// A box, told by the way that leads to it ([`Call::key`](crate::profile::Call::key)): it stays the
/// same while trees come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub u64);

/// A change of places needs this much more weight …
const HEAVIER: f64 = 1.5;
/// … for this long.
const HEAVIER_FOR: Micros = Micros(2_000_000);
/// An edge moves by more than this many cells, and more than this many standard errors: two of the
/// difference between what was measured then and what is measured now, so two times the root of two.
const CELLS: f64 = 0.75;
const ERRORS: f64 = 2.0 * std::f64::consts::SQRT_2;
/// A child has a box of its own from this many cells on, and keeps it down to so many.
const APPEARS: f64 = 2.0;
const VANISHES: f64 = 1.0;
/// What is left of a parent behind its last child is nothing up to this many cells.
const NOTHING: f64 = 0.5;
/// The heaviest leaves tell how much shares vary.
const LEAVES: usize = 32;

/// What is known of one sibling.
#[derive(Debug, Clone)]
struct Slot {
    path: Path,
    weight: u64,
    /// When it last had any weight.
    seen: Micros,
    /// Since when it has been heavier than the one before it.
    heavier: Option<Micros>,
    shown: bool,
    /// Its right edge.
    edge: Option<u16>,
}

/// The memory of where everything stood.
#[derive(Debug, Clone, Default)]
pub struct Stillness {
    families: HashMap<Path, Vec<Slot>>,
    /// The right edge of the box of the many small ones.
    crowds: HashMap<Path, u16>,
    scale: Option<Scale>,
    touched: HashMap<Path, Micros>,
}

/// How many times their variance by mere chance shares show from one step of time to the next, given
/// the weights of leaves in each step: stacks come in spells, so a thousand samples a second say less
/// than a thousand draws would. At least 1.
pub fn dispersion<K: Eq + Hash + Copy, S: BuildHasher>(steps: &[&HashMap<K, u64, S>]) -> f64 {
    let mut sums: HashMap<K, f64> = HashMap::new();
    let mut sum_up = |step: &HashMap<K, u64, S>| {
        sums.reserve(step.len());
        step.iter().fold(0.0, |sum, (leaf, weight)| {
            *sums.entry(*leaf).or_default() += *weight as f64;
            sum + *weight as f64
        })
    };
    let weights: Vec<f64> = steps.iter().map(|step| sum_up(step)).collect();
    let whole: f64 = weights.iter().sum();
    let mut leaves: Vec<(K, f64)> = sums.into_iter().collect();
    if leaves.len() > LEAVES {
        leaves.select_nth_unstable_by(LEAVES, |a, b| b.1.total_cmp(&a.1));
        leaves.truncate(LEAVES);
    }
    let (mut pearson, mut freedom) = (0.0, 0.0);
    for (leaf, sum) in leaves {
        let share = sum / whole.max(1.0);
        for (step, weight) in steps.iter().zip(&weights).filter(|(_, weight)| **weight > 0.0) {
            let expected = weight * share;
            let seen = step.get(&leaf).copied().unwrap_or(0) as f64;
            pearson += (seen - expected).powi(2) / (expected * (1.0 - share).max(0.01));
            freedom += 1.0 - 1.0 / weights.len() as f64;
        }
    }
    if freedom > 0.0 { (pearson / freedom).max(1.0) } else { 1.0 }
}

/// How weights become cells: as long as it stays the same, edges can keep their places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Cells of the whole width.
    pub width: u16,
    /// The box that fills it.
    pub top: Path,
}

/// A moment of the picture: what holds for all its boxes.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When.
    pub now: Micros,
    /// How long a slot without weight is kept.
    pub window: Micros,
    /// The weight that fills the whole width.
    pub whole: u64,
    /// How many times its variance by mere chance a share shows; 1 for independent samples.
    pub dispersion: f64,
    /// Cells of the whole width.
    pub width: u16,
}

impl Moment {
    fn cells(&self, weight: u64) -> f64 {
        weight as f64 / self.whole.max(1) as f64 * f64::from(self.width)
    }

    /// The standard error of an edge at this many cells.
    fn error(&self, position: f64) -> f64 {
        let share = (position / f64::from(self.width.max(1))).clamp(0.0, 1.0);
        let variance = (share * (1.0 - share)).max(0.0) * self.dispersion / self.whole.max(1) as f64;
        variance.sqrt() * f64::from(self.width)
    }
}

/// Where a parent lies: in whole cells, and its exact beginning in weight.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its first cell.
    pub left: u16,
    /// The cell behind its last.
    pub right: u16,
    /// The weight that lies before it.
    pub before: u64,
}

/// A child that was given a place.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Which of the children; none for the box of the many small ones.
    pub child: Option<usize>,
    /// Where.
    pub place: Place,
    /// It is the second of two neighbours, for the shade.
    pub second: bool,
}

/// All children of a parent, and those that have no box of their own.
#[derive(Debug, Default)]
pub struct Family {
    /// From left to right.
    pub placed: Vec<Placed>,
    /// Which children share the last box, or are too small even for that.
    pub crowd: Vec<usize>,
}

impl Stillness {
    /// Begins a picture. With a new scale every edge is free to move, orders stay.
    pub fn begin(&mut self, scale: Scale, moment: &Moment) {
        if self.scale != Some(scale) {
            self.scale = Some(scale);
            for slot in self.families.values_mut().flatten() {
                slot.edge = None;
            }
            self.crowds.clear();
        }
        let touched = &mut self.touched;
        touched.retain(|_, seen| moment.now.0.saturating_sub(seen.0) <= moment.window.0.max(HEAVIER_FOR.0));
        self.families.retain(|path, _| touched.contains_key(path));
        self.crowds.retain(|path, _| touched.contains_key(path));
    }

    /// Gives every child its place below `parent`.
    pub fn place(&mut self, parent: Path, place: Place, children: &[(Path, u64)], moment: &Moment) -> Family {
        self.touched.insert(parent, moment.now);
        let slots = self.families.entry(parent).or_default();
        remember(slots, children, moment);
        change_places(slots, moment.now);
        let room = usize::from(place.right.saturating_sub(place.left));
        choose(slots, room, children.len(), moment);
        let crowd = self.crowds.get(&parent).copied();
        let (family, crowd) = set_edges(slots, crowd, place, children, moment);
        match crowd {
            Some(edge) => self.crowds.insert(parent, edge),
            None => self.crowds.remove(&parent),
        };
        family
    }
}

/// Brings the slots up to date; newcomers stand behind the others, the heaviest first.
fn remember(slots: &mut Vec<Slot>, children: &[(Path, u64)], moment: &Moment) {
    let mut weights: HashMap<Path, u64> = children.iter().copied().collect();
    for slot in slots.iter_mut() {
        slot.weight = weights.remove(&slot.path).unwrap_or(0);
        if slot.weight > 0 {
            slot.seen = moment.now;
        }
    }
    slots.retain(|slot| slot.weight > 0 || moment.now.0.saturating_sub(slot.seen.0) < moment.window.0);
    let mut new: Vec<_> = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
    new.sort_by_key(|(path, weight)| (std::cmp::Reverse(*weight), *path));
    slots.extend(new.into_iter().map(|(path, weight)| Slot {
        path,
        weight,
        seen: moment.now,
        heavier: None,
        shown: false,
        edge: None,
    }));
}

fn change_places(slots: &mut [Slot], now: Micros) {
    for place in 1..slots.len() {
        let heavier = slots[place].weight as f64 > slots[place - 1].weight as f64 * HEAVIER;
        if !heavier {
            slots[place].heavier = None;
            continue;
        }
        let since = *slots[place].heavier.get_or_insert(now);
        if now.0.saturating_sub(since.0) >= HEAVIER_FOR.0 {
            slots.swap(place - 1, place);
            // Both have new neighbours now.
            slots[place - 1].heavier = None;
            slots[place].heavier = None;
        }
    }
}

/// Which children have boxes of their own. One that gets its box stands behind those that have one:
/// its room comes from the crowd, and nothing else moves.
fn choose(slots: &mut [Slot], room: usize, children: usize, moment: &Moment) {
    let mut count = 0;
    let mut new = Vec::new();
    for slot in slots.iter_mut() {
        let cells = moment.cells(slot.weight);
        let enough = cells >= if slot.shown { VANISHES } else { APPEARS };
        // An only child of a narrow parent keeps a box: there is nothing else to show.
        let enough = enough || (children == 1 && cells >= NOTHING);
        let shown = count < room && slot.weight > 0 && enough;
        if shown && !slot.shown {
            new.push(slot.path);
        }
        slot.shown = shown;
        slot.edge = slot.edge.filter(|_| shown);
        count += usize::from(shown);
    }
    if !new.is_empty() {
        // Stable: the shown before, then the new ones, then the rest, each in their order.
        slots.sort_by_key(|slot| (!slot.shown, new.contains(&slot.path)));
    }
}

/// Where every shown child ends, and the crowd behind them.
fn set_edges(
    slots: &mut [Slot],
    crowd_edge: Option<u16>,
    place: Place,
    children: &[(Path, u64)],
    moment: &Moment,
) -> (Family, Option<u16>) {
    let index: HashMap<Path, usize> =
        children.iter().enumerate().map(|(at, (path, _))| (*path, at)).collect();
    let crowd: Vec<usize> =
        slots.iter().filter(|slot| !slot.shown).filter_map(|slot| index.get(&slot.path).copied()).collect();
    let mut family = Family { placed: Vec::new(), crowd };
    let shown = slots.iter().filter(|slot| slot.shown).count();
    let room = usize::from(place.right.saturating_sub(place.left));
    let crowd_weight: u64 = family.crowd.iter().map(|child| children[*child].1).sum();
    let has_crowd =
        shown < room && (moment.cells(crowd_weight) >= VANISHES || (shown == 0 && crowd_weight > 0));
    let mut left = place.left;
    let mut before = place.before;
    let mut remaining = shown + usize::from(has_crowd);
    let mut step = |edge: Option<u16>, child: Option<usize>, weight: u64| {
        remaining -= 1;
        let after = before + weight;
        // Those behind need a cell each; what is less than half a cell of the parent is nobody's.
        let limit = place.right.saturating_sub(remaining as u16).max(left);
        let last = remaining == 0 && f64::from(place.right) - moment.cells(after) < NOTHING;
        let edge = if last { place.right } else { still(edge, moment.cells(after), moment) };
        let right = edge.clamp((left + 1).min(limit), limit);
        let second = family.placed.len() % 2 == 1;
        family.placed.push(Placed { child, place: Place { left, right, before }, second });
        (left, before) = (right, after);
        edge
    };
    for slot in slots.iter_mut().filter(|slot| slot.shown) {
        slot.edge = Some(step(slot.edge, index.get(&slot.path).copied(), slot.weight));
    }
    let crowd_edge = has_crowd.then(|| step(crowd_edge, None, crowd_weight));
    (family, crowd_edge)
}

/// The edge where it was, unless it must move.
fn still(edge: Option<u16>, target: f64, moment: &Moment) -> u16 {
    match edge {
        Some(edge) if (target - f64::from(edge)).abs() <= CELLS.max(ERRORS * moment.error(target)) => edge,
        _ => target.round().max(0.0) as u16,
    }
}
