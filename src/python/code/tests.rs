//! Code objects on literal memory: what is read of them, what is believed later, which frames are calls.

use std::time::Instant;

use super::confirm::LONG;
use super::{CodeCounts, CodeError, Codes};
use crate::python::capture::Capture;
use crate::python::frames::{Instruction, RawFrame};
use crate::python::layout::{Field, Generation, Layout};
use crate::python::literal::{Literal, eras};
use crate::python::quiet::Stamp;
use crate::python::threads::{Interpreter, Lock};
use crate::python::version::Build;
use crate::sample::Flags;
use crate::target::memory::{Address, ReadError};

const KIND: u64 = 0x100;
const CODE: u64 = 0x1000;
const OTHER: u64 = 0x2000;
const FILE: u64 = 0x3000;
const NAME: u64 = 0x3100;
const QUALIFIED: u64 = 0x3200;
const TABLE: u64 = 0x3300;
const COPY: u64 = 0x9000;
/// Bytes from one of them to the next, which are all mapped.
const ROOM: usize = 0x100;

fn ascii(memory: Literal, at: u64, text: &str) -> Literal {
    // str of 3.12 and later: length@16 state@32 data@40
    memory
        .at(at, ROOM.max(40 + text.len()))
        .word(16, text.len() as u64)
        .i32(32, 25 << 2)
        .bytes(40, text.as_bytes())
}

fn bytes(memory: Literal, at: u64, bytes: &[u8]) -> Literal {
    memory.at(at, ROOM.max(32 + bytes.len())).word(16, bytes.len() as u64).bytes(32, bytes)
}

// PyCodeObject, 3.12: ob_type@8 co_firstlineno@68 co_version@92 co_filename@112 co_name@120 co_qualname@128
//                     co_linetable@136 _co_firsttraceable@176 co_code_adaptive@192
fn function() -> (Layout, Literal) {
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(CODE, 256).word(8, KIND).i32(68, 40).i32(92, 77).word(112, FILE).word(120, NAME)
            .word(128, QUALIFIED).word(136, TABLE).i32(176, 2);
    let memory = ascii(ascii(ascii(memory, FILE, "a.py"), NAME, "m"), QUALIFIED, "C.m");
    // 2 units of line 40, 3 of line 41.
    let memory = bytes(memory, TABLE, &[0x80 | 10 << 3 | 1, 0, 0, 0x80 | 11 << 3 | 2, 0, 0]);
    (eras::layout(3, 12, Build::Ordinary), memory)
}

fn frame(code: u64, instruction: Instruction) -> RawFrame {
    RawFrame { code: Address(code), instruction, generator: false, place: None }
}

fn unit(number: u64) -> Instruction {
    Instruction::Address(Address((CODE + 192).wrapping_add(number.wrapping_mul(2))))
}

/// Meets what is in `capture` and compares that.
fn confirm(codes: &mut Codes, memory: &Literal, capture: &Capture) -> Result<bool, ReadError> {
    codes.meet(capture);
    codes.confirm(memory)
}

fn shown(codes: &Codes, frames: &[RawFrame]) -> Vec<String> {
    let mut stack = Vec::new();
    let capture = Capture::of(frames);
    codes.decode(&capture, &capture.threads()[0], &mut stack);
    let show = |frame: &crate::sample::Frame| {
        format!(
            "{}:{}:{} from {}",
            frame.function.file, frame.function.name, frame.line, frame.function.first_line
        )
    };
    stack.iter().map(show).collect()
}

#[test]
fn what_a_code_object_says() {
    let (layout, memory) = function();
    let mut codes = Codes::new(layout, Address(KIND));
    let frames = [frame(CODE, unit(2)), frame(CODE, unit(4)), frame(CODE, unit(99))];
    assert!(!codes.meet(&Capture::of(&frames)).known && codes.meet(&Capture::of(&[])).known);
    assert_eq!(codes.learn(&memory, &Capture::of(&frames)), Ok(()));
    assert!(codes.meet(&Capture::of(&frames)).known);
    // Root first.
    let lines = [41, 41, 41].map(|line| format!("a.py:C.m:{line} from 40"));
    assert_eq!(shown(&codes, &frames), lines);
    assert_eq!(codes.counts(), CodeCounts { new: 1, replaced: 0 });
    assert_eq!(confirm(&mut codes, &memory, &Capture::of(&frames)), Ok(true));
}

/// Before its first traceable instruction (2) a frame is no call, unless a generator's: a frame just pushed
/// (3.11's `prev_instr` stands a unit before the first), or 3.13's trampoline that calls `__init__`.
#[test]
fn frames_that_are_no_calls() {
    let (layout, memory) = function();
    let mut codes = Codes::new(layout, Address(KIND));
    let early = [frame(CODE, unit(u64::MAX)), frame(CODE, unit(0)), frame(CODE, unit(1))];
    codes.learn(&memory, &Capture::of(&early)).expect("code");
    assert_eq!(shown(&codes, &early), Vec::<String>::new());
    let generators = early.map(|frame| RawFrame { generator: true, ..frame });
    assert_eq!(shown(&codes, &generators), ["a.py:C.m:40 from 40"; 3]);
    // What is in a copy of the bytecode is counted from the copy's start.
    let copied = |at: u64| Instruction::Position(Instruction::position(Address(COPY + at), Address(COPY)));
    assert_eq!(shown(&codes, &[frame(CODE, copied(6))]), ["a.py:C.m:41 from 40"]);
    assert_eq!(shown(&codes, &[frame(CODE, copied(2))]), Vec::<String>::new());
}

/// 3.12: `co_framesize`@76 words. 3.11: `co_stacksize`@68, `co_nlocalsplus`@76, and nine.
#[test]
fn frames_that_lie_end_to_end() {
    let at = |place: u64| RawFrame { place: Some(Address(place)), ..frame(CODE, unit(2)) };
    let generator = RawFrame { generator: true, ..frame(CODE, unit(2)) };
    let (layout, memory) = function();
    let memory = memory.again(CODE).i32(76, 12);
    let mut codes = Codes::new(layout, Address(KIND));
    codes.learn(&memory, &Capture::of(&[generator])).expect("code");
    let size = 12 * 8;
    let is_tidy = |codes: &mut Codes, frames: &[RawFrame], flags: Flags| {
        codes.meet(&Capture::of(frames).with(|seen| seen.flags = flags)).tidy
    };
    let held = |codes: &mut Codes, frames: &[RawFrame]| is_tidy(codes, frames, Flags::HOLDS_GIL);
    assert!(held(&mut codes, &[]) && held(&mut codes, &[generator]));
    // Leaf first. What is no frame of the data stack takes no room on it.
    let below = 0x7000;
    assert!(held(&mut codes, &[at(below + 2 * size), generator, at(below + size), at(below)]));
    assert!(!held(&mut codes, &[at(below + 2 * size), at(below)]));
    assert!(!held(&mut codes, &[at(below + size - 8), at(below)]));
    assert!(!held(&mut codes, &[at(below - size), at(below)]));
    // Of others it is not asked.
    assert!(is_tidy(&mut codes, &[at(below - size), at(below)], Flags::default()));
    // What is not known cannot be believed.
    let unknown = RawFrame { place: Some(Address(below)), ..frame(OTHER, unit(2)) };
    assert!(!held(&mut codes, &[at(below + size), unknown]));

    // 3.11's sum, in the rest of 3.12's structure, where the first line (40) is what it takes for the stack.
    let (mut layout, memory) = function();
    layout.code.frame_size = eras::layout(3, 11, Build::Ordinary).code.frame_size;
    let mut codes = Codes::new(layout, Address(KIND));
    codes.learn(&memory.again(CODE).i32(76, 3), &Capture::of(&[generator])).expect("code");
    assert!(held(&mut codes, &[at(below + (40 + 3 + 9) * 8), at(below)]));
    assert!(!held(&mut codes, &[at(below + (40 + 3 + 10) * 8), at(below)]));
}

/// Another function at the address: noticed by its name, table, line or version; then read anew.
#[test]
fn addresses_are_used_again() {
    let (layout, memory) = function();
    let frames = [frame(CODE, unit(2))];
    let memory = ascii(memory, OTHER, "other");
    for (offset, value) in [(68, 41), (92, 78), (112, OTHER), (120, OTHER), (128, OTHER), (136, OTHER)] {
        let mut codes = Codes::new(layout.clone(), Address(KIND));
        codes.learn(&memory, &Capture::of(&frames)).expect("code");
        let changed = if offset < 100 {
            memory.clone().again(CODE).i32(offset, value as i32)
        } else {
            memory.clone().again(CODE).word(offset, value)
        };
        assert_eq!(confirm(&mut codes, &changed, &Capture::of(&frames)), Ok(false), "{offset}");
        assert!(!codes.meet(&Capture::of(&frames)).known);
        assert_eq!(codes.counts(), CodeCounts { new: 1, replaced: 1 });
        codes.learn(&changed, &Capture::of(&frames)).expect("code");
        assert_eq!(confirm(&mut codes, &changed, &Capture::of(&frames)), Ok(true));
    }
    // What changes in a code object that lives (its instructions) is no difference.
    let mut codes = Codes::new(layout, Address(KIND));
    codes.learn(&memory, &Capture::of(&frames)).expect("code");
    let specialized = memory.clone().again(CODE).word(192, 0x1234);
    assert_eq!(confirm(&mut codes, &specialized, &Capture::of(&frames)), Ok(true));
    // It may be gone altogether.
    assert_eq!(confirm(&mut codes, &memory.without(CODE), &Capture::of(&frames)), Ok(false));
}

/// Up to 3.11: the same pointers, to other strings.
#[test]
fn strings_are_used_again() {
    let (newer, memory) = function();
    let mut older = newer.clone();
    older.code.version = None;
    let frames = Capture::of(&[frame(CODE, unit(2))]);
    let learned = |layout: Layout| {
        let mut codes = Codes::new(layout, Address(KIND));
        codes.learn(&memory, &frames).expect("code");
        codes
    };
    let lines = [0x80 | 10 << 3 | 1, 0, 0, 0x80 | 12 << 3 | 2, 0, 0];
    for changed in [
        memory.clone().again(FILE).bytes(40, b"b"),
        memory.clone().again(QUALIFIED).bytes(40, b"D"),
        memory.clone().again(TABLE).bytes(32, &lines),
        memory.clone().without(FILE),
    ] {
        let mut codes = learned(older.clone());
        assert_eq!(confirm(&mut codes, &memory, &frames), Ok(true));
        assert_eq!(confirm(&mut codes, &changed, &frames), Ok(false));
        assert_eq!(codes.counts(), CodeCounts { new: 1, replaced: 1 });
        // A version is enough, but for another interpreter's.
        let mut codes = learned(newer.clone());
        assert_eq!(confirm(&mut codes, &changed, &frames), Ok(true));
        assert_eq!(
            confirm(&mut codes, &changed, &frames.clone().with(|seen| seen.interpreter = 1)),
            Ok(false)
        );
    }
    // 0 is no version.
    let mut codes = Codes::new(newer, Address(KIND));
    let spent = |memory: &Literal| memory.clone().again(CODE).i32(92, 0);
    assert!(codes.have_versions());
    codes.learn(&spent(&memory), &frames).expect("code");
    assert!(!codes.have_versions());
    assert_eq!(confirm(&mut codes, &spent(&memory), &frames), Ok(true));
    assert_eq!(confirm(&mut codes, &spent(&memory.clone().again(FILE).bytes(40, b"b")), &frames), Ok(false));
    // A hash that is computed meanwhile is no difference.
    let mut codes = learned(older.clone());
    let hashed = memory.clone().again(FILE).word(24, 7);
    assert_eq!([&hashed, &hashed].map(|memory| confirm(&mut codes, memory, &frames)), [Ok(true); 2]);
    assert_eq!(codes.counts(), CodeCounts { new: 1, replaced: 0 });
}

/// Up to 3.11: those near the leaf are asked about their strings in each look, the others in turn, and all when they have not
/// been for a while.
#[test]
fn strings_are_compared_in_turn_far_from_the_leaf() {
    const CODES: u64 = 25;
    const NEAR: u64 = 16;
    const AT_ONCE: u64 = 4;
    let (mut layout, mut memory) = function();
    layout.code.version = None;
    // The first is near the leaf, and far from it, too.
    let place = |number: u64| CODE + number % (CODES - 1) * 0x10_000;
    for number in 1..CODES - 1 {
        memory =
            memory.at(place(number), 256).word(8, KIND).word(112, FILE).word(128, QUALIFIED).word(136, TABLE);
    }
    let frames: Vec<_> = (0..CODES).map(|number| frame(place(number), unit(2))).collect();
    let frames = Capture::of(&frames);
    let mut codes = Codes::new(layout, Address(KIND));
    // What is not known yet is not another one.
    assert_eq!(confirm(&mut codes, &memory, &frames), Ok(true));
    assert_eq!(codes.counts(), CodeCounts::default());
    // None has been compared before.
    let begun = Instant::now();
    codes.learn(&memory, &frames).expect("code");
    for _ in 0..20 {
        assert_eq!(confirm(&mut codes, &memory, &frames), Ok(true));
    }
    let changed = memory.clone().again(FILE).bytes(40, b"b");
    let count = |codes: &Codes| codes.counts().replaced;
    assert_eq!(confirm(&mut codes, &memory, &frames), Ok(true));
    assert_eq!(confirm(&mut codes, &changed, &frames), Ok(false));
    // Whose turn it is may be near.
    let most = if begun.elapsed() < LONG { NEAR + AT_ONCE } else { CODES };
    assert!((NEAR..=most).contains(&count(&codes)), "{}", count(&codes));
    codes.learn(&changed, &frames).expect("code");
    std::thread::sleep(LONG);
    assert_eq!(confirm(&mut codes, &changed, &frames), Ok(false));
    assert_eq!(count(&codes), CODES - 1);
}

/// Three code objects in a row and one far from them, their strings beside each other: as many ranges as there are places.
#[test]
fn what_lies_close_together_is_read_as_one() {
    let (mut layout, mut memory) = function();
    layout.code.version = None;
    let codes = [CODE + 0x200, CODE + 0x10_000, CODE, CODE + 0x100];
    for code in codes.into_iter().filter(|code| *code != CODE) {
        let one = memory.at(code, ROOM).word(8, KIND).i32(68, 40);
        memory = one.word(112, FILE).word(128, QUALIFIED).word(136, TABLE);
    }
    let frames = Capture::of(&codes.map(|code| frame(code, unit(2))));
    let learned = || {
        let mut codes = Codes::new(layout.clone(), Address(KIND));
        codes.learn(&memory, &frames).expect("code");
        codes
    };
    let asked = memory.ranges();
    let mut same = learned();
    let learning = memory.ranges() - asked;
    assert_eq!(confirm(&mut same, &memory, &frames), Ok(true));
    assert_eq!(memory.ranges() - asked - learning, 3);
    for code in codes {
        for changed in [memory.clone().again(code).i32(68, 41), memory.clone().again(code).word(128, FILE)] {
            let mut other = learned();
            assert_eq!(confirm(&mut other, &changed, &frames), Ok(false), "{code:#x}");
            assert_eq!(other.counts().replaced, 1);
        }
    }
    let mut gone = learned();
    assert_eq!(confirm(&mut gone, &memory.clone().without(CODE + 0x10_000), &frames), Ok(false));
    assert_eq!(gone.counts().replaced, 1);
}

/// With what is compared, the number that tells where a thread is is read, if it can be read last.
#[test]
fn a_number_is_read_after_what_is_compared() {
    let (mut layout, memory) = function();
    let memory = memory.at(OTHER, 16).i32(8, 5);
    let last = Some(Address(OTHER + 8));
    layout.code.version = None;
    let frames = Capture::of(&[frame(CODE, unit(2))]);
    let mut codes = Codes::new(layout, Address(KIND));
    codes.learn(&memory, &frames).expect("code");
    let and_number = |codes: &mut Codes, memory: &Literal, last| {
        codes.meet(&frames);
        codes.confirm_and(memory, last)
    };
    let asked = memory.calls();
    assert_eq!(and_number(&mut codes, &memory, last), Ok((true, Some(5))));
    assert_eq!(memory.calls(), asked + 1);
    assert_eq!(and_number(&mut codes, &memory, None), Ok((true, None)));
    assert_eq!(and_number(&mut codes, &memory, Some(Address(8))), Ok((true, None)));
    // To tell whether a string is another one more is read.
    let hashed = memory.clone().again(FILE).word(24, 7);
    assert_eq!(and_number(&mut codes, &hashed, last), Ok((true, None)));
    assert_eq!(and_number(&mut codes, &memory.without(CODE), last), Ok((false, None)));
}

/// What an interpreter's count vouches for is not compared: 3.14's of the dead, 3.13's of those made.
#[test]
fn what_is_counted_is_not_compared() {
    let (layout, memory) = function();
    let changed = memory.clone().again(CODE).i32(68, 41);
    for (before, after, agrees) in [(Some(7), Some(7), true), (Some(7), Some(8), false), (None, None, false)]
    {
        let stamped = |count: Option<u64>| {
            let interpreter = Interpreter { address: Address(8), id: 0, lock: Lock::Attached };
            let stamp = count.map(|count| Stamp { interpreter, count });
            Capture::of(&[frame(CODE, unit(2))]).with(|seen| seen.stamp = stamp)
        };
        let mut codes = Codes::new(layout.clone(), Address(KIND));
        codes.learn(&memory, &stamped(before)).expect("code");
        assert_eq!(confirm(&mut codes, &changed, &stamped(after)), Ok(agrees), "{before:?} {after:?}");
    }
    // 0: it has come to its end.
    let word = Literal::new().at(8, 16).i32(0, 5).i32(8, 0);
    let made = |at: u32| Generation::Made(Field::at(at)).of(&word, Address(8));
    assert_eq!((made(0), made(8)), (Ok(Some(5)), Ok(None)));
    assert_eq!(Generation::MadeByAll(Address(8)).of(&word, Address(0x100)), Ok(Some(5)));
}

#[test]
fn what_is_no_code_object() {
    let (layout, memory) = function();
    let frames = [frame(CODE, unit(2))];
    let learn =
        |memory: &Literal| Codes::new(layout.clone(), Address(KIND)).learn(memory, &Capture::of(&frames));
    let another_type = memory.clone().again(CODE).word(8, KIND + 8);
    assert_eq!(learn(&another_type), Err(CodeError::NotCode(Address(CODE))));
    let nameless = memory.clone().again(QUALIFIED).word(16, u64::MAX);
    assert_eq!(learn(&nameless), Err(CodeError::NotCode(Address(QUALIFIED))));
    let tableless = memory.clone().again(CODE).word(136, 0);
    assert_eq!(learn(&tableless), Err(CodeError::Read(ReadError::Unmapped(Address(16)))));
    // A first line before the first is shown as none.
    let mut codes = Codes::new(layout.clone(), Address(KIND));
    codes.learn(&memory.again(CODE).i32(68, -5), &Capture::of(&frames)).expect("code");
    assert_eq!(shown(&codes, &frames), ["a.py:C.m:1 from 0"]);
}

/// The head that is compared holds all that is cached, in every version and build.
#[test]
fn heads_fit() {
    for layout in eras::all() {
        let codes = Codes::new(layout.clone(), Address(KIND));
        let (start, length) = codes.head;
        let code = &layout.code;
        for offset in [code.file.offset(), code.name.offset(), code.lines.offset(), code.first_line.offset()]
        {
            assert!(offset >= start && offset + 8 <= start + length as u32, "{layout:?}");
        }
    }
}
