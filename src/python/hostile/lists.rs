//! Lists that are each in order and as long as they may be, but together are more than any program has: what bounds
//! each of them does not bound all.

use std::cell::Cell;

use super::{BASE, fill};
use crate::python::capture::Capture;
use crate::python::frames::{DEEPEST, WalkError};
use crate::python::layout::{Frames, Layout};
use crate::python::literal::eras;
use crate::python::locate::Python;
use crate::python::search::{self, Bounded};
use crate::python::threads::{Interpreter, Lock, MOST_THREADS, Roots, threads};
use crate::python::version::Build;
use crate::sample::Flags;
use crate::target::maps::Maps;
use crate::target::memory::{Address, Memory, ReadError};

// BASE          interpreters, INTERPRETERS of them, 4096 bytes each; the last is followed by nothing that is mapped
// BASE + 2^32   threads, THREADS for each interpreter, 512 bytes each; the first frame is the same for all
// BASE + 2^33   frames, FRAMES of them, 512 bytes each
// BASE + 2^34   a module's data: pointers to the first interpreter
const INTERPRETERS: u64 = 8000;
const THREADS: u64 = 50;
const FRAMES: u64 = 60_000;
const THREAD_AT: u64 = BASE + (1 << 32);
const FRAME_AT: u64 = BASE + (1 << 33);
const DATA_AT: u64 = BASE + (1 << 34);

/// A 3.8 that is all lists. Counts what is read.
struct Crowd {
    layout: Layout,
    reads: Cell<u64>,
}

impl Crowd {
    fn new() -> Self {
        Self { layout: eras::layout(3, 8, Build::Ordinary), reads: Cell::new(0) }
    }

    fn interpreter(number: u64) -> Interpreter {
        Interpreter { address: Address(BASE + number * 4096), id: 0, lock: Lock::Attached }
    }

    fn word(&self, address: u64) -> u64 {
        let layout = &self.layout;
        let Frames::Objects(frames) = &layout.frames else { unreachable!("3.8") };
        let next = |at: u64, number: u64, end: u64, size: u64| {
            if number + 1 < end { at + (number + 1) * size } else { 0 }
        };
        let is = |offset: u64, field: u32| offset == u64::from(field);
        if address >= DATA_AT {
            BASE
        } else if address >= FRAME_AT {
            let (number, offset) = ((address - FRAME_AT) / 512, (address - FRAME_AT) % 512);
            match offset {
                _ if is(offset, frames.back.offset()) => next(FRAME_AT, number, FRAMES, 512),
                _ if is(offset, frames.code.offset()) => BASE,
                _ => 0,
            }
        } else if address >= THREAD_AT {
            let (number, offset) = ((address - THREAD_AT) / 512, (address - THREAD_AT) % 512);
            let interpreter = number / THREADS;
            match offset {
                _ if is(offset, layout.thread.next.offset()) => {
                    next(THREAD_AT, number, (interpreter + 1) * THREADS, 512)
                }
                _ if is(offset, layout.thread.interpreter.offset()) => BASE + interpreter * 4096,
                _ if is(offset, frames.first.offset()) => FRAME_AT,
                _ => 0,
            }
        } else {
            let (number, offset) = ((address - BASE) / 4096, (address - BASE) % 4096);
            match offset {
                _ if is(offset, layout.interpreter.next.offset()) => BASE + (number + 1) * 4096,
                _ if is(offset, layout.interpreter.threads.offset()) => THREAD_AT + number * THREADS * 512,
                _ => 0,
            }
        }
    }
}

impl Memory for Crowd {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        if from.0 < BASE || (BASE + INTERPRETERS * 4096..THREAD_AT).contains(&from.0) {
            return Err(ReadError::Unmapped(from));
        }
        fill(from, to, |address| self.word(address));
        Ok(())
    }
}

#[test]
fn threads_of_many_interpreters() {
    let crowd = Crowd::new();
    let mut found = Vec::new();
    let mut list = |number| threads(&crowd.layout, &crowd, Crowd::interpreter(number).address, &mut found);
    let listed = (0..INTERPRETERS).take_while(|number| list(*number).is_ok()).count() as u64;
    assert_eq!((listed, found.len()), (MOST_THREADS as u64 / THREADS, MOST_THREADS));
}

#[test]
fn the_same_long_stack_in_every_thread() {
    let crowd = Crowd::new();
    let roots = Roots { runtime: Address(DATA_AT), current: None };
    let python = Python { layout: crowd.layout.clone(), roots, code_type: Address(BASE), evaluation: None };
    let mut capture = Capture::default();
    let mut add = |number| {
        let thread = Address(THREAD_AT + number * 512);
        let interpreter = Crowd::interpreter(number / THREADS);
        capture.add(&python, &crowd, &interpreter, thread, Flags::default())
    };
    let refused = (0..200).find_map(|number| add(number).err().map(|error| (number, error)));
    assert_eq!(refused, Some((70, WalkError::Broken(Address(THREAD_AT + 70 * 512)))));
    assert!(capture.all_frames().len() < (1 << 22) + DEEPEST as usize);
}

/// Every word of the data may be a runtime, and each is a list of its own to be followed.
#[test]
fn a_module_full_of_runtimes() {
    let crowd = Crowd::new();
    let (start, end) = (DATA_AT, DATA_AT + (1 << 20));
    let text = format!(
        "{BASE:x}-{:x} rw-p 0 0:0 0\n{start:x}-{end:x} rw-p 0 8:1 5 /lib/libpython3.8.so\n",
        BASE + INTERPRETERS * 4096
    );
    let maps = Maps::parse(text.as_bytes());
    let bounded = Bounded::new(&crowd);
    assert_eq!(search::runtime(&bounded, &maps, &maps.modules()[0], &crowd.layout), None);
    assert!(bounded.is_spent());
    assert!((1 << 22..1 << 23).contains(&crowd.reads.get()), "{}", crowd.reads.get());
}
