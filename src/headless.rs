//! The receive loop without a screen: everything that the sampler says goes into a profile; when it has said its last
//! word, or we are told to stop, the profile is written.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::profile::Profile;
use crate::sample::{Command, Ending, Event, Totals};
use crate::sampler::Sampler;
use crate::sampler::cost::Cost;
use crate::target::was_ignored;

/// How often we look whether a signal has come, and tell of the progress.
const TICK: Duration = Duration::from_millis(100);

/// What was recorded, and how it ended.
#[derive(Debug)]
pub struct Recording {
    /// All that was seen.
    pub profile: Profile,
    /// How it ended; `None` if the sampler's thread has panicked.
    pub ending: Option<Ending>,
    /// What it cost; `None` likewise.
    pub cost: Option<Cost>,
    /// The signal that made us stop.
    pub signal: Option<i32>,
}

/// Signals that ask us to come to an end, noted as they arrive.
#[derive(Debug)]
pub struct Stops {
    flags: Vec<(i32, Arc<AtomicBool>)>,
    /// ^C that are not for us.
    forgiven: u32,
}

impl Stops {
    /// From here on ^C, SIGTERM and SIGHUP are noted instead of ending us, unless our starter had them ignored. With a
    /// `command` of ours the first ^C is the command's: it gets it too, and is followed to its end.
    pub fn note(command: bool) -> io::Result<Self> {
        let mut flags = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if !was_ignored(signal) {
                let flag = Arc::new(AtomicBool::new(false));
                signal_hook::flag::register(signal, Arc::clone(&flag))?;
                flags.push((signal, flag));
            }
        }
        Ok(Self { flags, forgiven: u32::from(command) })
    }

    /// The signal that has come since this was last asked.
    fn asked(&mut self) -> Option<i32> {
        let (signal, _) = self.flags.iter().find(|(_, flag)| flag.swap(false, Ordering::Relaxed))?;
        if *signal == SIGINT && self.forgiven > 0 {
            self.forgiven -= 1;
            return None;
        }
        Some(*signal)
    }
}

/// Receives into `profile` until the sampler ends. `total` is how long that will take, if it is known.
pub fn record(
    mut profile: Profile,
    sampler: Sampler,
    mut stops: Stops,
    total: Option<Duration>,
) -> Recording {
    let mut ending = None;
    let mut signal = None;
    let shown = Progress::new(total);
    loop {
        match sampler.events.recv_timeout(TICK) {
            Ok(Event::Ended(how)) => ending = Some(how),
            Ok(event) => {
                if let Event::Totals(totals) = &event {
                    shown.show(totals);
                }
                profile.record(&event);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if signal.is_none() {
            signal = stops.asked();
            if signal.is_some() {
                // If it is not heard the sampler has ended already.
                let _ = sampler.commands.send(Command::Stop);
            }
        }
    }
    shown.clear();
    Recording { profile, ending, cost: sampler.join(), signal }
}

/// The line on a terminal's standard error that tells how far we are.
struct Progress {
    total: Option<Duration>,
    on: bool,
}

impl Progress {
    fn new(total: Option<Duration>) -> Self {
        Self { total, on: io::stderr().is_terminal() }
    }

    fn show(&self, totals: &Totals) {
        if !self.on {
            return;
        }
        let elapsed = Duration::from_micros(totals.elapsed.0).as_secs_f64();
        let of = self.total.map_or_else(String::new, |total| format!(" of {:.1}", total.as_secs_f64()));
        let share = |part: f64| if elapsed > 0.0 { part / elapsed } else { 0.0 };
        let failed: u64 = totals.failed.iter().sum();
        let rate = share(u32::try_from(totals.samples).map_or(f64::INFINITY, f64::from));
        let stopped = 100.0 * share(Duration::from_micros(totals.stopped.0).as_secs_f64());
        let mut line = format!(
            "\r{elapsed:.1}{of} s · {} samples · {rate:.0}/s · stopped {stopped:.2} %",
            totals.samples
        );
        for (count, what) in [(failed, "failed"), (totals.late, "late"), (totals.dropped, "dropped")] {
            if count > 0 {
                // Writing to a string does not fail.
                let _ = write!(line, " · {count} {what}");
            }
        }
        line.push_str("\x1b[K");
        // Progress is a courtesy: if it cannot be told, the samples are still taken.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn clear(&self) {
        if self.on {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
