//! The dump: what each thread does at one moment. A line `TID*: name` (the star holds the GIL), then its
//! frames, leaf first, or `(no Python code)`; a blank line between threads. After the threads asyncio's tasks that
//! wait, with the thread of their loop.

use std::io::{self, Write};

use super::escape::{Escaped, FrameText};
use crate::profile::{NodeId, Profile, Selection};
use crate::sample::Flags;

/// Writes what the newest look that was taken saw of the selected threads; of the selection only
/// `threads` and `lines` matter.
pub fn write_dump(profile: &Profile, selection: &Selection, out: &mut impl Write) -> io::Result<()> {
    let present = profile.threads().filter(|(no, _)| profile.is_present(*no) && selection.threads.has(*no));
    let (tasks, threads): (Vec<_>, Vec<_>) = present.partition(|(_, thread)| thread.flags.has(Flags::TASK));
    for (place, (_, thread)) in threads.into_iter().chain(tasks).enumerate() {
        let blank = if place == 0 { "" } else { "\n" };
        let star = if thread.flags.has(Flags::HOLDS_GIL) { "*" } else { "" };
        let name = profile.with_process(thread, (&thread.name).into());
        let space = if name.is_empty() { "" } else { " " };
        writeln!(out, "{blank}{}{star}:{space}{}", thread.id.tid, Escaped(&name))?;
        if thread.node == NodeId::ROOT {
            writeln!(out, "(no Python code)")?;
        }
        for node in profile.path(thread.node) {
            let Some((function, line)) = profile.frame(node) else { continue };
            let line = selection.lines.told(line);
            writeln!(out, "{}", FrameText(profile.function(function), line))?;
        }
    }
    Ok(())
}
