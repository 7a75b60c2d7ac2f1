//! What a look has met: one pass over its frames, which looks up each code object once.

use std::time::Instant;

use super::Codes;
use crate::python::capture::{Capture, Seen};
use crate::python::quiet::Period;
use crate::sample::Flags;
use crate::target::memory::Address;

/// Frames near the leaf, whose code objects are compared wholly in each look.
const NEAR: usize = 16;

/// What is known of frames as they were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// There is an entry for every code object. If not, [`Codes::learn`] before the target goes on.
    pub known: bool,
    /// The frames of those who hold a GIL lie end to end on their data stacks, as far as that is told. While one that is
    /// about to run is pushed and not yet linked it may be otherwise, and so it is where a chain begins with a frame that
    /// has died: its memory is that of the one about to run.
    pub tidy: bool,
}

/// A code object as it was met in a look: what stands at its address has to be read, or compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub(super) code: Address,
    /// The period that the look was in, and the interpreter's number.
    pub(super) period: Option<Period>,
    pub(super) home: u32,
    /// It is that of one of the frames near the leaf.
    pub(super) near: bool,
}

impl Codes {
    /// Meets what has just been copied; [`Codes::confirm`] is about that.
    pub fn meet(&mut self, capture: &Capture) -> Met {
        self.doubtful.clear();
        let (mut met, now) = (Met { known: true, tidy: true }, Instant::now());
        for seen in capture.threads() {
            let period = self.period(seen, now);
            let (mut code, mut size, mut above) = (Address::NULL, None, None);
            for (index, frame) in capture.frames(seen).iter().enumerate() {
                // One that follows itself is met once: a recursion is mostly one function.
                if frame.code != code {
                    code = frame.code;
                    let known = self.known.get(&code);
                    size = known.and_then(|code| code.frame_size);
                    met.known &= known.is_some();
                    if known.is_some_and(|code| period.is_none() || code.period != period) {
                        let near = index < NEAR;
                        self.doubtful.push(Doubt { code, period, home: seen.interpreter, near });
                    }
                }
                if let Some(place) = frame.place {
                    let end = size.map(|size| place + u64::from(size));
                    met.tidy &=
                        above.is_none_or(|above| end == Some(above)) || !seen.flags.has(Flags::HOLDS_GIL);
                    above = Some(place);
                }
            }
        }
        met
    }

    /// In which period a thread was seen, where its interpreter counts code objects.
    pub(super) fn period(&mut self, seen: &Seen, now: Instant) -> Option<Period> {
        seen.stamp.map(|stamp| self.quiet.period(stamp, self.begun, now))
    }
}
