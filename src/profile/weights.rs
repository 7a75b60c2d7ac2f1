//! A window's weights laid on the prefix tree: the nodes that a selection touches, each with the looks
//! that ended in it and the looks that passed through it. Call tree, top list and heat start here.

use std::collections::BTreeMap;

use super::matcher::Matcher;
use super::selection::{Lines, Selection, Step};
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
use super::threads::ThreadNo;
use super::window::Window;

const NONE: u32 = u32::MAX;

/// The touched part of the prefix tree. Place 0 is the root; parents stand before their children.
#[derive(Debug)]
pub struct Weights {
    pub(super) nodes: Vec<NodeId>,
    pub(super) parents: Vec<u32>,
    pub(super) own: Vec<u64>,
    pub(super) total: Vec<u64>,
}

impl Weights {
    /// What a selection takes of a window; `selection.span` is not looked at.
    pub fn of(profile: &Profile, window: &Window, selection: &Selection) -> Self {
        let taken = taken(profile, window, selection);
        let leaves: Vec<Leaf> = taken.map(|(_, leaf)| leaf).collect();
        Self::lay(profile, &leaves, &mut vec![NONE; profile.node_count()])
    }

    /// The same of each group of threads by itself, one after the other in their order.
    pub fn of_each<Group: Ord>(
        profile: &Profile,
        window: &Window,
        selection: &Selection,
        mut group: impl FnMut(ThreadNo) -> Group,
    ) -> impl Iterator<Item = (Group, Self)> {
        let mut groups: BTreeMap<Group, Vec<Leaf>> = BTreeMap::new();
        for (thread, leaf) in taken(profile, window, selection) {
            groups.entry(group(thread)).or_default().push(leaf);
        }
        let mut places = vec![NONE; profile.node_count()];
        groups.into_iter().map(move |(group, leaves)| (group, Self::lay(profile, &leaves, &mut places)))
    }

    /// `places` is a plain number for every node there is: clearing them takes less time than hashing a few. They are
    /// left as they were, clear: where there are many threads, each stands in few of them.
    fn lay(profile: &Profile, leaves: &[Leaf], places: &mut [u32]) -> Self {
        let mut nodes = vec![NodeId::ROOT];
        places[0] = 0;
        for (leaf, _) in leaves {
            let mut node = *leaf;
            while places[node.index()] == NONE {
                places[node.index()] = 0;
                nodes.push(node);
                node = profile.parent(node);
            }
        }
        // A parent has a smaller number than its children.
        if nodes.len() * 16 < places.len() {
            nodes.sort_unstable();
        } else {
            nodes.clear();
            nodes.extend(
                (0..).map(NodeId).zip(&*places).filter(|(_, place)| **place != NONE).map(|(node, _)| node),
            );
        }
        for (place, node) in (0..).zip(&nodes) {
            places[node.index()] = place;
        }
        let parents: Vec<u32> = nodes.iter().map(|node| places[profile.parent(*node).index()]).collect();
        let mut own = vec![0; nodes.len()];
        for (leaf, count) in leaves {
            own[places[leaf.index()] as usize] += count;
        }
        for node in &nodes {
            places[node.index()] = NONE;
        }
        let mut total = own.clone();
        for place in (1..nodes.len()).rev() {
            total[parents[place] as usize] += total[place];
        }
        Self { nodes, parents, own, total }
    }

    /// Goes through the tree depth first: `step(place, true)` on entering, `step(place, false)` on
    /// leaving. The root is left out. Without recursion: stacks may be 100,000 frames deep.
    pub(super) fn walk(&self, mut step: impl FnMut(usize, bool)) {
        let mut first = vec![NONE; self.nodes.len()];
        let mut next = vec![NONE; self.nodes.len()];
        for place in (1..self.nodes.len()).rev() {
            let parent = self.parents[place] as usize;
            next[place] = first[parent];
            first[parent] = place as u32;
        }
        let mut place = 0;
        let mut descending = true;
        loop {
            if descending && first[place] != NONE {
                place = first[place] as usize;
                step(place, true);
                continue;
            }
            if place == 0 {
                return;
            }
            step(place, false);
            descending = next[place] != NONE;
            if descending {
                place = next[place] as usize;
                step(place, true);
            } else {
                place = self.parents[place] as usize;
            }
        }
    }
}

/// A stack, and in how many looks a thread stood in it.
type Leaf = (NodeId, u64);

/// What a selection takes of a window, and whose it is.
fn taken<'a>(
    profile: &'a Profile,
    window: &'a Window,
    selection: &'a Selection,
) -> impl Iterator<Item = (ThreadNo, Leaf)> + 'a {
    let mut matcher = Matcher::new(profile, selection);
    window.counts().filter_map(move |(thread, node, flags, count)| {
        matcher.takes(thread, node, flags).then_some((thread, (node, count)))
    })
}

/// How a frame appears in views.
pub(super) fn step_of(function: FunctionId, line: u32, lines: Lines) -> Step {
    Step { function, line: lines.told(line) }
}
