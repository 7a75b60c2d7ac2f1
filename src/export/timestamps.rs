//! pyflame's timestamps: a line with the microseconds since the epoch, then a line with the stack, root
//! first, each frame followed by `;`; or `(idle)` or `(failed)` alone. With all threads a pair for each
//! thread, all with the look's moment; where threads are told apart, their frames come first, as
//! [`root`](super::root) spells them.

use std::io::{self, Write};

use hashbrown::HashMap;

use super::escape::FrameText;
use super::root::Roots;
use crate::profile::{FunctionId, Grouping, Idle, Lines, Matcher, NodeId, Profile, Selection, Went, Who};

/// Writes what a selection takes, look by look. Failed looks of its span are written whatever it takes.
pub fn write_timestamps(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let mut matcher = Matcher::new(profile, selection);
    let mut stacks = StackWriter { profile, lines: selection.lines, texts: HashMap::new(), path: Vec::new() };
    let mut roots = (selection.grouping == Grouping::ByThread).then(|| Roots::new(profile));
    profile.visit(profile.range(selection.span), |look| {
        let at = look.at.0;
        let idle = match look.went {
            Went::Failed(_) => return write!(out, "{at}\n(failed)\n"),
            Went::Held => false,
            Went::Unheld => selection.who == Who::GilHolder,
            Went::Nobody => selection.who != Who::Tasks,
        };
        if idle && selection.idle == Idle::Shown {
            write!(out, "{at}\n(idle)\n")?;
        }
        for (thread, node) in matcher.stacks(&look) {
            writeln!(out, "{at}")?;
            if let Some(roots) = &mut roots {
                write!(out, "{};", roots.of(thread).join(";"))?;
            }
            stacks.write(node, out)?;
        }
        Ok(())
    })
}

/// Spells stacks, and remembers the frames that it spelled before.
struct StackWriter<'a> {
    profile: &'a Profile,
    lines: Lines,
    texts: HashMap<(FunctionId, Option<u32>), String>,
    path: Vec<NodeId>,
}

impl StackWriter<'_> {
    fn write(&mut self, node: NodeId, out: &mut impl Write) -> io::Result<()> {
        self.path.clear();
        self.path.extend(self.profile.path(node));
        for node in self.path.iter().rev() {
            let Some((function, line)) = self.profile.frame(*node) else { continue };
            let line = self.lines.told(line);
            let text = self
                .texts
                .entry((function, line))
                .or_insert_with(|| format!("{};", FrameText(self.profile.function(function), line)));
            out.write_all(text.as_bytes())?;
        }
        out.write_all(b"\n")
    }
}
