//! Folded stacks: `file:function:line;…;file:function:line count`, root first, each stack once.
//!
//! `(idle) n` and `(failed) n` come first, where they are not 0. Then the stacks in a fixed order: by the
//! bytes of their frames' text, frame by frame from the root, a stack before those that go on from it. One without a frame
//! has no line.
//! Stacks with equal text are one line, also if different functions gave it (two lambdas without lines).
//! Where threads are told apart, each stack has its thread's frames before its own, as [`root`](super::root) spells it.

use std::cmp::Reverse;
use std::io::{self, Write};

use hashbrown::HashMap;

use super::escape::FrameText;
use super::root::Roots;
use crate::profile::{CallId, CallTree, Grouping, Profile, Selection, Step, Weights, Window, idle_looks};

/// Writes what a selection takes, folded. Failed looks of its span are counted whatever it takes.
pub fn write_folded(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let window = Window::of(profile, selection.span);
    for (what, looks) in
        [("(idle)", idle_looks(&window, selection)), ("(failed)", window.verdicts().failed())]
    {
        if looks > 0 {
            writeln!(out, "{what} {looks}")?;
        }
    }
    if selection.grouping == Grouping::Merged {
        return Lines::new(profile, &CallTree::stacks(profile, &window, selection)).write("", out);
    }
    let mut roots = Roots::new(profile);
    for (root, weights) in Weights::of_each(profile, &window, selection, |thread| roots.of(thread)) {
        let tree = CallTree::stacks_of(profile, &window, &weights, selection);
        Lines::new(profile, &tree).write(&(root.join(";") + ";"), out)?;
    }
    Ok(())
}

/// A tree of calls, by what they are written as.
struct Lines<'a> {
    tree: &'a CallTree,
    /// All frames' texts, sorted; a label is a place here.
    texts: Vec<String>,
    labels: HashMap<Step, usize>,
}

impl<'a> Lines<'a> {
    fn new(profile: &Profile, tree: &'a CallTree) -> Self {
        let mut labels: HashMap<Step, usize> = HashMap::new();
        for step in tree.calls().filter_map(|(_, call)| call.step) {
            labels.entry(step).or_default();
        }
        let text = |step: &Step| FrameText(profile.function(step.function), step.line).to_string();
        let mut texts: Vec<String> = labels.keys().map(text).collect();
        texts.sort_unstable();
        texts.dedup();
        for (step, label) in &mut labels {
            *label = texts.binary_search(&text(step)).unwrap_or_default();
        }
        Self { tree, texts, labels }
    }

    /// Each line with this at its beginning. Depth first: beside the tree itself only one path of it is ever there, and
    /// what goes on from that.
    fn write(self, root: &str, out: &mut impl Write) -> io::Result<()> {
        let tree = self.tree;
        // The labels on the path from the root, and what is still to be visited: (depth, label, call).
        let mut path: Vec<usize> = Vec::new();
        let mut pending: Vec<(usize, usize, CallId)> = Vec::new();
        // Calls with one path of texts.
        let mut alike = vec![CallId::ROOT];
        loop {
            let next = pending.len();
            for child in alike.drain(..).flat_map(|call| tree.children(call)) {
                let label = tree.call(*child).step.map_or(0, |step| self.labels[&step]);
                pending.push((path.len(), label, *child));
            }
            pending[next..].sort_unstable_by_key(|(_, label, _)| Reverse(*label));
            let Some((depth, label, call)) = pending.pop() else { return Ok(()) };
            alike.push(call);
            while let Some((.., other)) = pending.pop_if(|(d, l, _)| (*d, *l) == (depth, label)) {
                alike.push(other);
            }
            path.truncate(depth);
            path.push(label);
            let weight: u64 = alike.iter().map(|call| tree.call(*call).own).sum();
            if weight > 0 {
                out.write_all(root.as_bytes())?;
                for (place, label) in path.iter().enumerate() {
                    out.write_all(if place == 0 { b"" } else { b";" })?;
                    out.write_all(self.texts[*label].as_bytes())?;
                }
                writeln!(out, " {weight}")?;
            }
        }
    }
}
