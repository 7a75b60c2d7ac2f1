//! The way down a deep stack. Its older frames are mostly those of the last look; to follow them while the thread stands
//! still would take as long as they are many. So the walk is broken off at the first frame that the last one has marked,
//! and done again, to the end, in what was copied, when the thread runs on. Nothing is taken over from the last look but
//! the guess which memory to copy: should a part be missing the look is repeated, and walked to the end at once.

use rustc_hash::FxHashSet;

use crate::target::memory::Address;

/// A stack of no more frames than this is always followed to its end.
const SHALLOW: usize = 64;
/// Each so many frames is marked, counted from the root, since it is there that two stacks are alike.
const STEP: usize = 16;

/// The marks of the last look, and the frames that were passed since.
#[derive(Debug, Default)]
pub(super) struct Trail {
    marks: FxHashSet<Address>,
    passed: Vec<Address>,
    cut: bool,
}

impl Trail {
    /// Begins at the leaf.
    pub(super) fn begin(&mut self) {
        self.passed.clear();
        self.cut = false;
    }

    /// A frame is reached, and will be passed.
    pub(super) fn pass(&mut self, frame: Address) -> bool {
        self.passed.push(frame);
        true
    }

    /// A frame is reached; is it to be passed, or is the rest known?
    pub(super) fn pass_if_new(&mut self, frame: Address) -> bool {
        self.cut = !self.marks.is_empty() && self.marks.contains(&frame);
        !self.cut && self.pass(frame)
    }

    /// Was the walk broken off?
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The end was reached: marks what was passed.
    pub(super) fn mark(&mut self) {
        self.marks.clear();
        if self.passed.len() > SHALLOW {
            self.marks.extend(self.passed.iter().rev().step_by(STEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks these, leaf first; how many were passed.
    fn walk(trail: &mut Trail, frames: impl Iterator<Item = u64>) -> usize {
        trail.begin();
        frames.take_while(|frame| trail.pass_if_new(Address(*frame))).count()
    }

    #[test]
    fn breaks_off_where_the_last_one_was() {
        let mut trail = Trail::default();
        assert_eq!(walk(&mut trail, (0..1000).rev()), 1000);
        trail.mark();
        // Ten new frames on top of ten old ones fewer.
        let passed = walk(&mut trail, (2000..2010).chain((0..990).rev()));
        assert!(trail.is_cut() && (10..10 + STEP).contains(&passed), "{passed}");
        // Another stack.
        assert_eq!(walk(&mut trail, 5000..6000), 1000);
        assert!(!trail.is_cut());
    }

    #[test]
    fn a_shallow_stack_leaves_no_marks() {
        let mut trail = Trail::default();
        walk(&mut trail, 0..SHALLOW as u64);
        trail.mark();
        assert_eq!(walk(&mut trail, 0..SHALLOW as u64), SHALLOW);
    }
}
