//! The sampler's loop: wait for the clock, look, say what was seen; and what happens when the target becomes
//! another program, or ends.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError};

use crate::fault;
use crate::python::locate::{LocateError, Python};
use crate::python::version::{Build, Version};
use crate::sample::{About, Command, Ending, Event, Failure, Micros, Outcome, Sample, Totals};
use crate::sampler::clock::Clock;
use crate::sampler::cost::Cost;
use crate::sampler::find;
use crate::sampler::govern::Governor;
use crate::sampler::look::{Gone, Looker, Scope};
use crate::sampler::placing::Placing;
use crate::sampler::{Length, Plan, Stopping, UNHEARD, Watch};
use crate::target::{Alarm, Life, Target, process};

/// How often the totals are told.
const TOTALS: Duration = Duration::from_millis(100);
/// A sleep longer than this can be ended by a command.
const LONG: Duration = Duration::from_millis(20);
/// Who sleeps for less than this is late: to wake up again takes longer.
const SHORTEST: Duration = Duration::from_micros(5);
/// How often a command that runs no Python (yet) is looked at: first, and at the longest.
const WATCH: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// How often a thread is looked after that is still to stop.
const SETTLING: Duration = Duration::from_millis(1);
/// How long the kernel may take to bury a process whose memory is gone.
const BURIAL: Duration = Duration::from_secs(10);
/// A process that was watched and became another program is given this long to show a Python.
const REBIRTH: Duration = Duration::from_secs(5);

/// Everything that lasts from one look to the next.
#[derive(Debug)]
pub(super) struct Turns {
    events: Sender<Event>,
    commands: Receiver<Command>,
    abi: Option<Version>,
    /// It is a command of ours, which may run a Python at any time.
    follow: bool,
    scope: Scope,
    stopping: Stopping,
    length: Length,
    clock: Clock,
    alarm: Alarm,
    /// The mean time between two looks that was asked for.
    wanted: Duration,
    governor: Option<Governor>,
    /// The wall clock when the monotonic one said `zero`.
    epoch: Duration,
    zero: Instant,
    began: Instant,
    told: Instant,
    /// How long threads stood still since the totals were told.
    stopped_since: Duration,
    totals: Totals,
    paused: bool,
    cost: Cost,
    placing: Option<Placing>,
    end: Option<Instant>,
}

/// Nothing more is to be done.
struct Over(Ending);

/// What a command or the clock asks for.
enum Next {
    Look,
    Nothing,
}

impl Turns {
    pub(super) fn new(plan: &Plan, events: Sender<Event>, commands: Receiver<Command>) -> Self {
        let now = Instant::now();
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            events,
            commands,
            abi: plan.abi,
            follow: matches!(plan.watch, Watch::Command(_)),
            scope: plan.scope,
            stopping: plan.stopping,
            length: plan.length,
            clock: Clock::new(now, plan.interval, fastrand::u64(..)),
            alarm: Alarm::default(),
            wanted: plan.interval,
            governor: plan.governed.then(|| Governor::new(plan.interval)),
            epoch,
            zero: now,
            began: now,
            told: now,
            stopped_since: Duration::ZERO,
            totals: Totals::default(),
            paused: false,
            cost: Cost::new(),
            placing: Placing::new(plan.stopping),
            end: None,
        }
    }

    /// Watches the target to the end, its own or ours.
    pub(super) fn run(&mut self, mut target: Target, python: Option<Python>) -> Ending {
        // A sleep of 100 µs is to take that long, and not 50 µs more.
        let _ = nix::sys::prctl::set_timerslack(1);
        let mut python = python;
        loop {
            let found = match python.take() {
                Some(found) => Ok(found),
                None => self.await_python(&mut target),
            };
            match found.and_then(|found| self.watch(&target, found)) {
                // The address space is gone: what now?
                Ok(Gone) => match self.await_rebirth(&mut target) {
                    Ok(()) => {}
                    Err(Over(ending)) => return ending,
                },
                Err(Over(ending)) => return ending,
            }
        }
    }

    /// Says the last words.
    pub(super) fn end(mut self, ending: Ending) -> Cost {
        self.tell_totals();
        let _ = self.events.send(Event::Ended(ending));
        self.cost
    }

    /// Waits until a command runs a Python, or ends.
    fn await_python(&mut self, target: &mut Target) -> Result<Python, Over> {
        let mut pause = WATCH.0;
        let mut cause = LocateError::NotPython(0);
        let deadline = (!self.follow).then(|| Instant::now() + REBIRTH);
        loop {
            match find::attempt(target, self.abi) {
                Ok(python) => return Ok(python),
                Err(LocateError::Read(_)) => {}
                Err(error) => cause = error,
            }
            match target.life() {
                Life::Running | Life::Ending => {}
                Life::Execed => {
                    let _ = target.reopen();
                    pause = WATCH.0;
                }
                life => return Err(Over(self.never(target, life, cause))),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Over(Ending::NotPython(find::error(target, cause).to_string())));
            }
            self.obey_for(pause)?;
            pause = (pause * 2).min(WATCH.1);
        }
    }

    /// A command ended before it ran a Python that could be read.
    fn never(&self, target: &Target, life: Life, cause: LocateError) -> Ending {
        if self.totals.samples > 0 || matches!(cause, LocateError::NotYet) {
            return ending(life);
        }
        Ending::NotPython(find::error(target, cause).to_string())
    }

    /// The memory is gone: waits until it is clear what became of the process.
    fn await_rebirth(&mut self, target: &mut Target) -> Result<(), Over> {
        let deadline = Instant::now() + BURIAL;
        loop {
            match target.life() {
                Life::Running => return Ok(()),
                Life::Execed => match target.reopen() {
                    Ok(()) => return Ok(()),
                    Err(_) if target.life() == Life::Execed => {
                        let cause = "it became a program that cannot be read".to_owned();
                        return Err(Over(Ending::NotPython(cause)));
                    }
                    Err(_) => {}
                },
                Life::Ending if Instant::now() < deadline => self.obey_for(WATCH.0)?,
                life => return Err(Over(ending(life))),
            }
        }
    }

    /// Looks at one Python, again and again.
    fn watch(&mut self, target: &Target, python: Python) -> Result<Gone, Over> {
        self.tell(Event::About(self.about(target, &python)))?;
        self.tell(Event::Interval(micros(self.clock.interval())))?;
        let mut looker = Looker::new(python, self.stopping, target.rseq(), std::mem::take(&mut self.cost));
        let result = self.look_on(target, &mut looker);
        looker.cost_mut().asked = target.tasks().asked();
        self.cost = looker.into_cost();
        result
    }

    fn look_on(&mut self, target: &Target, looker: &mut Looker) -> Result<Gone, Over> {
        if let (Length::For(length), None) = (self.length, self.end) {
            self.began = Instant::now();
            self.clock = Clock::new(self.began, self.clock.interval(), fastrand::u64(..));
            self.end = Some(self.began + length);
        }
        let mut now = Instant::now();
        let mut woken = now;
        loop {
            if let Next::Look = self.wait_for_turn(target, woken, now)? {
                now = Instant::now();
                woken = now;
                let at = micros(self.epoch + now.saturating_duration_since(self.zero));
                fault::point("sampler");
                match looker.look(target, self.scope, now) {
                    Ok(outcome) => self.say(target, looker, at, outcome)?,
                    Err(Gone) => return Ok(Gone),
                }
            }
            if self.length == Length::Once {
                return Err(Over(Ending::Detached));
            }
            now = Instant::now();
            if let Some(placing) = &mut self.placing {
                placing.after(target, looker, self.totals.late, now);
            }
            let before = self.totals.stopped;
            self.totals.stopped = micros(looker.cost().stopped);
            self.totals.retried = looker.cost().retried;
            self.stopped_since += Duration::from_micros(self.totals.stopped.0.saturating_sub(before.0));
            if now.saturating_duration_since(self.told) >= TOTALS {
                self.govern()?;
                self.tell_totals();
                now = Instant::now();
            }
        }
    }

    fn govern(&mut self) -> Result<(), Over> {
        let stopped = std::mem::take(&mut self.stopped_since);
        let elapsed = self.told.elapsed();
        if let Some(interval) = self.governor.as_mut().and_then(|governor| governor.judge(stopped, elapsed)) {
            self.look_every(interval)?;
        }
        Ok(())
    }

    /// Looks so often from now on, and says so.
    fn look_every(&mut self, interval: Duration) -> Result<(), Over> {
        self.clock = Clock::new(Instant::now(), interval, fastrand::u64(..));
        self.tell(Event::Interval(micros(interval)))
    }

    /// Sleeps until the clock says that a look is due, doing what is asked for meanwhile.
    fn wait_for_turn(&mut self, target: &Target, woken: Instant, mut now: Instant) -> Result<Next, Over> {
        if self.length == Length::Once {
            return Ok(Next::Look);
        }
        // What lies beyond the end was not asked for and cannot be late.
        let due = self.clock.next(self.end.map_or(now, |end| now.min(end)));
        self.totals.late += due.missed;
        if let Some(end) = self.end
            && due.at >= end
        {
            self.obey_for(end.saturating_duration_since(Instant::now()))?;
            return Err(Over(Ending::Detached));
        }
        // A thread that did not stop in time stands still when it does, until it is let go: be there.
        while target.tracer().settle() > 0 && now < due.at {
            self.obey_for(SETTLING)?;
            now = Instant::now();
        }
        let left = due.at.saturating_duration_since(now);
        let awake = now.saturating_duration_since(woken);
        let rest = self.placing.as_ref().map_or(Duration::ZERO, |placing| placing.rest(awake));
        let wait = left.max(rest.min(self.clock.interval()));
        let until = if wait < SHORTEST { now } else { now + wait };
        self.obey_until(now, until, due.then)?;
        Ok(if self.paused { Next::Nothing } else { Next::Look })
    }

    /// Sleeps, and obeys the commands that come. What ends the sampling ends the sleep.
    fn obey_for(&mut self, time: Duration) -> Result<(), Over> {
        let now = Instant::now();
        self.obey_until(now, now + time, now)
    }

    /// The same from `now` on; `then` is until when the next sleep will probably be.
    fn obey_until(&mut self, now: Instant, until: Instant, then: Instant) -> Result<(), Over> {
        let deadline = (until.saturating_duration_since(now) > LONG).then_some(until);
        loop {
            let command = match deadline {
                Some(deadline) => self.commands.recv_deadline(deadline),
                None => self.commands.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
            };
            match command {
                Ok(command) => self.obey(command)?,
                Err(RecvTimeoutError::Disconnected) => return Err(Over(UNHEARD)),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        if deadline.is_none() && until > now {
            self.alarm.wait(until, then);
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) -> Result<(), Over> {
        match command {
            Command::Interval(Micros(micros)) => {
                // Somebody wants just this.
                self.governor = None;
                self.look_every(Duration::from_micros(micros))?;
            }
            Command::AllThreads(all) => self.scope = if all { Scope::All } else { Scope::Running },
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Stop => return Err(Over(Ending::Detached)),
        }
        Ok(())
    }

    /// Tells a sample, and first of the threads in it that nobody has heard of.
    fn say(
        &mut self,
        target: &Target,
        looker: &mut Looker,
        at: Micros,
        outcome: Outcome,
    ) -> Result<(), Over> {
        self.totals.samples += 1;
        match &outcome {
            Outcome::Taken(threads) => {
                for (thread, name) in looker.names(target, threads) {
                    self.tell(Event::Thread(thread, name))?;
                }
            }
            Outcome::Failed(failure) => {
                let index = Failure::ALL.iter().position(|one| one == failure);
                if let Some(count) = index.and_then(|index| self.totals.failed.get_mut(index)) {
                    *count += 1;
                }
            }
        }
        match self.events.try_send(Event::Sample(Sample { at, outcome })) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.totals.dropped += 1;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(Over(UNHEARD)),
        }
    }

    /// For what must not be lost; the target is never stopped meanwhile.
    fn tell(&self, event: Event) -> Result<(), Over> {
        self.events.send(event).map_err(|_| Over(UNHEARD))
    }

    fn tell_totals(&mut self) {
        self.told = Instant::now();
        self.totals.elapsed = micros(self.began.elapsed());
        let _ = self.events.send(Event::Totals(self.totals.clone()));
    }

    fn about(&self, target: &Target, python: &Python) -> About {
        let words = process::command_line(target.pid());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let version = python.layout.version;
        About {
            pid: target.pid().0,
            command: words.join(" "),
            python: match python.layout.build {
                Build::Ordinary => version.to_string(),
                Build::TraceRefs => format!("{version} debug"),
                Build::FreeThreaded => format!("{version} free-threaded"),
            },
            age: micros(target.identity().age().unwrap_or_default()),
            interval: micros(self.wanted),
        }
    }
}

fn micros(duration: Duration) -> Micros {
    Micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn ending(life: Life) -> Ending {
    match life {
        Life::Exited(status) => Ending::Exited(Some(status)),
        Life::Killed(signal) => Ending::Killed(signal),
        _ => Ending::Exited(None),
    }
}
