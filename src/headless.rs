//! The receive loop without a screen: everything that the sampler says goes into a profile; when it has said its last
//! word, or we are told to stop, the profile is written.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use nix::libc::SIGTTOU;
use nix::sys::signal::Signal;
use nix::unistd::{getpgrp, tcgetpgrp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGTTIN, SIGUSR1};

use crate::fault;
use crate::profile::Profile;
use crate::sample::{Command, Ending, Event, Totals};
use crate::sampler::Sampler;
use crate::sampler::cost::Cost;
use crate::target::{inherited, job, was_ignored};

/// How long we sleep before we look for events and signals again: at first, and at the longest. Whoever waits for each
/// event makes the sampler wake it a thousand times a second, and that took a third of all our time. What is taken in
/// together is cheaper, too: it finds the tree of stacks in the cache.
const PAUSE: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(100));
/// Of more events at once than this we come sooner: the channel holds four times as many.
const MANY: u32 = 2048;
/// The same while we wait for the sampler to let go.
const SHORT_TICK: Duration = Duration::from_millis(2);
/// How many of those it is given: a look lasts a second at most.
const LET_GO: u32 = 750;

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

/// Signals that ask us to come to an end, to stand still, or to save, noted as they arrive.
#[derive(Debug)]
pub struct Stops {
    ends: Vec<(i32, Arc<AtomicBool>)>,
    stands: Vec<(Signal, Arc<AtomicBool>)>,
    saves: Arc<AtomicBool>,
    /// ^C that are not for us.
    forgiven: u32,
}

impl Stops {
    /// From here on ^C, SIGTERM, SIGHUP, ^Z and SIGUSR1 are noted instead of ending or stopping us, unless our starter had
    /// them ignored. With a `command` of ours the first ^C is the command's: it gets it too, and is followed to its end.
    pub fn note(command: bool) -> io::Result<Self> {
        // Else a word to the terminal from the background could stop us while we hold a thread of the target.
        inherited::ignore(SIGTTOU);
        let note = |signal: i32| {
            let flag = Arc::new(AtomicBool::new(false));
            if !was_ignored(signal) {
                signal_hook::flag::register(signal, Arc::clone(&flag))?;
            }
            Ok::<_, io::Error>(flag)
        };
        let saves = note(SIGUSR1)?;
        let mut stops = Self { ends: Vec::new(), stands: Vec::new(), saves, forgiven: u32::from(command) };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            stops.ends.push((signal, note(signal)?));
        }
        for (signal, name) in [(SIGTSTP, Signal::SIGTSTP), (SIGTTIN, Signal::SIGTTIN)] {
            stops.stands.push((name, note(signal)?));
        }
        Ok(stops)
    }

    /// The signal to end that has come since this was last asked.
    fn ended(&mut self) -> Option<i32> {
        let (signal, _) = self.ends.iter().find(|(_, flag)| flag.swap(false, Ordering::Relaxed))?;
        if *signal == SIGINT && self.forgiven > 0 {
            self.forgiven -= 1;
            return None;
        }
        Some(*signal)
    }

    /// The signal to stand still that has come since this was last asked.
    fn stood(&self) -> Option<Signal> {
        self.stands.iter().find(|(_, flag)| flag.swap(false, Ordering::Relaxed)).map(|(signal, _)| *signal)
    }
}

/// Receives into `profile` until the sampler ends. `total` is how long that will take, if it is known. Whoever sends SIGUSR1
/// wants a `save` meanwhile.
pub fn record(
    profile: Profile,
    sampler: Sampler,
    stops: Stops,
    total: Option<Duration>,
    save: &dyn Fn(&Profile),
) -> Recording {
    let mut listener =
        Listener { profile, stops, save, ending: None, signal: None, standing: None, told: false };
    // A panic of ours must not take with it what was sampled.
    if catch_unwind(AssertUnwindSafe(|| listener.listen(&sampler, total))).is_err() {
        listener.ending = None;
    }
    let Listener { profile, ending, signal, .. } = listener;
    Recording { profile, ending, cost: sampler.join(), signal }
}

/// What is gathered while the sampler speaks.
struct Listener<'a> {
    profile: Profile,
    stops: Stops,
    save: &'a dyn Fn(&Profile),
    ending: Option<Ending>,
    signal: Option<i32>,
    /// We have been told to stand still by this, and wait so many times more for the sampler to let go.
    standing: Option<(Signal, u32)>,
    /// It was said that the command itself is no Python.
    told: bool,
}

impl Listener<'_> {
    fn listen(&mut self, sampler: &Sampler, total: Option<Duration>) {
        let shown = Progress::new(total);
        let (mut pause, mut events) = (PAUSE.0, 0_u32);
        loop {
            match sampler.events.try_recv() {
                Ok(Event::Ended(how)) => self.ending = Some(how),
                Ok(event) => {
                    events += 1;
                    fault::point("headless");
                    self.profile.record(&event);
                    let Event::Totals(totals) = &event else { continue };
                    shown.show(totals);
                    if self.profile.about().is_none() {
                        self.tell_below(totals.below);
                    }
                }
                Err(TryRecvError::Empty) => {
                    // The sampler ends this when it ends itself.
                    std::thread::park_timeout(if self.standing.is_some() { SHORT_TICK } else { pause });
                    let many = std::mem::take(&mut events) > MANY;
                    pause = if many { pause / 2 } else { pause * 2 }.clamp(PAUSE.0, PAUSE.1);
                    self.standing = self.standing.map(|(signal, left)| (signal, left.saturating_sub(1)));
                }
                Err(TryRecvError::Disconnected) => break,
            }
            self.obey_signals(sampler);
        }
        shown.clear();
    }

    /// Who waits for a Python that will not come is told so while there is time.
    fn tell_below(&mut self, below: Option<u32>) {
        if let Some(pid) = below.filter(|_| !self.told) {
            self.told = true;
            // Standard error may be gone: then nobody wants to know.
            let _ = writeln!(
                io::stderr(),
                "pyflame-tui: the command is no Python, but {pid}, which it started, is: --subprocesses looks at that"
            );
        }
    }

    fn obey_signals(&mut self, sampler: &Sampler) {
        if self.stops.saves.swap(false, Ordering::Relaxed) {
            (self.save)(&self.profile);
        }
        if self.signal.is_none() {
            self.signal = self.stops.ended();
            if self.signal.is_some() {
                // If it is not heard the sampler has ended already.
                let _ = sampler.commands.send(Command::Stop);
            }
        }
        match self.standing {
            None => {
                if let Some(signal) = self.stops.stood() {
                    let _ = sampler.commands.send(Command::Pause);
                    self.standing = Some((signal, LET_GO));
                }
            }
            // The sampler takes commands only while it holds nothing.
            Some((signal, left)) if left == 0 || sampler.commands.is_empty() => {
                self.standing = None;
                job::obey(signal);
                let _ = sampler.commands.send(Command::Resume);
            }
            Some(_) => {}
        }
    }
}

/// The line on a terminal's standard error that tells how far we are. Where that is not known a command is watched, which
/// writes to the same terminal: there is no line there, which would be in the way of its words.
struct Progress {
    total: Duration,
    on: bool,
}

impl Progress {
    fn new(total: Option<Duration>) -> Self {
        // A dumb terminal cannot take back what was written.
        let is_smart = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let on = total.is_some() && is_smart && io::stderr().is_terminal();
        Self { total: total.unwrap_or_default(), on }
    }

    fn show(&self, totals: &Totals) {
        if !self.on || !is_in_foreground() {
            return;
        }
        let elapsed = Duration::from_micros(totals.elapsed.0).as_secs_f64();
        let share = |part: f64| if elapsed > 0.0 { part / elapsed } else { 0.0 };
        let failed: u64 = totals.failed.iter().sum();
        let rate = share(u32::try_from(totals.samples).map_or(f64::INFINITY, f64::from));
        let stopped = 100.0 * share(Duration::from_micros(totals.stopped.0).as_secs_f64());
        let mut line = format!(
            "\r{elapsed:.1} of {:.1} s · {} samples · {rate:.0}/s · stopped {stopped:.2} %",
            self.total.as_secs_f64(),
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
        if self.on && is_in_foreground() {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// Does the terminal belong to our job? A job in the background would write over the shell's own line.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stderr()).map_or(true, |group| group == getpgrp())
}
