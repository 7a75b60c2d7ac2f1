//! Interpreters, threads and holders on literal memory, an era a test.

use super::{Interpreter, Lock, Roots, interpreters, threads};
use crate::python::capture::attached;
use crate::python::frames::WalkError;
use crate::python::layout::Layout;
use crate::python::literal::{Literal, eras};
use crate::python::version::Build;
use crate::target::memory::{Address, ReadError};

const RUNTIME: u64 = 0x10_0000;
const CURRENT: u64 = 0x8000;
const MAIN: u64 = 0x20_0000;
const SUB: u64 = 0x30_0000;
const THREAD_A: u64 = 0x1000;
const THREAD_B: u64 = 0x2000;
const GIL: u64 = 0x5000;
const OWN_GIL: u64 = 0x6000;
const NULL: u64 = 0;

const ROOTS: Roots = Roots { runtime: Address(RUNTIME), current: Some(Address(CURRENT)) };

fn listed(layout: &Layout, memory: &Literal) -> Result<Vec<Interpreter>, WalkError> {
    // What was there before is not kept.
    let mut found = vec![Interpreter { address: Address::NULL, id: 7, lock: Lock::Attached }];
    interpreters(layout, memory, ROOTS, &mut found).map(|()| found)
}

fn threads_of(layout: &Layout, memory: &Literal) -> Result<Vec<u64>, WalkError> {
    let mut found = Vec::new();
    threads(layout, memory, Address(MAIN), &mut found)
        .map(|()| found.into_iter().map(|thread| thread.0).collect())
}

fn interpreter(address: u64, id: u32, lock: Lock) -> Interpreter {
    Interpreter { address: Address(address), id, lock }
}

// 2.7: interp_head → PyInterpreterState next@0 tstate_head@8; PyThreadState next@0 interp@8
#[test]
fn python_2_7() {
    let layout = eras::layout(2, 7, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(RUNTIME, 8).word(0, SUB)
        .at(CURRENT, 8).word(0, THREAD_B)
        .at(SUB, 16).word(0, MAIN).word(8, NULL)
        .at(MAIN, 16).word(0, NULL).word(8, THREAD_A)
        .at(THREAD_A, 200).word(0, THREAD_B).word(8, MAIN)
        .at(THREAD_B, 200).word(0, NULL).word(8, MAIN);
    let lock = Lock::Current(Address(CURRENT));
    assert_eq!(listed(&layout, &memory), Ok(vec![interpreter(SUB, 0, lock), interpreter(MAIN, 0, lock)]));
    assert_eq!(threads_of(&layout, &memory), Ok(vec![THREAD_A, THREAD_B]));
    assert_eq!(lock.holder(&memory), Ok(Some(Address(THREAD_B))));
    assert_eq!(lock.holder(&memory.clone().again(CURRENT).word(0, NULL)), Ok(None));
    assert_eq!(attached(&layout, &memory, Address(THREAD_B)), Ok(false));
    let mut found = Vec::new();
    let roots = Roots { current: None, ..ROOTS };
    assert_eq!(interpreters(&layout, &memory, roots, &mut found), Err(WalkError::Broken(ROOTS.runtime)));
}

// 3.8: _PyRuntime interpreters.head@32, ceval.gil last_holder@1160 locked@1168 (i32);
//      PyInterpreterState next@0 tstate_head@8 id@16; PyThreadState next@8 interp@16
#[test]
fn python_3_8() {
    let layout = eras::layout(3, 8, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(RUNTIME, 1500).word(32, SUB).word(1160, THREAD_A).i32(1168, 1)
        .at(SUB, 24).word(0, MAIN).word(16, 3)
        .at(MAIN, 24).word(8, THREAD_A)
        .at(THREAD_A, 200).word(16, MAIN);
    let lock = Lock::Runtime(Address(RUNTIME + 1160));
    assert_eq!(listed(&layout, &memory), Ok(vec![interpreter(SUB, 3, lock), interpreter(MAIN, 0, lock)]));
    assert_eq!(threads_of(&layout, &memory), Ok(vec![THREAD_A]));
    assert_eq!(lock.holder(&memory), Ok(Some(Address(THREAD_A))));
    // tstate_current@1368: it has entered another interpreter since it took the lock.
    let swapped = memory.clone().again(RUNTIME).word(1368, THREAD_B);
    assert_eq!(lock.holder(&swapped), Ok(Some(Address(THREAD_B))));
    assert_eq!(lock.holder(&swapped.again(RUNTIME).i32(1168, 0)), Ok(None));
    // `last_holder` stays after a release; `locked` is -1 before there are threads.
    for locked in [0, -1, 2] {
        assert_eq!(lock.holder(&memory.clone().again(RUNTIME).i32(1168, locked)), Ok(None), "{locked}");
    }
    assert_eq!(lock.holder(&memory.again(RUNTIME).word(1160, NULL)), Ok(None));
    let numbers = Literal::new().at(RUNTIME, 40).word(32, SUB).at(SUB, 24).word(16, u64::MAX);
    assert_eq!(listed(&layout, &numbers), Err(WalkError::Broken(Address(SUB))));
}

// 3.12: _PyRuntime interpreters.head@40; PyInterpreterState next@0 id@8 threads.head@72 ceval.gil@384;
//       gil: last_holder@8 locked@16; PyThreadState next@8 interp@16 _status@24 (bit 4: attached)
#[test]
fn python_3_12() {
    let layout = eras::layout(3, 12, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(RUNTIME, 48).word(40, SUB)
        .at(SUB, 400).word(0, MAIN).word(8, 1).word(384, OWN_GIL)
        .at(MAIN, 400).word(72, THREAD_A).word(384, GIL)
        .at(GIL, 24).word(8, THREAD_A).i32(16, 1)
        .at(OWN_GIL, 24).word(8, THREAD_B).i32(16, 0)
        .at(THREAD_A, 200).word(8, THREAD_B).word(16, MAIN).i32(24, 0x13)
        .at(THREAD_B, 200).word(8, NULL).word(16, MAIN).i32(24, 0x2F);
    let (own, main) = (Lock::Holder(Address(OWN_GIL + 8)), Lock::Holder(Address(GIL + 8)));
    assert_eq!(listed(&layout, &memory), Ok(vec![interpreter(SUB, 1, own), interpreter(MAIN, 0, main)]));
    assert_eq!((own.holder(&memory), main.holder(&memory)), (Ok(None), Ok(Some(Address(THREAD_A)))));
    assert_eq!(threads_of(&layout, &memory), Ok(vec![THREAD_A, THREAD_B]));
    assert_eq!(attached(&layout, &memory, Address(THREAD_A)), Ok(true));
    assert_eq!(attached(&layout, &memory, Address(THREAD_B)), Ok(false));
    // An interpreter that has not been given its GIL yet.
    let early = memory.clone().again(SUB).word(384, NULL);
    let early = listed(&layout, &early).expect("interpreters");
    assert_eq!(early[0], interpreter(SUB, 1, Lock::Attached));
    assert_eq!(early[0].lock.holder(&memory), Ok(None));
}

// Free-threaded 3.13: interpreters.head@632; next@7264 id@7272 threads.head@7344 ceval.gil@16;
//                     gil: enabled@0 (i32) last_holder@16 locked@24
#[test]
fn free_threaded_3_13() {
    let layout = eras::layout(3, 13, Build::FreeThreaded);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(RUNTIME, 640).word(632, MAIN)
        .at(MAIN, 7352).word(16, GIL).word(7344, THREAD_A)
        .at(GIL, 28).i32(0, 0).word(16, THREAD_A).i32(24, 1)
        .at(THREAD_A, 200).word(16, MAIN);
    assert_eq!(listed(&layout, &memory), Ok(vec![interpreter(MAIN, 0, Lock::Attached)]));
    assert_eq!(Lock::Attached.holder(&memory), Ok(None));
    // PYTHON_GIL=1
    let lock = Lock::Holder(Address(GIL + 16));
    let memory = memory.again(GIL).i32(0, i32::MAX);
    assert_eq!(listed(&layout, &memory), Ok(vec![interpreter(MAIN, 0, lock)]));
    assert_eq!(lock.holder(&memory), Ok(Some(Address(THREAD_A))));
    let early = listed(&layout, &memory.again(MAIN).word(16, NULL));
    assert_eq!(early, Ok(vec![interpreter(MAIN, 0, Lock::Attached)]));
}

#[test]
fn broken_lists() {
    let layout = eras::layout(3, 8, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(RUNTIME, 1500).word(32, SUB)
        .at(SUB, 24).word(0, MAIN)
        .at(MAIN, 24).word(8, THREAD_A)
        .at(THREAD_A, 200).word(8, THREAD_B).word(16, MAIN)
        .at(THREAD_B, 200).word(8, NULL).word(16, MAIN);
    assert!(listed(&layout, &memory).is_ok());
    for next in [SUB, MAIN] {
        let cycle = listed(&layout, &memory.clone().again(MAIN).word(0, next));
        assert!(matches!(cycle, Err(WalkError::Broken(_))));
    }
    for next in [THREAD_A, THREAD_B] {
        let cycle = threads_of(&layout, &memory.clone().again(THREAD_B).word(8, next));
        assert!(matches!(cycle, Err(WalkError::Broken(_))));
    }
    // A thread state that was freed, or is another interpreter's.
    for owner in [NULL, SUB, 0xDDDD_DDDD_DDDD_DDDD] {
        let freed = threads_of(&layout, &memory.clone().again(THREAD_B).word(16, owner));
        assert_eq!(freed, Err(WalkError::Broken(Address(THREAD_B))));
    }
    let unmapped = |address| Err(WalkError::Read(ReadError::Unmapped(Address(address))));
    assert_eq!(threads_of(&layout, &memory.clone().without(THREAD_B)), unmapped(THREAD_B + 16));
    assert_eq!(
        listed(&layout, &memory.without(RUNTIME)),
        Err(WalkError::Read(ReadError::Unmapped(Address(RUNTIME + 32))))
    );
    let none = Literal::new().at(RUNTIME, 40);
    assert_eq!(listed(&layout, &none), Ok(vec![]));
}
