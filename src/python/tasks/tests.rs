//! Lists of tasks and chains of coroutines, as pages of numbers: 3.14's and 3.15's offsets.

use std::time::{Duration, Instant};

use super::{Coroutines, Label, MOST_FOLLOWED, MOST_TASKS, TaskReader, Top};
use crate::python::frames::{Instruction, WalkError};
use crate::python::layout::{Field, Layout};
use crate::python::literal::{Literal, eras};
use crate::python::objects::flag;
use crate::python::threads::{Interpreter, Lock};
use crate::python::version::Build;
use crate::target::memory::Address;

const TABLE: u64 = 0x500;
const THREAD: u64 = 0x1000;
const LOOP: u64 = 0x1500;
const HOME: u64 = 0x9000;
const TASKS: [u64; 3] = [0x2000, 0x2100, 0x2200];
const COROUTINES: [u64; 4] = [0x3000, 0x3200, 0x3400, 0x3600];
const WRAPPER: u64 = 0x3800;
const FUTURE: u64 = 0x3900;
const CODE: u64 = 0x4000;
const COROUTINE: u64 = 0x5000;
const ASEND: u64 = 0x5100;
const FUTURE_TYPE: u64 = 0x5200;
const INT: u64 = 0x5300;
const STR: u64 = 0x5400;
const FALSE: u64 = 0x5500;
const NAMES: u64 = 0x6000;
const NUMBER: u64 = 0x7000;
const TEXT: u64 = 0x7100;

/// What 3.`minor` publishes of coroutines.
fn coroutines(minor: u8) -> Coroutines {
    Coroutines {
        frame: Field::at(72),
        state: Field::at(67),
        waits: if minor == 14 { 253..=255 } else { 0..=3 },
        awaits: if minor == 14 { 255..=255 } else { 2..=3 },
        resumes: None,
        stack: Top::Pointer(Field::at(64), if minor == 14 { 8 } else { 16 }),
        kind_name: Field::at(24),
        kind_flags: Field::at(168),
    }
}

fn reader(layout: &Layout, minor: u8) -> TaskReader {
    let words: [u64; 13] = [168, 136, 96, 108, 109, 128, 152, 225_864, 10_880, 936, 864, 872, 880];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let memory = Literal::new().at(TABLE, bytes.len()).bytes(0, &bytes);
    TaskReader::published(layout, coroutines(minor), &memory, Address(TABLE)).expect("it fits")
}

/// A coroutine in a state, which awaits something. What lies on its stack is at its end.
fn coroutine(memory: Literal, minor: u8, number: usize, state: u8, awaited: u64) -> Literal {
    let at = COROUTINES[number];
    let below = if minor == 14 { 8 } else { 16 };
    memory
        .at(at, 0x180)
        .word(8, COROUTINE)
        .u8(67, state)
        .word(72, CODE)
        .word(72 + 56, CODE + 300 + 2 * number as u64)
        .word(72 + 64, at + 0x178)
        .u8(72 + 74, 1)
        // A tagged reference.
        .word(0x178 - below, awaited | 1)
}

/// A thread in which a loop runs, and which has tasks from `first` on, by their nodes; its interpreter has none.
fn thread(memory: Literal, first: u64) -> Literal {
    let memory = memory.at(THREAD, 1024).word(16, HOME).word(864, LOOP).word(880, first);
    memory.at(HOME, 0x3000).word(7344, THREAD).word(10_880, HOME + 10_880)
}

/// A thread with tasks, the first of which awaits through three coroutines, one of them by way of another object; the last
/// is of a type that only has the name.
fn memory(minor: u8, state: u8) -> Literal {
    let awaits = if minor == 14 { 255 } else { 2 };
    let node = |task: u64| task + 152;
    let mut memory = thread(Literal::new(), node(TASKS[0]))
        .at(NAMES, 256)
        .bytes(0, b"coroutine\0")
        .bytes(32, b"async_generator_asend\0")
        .bytes(64, b"_asyncio.Future\0")
        .bytes(96, b"int\0")
        .bytes(128, b"str\0");
    for (index, task) in TASKS.into_iter().enumerate() {
        let next = TASKS.get(index + 1).map_or(THREAD + 880, |next| node(*next));
        let first = [COROUTINES[0], COROUTINES[3], FUTURE][index];
        memory = memory.at(task, 168).word(16, LOOP).word(128, first);
        memory = memory.word(136, [NUMBER, TEXT, 0][index]).word(152, next);
    }
    for (kind, name, flags) in [
        (COROUTINE, NAMES, 0),
        (ASEND, NAMES + 32, 0),
        (FUTURE_TYPE, NAMES + 64, 0),
        (INT, NAMES + 96, 0),
        (STR, NAMES + 128, 0),
        (FALSE, NAMES, flag::HEAP_TYPE),
    ] {
        memory = memory.at(kind, 176).word(24, name).word(168, flags);
    }
    memory = memory.at(WRAPPER, 32).word(8, ASEND).word(16, COROUTINES[2]).at(FUTURE, 32).word(8, FALSE);
    memory = memory.at(NUMBER, 32).word(8, INT).word(16, 2 << 3).i32(24, 5).i32(28, 1);
    memory = memory.at(TEXT, 64).word(8, STR).word(16, 3).i32(32, 4 | 0x20 | 0x40).bytes(40, b"abc");
    memory = coroutine(memory, minor, 0, awaits, COROUTINES[1]);
    memory = coroutine(memory, minor, 1, awaits, WRAPPER);
    memory = coroutine(memory, minor, 2, awaits, FUTURE);
    coroutine(memory, minor, 3, state, FUTURE)
}

/// The places of a task's frames in its code, leaf first, by the coroutines' numbers.
fn places(
    reader: &mut TaskReader,
    layout: &Layout,
    memory: &Literal,
    task: u64,
) -> Result<Vec<u64>, WalkError> {
    let mut frames = Vec::new();
    reader.frames(layout, memory, Address(task), &mut frames)?;
    let place = |instruction| match instruction {
        Instruction::Address(at) => (at.0 - CODE - 300) / 2,
        other @ Instruction::Position(_) => panic!("{other:?}"),
    };
    assert!(frames.iter().all(|frame| frame.generator && frame.code == Address(CODE)));
    Ok(frames.iter().map(|frame| place(frame.instruction)).collect())
}

#[test]
fn a_task_stands_where_its_coroutines_wait_for_each_other() {
    for minor in [14, 15] {
        let layout = eras::layout(3, minor, Build::Ordinary);
        let mut reader = reader(&layout, minor);
        let [created, suspended, runs, over] = if minor == 14 { [253, 254, 0, 4] } else { [0, 1, 4, 5] };
        let known = memory(minor, suspended);
        assert_eq!(reader.list(&layout, &known, Address(THREAD)), Ok(TASKS.map(Address).to_vec()));
        assert_eq!(places(&mut reader, &layout, &known, TASKS[0]), Ok(vec![2, 1, 0]));
        assert_eq!(places(&mut reader, &layout, &known, TASKS[1]), Ok(vec![3]));
        // A class of the program's that calls itself a coroutine.
        assert_eq!(places(&mut reader, &layout, &known, TASKS[2]), Ok(vec![]));
        let labels = TASKS.map(|task| reader.label(&layout, &known, Address(task)));
        assert_eq!([labels[0], labels[2]], [Ok(Label::Number((1 << 30) + 5)), Ok(Label::Given(0))]);
        assert!(matches!(labels[1], Ok(Label::Given(_))));
        let name = |label| reader.name(&layout, &known, Address(TASKS[1]), label);
        assert_eq!(labels[1].map(name), Ok(Some("abc".to_owned())));
        // Another one is there by now.
        assert_eq!(name(Label::Given(1)), None);
        for (state, frames) in [(created, vec![3]), (runs, vec![]), (over, vec![])] {
            assert_eq!(places(&mut reader, &layout, &memory(minor, state), TASKS[1]), Ok(frames), "{state}");
        }
        // The one that runs hangs in the thread's own chain.
        let runs = known.again(THREAD).word(872, TASKS[1]);
        assert_eq!(reader.list(&layout, &runs, Address(THREAD)), Ok(TASKS.map(Address).to_vec()));
        assert_eq!(places(&mut reader, &layout, &runs, TASKS[1]), Ok(vec![]));
        assert_eq!(places(&mut reader, &layout, &runs, TASKS[0]), Ok(vec![2, 1, 0]));
    }
}

/// By the whole of a name, and by nothing else of it. What is numbered by asyncio is called so from the first sign to the
/// last; the name may be of a class of the program's, too.
#[test]
fn a_task_is_told_by_its_name() {
    let layout = eras::layout(3, 14, Build::Ordinary);
    let mut reader = reader(&layout, 14);
    let label = |reader: &mut TaskReader, text: &[u8], hash: u64| {
        let known = memory(14, 254).again(TASKS[1]).word(136, TEXT + 0x100).at(TEXT + 0x100, 512);
        let known = known.word(8, STR).word(16, text.len() as u64).word(24, hash).i32(32, 4 | 0x20 | 0x40);
        reader.label(&layout, &known.bytes(40, text), Address(TASKS[1])).expect("a name")
    };
    assert_eq!(label(&mut reader, b"Task-12", 0), Label::Number(12));
    for given in
        [&b"SubTask-12"[..], b"Task-012", b"Task-+12", b"Task-", b"Task-12 ", b"Task-99999999999999999999"]
    {
        assert!(matches!(label(&mut reader, given, 0), Label::Given(_)), "{given:?}");
    }
    let long = |number: u32| format!("a request of the client with the number {number:06}").into_bytes();
    let [one, same, other] =
        [(7, 0), (7, u64::MAX), (8, 0)].map(|(n, hash)| label(&mut reader, &long(n), hash));
    assert!(one == same && one != other, "{one:?} {same:?} {other:?}");
    let known = memory(14, 254).again(TEXT).word(8, FALSE);
    let label = reader.label(&layout, &known, Address(TASKS[1])).expect("a name");
    assert_eq!(label, Label::Given(TEXT));
    assert_eq!(reader.name(&layout, &known, Address(TASKS[1]), label).as_deref(), Some("abc"));
}

/// The first awaits the second; the third calls, when it is done, what has a future of the first's in a cell.
#[test]
fn who_awaits_whom() {
    const ITERATOR: u64 = 0x8000;
    const ITERATOR_TYPE: u64 = 0x8100;
    const FUNCTION: u64 = 0x8200;
    const FUNCTION_TYPE: u64 = 0x8300;
    const CELLS: u64 = 0x8400;
    const CALLED: u64 = 0x8800;
    let layout = eras::layout(3, 14, Build::Ordinary);
    let name = |memory: Literal, text: &str| {
        let count = text.len() as u64;
        memory
            .at(CALLED, 128)
            .word(8, STR)
            .word(16, count)
            .i32(32, 4 | 0x20 | 0x40)
            .bytes(40, text.as_bytes())
    };
    let known = |future: u64, kind: u64, callback: &str| {
        let memory = memory(14, 254).again(COROUTINES[2]).word(0x178 - 8, ITERATOR | 1);
        let memory = memory.at(ITERATOR, 32).word(8, ITERATOR_TYPE).word(16, future);
        let memory = memory.at(ITERATOR_TYPE, 176).word(24, NAMES + 160).word(168, kind);
        let memory = memory.at(FUNCTION_TYPE, 176).word(24, NAMES + 192);
        let memory = memory.at(FUNCTION, 128).word(8, FUNCTION_TYPE).word(40, CALLED).word(72, CELLS);
        // Two cells, one of which is empty.
        let memory = memory.at(CELLS, 64).word(16, 2).word(32, CELLS + 0x100).word(40, CELLS + 0x200);
        let memory = memory.at(CELLS + 0x100, 24).at(CELLS + 0x200, 24).word(16, future);
        let memory = memory.again(NAMES).bytes(160, b"_asyncio.FutureIter\0").bytes(192, b"function\0");
        name(memory.again(TASKS[2]).word(24, FUNCTION), callback)
    };
    let awaited_by = |memory: &Literal| {
        let mut reader = reader(&layout, 14);
        let list = reader.list(&layout, memory, Address(THREAD)).expect("a list");
        let future = |task: &Address| reader.frames(&layout, memory, *task, &mut Vec::new()).expect("frames");
        let futures: Vec<_> = list.iter().map(future).collect();
        reader.awaited_by(&layout, memory, &list, &futures).expect("no more than that")
    };
    let (heap, fixed) = (flag::HEAP_TYPE, flag::HEAP_TYPE | flag::IMMUTABLE);
    let gather = "gather.<locals>._done_callback";
    for (future, kind, callback, by) in [
        (TASKS[1], fixed, gather, [None, Some(0), None]),
        (FUTURE, fixed, gather, [None, None, Some(0)]),
        (FUTURE, 0, gather, [None, None, Some(0)]),
        // What the program itself calls tells nothing, nor does a class of its own that has that name.
        (FUTURE, fixed, "gather", [None; 3]),
        (FUTURE, heap, gather, [None; 3]),
        (TASKS[1], heap, gather, [None; 3]),
    ] {
        assert_eq!(awaited_by(&known(future, kind, callback)), by, "{future:#x} {kind:#x} {callback}");
    }
}

/// The loop runs in one thread; the first task was made in another one, the second in one that is over.
#[test]
fn tasks_are_where_their_loop_runs() {
    const OTHER: u64 = 0xd000;
    let layout = eras::layout(3, 14, Build::Ordinary);
    let interpreter = Interpreter { address: Address(HOME), id: 0, lock: Lock::Attached };
    let alone = |memory: Literal, task: u64, head: u64| memory.again(task).word(152, head);
    let known = memory(14, 254).again(THREAD).word(8, OTHER).word(880, TASKS[2] + 152);
    let known = known.at(OTHER, 1024).word(16, HOME).word(880, TASKS[0] + 152);
    let known = known.again(HOME).word(10_880, TASKS[1] + 152);
    let known = alone(alone(known, TASKS[0], OTHER + 880), TASKS[1], HOME + 10_880);
    let mut reader = reader(&layout, 14);
    let now = Instant::now();
    assert!(reader.follow(&layout, &known, &[interpreter], now));
    assert!(!reader.follow(&layout, &known, &[interpreter], now + Duration::from_secs(1)));
    let list = |reader: &mut TaskReader, memory: &Literal, thread| {
        reader.list(&layout, memory, Address(thread)).map(|list| list.iter().map(|task| task.0).collect())
    };
    assert_eq!(list(&mut reader, &known, THREAD), Ok(vec![TASKS[2], TASKS[0], TASKS[1]]));
    assert_eq!(list(&mut reader, &known, OTHER), Ok(vec![]));
    // The other one runs a loop, too.
    let both = known.clone().again(OTHER).word(864, 0x77_0000);
    assert_eq!(list(&mut reader, &both, OTHER), Ok(vec![]));
    let moved = both.again(TASKS[1]).word(16, 0x77_0000);
    assert_eq!(list(&mut reader, &moved, OTHER), Ok(vec![TASKS[1]]));
    assert_eq!(list(&mut reader, &moved, THREAD), Ok(vec![TASKS[2], TASKS[0]]));
    // One that is over by now is not followed.
    let gone = known.again(THREAD).word(8, 0).without(OTHER);
    assert_eq!(list(&mut reader, &gone, THREAD), Ok(vec![TASKS[2], TASKS[1]]));
}

#[test]
fn what_leads_nowhere_is_no_task() {
    let layout = eras::layout(3, 14, Build::Ordinary);
    let mut reader = reader(&layout, 14);
    // A thread that asyncio has not seen, and one whose tasks are all done.
    for head in [0, THREAD + 880] {
        let empty = memory(14, 254).again(THREAD).word(880, head);
        assert_eq!(reader.list(&layout, &empty, Address(THREAD)), Ok(Vec::new()));
    }
    // The list comes back to a task; one is misaligned; a coroutine waits for the one that waits for it.
    let circle = memory(14, 254).again(TASKS[2]).word(152, TASKS[0] + 152);
    assert!(matches!(reader.list(&layout, &circle, Address(THREAD)), Err(WalkError::Broken(_))));
    let odd = memory(14, 254).again(TASKS[0]).word(152, 0x33);
    assert!(matches!(reader.list(&layout, &odd, Address(THREAD)), Err(WalkError::Broken(_))));
    let circle = memory(14, 254).again(WRAPPER).word(16, COROUTINES[0]);
    assert!(matches!(places(&mut reader, &layout, &circle, TASKS[0]), Err(WalkError::Broken(_))));
    // Its frame is on no coroutine.
    let thread = memory(14, 254).again(COROUTINES[2]).u8(72 + 74, 0);
    assert!(matches!(places(&mut reader, &layout, &thread, TASKS[0]), Err(WalkError::Broken(_))));
}

#[test]
fn of_very_many_the_oldest_are_read() {
    let layout = eras::layout(3, 14, Build::Ordinary);
    let mut reader = reader(&layout, 14);
    let mut many = thread(Literal::new(), 0x10_0000 + 152);
    for number in 0..=MOST_FOLLOWED as u64 {
        let task = 0x10_0000 + 256 * number;
        many = many.at(task, 160).word(16, LOOP).word(152, task + 256 + 152);
    }
    let list = reader.list(&layout, &many, Address(THREAD)).expect("a list");
    assert!(list.len() == MOST_TASKS && list[0] == Address(0x10_0000));
    assert_eq!(reader.cut(), 1);
    // Those of another loop do not count, but take time.
    let many = many.again(THREAD).word(864, 0x77_0000);
    assert_eq!(reader.list(&layout, &many, Address(THREAD)), Ok(Vec::new()));
    assert_eq!(reader.cut(), 2);
}

/// A set of 3.13's that is larger than is looked at, each entry of which leads to a task of this loop.
fn set(its_loop: u64) -> (TaskReader, Layout, Literal) {
    const HOME: u64 = 0x10_0000;
    const REFERENCE: u64 = 0x11_0000;
    const TASK: u64 = 0x12_0000;
    const TYPE: u64 = 0x13_0000;
    const ENTRIES: u64 = 1 << 15;
    let layout = eras::layout(3, 13, Build::Ordinary);
    let interpreter = Interpreter { address: Address(HOME), id: 0, lock: Lock::Attached };
    let reader = TaskReader::in_sets(&layout, interpreter, Address(THREAD)).expect("3.13 has sets");
    let entry = [REFERENCE.to_le_bytes(), 7_u64.to_le_bytes()].concat();
    let memory = Literal::new()
        .at(THREAD, 16)
        .word(0, HOME)
        .at(HOME, 64)
        .word(8, TYPE)
        .word(32, ENTRIES - 1)
        .word(40, 0x20_0000)
        .at(TYPE, 320)
        .at(REFERENCE, 32)
        .word(16, TASK)
        .at(TASK, 32)
        .word(8, HOME)
        .word(16, its_loop)
        .at(0x20_0000, 16 * ENTRIES as usize)
        .bytes(0, &entry.repeat(ENTRIES as usize));
    (reader, layout, memory)
}

#[test]
fn of_a_large_set_a_part_is_read() {
    let (mut reader, layout, memory) = set(0x10_0000);
    let list = reader.list(&layout, &memory, Address(THREAD)).expect("a list");
    assert_eq!((list.len(), reader.cut()), (MOST_TASKS, 1));
    // Those of another loop do not count, but take time.
    let (mut reader, layout, memory) = set(0x77_0000);
    assert_eq!(reader.list(&layout, &memory, Address(THREAD)), Ok(Vec::new()));
    assert_eq!(reader.cut(), 1);
    assert!(memory.calls() < 20_000, "{}", memory.calls());
}
