//! A window's weights laid on the prefix tree: the nodes that a selection touches, each with the looks
//! that ended in it and the looks that passed through it. Call tree, top list and heat start here.

use super::matcher::Matcher;
use super::selection::{Lines, Selection, Step};
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
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
        let mut matcher = Matcher::new(profile, selection);
        let taken = window.counts().filter(|(thread, node, flags, _)| matcher.takes(*thread, *node, *flags));
        let leaves: Vec<(NodeId, u64)> = taken.map(|(_, node, _, count)| (node, count)).collect();
        Self::lay(profile, &leaves)
    }

    fn lay(profile: &Profile, leaves: &[(NodeId, u64)]) -> Self {
        // Plain numbers for every node there is: clearing them takes less time than hashing a few.
        let mut places = vec![NONE; profile.node_count()];
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
                (0..).map(NodeId).zip(&places).filter(|(_, place)| **place != NONE).map(|(node, _)| node),
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

/// How a frame appears in views.
pub(super) fn step_of(function: FunctionId, line: u32, lines: Lines) -> Step {
    Step { function, line: (lines == Lines::Apart).then_some(line) }
}
