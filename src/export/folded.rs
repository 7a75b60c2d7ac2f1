//! Folded stacks: `file:function:line;…;file:function:line count`, root first, each stack once.
//!
//! `(idle) n` and `(failed) n` come first, where they are not 0. Then the stacks in a fixed order: by the
//! bytes of their frames' text, frame by frame from the root, a stack before those that go on from it.
//! Stacks with equal text are one line, also if different functions gave it (two lambdas without lines).

use std::io::{self, Write};

use hashbrown::HashMap;

use super::escape::FrameText;
use crate::profile::{CallTree, Profile, Selection, Step, Window};

/// Writes what a selection takes, folded. Failed looks of its span are counted whatever it takes.
pub fn write_folded(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let window = Window::of(profile, selection.span);
    let tree = CallTree::stacks(profile, &window, selection);
    if tree.idle() > 0 {
        writeln!(out, "(idle) {}", tree.idle())?;
    }
    if tree.failed() > 0 {
        writeln!(out, "(failed) {}", tree.failed())?;
    }
    Lines::new(profile, &tree).write(out)
}

/// The stacks as a tree of texts: only one path of it is ever spelled out.
struct Lines {
    /// All frames' texts, sorted; a node's label is a place here.
    texts: Vec<String>,
    /// Label and weight of each node; the root first.
    nodes: Vec<(usize, u64)>,
    children: Vec<Vec<usize>>,
}

impl Lines {
    fn new(profile: &Profile, tree: &CallTree) -> Self {
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
        let mut lines = Self { texts, nodes: vec![(0, 0)], children: vec![Vec::new()] };
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        let mut places = vec![0; tree.len()];
        for (place, (_, call)) in tree.calls().enumerate() {
            let Some(step) = call.step else { continue };
            let (parent, label) = (places[call.parent.index()], labels[&step]);
            let node = *known.entry((parent, label)).or_insert_with(|| {
                let node = lines.nodes.len();
                lines.nodes.push((label, 0));
                lines.children.push(Vec::new());
                lines.children[parent].push(node);
                node
            });
            lines.nodes[node].1 += call.own;
            places[place] = node;
        }
        lines
    }

    fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        let nodes = &self.nodes;
        for children in &mut self.children {
            children.sort_unstable_by_key(|child| std::cmp::Reverse(nodes[*child].0));
        }
        // The labels on the path from the root, and what is still to be visited: (node, depth).
        let mut path: Vec<usize> = Vec::new();
        let mut pending: Vec<(usize, usize)> = self.children[0].iter().map(|child| (*child, 0)).collect();
        while let Some((node, depth)) = pending.pop() {
            let (label, weight) = self.nodes[node];
            path.truncate(depth);
            path.push(label);
            if weight > 0 {
                for (place, label) in path.iter().enumerate() {
                    out.write_all(if place == 0 { b"" } else { b";" })?;
                    out.write_all(self.texts[*label].as_bytes())?;
                }
                writeln!(out, " {weight}")?;
            }
            pending.extend(self.children[node].iter().map(|child| (*child, depth + 1)));
        }
        Ok(())
    }
}
