//! Being on a thread's CPU instead of stopping it: as long as we are there, and its own word says that it is there too, it
//! does not execute an instruction.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use pyflame_tui::target::{Address, Memory, Placement, Stay, Target};

use crate::{Subject, raw};

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
const TRIES: u32 = 2000;

fn pin(subject: &Subject, cpu: u32) {
    let mut set = CpuSet::new();
    set.set(cpu as usize).unwrap();
    sched_setaffinity(raw(subject.pid()), &set).unwrap();
}

fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_thread_does_not_run_while_we_are_on_its_cpu() {
    let mut subject = Subject::python(COUNTS);
    let line = subject.line();
    let (pthread, word) = line.split_once(' ').unwrap();
    let (pthread, word) = (pthread.parse().unwrap(), Address(word.parse().unwrap()));
    let target = Target::attach(subject.pid()).unwrap();
    let Some(rseq) = target.rseq() else {
        println!("not tried: this C library keeps no areas for restartable sequences");
        return;
    };
    let memory = target.memory();
    let cpu_of_it = || memory.u32(rseq.cpu_of(pthread)).unwrap();
    let mut place = Placement::new().unwrap();
    let cpus: Vec<_> = (0..1024).filter(|cpu| place.allows(*cpu)).collect();

    // Free to go where it likes, and ourselves after it: what is shown to have stood still did, however it went.
    let mut proven = 0;
    for _ in 0..TRIES {
        place.run_on(cpu_of_it()).unwrap();
        std::thread::sleep(Duration::from_micros(50));
        let Some(stay) = Stay::begin() else { continue };
        if cpu_of_it() != stay.cpu() {
            continue;
        }
        let before = memory.u64(word).unwrap();
        spin(MEANWHILE);
        let after = memory.u64(word).unwrap();
        if cpu_of_it() == stay.cpu() && stay.lasts() {
            assert_eq!(before, after);
            proven += 1;
        }
    }
    assert!(proven > TRIES / 10, "{proven} of {TRIES}");

    // Where it can only be elsewhere it is never taken to be here, and it runs.
    let [here, .., there] = cpus[..] else { return };
    place.run_on(here).unwrap();
    pin(&subject, there);
    let deadline = Instant::now() + Duration::from_secs(20);
    while cpu_of_it() != there {
        assert!(Instant::now() < deadline, "it was to move");
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut moved = 0;
    for _ in 0..TRIES {
        let before = memory.u64(word).unwrap();
        spin(MEANWHILE);
        moved += u32::from(memory.u64(word).unwrap() != before);
        assert_eq!(cpu_of_it(), there);
    }
    assert!(moved > TRIES / 10, "{moved} of {TRIES}");
}
