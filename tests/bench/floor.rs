//! The floor under every profiler that wakes up to look: it does so as often, on the target's CPU where that is cheapest,
//! copies 4 KiB of memory in some pieces in one call, and looks at nothing of it. `peers.py` runs it beside the profilers;
//! what it costs nobody can save. `floor PID RATE SECONDS PIECES FILE` writes into FILE how often it has looked, and says
//! how long the copying took: for that long, at the least, a look holds its target up.

use std::io::IoSliceMut;
use std::time::{Duration, Instant};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use pyflame_tui::target::Placement;

/// What a stack of some twenty frames takes: in some eight pieces from 3.11 on, before that one for each frame.
const BYTES: usize = 4096;
/// Looks between two questions on which CPU the target is.
const ASK: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [pid, rate, seconds, pieces, file] = &words[..] else {
        return Err("usage: floor PID RATE SECONDS PIECES FILE".into());
    };
    let (interval, seconds) = (1.0 / rate.parse::<f64>()?, seconds.parse()?);
    let heap = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let heap = heap.lines().find(|line| line.ends_with("[heap]")).ok_or("it has no heap")?;
    let heap = usize::from_str_radix(heap.split('-').next().unwrap_or_default(), 16)?;
    let pieces: usize = pieces.parse()?;
    let from = (0..pieces).map(|n| RemoteIoVec { base: heap + n * 4096, len: BYTES / pieces });
    let from: Vec<_> = from.collect();
    nix::sys::prctl::set_timerslack(1)?;
    let mut place = Placement::new()?;
    place.take_short_turns()?;
    let (mut took, begin, mut bytes) = (Vec::new(), Instant::now(), [0; BYTES]);
    let slots = (0..).map(|slot| interval * (f64::from(slot) + fastrand::f64()));
    for due in slots.take_while(|due| *due < seconds).map(Duration::from_secs_f64) {
        let Some(left) = due.checked_sub(begin.elapsed()) else { continue };
        if took.len().is_multiple_of(ASK) {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let cpu = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(36));
            place.run_on(cpu.unwrap_or_default().parse()?)?;
        }
        std::thread::sleep(left);
        let woken = Instant::now();
        process_vm_readv(Pid::from_raw(pid.parse()?), &mut [IoSliceMut::new(&mut bytes)], &from)?;
        took.push(woken.elapsed());
    }
    std::fs::write(file, format!("samples {}\n", took.len()))?;
    took.sort_unstable();
    let micros = |part: usize| took.get(took.len() * part / 100).map_or(0.0, |one| one.as_secs_f64() * 1e6);
    println!("copying took: median {:.1} µs, p99 {:.1} µs", micros(50), micros(99));
    Ok(())
}
