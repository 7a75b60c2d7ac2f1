//! A stack that is put together from what has moved and what has not is the one that is decoded as a whole.

use proptest::prelude::*;

use super::{Last, show_once};
use crate::python::capture::Capture;
use crate::python::code::Codes;
use crate::python::frames::{Instruction, RawFrame};
use crate::python::literal::{Literal, eras};
use crate::python::version::Build;
use crate::sample::{Flags, Stack, ThreadId, ThreadSample};
use crate::target::memory::Address;

const KIND: u64 = 0x100;
const CODES: [u64; 3] = [0x1000, 0x2000, 0x3000];
const NAME: u64 = 0x4000;
const TABLE: u64 = 0x5000;

/// Three functions of 3.12, of two units each before their first traceable instruction and two lines after it.
fn codes() -> (Codes, Literal) {
    let table = [0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3 | 7, 0, 0];
    let mut memory = Literal::new()
        .at(NAME, 48)
        .word(16, 4)
        .i32(32, 25 << 2)
        .bytes(40, b"f.py")
        .at(TABLE, 64)
        .word(16, table.len() as u64)
        .bytes(32, &table);
    for (line, code) in (1..).zip(CODES) {
        #[rustfmt::skip]
        let next = memory.at(code, 256).word(8, KIND).i32(68, 10 * line).word(112, NAME).word(120, NAME)
            .word(128, NAME).word(136, TABLE).i32(176, 2);
        memory = next;
    }
    (Codes::new(eras::layout(3, 12, Build::Ordinary), Address(KIND)), memory)
}

fn frame() -> impl Strategy<Value = RawFrame> {
    (0..CODES.len(), 0..8_u64, any::<bool>()).prop_map(|(code, unit, generator)| RawFrame {
        code: Address(CODES[code]),
        instruction: Instruction::Address(Address(CODES[code] + 192 + 2 * unit)),
        generator,
        place: None,
    })
}

proptest! {
    #[test]
    fn what_has_not_moved_is_taken_over(
        first in prop::collection::vec(frame(), 0..99),
        changes in prop::collection::vec((0..50_usize, prop::collection::vec(frame(), 0..40)), 1..12),
    ) {
        let (mut codes, memory) = codes();
        let (mut last, mut frames) = (Last::default(), Vec::new());
        let mut raw = first;
        for (left, pushed) in changes {
            // Leaf first: some return, others are called.
            let capture = Capture::of(&raw);
            prop_assert_eq!(codes.learn(&memory, &capture), Ok(()));
            let seen = &capture.threads()[0];
            let got = last.stack(&codes, capture.frames(seen), &mut frames);
            let mut whole = Vec::new();
            codes.decode(&capture, seen, &mut whole);
            prop_assert_eq!(got, Stack::from_iter(whole));
            raw.drain(..left.min(raw.len()));
            raw = [pushed, raw].concat();
        }
    }
}

/// A code object that is another one now, of whichever thread, does not move those who are in none.
#[test]
fn a_stack_without_a_frame_stays_as_it_is() {
    let (mut codes, memory) = codes();
    let (mut last, mut frames) = (Last::default(), Vec::new());
    let other = RawFrame {
        code: Address(CODES[0]),
        instruction: Instruction::Address(Address(CODES[0] + 200)),
        generator: false,
        place: None,
    };
    let capture = Capture::of(&[other]);
    assert_eq!(codes.learn(&memory, &capture), Ok(()));
    let first = last.stack(&codes, &[], &mut frames);
    assert!(last.is(&[], codes.edition()) && first.is_empty());
    let before = codes.edition();
    codes.meet(&capture);
    assert_eq!(codes.confirm(&memory.again(CODES[0]).i32(68, 99)), Ok(false));
    assert_ne!(codes.edition(), before);
    let second = last.stack(&codes, &[], &mut frames);
    assert!(last.is(&[], codes.edition()) && second.is(&first));
}

#[test]
fn a_thread_without_a_frame_is_shown_once() {
    let framed: Stack = {
        let (mut codes, memory) = codes();
        let instruction = Instruction::Address(Address(CODES[0] + 200));
        let raw = [RawFrame { code: Address(CODES[0]), instruction, generator: false, place: None }];
        assert_eq!(codes.learn(&memory, &Capture::of(&raw)), Ok(()));
        Last::default().stack(&codes, &raw, &mut Vec::new())
    };
    let sample = |tid, interpreter, has_frame: bool, flags| {
        let stack = if has_frame { framed.clone() } else { Stack::default() };
        ThreadSample { thread: ThreadId { tid, interpreter, seat: 0 }, stack, flags }
    };
    let (none, holds) = (Flags::default(), Flags::HOLDS_GIL);
    let mut taken = vec![
        // The state of a thread that has not begun, with the number of the one that starts it.
        sample(1, 0, false, none),
        sample(1, 0, true, holds),
        // States in two interpreters, the newest first.
        sample(2, 1, false, none),
        sample(2, 0, false, none),
        // It runs, in C.
        sample(3, 1, false, holds),
        sample(3, 0, false, none),
    ];
    show_once(&mut taken);
    let mut shown: Vec<_> = taken.iter().map(|one| (one.thread.tid, one.thread.interpreter)).collect();
    shown.sort_unstable();
    assert_eq!(shown, [(1, 0), (2, 0), (3, 1)]);
    assert!(taken.contains(&sample(1, 0, true, holds)));
}
