//! Keeping a profile within its bound. First the oldest looks are thinned to sums. If the stacks themselves
//! are too many (a parser that recurses over ever new paths makes ten nodes a sample), rare stacks of
//! thinned looks are cut off, and say so: a cut stack ends in the frame `(forgotten)`, so its weight
//! stays and nobody is charged with it. Where threads come and go, those that ended are one in the sums.

use std::sync::Arc;

use hashbrown::HashSet;

use super::stacks::{Node, NodeId, Stacks};
use super::store::Profile;
use super::threads::ThreadNo;
use crate::sample::Function;

/// What a node of the tree takes, its place in the index included.
const NODE_BYTES: usize = size_of::<Node>() + 8;

impl Profile {
    /// An empty profile of which nobody will ask what was when: looks are thinned early, and it does not grow with their
    /// number, only with that of different stacks.
    pub fn of_sums() -> Self {
        let mut profile = Self::new();
        profile.sums_only = true;
        profile
    }

    /// What is done whenever a segment has ended, full or not.
    pub(super) fn tidy(&mut self) {
        self.forget_ended();
        self.keep_within_cap();
    }

    /// Lets go of the stacks of threads that were not seen for a segment's length.
    fn forget_ended(&mut self) {
        let (threads, end) = (&self.threads, self.columns.end().0);
        self.last.retain(|thread, _| threads.get(*thread).look.0.saturating_add(1024) >= end);
    }

    /// Gives up what is oldest if there is too much.
    fn keep_within_cap(&mut self) {
        if self.sums_only && self.columns.sum_up() {
            self.revision += 1;
        }
        if self.memory() <= self.cap {
            return;
        }
        // Some room is made at once, so that this does not happen every second.
        let goal = self.cap - self.cap / 8;
        let mut changed = false;
        if self.threads.memory() > self.cap / 4 {
            changed |= self.forget_threads(self.cap / 8);
        }
        if self.stacks.memory() > self.cap / 2 {
            self.prune(self.cap / 4 / NODE_BYTES);
            changed = true;
        }
        let others = self.memory() - self.columns.memory();
        // What cannot be given up does not cost all history.
        changed |= self.columns.shrink(goal.saturating_sub(others).max(self.cap / 8));
        self.revision += u64::from(changed);
    }

    /// Makes one of the threads that ended and of which only sums are left, and thins looks until the others take
    /// no more than so many bytes. Tells whether anything changed.
    fn forget_threads(&mut self, bytes: usize) -> bool {
        self.columns.seal();
        let mut changed = false;
        loop {
            let mut needed: HashSet<ThreadNo> =
                self.last.keys().copied().chain(self.threads.newest()).collect();
            needed.extend(self.columns.threads());
            let before = self.threads.iter().count();
            self.threads.keep(|thread| needed.contains(&thread));
            changed |= self.threads.iter().count() < before;
            if self.threads.memory() <= bytes || self.columns.sealed_count() == 0 {
                let is_kept = |thread| if needed.contains(&thread) { thread } else { ThreadNo::ENDED };
                self.columns.renumber_threads(is_kept);
                return changed;
            }
            self.thin_half();
            changed = true;
        }
    }

    fn prune(&mut self, nodes: usize) {
        self.columns.seal();
        let mut limit = 2;
        self.thin_half();
        loop {
            let cut = Cut::new(self, limit);
            if cut.exact > nodes && self.columns.sealed_count() > 0 {
                self.thin_half();
            } else if cut.kept > nodes.max(cut.exact) && limit < cut.heaviest {
                limit *= 4;
            } else {
                self.apply(&cut);
                return;
            }
        }
    }

    fn thin_half(&mut self) {
        let keep = self.columns.sealed_count() / 2;
        while self.columns.sealed_count() > keep && self.columns.thin_oldest() {}
    }

    fn apply(&mut self, cut: &Cut) {
        let numbers = self.stacks.keep(cut);
        let number = |node: NodeId| numbers[node.index()];
        self.columns.renumber(number, number);
        for thread in self.threads.iter_mut() {
            thread.node = number(thread.node);
        }
        for last in self.last.values_mut() {
            last.path.iter_mut().for_each(|node| *node = number(*node));
        }
    }
}

/// Which nodes stay.
struct Cut {
    keep: Vec<bool>,
    /// Thinned weight that passes through each node.
    weights: Vec<u64>,
    /// Nodes that exact looks or living threads need.
    exact: usize,
    kept: usize,
    heaviest: u64,
}

impl Cut {
    /// Keeps what exact looks stand on, and what at least `limit` thinned ones pass through.
    fn new(profile: &Profile, limit: u64) -> Self {
        let count = profile.stacks.node_count();
        let (mut keep, mut exact) = (vec![false; count], 0);
        keep[0] = true;
        let mut mark = |mut node: NodeId| {
            while !std::mem::replace(&mut keep[node.index()], true) {
                exact += 1;
                node = profile.parent(node);
            }
        };
        profile.columns.each_sealed(&mut mark);
        profile.last.values().filter_map(|last| last.path.last()).for_each(|node| mark(*node));
        let mut weights = vec![0_u64; count];
        profile.columns.each_thinned(|node, looks| weights[node.index()] += looks);
        for node in (1..count).rev() {
            let parent = profile.parent(NodeId(node as u32)).index();
            weights[parent] += weights[node];
        }
        for (keep, weight) in keep.iter_mut().zip(&weights) {
            *keep |= *weight >= limit;
        }
        let kept = keep.iter().filter(|keep| **keep).count();
        let heaviest = weights[0];
        Self { keep, weights, exact, kept, heaviest }
    }
}

impl Stacks {
    /// Lets go of all other nodes and of functions without nodes. Tells each node's new number; for one
    /// that is cut off that is the place where its weight goes.
    fn keep(&mut self, cut: &Cut) -> Vec<NodeId> {
        let count = self.node_count();
        let old: Vec<Node> = (0..count).map(|node| self.node(NodeId(node as u32))).collect();
        self.clear_nodes();
        let mut numbers = vec![NodeId::ROOT; count];
        for node in (1..count).filter(|node| cut.keep[*node]) {
            let parent = numbers[old[node].parent.index()];
            numbers[node] = self.child_of(Node { parent, ..old[node] });
        }
        let forgotten = Function { file: "<pyflame-tui>".into(), name: "(forgotten)".into(), first_line: 0 };
        let forgotten = self.function_id(&Arc::new(forgotten));
        for node in (1..count).filter(|node| !cut.keep[*node]) {
            let above = old[node].parent.index();
            let parent = numbers[above];
            let stub = Node { parent, function: forgotten, line: 0 };
            let first_cut = cut.keep[above] && cut.weights[node] > 0;
            numbers[node] = if first_cut { self.child_of(stub) } else { parent };
        }
        self.release_functions();
        numbers
    }
}
