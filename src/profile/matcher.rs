//! Which stacks a selection takes, when many are asked about: [`Selection::takes`], and whether they pass
//! through its root and its functions. What was found of a node is kept for those above it.

use hashbrown::HashMap;

use super::columns::LookSeen;
use super::frames::Ends;
use super::selection::{Direction, Lines, Selection, Step};
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;
use super::threads::ThreadNo;
use super::weights::step_of;
use crate::sample::Flags;

/// A stack that left the path to the root.
const LEFT: u32 = u32::MAX;

/// Tells which stacks a selection takes.
#[derive(Debug)]
pub struct Matcher<'a> {
    profile: &'a Profile,
    selection: &'a Selection,
    /// How many steps of the root a stack has matched; [`LEFT`] if it left the path.
    matched: HashMap<NodeId, u32>,
    /// Has a stack one of the functions that it must have?
    passes: HashMap<NodeId, bool>,
    ends: Ends<'a>,
    chain: Vec<NodeId>,
}

impl<'a> Matcher<'a> {
    /// Of this profile, for this selection.
    pub fn new(profile: &'a Profile, selection: &'a Selection) -> Self {
        let ends = Ends::new(profile, selection.frames);
        Self { profile, selection, matched: HashMap::new(), passes: HashMap::new(), ends, chain: Vec::new() }
    }

    /// Does this stack of this thread count?
    pub fn takes(&mut self, thread: ThreadNo, node: NodeId, flags: Flags) -> bool {
        self.selection.takes(self.profile, thread, node, flags) && self.is_rooted(node) && self.passes(node)
    }

    /// The stacks of a look that count, and whose they are. Of a thread that is in no Python code there is none.
    pub fn stacks(&mut self, look: &LookSeen<'_>) -> impl Iterator<Item = (ThreadNo, NodeId)> {
        look.threads
            .iter()
            .filter(|(thread, node, flags)| *node != NodeId::ROOT && self.takes(*thread, *node, *flags))
            .map(|(thread, node, _)| (*thread, *node))
    }

    /// Does this stack pass through the root?
    fn is_rooted(&mut self, node: NodeId) -> bool {
        let root = &self.selection.root;
        if root.is_empty() {
            return true;
        }
        let matched = match self.selection.direction {
            Direction::Callees => self.matched_down(node),
            Direction::Callers => self.matched_up(node),
        };
        matched as usize == root.len()
    }

    /// Does this stack have one of the functions, if some are asked for?
    fn passes(&mut self, node: NodeId) -> bool {
        let Some(wanted) = &self.selection.through else { return true };
        let mut chain = std::mem::take(&mut self.chain);
        chain.clear();
        let mut passes = false;
        for node in self.profile.path(node) {
            if let Some(known) = self.passes.get(&node) {
                passes = *known;
                break;
            }
            chain.push(node);
        }
        for node in chain.iter().rev() {
            let frame = self.profile.frame(*node);
            passes |= frame.is_some_and(|(function, _)| wanted.contains(&function));
            self.passes.insert(*node, passes);
        }
        self.chain = chain;
        passes
    }

    fn matched_up(&mut self, node: NodeId) -> u32 {
        let mut matched = 0;
        for node in self.ends.shown(node) {
            matched = self.follow(matched, node);
            if matched == LEFT || matched as usize == self.selection.root.len() {
                break;
            }
        }
        matched
    }

    /// The answer of each node follows from its parent's, so a walk goes up only to a known one.
    fn matched_down(&mut self, node: NodeId) -> u32 {
        let mut chain = std::mem::take(&mut self.chain);
        chain.clear();
        let mut matched = 0;
        for node in self.profile.path(node) {
            if let Some(known) = self.matched.get(&node) {
                matched = *known;
                break;
            }
            chain.push(node);
        }
        for node in chain.iter().rev() {
            let shows = |(function, _)| self.selection.frames.shows(self.profile, function);
            if self.profile.frame(*node).is_some_and(shows) {
                matched = self.follow(matched, *node);
            }
            self.matched.insert(*node, matched);
        }
        self.chain = chain;
        self.ends.of(node).map_or(matched, |end| self.follow(matched, end))
    }

    /// What becomes of a match by one more frame that is shown.
    fn follow(&self, matched: u32, node: NodeId) -> u32 {
        let root = &self.selection.root;
        let Some((function, line)) = self.profile.frame(node) else { return matched };
        if matched == LEFT || matched as usize == root.len() {
            return matched;
        }
        let step = self.step(function, line);
        let before = (matched as usize).checked_sub(1).map(|place| root[place]);
        if self.selection.fold_recursion && before == Some(step) {
            return matched;
        }
        if root[matched as usize] == step { matched + 1 } else { LEFT }
    }

    /// The root tells itself whether it tells lines apart: what is written to a file may do otherwise.
    fn step(&self, function: FunctionId, line: u32) -> Step {
        let apart = self.selection.root.first().is_some_and(|step| step.line.is_some());
        step_of(function, line, if apart { Lines::Apart } else { Lines::Merged })
    }
}
