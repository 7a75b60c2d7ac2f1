//! Which frames of stacks views show: every one, all but plumbing, or those of the program's own code. What is hidden at
//! the end of a stack is stood for by one frame of it, so that no time is lost or given to who did not spend it.

use hashbrown::HashMap;

use super::places::Origin;
use super::stacks::{FunctionId, NodeId};
use super::store::Profile;

/// Which frames views show. What is written to files has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Frames {
    /// Every one.
    #[default]
    All,
    /// All but those that only start others (`Thread._bootstrap`, `runpy`). A stack of nothing else shows its last.
    NoPlumbing,
    /// Those of the program's own code. Where a stack ends in others, the first of them is shown, which is what that code
    /// called; plumbing only if there is nothing else.
    Own,
}

impl Frames {
    /// Is a frame of this function shown wherever it stands?
    pub fn shows(self, profile: &Profile, function: FunctionId) -> bool {
        match self {
            Self::All => true,
            Self::NoPlumbing => !profile.is_plumbing(function),
            Self::Own => profile.origin(function) == Origin::Own,
        }
    }
}

/// Finds which hidden frame stands for those at the end of a stack. What was found of a node is kept for those above it.
#[derive(Debug)]
pub struct Ends<'a> {
    profile: &'a Profile,
    frames: Frames,
    known: HashMap<NodeId, End>,
}

/// Of a stack whose last frame is hidden.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Some frame of it is shown.
    has_shown: bool,
    /// The first of those hidden at its end that is worth a look.
    first: Option<NodeId>,
}

impl<'a> Ends<'a> {
    /// Of stacks of this profile.
    pub fn new(profile: &'a Profile, frames: Frames) -> Self {
        Self { profile, frames, known: HashMap::new() }
    }

    fn is_shown(&self, node: NodeId) -> bool {
        self.profile.frame(node).is_none_or(|(function, _)| self.frames.shows(self.profile, function))
    }

    /// The hidden frame that is shown at the end of this stack; nothing where its last frame is shown, or counts for its
    /// caller.
    pub fn of(&mut self, node: NodeId) -> Option<NodeId> {
        if self.is_shown(node) {
            return None;
        }
        let own_only = self.frames == Frames::Own;
        let mut end = End { has_shown: false, first: None };
        let mut hidden = Vec::new();
        for node in self.profile.path(node) {
            if let Some(known) = self.known.get(&node) {
                end = *known;
                break;
            }
            if self.is_shown(node) {
                end.has_shown = true;
                break;
            }
            hidden.push(node);
        }
        let is_plumbing = |node| self.profile.frame(node).is_some_and(|(of, _)| self.profile.is_plumbing(of));
        for node in hidden.into_iter().rev() {
            end.first = end.first.or_else(|| (own_only && !is_plumbing(node)).then_some(node));
            self.known.insert(node, end);
        }
        end.first.or((own_only || !end.has_shown).then_some(node))
    }

    /// What is shown of a stack, leaf first.
    pub fn shown(&mut self, node: NodeId) -> impl Iterator<Item = NodeId> + use<'a> {
        let (profile, frames) = (self.profile, self.frames);
        let end = self.of(node);
        let shows =
            move |node: &NodeId| profile.frame(*node).is_some_and(|(of, _)| frames.shows(profile, of));
        end.into_iter().chain(profile.path(end.unwrap_or(node)).filter(shows))
    }
}
