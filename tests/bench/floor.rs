//! The floor under every profiler: what it cannot do without, and nothing else. `peers.py` runs it beside the profilers;
//! what it costs nobody can save. There are two, since there are two ways to keep a thread from running while it is read.
//!
//! - `nap`: wakes up on the target's CPU, which is then not the target's, and copies memory in some calls of some pieces.
//! - `stop`: from another CPU, interrupts the target, waits (awake) until it stands, and lets it go. Copies nothing.
//! - `alone`: a nap that asks the kernel before and after whether anybody else ran meanwhile: without that what was copied
//!   is of no moment in particular. With the calls of a real look it is the kernel's part of one.
//!
//! `floor MANNER PID RATE SECONDS FILE CALL...` writes into FILE how often it has looked, and says how long a look took
//! from waking up, or from interrupting, to its end: for that long, at the least, it holds its target up. At RATE 0 it
//! looks as often as it can; a nap is then as long as it must be for the target to run meanwhile. A CALL is `PIECES:BYTES`.

use std::io::IoSliceMut;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use pyflame_tui::target::{Alarm, Placement, Stay};

/// Looks between two questions on which CPU the target is.
const ASK: usize = 100;
/// A shorter nap is mostly over before anybody else runs, and shows the same moment again.
const SHORTEST: Duration = Duration::from_micros(12);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [manner, pid, rate, seconds, file, calls @ ..] = &words[..] else {
        return Err("usage: floor nap|stop|alone PID RATE SECONDS FILE CALL...".into());
    };
    let (stops, asks) = (manner == "stop", manner == "alone");
    let (rate, seconds) = (rate.parse::<f64>()?, seconds.parse()?);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let heap = maps.lines().find(|line| line.ends_with("[heap]")).ok_or("it has no heap")?;
    let heap = usize::from_str_radix(heap.split('-').next().unwrap_or_default(), 16)?;
    let (mut ranges, mut begin) = (Vec::new(), heap);
    for call in calls {
        let (pieces, bytes) = call.split_once(':').ok_or("a call is PIECES:BYTES")?;
        let (pieces, bytes): (usize, usize) = (pieces.parse()?, bytes.parse()?);
        let (len, apart) = (bytes / pieces, (bytes / pieces).max(4096));
        let from: Vec<_> = (0..pieces).map(|n| RemoteIoVec { base: begin + n * apart, len }).collect();
        begin += pieces * apart;
        ranges.push((from, vec![0; bytes]));
    }
    nix::sys::prctl::set_timerslack(1)?;
    let place = Placement::new()?;
    place.take_short_turns()?;
    let target = Pid::from_raw(pid.parse()?);
    let shortest = if stops { Duration::ZERO } else { SHORTEST };
    if stops {
        ptrace::seize(target, ptrace::Options::empty())?;
    }
    let (mut took, begin) = (Vec::new(), Instant::now());
    let (mut alarm, mut slots) = (Alarm::default(), slots(begin, rate).peekable());
    while begin.elapsed().as_secs_f64() < seconds {
        if took.len().is_multiple_of(ASK) {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let cpu = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(36));
            let cpu = cpu.unwrap_or_default().parse()?;
            if stops { place.run_off(cpu) } else { place.run_on(cpu) }?;
        }
        let now = Instant::now();
        let at = slots.find(|due| *due >= now).unwrap_or(now + shortest);
        alarm.wait(at, slots.peek().copied().unwrap_or(at));
        let woken = Instant::now();
        if stops {
            ptrace::interrupt(target)?;
            while waitpid(target, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? == WaitStatus::StillAlive
            {
            }
            ptrace::cont(target, None)?;
        } else {
            let stay = if asks { Stay::begin() } else { None };
            for (from, copy) in &mut ranges {
                process_vm_readv(target, &mut [IoSliceMut::new(copy)], from)?;
            }
            std::hint::black_box(stay.is_some_and(|stay| stay.lasts()));
        }
        took.push(woken.elapsed());
    }
    std::fs::write(file, format!("samples {}\n", took.len()))?;
    took.sort_unstable();
    let micros = |part: usize| took.get(took.len() * part / 100).map_or(0.0, |one| one.as_secs_f64() * 1e6);
    println!("it took: median {:.1} µs, p99 {:.1} µs", micros(50), micros(99));
    Ok(())
}

/// A random moment in each interval from the beginning on; none at rate 0.
fn slots(begin: Instant, rate: f64) -> impl Iterator<Item = Instant> {
    let slots = (0..).take_while(move |_| rate > 0.0);
    slots.map(move |slot| begin + Duration::from_secs_f64((f64::from(slot) + fastrand::f64()) / rate))
}
