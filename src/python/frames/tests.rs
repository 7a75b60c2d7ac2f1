//! Frame walks on literal memory: a page of numbers for each era, and every way in which it can be broken.

use super::{Instruction, RawFrame, WalkError, walk};
use crate::python::layout::Layout;
use crate::python::literal::{Literal, eras};
use crate::python::version::Build;
use crate::target::memory::{Address, Memory, ReadError};

mod dead;
mod entries;
mod greenlets;
mod stretches;

const THREAD: u64 = 0x1000;
const FRAME_A: u64 = 0x2000;
const FRAME_B: u64 = 0x2100;
const FRAME_C: u64 = 0x2200;
const SHIM_A: u64 = 0x2300;
const SHIM_B: u64 = 0x2400;
const CFRAME_A: u64 = 0x3000;
const CFRAME_B: u64 = 0x3100;
/// `root_cframe` of a 3.11 and of a 3.12 thread state.
const ROOT: u64 = THREAD + 336;
const ROOT_12: u64 = THREAD + 272;
const CODE_A: u64 = 0x4000;
const CODE_B: u64 = 0x5000;
const CODE_C: u64 = 0x6000;
const NONE: u64 = 0x7000;
const NULL: u64 = 0;

fn walked(layout: &Layout, memory: &impl Memory) -> Result<Vec<RawFrame>, WalkError> {
    let mut frames = Vec::new();
    walk(layout, memory, Address(THREAD), &mut frames).map(|()| frames)
}

fn broken(address: u64) -> Result<Vec<RawFrame>, WalkError> {
    Err(WalkError::Broken(Address(address)))
}

fn unmapped(address: u64) -> Result<Vec<RawFrame>, WalkError> {
    Err(WalkError::Read(ReadError::Unmapped(Address(address))))
}

fn position(code: u64, position: i64) -> RawFrame {
    let instruction = Instruction::Position(position);
    RawFrame { code: Address(code), instruction, generator: false, place: None }
}

fn address(code: u64, address: u64) -> RawFrame {
    let instruction = Instruction::Address(Address(address));
    RawFrame { code: Address(code), instruction, generator: false, place: None }
}

fn generator(code: u64, at: u64) -> RawFrame {
    RawFrame { generator: true, ..address(code, at) }
}

// PyThreadState            PyFrameObject, 2.7          3.8                     3.10
//   2.7 frame@16             f_back@24 f_code@32         the same                the same
//   3.8 frame@24             f_lasti@120 (bytes)         f_lasti@104 (bytes)     f_lasti@96 (units of 2)

#[test]
fn frame_objects_of_2_7() {
    let layout = eras::layout(2, 7, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 160).word(16, FRAME_A)
        .at(FRAME_A, 128).word(24, FRAME_B).word(32, CODE_A).i32(120, 257).i32(124, 99)
        .at(FRAME_B, 128).word(24, FRAME_C).word(32, CODE_B).i32(120, 6)
        .at(FRAME_C, 128).word(24, NULL).word(32, CODE_A).i32(120, -1);
    assert_eq!(
        walked(&layout, &memory),
        Ok(vec![position(CODE_A, 257), position(CODE_B, 6), position(CODE_A, -1)])
    );
}

#[test]
fn frame_objects_of_3_8() {
    let layout = eras::layout(3, 8, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(24, FRAME_A)
        .at(FRAME_A, 112).word(24, FRAME_B).word(32, CODE_A).i32(104, 300).i32(108, 99)
        .at(FRAME_B, 112).word(24, NULL).word(32, CODE_B).i32(104, -1);
    assert_eq!(walked(&layout, &memory), Ok(vec![position(CODE_A, 300), position(CODE_B, -1)]));
}

/// 3.10 counts code units; the table counts bytes. -1 stays -1.
#[test]
fn frame_objects_of_3_10() {
    let layout = eras::layout(3, 10, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(24, FRAME_A)
        .at(FRAME_A, 104).word(24, FRAME_B).word(32, CODE_A).i32(96, 150).i32(100, 99)
        .at(FRAME_B, 104).word(24, NULL).word(32, CODE_B).i32(96, -1);
    assert_eq!(walked(&layout, &memory), Ok(vec![position(CODE_A, 300), position(CODE_B, -1)]));
}

/// Two pointers more in front of each frame object, none in front of the thread state.
#[test]
fn frame_objects_with_trace_refs() {
    let layout = eras::layout(3, 6, Build::TraceRefs);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(24, FRAME_A)
        .at(FRAME_A, 144).word(40, NULL).word(48, CODE_A).i32(136, 12);
    assert_eq!(walked(&layout, &memory), Ok(vec![position(CODE_A, 12)]));
}

#[test]
fn a_thread_without_frames() {
    for (major, minor, first) in [(2, 7, 16), (3, 8, 24), (3, 10, 24), (3, 13, 72), (3, 14, 72)] {
        let layout = eras::layout(major, minor, Build::Ordinary);
        let memory = Literal::new().at(THREAD, 200).word(first, NULL);
        assert_eq!(walked(&layout, &memory), Ok(vec![]), "{major}.{minor}");
    }
    for (minor, root) in [(11, ROOT), (12, ROOT_12)] {
        let layout = eras::layout(3, minor, Build::Ordinary);
        let memory = Literal::new().at(THREAD, (root - THREAD) as usize).word(56, root).at(root, 24);
        assert_eq!(walked(&layout, &memory), Ok(vec![]), "3.{minor}");
    }
}

fn objects() -> (Layout, Literal) {
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(24, FRAME_A)
        .at(FRAME_A, 112).word(24, FRAME_B).word(32, CODE_A)
        .at(FRAME_B, 112).word(24, NULL).word(32, CODE_B);
    (eras::layout(3, 8, Build::Ordinary), memory)
}

#[test]
fn broken_frame_objects() {
    let (layout, memory) = objects();
    assert!(walked(&layout, &memory).is_ok());
    // A frame that is its own caller, and two that call each other.
    for caller in [FRAME_A, FRAME_B] {
        assert!(matches!(
            walked(&layout, &memory.clone().again(FRAME_B).word(24, caller)),
            Err(WalkError::Broken(_))
        ));
    }
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_A).word(24, FRAME_B + 4)), broken(FRAME_B + 4));
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_B).word(32, NULL)), broken(NULL));
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_B).word(32, CODE_B + 1)), broken(CODE_B + 1));
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_B).word(24, u64::MAX)), broken(u64::MAX));
    assert_eq!(walked(&layout, &memory.clone().without(FRAME_B)), unmapped(FRAME_B + 24));
    assert_eq!(walked(&layout, &memory.without(THREAD)), unmapped(THREAD + 24));
}

// PyThreadState (3.11)  _PyCFrame             _PyInterpreterFrame
//   cframe@56             current_frame@8       f_code@32 previous@48 prev_instr@56 is_entry@68 owner@69
//                         previous@16
//
//   tstate → CFRAME_A → CFRAME_B → ROOT → NULL          A was called by B without a new evaluation loop,
//               ↓           ↓        ↓                  B, a generator, from C; C is the outermost.
//              A ──→ B* ──→ C* ──→ NULL                 * is_entry

fn frames_3_11() -> (Layout, Literal) {
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 320).word(56, CFRAME_A)
        .at(CFRAME_A, 24).word(8, FRAME_A).word(16, CFRAME_B)
        .at(CFRAME_B, 24).word(8, FRAME_C).word(16, ROOT)
        .at(ROOT, 24).word(8, NULL).word(16, NULL)
        .at(FRAME_A, 72).word(32, CODE_A).word(48, FRAME_B).word(56, CODE_A + 190).u8(68, 0).u8(69, 0)
        .at(FRAME_B - 8, 8).u8(3, 0)
        .at(FRAME_B, 72).word(32, CODE_B).word(48, FRAME_C).word(56, CODE_B + 200).u8(68, 1).u8(69, 1)
        .at(FRAME_C, 72).word(32, CODE_C).word(48, NULL).word(56, CODE_C + 182).u8(68, 1).u8(69, 0);
    (eras::layout(3, 11, Build::Ordinary), memory)
}

#[test]
fn interpreter_frames_of_3_11() {
    let (layout, memory) = frames_3_11();
    let expected =
        vec![address(CODE_A, CODE_A + 190), generator(CODE_B, CODE_B + 200), address(CODE_C, CODE_C + 182)];
    assert_eq!(walked(&layout, &memory), Ok(expected));
}

#[test]
fn stale_cframes_of_3_11() {
    let (layout, memory) = frames_3_11();
    // The newest _PyCFrame is linked in but not filled in: it still shows an older call's frame …
    let memory_b = memory.clone().again(CFRAME_A).word(8, FRAME_C);
    assert_eq!(walked(&layout, &memory_b), broken(FRAME_C));
    // … or its `previous` is not yet written.
    for previous in [NULL, 4, ROOT] {
        let memory = memory.clone().again(CFRAME_A).word(16, previous);
        assert!(matches!(walked(&layout, &memory), Err(WalkError::Broken(_))), "{previous:#x}");
    }
    assert_eq!(walked(&layout, &memory.clone().again(CFRAME_A).word(16, 0x9000)), unmapped(0x9008));
    // The frames end before the _PyCFrames do.
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_C).u8(68, 0)), broken(FRAME_C));
    assert_eq!(walked(&layout, &memory.clone().again(CFRAME_A).word(8, NULL)), broken(NULL));
    assert_eq!(walked(&layout, &memory.clone().again(THREAD).word(56, NULL)), broken(NULL));
    assert_eq!(walked(&layout, &memory.clone().again(THREAD).word(56, CFRAME_A + 2)), broken(CFRAME_A + 2));
}

// 3.12: current_frame@0 previous@8 in the _PyCFrame; f_code@0 previous@8 prev_instr@56 owner@70.
// Each evaluation loop ends with a shim on the C stack (owner 3), whose previous is the caller's frame.
//
//   tstate → CFRAME_A → CFRAME_B → ROOT → NULL
//               ↓           ↓        ↓
//              A → SHIM_A → B → SHIM_B → NULL

fn frames_3_12() -> (Layout, Literal) {
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 272).word(56, CFRAME_A)
        .at(CFRAME_A, 16).word(0, FRAME_A).word(8, CFRAME_B)
        .at(CFRAME_B, 16).word(0, FRAME_B).word(8, ROOT_12)
        .at(ROOT_12, 16).word(0, NULL).word(8, NULL)
        .at(FRAME_A - 8, 8).u8(3, 0)
        .at(FRAME_A, 72).word(0, CODE_A).word(8, SHIM_A).word(56, CODE_A + 200).u8(70, 1)
        .at(SHIM_A, 72).word(0, CODE_C).word(8, FRAME_B).u8(70, 3)
        .at(FRAME_B, 72).word(0, CODE_B).word(8, SHIM_B).word(56, CODE_B + 210).u8(70, 0)
        .at(SHIM_B, 72).word(0, CODE_C).word(8, NULL).u8(70, 3);
    (eras::layout(3, 12, Build::Ordinary), memory)
}

#[test]
fn interpreter_frames_of_3_12() {
    let (layout, memory) = frames_3_12();
    let expected = vec![generator(CODE_A, CODE_A + 200), address(CODE_B, CODE_B + 210)];
    assert_eq!(walked(&layout, &memory), Ok(expected));
}

#[test]
fn stale_cframes_of_3_12() {
    let (layout, memory) = frames_3_12();
    for (cframe, field, value) in [
        (CFRAME_A, 0, FRAME_B),
        (CFRAME_A, 0, SHIM_B),
        (CFRAME_A, 0, NULL),
        (CFRAME_A, 8, ROOT_12),
        (CFRAME_A, 8, NULL),
        (CFRAME_A, 8, CFRAME_A),
        (CFRAME_B, 0, FRAME_A),
        (CFRAME_B, 0, NULL),
        (ROOT_12, 8, CFRAME_B),
    ] {
        let memory = memory.clone().again(cframe).word(field, value);
        assert!(
            matches!(walked(&layout, &memory), Err(WalkError::Broken(_))),
            "{cframe:#x}+{field}: {value:#x}"
        );
    }
    // A chain that ends without its shim.
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_B).word(8, NULL)), broken(FRAME_B));
}

// 3.13: current_frame@72 in the thread state; f_executable@0 previous@8 instr_ptr@56 owner@70.
// The shim's executable is None.

fn frames_3_13() -> (Layout, Literal) {
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(72, FRAME_A)
        .at(FRAME_A, 72).word(0, CODE_A).word(8, SHIM_A).word(56, CODE_A + 220).u8(70, 0)
        .at(SHIM_A, 72).word(0, NONE).word(8, FRAME_B).u8(70, 3)
        .at(FRAME_B, 72).word(0, CODE_B).word(8, SHIM_B).word(56, CODE_B + 230).u8(70, 1)
        .at(SHIM_B, 72).word(0, NONE).word(8, NULL).u8(70, 3);
    (eras::layout(3, 13, Build::Ordinary), memory)
}

#[test]
fn interpreter_frames_of_3_13() {
    let (layout, memory) = frames_3_13();
    let expected = vec![address(CODE_A, CODE_A + 220), generator(CODE_B, CODE_B + 230)];
    assert_eq!(walked(&layout, &memory), Ok(expected.clone()));
    // Free-threaded 3.13 has the same frames, and no copies of bytecode.
    assert_eq!(walked(&eras::layout(3, 13, Build::FreeThreaded), &memory), Ok(expected));
}

#[test]
fn broken_interpreter_frames() {
    let (layout, memory) = frames_3_13();
    for owner in [5, 6, 77, 255] {
        assert_eq!(walked(&layout, &memory.clone().again(FRAME_B).u8(70, owner)), broken(FRAME_B), "{owner}");
    }
    for code in [NULL, 1, 3] {
        assert_eq!(walked(&layout, &memory.clone().again(FRAME_A).word(0, code)), broken(NULL), "{code}");
    }
    for caller in [FRAME_A, SHIM_A, FRAME_B, SHIM_B] {
        let memory = memory.clone().again(SHIM_B).word(8, caller);
        assert!(matches!(walked(&layout, &memory), Err(WalkError::Broken(_))), "{caller:#x}");
    }
    assert_eq!(walked(&layout, &memory.clone().again(SHIM_A).word(8, FRAME_B + 4)), broken(FRAME_B + 4));
    assert_eq!(walked(&layout, &memory.clone().without(SHIM_B)), unmapped(SHIM_B));
    // A frame of which only the beginning is mapped.
    let cut = memory.clone().without(FRAME_B).at(FRAME_B, 64).word(0, CODE_B);
    assert_eq!(walked(&layout, &cut), unmapped(FRAME_B + 64));
}

// 3.14: f_executable@0 is a tagged reference, owner@74; the frame at the bottom belongs to the interpreter.
// Free-threaded: tlbc_index i32@72 names a copy of the code, owner@78;
//   code + co_tlbc@224 → { size i64@0, copies@8… }, of which copy 0 is the code itself.

#[test]
fn tagged_references_of_3_14() {
    let layout = eras::layout(3, 14, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(72, FRAME_A)
        .at(FRAME_A, 80).word(0, CODE_A | 1).word(8, FRAME_B).word(56, CODE_A + 220).u8(74, 0)
        .at(FRAME_B, 80).word(0, CODE_B | 3).word(8, SHIM_A).word(56, CODE_B + 230).u8(74, 1)
        .at(SHIM_A, 80).word(0, NONE | 1).word(8, NULL).u8(74, 3);
    let expected = vec![address(CODE_A, CODE_A + 220), generator(CODE_B, CODE_B + 230)];
    assert_eq!(walked(&layout, &memory), Ok(expected));
    // A null reference is 1, and belongs to nobody but a shim.
    assert_eq!(walked(&layout, &memory.clone().again(FRAME_A).word(0, 1)), broken(NULL));
    assert!(walked(&layout, &memory.again(SHIM_A).word(0, 1).u8(74, 4)).is_ok());
}

#[test]
fn copies_of_the_bytecode_in_free_threaded_3_14() {
    const COPIES: u64 = 0x8000;
    const COPY: u64 = 0x9000;
    for minor in [14, 15] {
        let layout = eras::layout(3, minor, Build::FreeThreaded);
        #[rustfmt::skip]
        let memory = Literal::new()
            .at(THREAD, 200).word(72, FRAME_A).word(80, SHIM_A)
            .at(FRAME_A, 80).word(0, CODE_A | 1).word(8, FRAME_B).word(56, COPY + 20).i32(72, 2).u8(78, 0)
            .at(FRAME_B, 80).word(0, CODE_A).word(8, SHIM_A).word(56, CODE_A + 240).i32(72, 0).u8(78, 0)
            .at(SHIM_A, 80).word(0, NONE | 1).word(8, NULL).u8(78, 3)
            .at(CODE_A, 240).word(224, COPIES)
            .at(COPIES, 32).word(0, 3).word(8, CODE_A + 232).word(16, NULL).word(24, COPY);
        let expected = vec![position(CODE_A, 10), address(CODE_A, CODE_A + 240)];
        assert_eq!(walked(&layout, &memory), Ok(expected));
        // An index past the end, a negative one, a copy that was never made, no copies at all.
        for index in [3, i32::MAX, -1] {
            assert_eq!(
                walked(&layout, &memory.clone().again(FRAME_A).i32(72, index)),
                broken(COPIES),
                "{index}"
            );
        }
        assert_eq!(walked(&layout, &memory.clone().again(FRAME_A).i32(72, 1)), broken(NULL));
        assert_eq!(walked(&layout, &memory.clone().again(CODE_A).word(224, NULL)), broken(NULL));
        assert_eq!(walked(&layout, &memory.clone().again(CODE_A).word(224, COPIES + 1)), broken(COPIES + 1));
        assert!(walked(&layout, &memory.again(COPIES).word(0, u64::MAX)).is_ok());
    }
}

// 3.15: base_frame@80 in the thread state is the frame with which every chain ends.

#[test]
fn the_base_frame_of_3_15() {
    let layout = eras::layout(3, 15, Build::Ordinary);
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 200).word(72, FRAME_A).word(80, SHIM_B)
        .at(FRAME_A, 80).word(0, CODE_A).word(8, SHIM_A).word(56, CODE_A + 220).u8(74, 0)
        .at(SHIM_A, 80).word(0, NONE | 1).word(8, FRAME_B).u8(74, 3)
        .at(FRAME_B, 80).word(0, CODE_B).word(8, SHIM_B).word(56, CODE_B + 230).u8(74, 0)
        .at(SHIM_B, 80).word(0, NONE | 1).word(8, NULL).u8(74, 3);
    let expected = vec![address(CODE_A, CODE_A + 220), address(CODE_B, CODE_B + 230)];
    assert_eq!(walked(&layout, &memory), Ok(expected));
    // A chain that ends elsewhere: torn.
    assert_eq!(walked(&layout, &memory.clone().again(SHIM_A).word(8, NULL)), broken(SHIM_A));
    assert_eq!(walked(&layout, &memory.clone().again(THREAD).word(80, NULL)), broken(SHIM_B));
    // Nothing runs: the newest frame is the base frame.
    assert_eq!(walked(&layout, &memory.again(THREAD).word(72, SHIM_B)), Ok(vec![]));
}

/// A stack deeper than any real one, and an endless one that never comes back to itself.
#[test]
fn depth_is_bounded() {
    use super::DEEPEST;

    /// Every frame's caller is the next 128 bytes.
    struct Endless;
    impl Memory for Endless {
        fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
            for (address, byte) in (from.0..).zip(to) {
                let frame = address & !127;
                let word = if address & 127 < 32 { frame + 128 } else { frame };
                *byte = word.to_le_bytes()[(address & 7) as usize];
            }
            Ok(())
        }
    }
    let layout = eras::layout(3, 8, Build::Ordinary);
    let mut frames = Vec::new();
    assert!(matches!(walk(&layout, &Endless, Address(THREAD), &mut frames), Err(WalkError::Broken(_))));
    assert_eq!(frames.len(), DEEPEST as usize);
}
