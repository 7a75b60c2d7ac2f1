//! Frames that lie end to end are walked together where they have been copied: it must come to the same.

use proptest::prelude::*;

use super::{CODE_A, NONE, NULL, THREAD, eras, walked};
use crate::python::layout::Layout;
use crate::python::literal::Literal;
use crate::python::snapshot::Snapshot;
use crate::python::version::Build;

/// Frames lie anywhere in here, so far apart at the least.
const STACK: u64 = 0x10_0000;
const SLOT: u64 = 96;
const SLOTS: u64 = 300;
const PAGE: usize = 4096;
/// The `_PyCFrame`s of 3.12, and the last one.
const CFRAMES: u64 = 0x30_0000;
const ROOT: u64 = THREAD + 272;

/// A frame: how far below the one before it, and whose it is.
type Shape = (u64, u8);

/// Mostly the next lower one, and mostly a thread's own; now and then one that cannot be.
fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let far = prop_oneof![12 => Just(1), 1 => 1..SLOTS];
    let owner = prop_oneof![24 => Just(0_u8), 2 => Just(1), 2 => Just(3), 1 => 4_u8..7];
    prop::collection::vec((far, owner), 1..150)
}

/// The stack of these, as 3.12 or 3.14 has it. A slot can come twice: then the chain is an endless one.
fn stack(minor: u8, shapes: &[Shape], bound: u64) -> (Layout, Literal) {
    let (owner_at, cframes) = if minor == 12 { (70, true) } else { (74, false) };
    let mut slot = SLOTS - 1;
    let mut frames = Vec::new();
    for (far, owner) in shapes {
        slot = (slot + SLOTS - far) % SLOTS;
        frames.push((STACK + slot * SLOT, *owner));
    }
    // The last one is always a shim.
    frames.push((STACK + SLOTS * SLOT, 3));
    let first = frames[0].0;
    // Whole pages, as they are mapped.
    let mut memory = Literal::new().at(CFRAMES, PAGE).at(STACK - PAGE as u64, 9 * PAGE).at(THREAD, PAGE);
    memory = if cframes {
        memory.word(56, CFRAMES).word(232, STACK).word(240, STACK + bound).word(248, STACK + SLOTS * SLOT)
    } else {
        memory.word(72, first)
    };
    memory = memory.again(STACK - PAGE as u64);
    let place = |address: u64, field: u64| (address - (STACK - PAGE as u64) + field) as u32;
    let mut loops = vec![first];
    for (index, (frame, owner)) in frames.iter().enumerate() {
        let caller = frames.get(index + 1).map_or(NULL, |(frame, _)| *frame);
        let code = if *owner < 3 { CODE_A } else { NONE };
        memory = memory.word(place(*frame, 0), code).word(place(*frame, 8), caller);
        memory = memory.word(place(*frame, 56), CODE_A + 200 + index as u64);
        memory = memory.u8(place(*frame, owner_at), *owner);
        if *owner >= 3 {
            loops.push(caller);
        }
    }
    let last = loops.len() - 1;
    for (index, frame) in loops.into_iter().enumerate() {
        let next = if index + 1 < last { CFRAMES + 16 * (index as u64 + 1) } else { ROOT };
        memory = if index == last {
            memory.again(THREAD).word(272, frame).word(280, NULL)
        } else {
            memory.again(CFRAMES).word(16 * index as u32, frame).word(16 * index as u32 + 8, next)
        };
    }
    (eras::layout(3, minor, Build::Ordinary), memory)
}

proptest! {
    #[test]
    fn are_walked_as_their_frames_are(
        shapes in shapes(),
        minor in prop_oneof![Just(12), Just(14)],
        bound in prop_oneof![Just(SLOTS * SLOT), 0..SLOTS * SLOT],
    ) {
        let (layout, memory) = stack(minor, &shapes, bound);
        let alone = walked(&layout, &memory);
        let mut snapshot = Snapshot::new();
        for moment in 0..70 {
            snapshot.take(&memory).expect("memory");
            snapshot.take_reads();
            prop_assert_eq!(&walked(&layout, &snapshot.of(&memory)), &alone);
            // All that was passed is copied the next time.
            prop_assert!(moment == 0 || snapshot.take_reads().calls == 0);
        }
    }

    /// The property above says nothing if no stack is whole.
    #[test]
    fn and_are_whole_if_nothing_is_wrong(length in 1..150_usize, minor in prop_oneof![Just(12), Just(14)]) {
        let (layout, memory) = stack(minor, &vec![(1, 0); length], SLOTS * SLOT);
        prop_assert_eq!(walked(&layout, &memory).map(|frames| frames.len()), Ok(length));
    }
}
