//! Being on a thread's CPU instead of stopping it: as long as we are there, and its own word says that it is there too, it
//! does not execute an instruction.

use std::time::{Duration, Instant};

use pyflame_tui::target::{Address, Beside, Memory, Placement, Stay, Target};

use crate::{Subject, cpus};

/// Counts in a word of its memory, and says where that and its thread are.
const COUNTS: &str = "
import ctypes, threading
class Word(ctypes.Structure):
    _fields_ = [('count', ctypes.c_uint64)]
word = Word()
print(threading.get_ident(), ctypes.addressof(word))
while True:
    word.count += 1
";
/// Long enough for another CPU to run thousands of instructions.
const MEANWHILE: Duration = Duration::from_micros(30);
/// So many times it has to be seen, and within this.
const TIMES: u32 = 300;
const LONGEST: Duration = Duration::from_secs(60);

fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// How the thread's whereabouts are told.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// By its own memory.
    Area,
    /// By that at the end only; it was supposed to be where we are.
    AtTheEnd,
    Scheduler,
}

fn watch(told: Told) {
    let mut subject = Subject::python(COUNTS);
    let line = subject.line();
    let (pthread, word) = line.split_once(' ').unwrap();
    let (pthread, word) = (pthread.parse().unwrap(), Address(word.parse().unwrap()));
    let target = Target::attach(subject.pid()).unwrap();
    let rseq = target.rseq().filter(|_| told != Told::Scheduler);
    if told != Told::Scheduler && rseq.is_none() {
        println!("not tried: this C library keeps no areas for restartable sequences");
        return;
    }
    let (memory, tid) = (target.memory(), subject.tid());
    let ask = || target.beside(tid, pthread, rseq);
    let meet = || match rseq {
        Some(rseq) if told == Told::AtTheEnd => Some(Beside::supposed(Stay::begin()?, pthread, rseq)),
        _ => ask(),
    };
    let place = Placement::new().unwrap();
    let cpus = cpus::ours();

    // Free to go where it likes, and ourselves after it: what is shown to have stood still did, however it went.
    let deadline = Instant::now() + LONGEST;
    let mut proven = 0;
    while proven < TIMES {
        assert!(Instant::now() < deadline, "{proven} times");
        place.run_on(ask().map_or(cpus[0], |beside| beside.theirs())).unwrap();
        std::thread::sleep(Duration::from_micros(50));
        let Some(beside) = meet() else { continue };
        let before = memory.u64(word).unwrap();
        spin(MEANWHILE);
        let after = memory.u64(word).unwrap();
        if target.stood(&beside) {
            assert_eq!(before, after);
            proven += 1;
        }
    }

    // Where it can only be elsewhere it is never taken to be here, and it runs.
    let [here, .., there] = cpus[..] else { return };
    place.run_on(here).unwrap();
    cpus::pin(subject.pid().0, there);
    let deadline = Instant::now() + LONGEST;
    while ask().is_none_or(|beside| beside.theirs() != there) {
        assert!(Instant::now() < deadline, "it was to move");
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut moved = 0;
    while moved < TIMES {
        assert!(Instant::now() < deadline, "{moved} times");
        let Some(beside) = meet() else { continue };
        let before = memory.u64(word).unwrap();
        spin(MEANWHILE);
        moved += u32::from(memory.u64(word).unwrap() != before);
        assert!(told == Told::AtTheEnd || !beside.is_here());
        assert!(!target.stood(&beside));
    }
}

#[test]
fn a_thread_does_not_run_while_we_are_on_its_cpu() {
    watch(Told::Area);
}

#[test]
fn nor_where_only_the_scheduler_tells_where_it_is() {
    watch(Told::Scheduler);
}

#[test]
fn nor_where_it_is_only_asked_afterwards() {
    watch(Told::AtTheEnd);
}
