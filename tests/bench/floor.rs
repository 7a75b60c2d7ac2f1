//! The floor under every profiler that wakes up to look: it does so as often, on the target's CPU where that is cheapest,
//! copies eight pieces of memory in one call, and looks at nothing of it. `peers.py` runs it beside the profilers; what
//! it costs nobody can save. `floor PID RATE SECONDS FILE` writes into FILE how often it has looked.

use std::io::IoSliceMut;
use std::time::{Duration, Instant};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use pyflame_tui::target::Placement;

/// Pieces of memory, and the bytes of each: what a stack of some twenty frames takes.
const PIECES: usize = 8;
const BYTES: usize = 512;
/// Looks between two questions on which CPU the target is.
const ASK: u32 = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [pid, rate, seconds, file] = &words[..] else {
        return Err("usage: floor PID RATE SECONDS FILE".into());
    };
    let (interval, seconds) = (1.0 / rate.parse::<f64>()?, seconds.parse()?);
    let heap = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let heap = heap.lines().find(|line| line.ends_with("[heap]")).ok_or("it has no heap")?;
    let heap = usize::from_str_radix(heap.split('-').next().unwrap_or_default(), 16)?;
    let from: Vec<_> = (0..PIECES).map(|n| RemoteIoVec { base: heap + n * 4096, len: BYTES }).collect();
    nix::sys::prctl::set_timerslack(1)?;
    let mut place = Placement::new()?;
    place.take_short_turns()?;
    let (mut looks, begin, mut bytes) = (0, Instant::now(), [0; PIECES * BYTES]);
    let slots = (0..).map(|slot| interval * (f64::from(slot) + fastrand::f64()));
    for due in slots.take_while(|due| *due < seconds).map(Duration::from_secs_f64) {
        let Some(left) = due.checked_sub(begin.elapsed()) else { continue };
        if looks % ASK == 0 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let cpu = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(36));
            place.run_on(cpu.unwrap_or_default().parse()?)?;
        }
        std::thread::sleep(left);
        process_vm_readv(Pid::from_raw(pid.parse()?), &mut [IoSliceMut::new(&mut bytes)], &from)?;
        looks += 1;
    }
    std::fs::write(file, format!("samples {looks}\n"))?;
    Ok(())
}
