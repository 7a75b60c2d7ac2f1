//! Evaluation loops within each other, more than are confirmed together: 3.12.

use super::super::walk_while;
use super::{CODE_A, NONE, NULL, ROOT_12, THREAD, broken, eras, walked};
use crate::python::literal::Literal;
use crate::python::version::Build;
use crate::target::memory::Address;

const LOOPS: u64 = 20;

const fn frame(number: u64) -> u64 {
    0x10_0000 + number * 0x200
}

const fn shim(number: u64) -> u64 {
    frame(number) + 0x100
}

const fn cframe(number: u64) -> u64 {
    if number < LOOPS { 0x20_0000 + number * 16 } else { ROOT_12 }
}

/// Each loop of one frame, and its shim.
fn loops() -> Literal {
    let mut memory = Literal::new().at(THREAD, 288).word(56, cframe(0));
    for number in 0..LOOPS {
        let caller = if number + 1 < LOOPS { frame(number + 1) } else { NULL };
        memory = memory.at(cframe(number), 16).word(0, frame(number)).word(8, cframe(number + 1));
        memory = memory.at(frame(number), 72).word(0, CODE_A).word(8, shim(number)).word(56, CODE_A + 200);
        memory = memory.at(shim(number), 72).word(0, NONE).word(8, caller).u8(70, 3);
    }
    memory
}

#[test]
fn each_of_many_loops_is_confirmed() {
    let (layout, memory) = (eras::layout(3, 12, Build::Ordinary), loops());
    assert_eq!(walked(&layout, &memory).map(|frames| frames.len()), Ok(LOOPS as usize));
    for number in 1..LOOPS {
        let stale = memory.clone().again(cframe(number)).word(0, frame(0));
        assert_eq!(walked(&layout, &stale), broken(shim(number - 1)), "{number}");
    }
}

/// What it does not read now may not be there when the rest is followed.
#[test]
fn a_walk_that_is_broken_off_has_confirmed_what_it_passed() {
    let (layout, memory) = (eras::layout(3, 12, Build::Ordinary), loops());
    for passed in 1..LOOPS {
        for number in 1..LOOPS {
            let stale = memory.clone().again(cframe(number)).word(0, frame(0));
            let goes_on = |at| at != Address(frame(passed));
            let walk = walk_while(&layout, &stale, Address(THREAD), &mut Vec::new(), goes_on);
            assert_eq!(walk.is_ok(), number > passed, "{passed} {number}");
        }
    }
}
