//! The flame as boxes in whole cells: which calls share a row, which chains fold into one box, and
//! which siblings are too small for a box of their own. How it is painted stands in `flame_pane`.

use hashbrown::HashMap;

use super::still::{Moment, Path, Place, Scale, Stillness};
use crate::profile::{CallId, CallTree, Direction};

/// A chain folds where all but the one child weighs less than this share of everything …
const FOLDS: f64 = 0.01;
/// … and, once it has been apart, only below this one: rows must not flicker.
const FOLDS_AGAIN: f64 = 0.004;
/// Rows beyond these are not laid out; the zoom leads there.
const DEEPEST: usize = 2_000;

/// What a box stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Calls that lead to each other and to nothing else; mostly one.
    Chain(Vec<CallId>),
    /// Siblings that are too small for boxes of their own.
    Crowd(Vec<CallId>),
    /// A line of a call at which stacks end, and their weight.
    Line(CallId, u32, u64),
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its first column.
    pub left: u16,
    /// The column behind its last.
    pub right: u16,
    /// What it stands for; never empty.
    pub what: What,
    /// It takes the other shade.
    pub second: bool,
}

impl Cell {
    /// The calls in it.
    pub fn calls(&self) -> &[CallId] {
        match &self.what {
            What::Chain(calls) | What::Crowd(calls) => calls,
            What::Line(..) => &[],
        }
    }

    /// Where its weight goes on: the last call of a chain.
    pub fn last(&self) -> CallId {
        self.calls().last().copied().unwrap_or(CallId::ROOT)
    }

    /// The call that a chain is named and coloured after: the last, to which the time goes; turned round, the first, at
    /// which it was spent.
    pub fn head(&self, direction: Direction) -> CallId {
        match direction {
            Direction::Callees => self.last(),
            Direction::Callers => {
                self.calls().iter().copied().find(|call| *call != CallId::ROOT).unwrap_or(CallId::ROOT)
            }
        }
    }

    /// The call that the cursor stands on when it stands here.
    pub fn cursor(&self, direction: Direction) -> CallId {
        match &self.what {
            What::Chain(_) => self.head(direction),
            What::Line(call, ..) => *call,
            What::Crowd(calls) => calls.first().copied().unwrap_or(CallId::ROOT),
        }
    }

    /// The weight that it shows.
    pub fn weight(&self, tree: &CallTree) -> u64 {
        match &self.what {
            What::Chain(calls) => calls.first().map_or(0, |call| tree.call(*call).total),
            What::Line(_, _, weight) => *weight,
            What::Crowd(calls) => calls.iter().map(|call| tree.call(*call).total).sum(),
        }
    }
}

/// All boxes, row by row from the root, each row from left to right.
#[derive(Debug, Clone, Default)]
pub struct Flame {
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Which chains are apart at the moment, by the key of their first call.
    apart: HashMap<u64, bool>,
}

/// A box while its children still have to be laid out.
struct Laid {
    cell: Cell,
    /// The weight that lies before it.
    before: u64,
}

impl Laid {
    fn new(place: Place, what: What, second: bool) -> Self {
        Self { cell: Cell { left: place.left, right: place.right, what, second }, before: place.before }
    }
}

impl Flame {
    /// Lays out `tree` below the call `zoom`.
    pub fn lay_out(&mut self, tree: &CallTree, zoom: CallId, still: &mut Stillness, moment: &Moment) {
        self.rows.clear();
        let all = Place { left: 0, right: moment.width, before: 0 };
        still.begin(Scale { width: moment.width, top: Path(tree.call(zoom).key) }, moment);
        let mut row = vec![Laid::new(all, What::Chain(vec![CallId::ROOT]), false)];
        if zoom != CallId::ROOT {
            let above = ancestors(tree, zoom);
            if !above.is_empty() {
                row[0].cell.what = What::Chain([vec![CallId::ROOT], above].concat());
            }
            self.rows.extend([row.into_iter().map(|laid| laid.cell).collect()]);
            row = vec![Laid::new(all, What::Chain(self.chain(tree, zoom)), false)];
        }
        while !row.is_empty() && self.rows.len() < DEEPEST {
            let mut next = Vec::new();
            for laid in row.iter().filter(|laid| matches!(laid.cell.what, What::Chain(_))) {
                self.lay_children(tree, laid, &mut next, still, moment);
            }
            self.rows.push(row.into_iter().map(|laid| laid.cell).collect());
            row = next;
        }
        if self.apart.len() > 4 * tree.len() + 4096 {
            self.apart.clear();
        }
    }

    fn lay_children(
        &mut self,
        tree: &CallTree,
        parent: &Laid,
        row: &mut Vec<Laid>,
        still: &mut Stillness,
        moment: &Moment,
    ) {
        let last = parent.cell.last();
        let calls = tree.children(last);
        let lines = tree.own_lines(last);
        let mut children: Vec<_> =
            calls.iter().map(|id| (Path(tree.call(*id).key), tree.call(*id).total)).collect();
        // Keys are well mixed: a line's is its call's, told apart by the line.
        let key = tree.call(last).key;
        children.extend(lines.iter().map(|(line, own)| (Path(key ^ (u64::from(*line) + 1) << 20), *own)));
        if children.is_empty() {
            return;
        }
        let place = Place { left: parent.cell.left, right: parent.cell.right, before: parent.before };
        let family = still.place(Path(tree.call(last).key), place, &children, moment);
        for placed in family.placed {
            let what = match placed.child {
                Some(child) if child < calls.len() => What::Chain(self.chain(tree, calls[child])),
                Some(child) => What::Line(last, lines[child - calls.len()].0, lines[child - calls.len()].1),
                None => {
                    What::Crowd(family.crowd.iter().filter_map(|child| calls.get(*child).copied()).collect())
                }
            };
            // A crowd of lines alone is left blank: the source below tells them better.
            if what != What::Crowd(Vec::new()) {
                row.push(Laid::new(placed.place, what, placed.second));
            }
        }
    }

    /// The calls that share a box with `first`. Unlike [`CallTree::chain`] it overlooks siblings that
    /// come and go: with them rows would jump.
    fn chain(&mut self, tree: &CallTree, first: CallId) -> Vec<CallId> {
        let mut chain = vec![first];
        let mut at = first;
        let whole = tree.total().max(1) as f64;
        while let Some(heaviest) = tree.children(at).first() {
            let call = tree.call(at);
            let rest = (call.total - tree.call(*heaviest).total) as f64 / whole;
            let apart = self.apart.entry(call.key).or_insert(rest >= FOLDS);
            *apart = if *apart { rest >= FOLDS_AGAIN } else { rest >= FOLDS };
            if *apart {
                break;
            }
            chain.push(*heaviest);
            at = *heaviest;
        }
        chain
    }

    /// Where the box of this call is; of its nearest visible caller, if it has none.
    pub fn find(&self, tree: &CallTree, call: CallId) -> Option<(usize, usize)> {
        let mut call = call;
        loop {
            for (row, cells) in self.rows.iter().enumerate() {
                if let Some(place) = cells.iter().position(|cell| cell.calls().contains(&call)) {
                    return Some((row, place));
                }
            }
            if call == CallId::ROOT {
                return None;
            }
            call = tree.call(call).parent;
        }
    }

    /// A box.
    pub fn cell(&self, at: (usize, usize)) -> Option<&Cell> {
        self.rows.get(at.0)?.get(at.1)
    }

    /// The box at this column of a row.
    pub fn at(&self, row: usize, column: u16) -> Option<(usize, usize)> {
        let place = self.rows.get(row)?.iter().position(|cell| cell.left <= column && column < cell.right)?;
        Some((row, place))
    }

    /// The heaviest box below this one.
    pub fn below(&self, tree: &CallTree, at: (usize, usize)) -> Option<(usize, usize)> {
        let parent = self.cell(at)?;
        let row = self.rows.get(at.0 + 1)?;
        let inside = row.iter().enumerate().filter(|(_, cell)| {
            cell.left >= parent.left && cell.right <= parent.right && !cell.calls().is_empty()
        });
        inside
            .max_by_key(|(place, cell)| (cell.weight(tree), usize::MAX - place))
            .map(|(place, _)| (at.0 + 1, place))
    }

    /// The next box in a row that the cursor can stand on, to the left or to the right.
    pub fn beside(&self, (row, place): (usize, usize), right: bool) -> Option<(usize, usize)> {
        let cells = self.rows.get(row)?;
        let stands = |place: &usize| !cells[*place].calls().is_empty();
        let found = if right { (place + 1..cells.len()).find(stands) } else { (0..place).rev().find(stands) };
        found.map(|place| (row, place))
    }

    /// The box above this one.
    pub fn above(&self, at: (usize, usize)) -> Option<(usize, usize)> {
        let left = self.cell(at)?.left;
        let row = at.0.checked_sub(1)?;
        let place = self.rows.get(row)?.iter().position(|cell| cell.left <= left && left < cell.right)?;
        Some((row, place))
    }
}

/// The callers of a call, from the root's callee on, without the root and itself.
fn ancestors(tree: &CallTree, call: CallId) -> Vec<CallId> {
    let mut above = Vec::new();
    let mut at = tree.call(call).parent;
    while at != CallId::ROOT {
        above.push(at);
        at = tree.call(at).parent;
    }
    above.reverse();
    above
}
