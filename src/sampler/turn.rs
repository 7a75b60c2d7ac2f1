//! The sampler's loop: wait for the clock, look, say what was seen; and what happens when the target becomes
//! another program, or ends.

mod family;
mod waiting;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender};

use crate::fault;
use crate::python::locate::{LocateError, Python};
use crate::python::tasks::are_told;
use crate::python::version::Version;
use crate::sample::{About, Command, Ending, Event, Failure, Micros, Outcome, Sample, Totals};
use crate::sampler::clock::Clock;
use crate::sampler::cost::Cost;
use crate::sampler::find;
use crate::sampler::govern::Governor;
use crate::sampler::look::{Gone, Looker, Scope};
use crate::sampler::placing::{Means, Placing};
use crate::sampler::{Length, Plan, Stopping, UNHEARD, WAITING_EVENTS, Watch};
use crate::target::{Alarm, Life, Target, process};

use waiting::{Below, Next};

/// How often the totals are told.
const TOTALS: Duration = Duration::from_millis(100);
/// How often a command that runs no Python (yet) is looked at: first, and at the longest.
const WATCH: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Where there is but one look it is tried so many times more, so long later.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_millis(5);
/// How long the kernel may take to bury a process whose memory is gone.
const BURIAL: Duration = Duration::from_secs(10);
/// A process that was watched and became another program is given this long to show a Python.
const REBIRTH: Duration = Duration::from_secs(5);

/// Everything that lasts from one look to the next.
#[derive(Debug)]
pub(super) struct Turns {
    events: Sender<Event>,
    /// What there was no room for and must not be lost, the oldest first.
    unsaid: VecDeque<Event>,
    commands: Receiver<Command>,
    abi: Option<Version>,
    /// It is a command of ours, which may run a Python at any time.
    follow: bool,
    /// It is called one.
    is_called_python: bool,
    scope: Scope,
    means: Means,
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

impl Turns {
    pub(super) fn new(plan: &Plan, events: Sender<Event>, commands: Receiver<Command>) -> Self {
        let (now, means) = (Instant::now(), Means::new(plan.stopping));
        let mut governor = plan.governed.then(|| Governor::new(plan.interval));
        let tasks = plan.scope == Scope::Tasks;
        let interval = governor.as_mut().and_then(|governor| governor.expect(tasks));
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            events,
            unsaid: VecDeque::new(),
            commands,
            abi: plan.abi,
            follow: matches!(plan.watch, Watch::Command(_)),
            is_called_python: find::names_python(&plan.watch),
            scope: plan.scope,
            placing: Placing::new(&means),
            means,
            length: plan.length,
            clock: Clock::new(now, interval.unwrap_or(plan.interval), fastrand::u64(..)),
            alarm: Alarm::default(),
            wanted: plan.interval,
            governor,
            epoch,
            zero: now,
            began: now,
            told: now,
            stopped_since: Duration::ZERO,
            totals: Totals::default(),
            paused: false,
            cost: Cost::new(),
            end: None,
        }
    }

    /// Watches the target to the end, its own or ours.
    pub(super) fn run(&mut self, mut target: Target, python: Option<Python>) -> Ending {
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
        self.totals.elapsed = micros(self.began.elapsed());
        self.unsaid.extend([Event::Totals(self.totals.clone()), Event::Ended(ending)]);
        // Now it may take as long as it takes.
        let _ = self.unsaid.into_iter().try_for_each(|event| self.events.send(event));
        self.cost
    }

    /// Waits until a command runs a Python, or ends.
    fn await_python(&mut self, target: &mut Target) -> Result<Python, Over> {
        let (mut pause, mut below) = (WATCH.0, Below::new());
        let (mut cause, mut program) = (LocateError::NotPython(0), None);
        let deadline = (!self.follow).then(|| Instant::now() + REBIRTH);
        loop {
            program = process::executable(target.pid()).ok().or(program);
            match find::attempt(target, self.abi) {
                Ok(python) => {
                    self.totals.below = None;
                    return Ok(python);
                }
                // Its files are gone before it is.
                Err(LocateError::Read(_) | LocateError::NotPython(0)) => {}
                Err(error) => cause = error,
            }
            match target.life() {
                Life::Running | Life::Ending => {}
                Life::Execed => {
                    let _ = target.reopen();
                    pause = WATCH.0;
                }
                life => {
                    let was_python = program.as_deref().map_or(self.is_called_python, find::is_called_python);
                    return Err(Over(self.never(target, life, cause, was_python)));
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Over(Ending::NotPython(find::error(target, cause).to_string())));
            }
            if self.follow {
                self.look_below(target, &mut below)?;
            }
            self.obey_for(pause)?;
            pause = (pause * 2).min(WATCH.1);
        }
    }

    /// A command ended before it ran a Python that could be read. What is called one was just too quick.
    fn never(&self, target: &Target, life: Life, cause: LocateError, was_python: bool) -> Ending {
        let was_quick = matches!(cause, LocateError::NotPython(_)) && was_python;
        if self.totals.samples > 0 || was_quick || matches!(cause, LocateError::NotYet) {
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
        self.totals.processes = 1;
        let about = self.about(target, &python);
        self.tell_of(about)?;
        let mut looker = Looker::new(python, &self.means, target.rseq(), std::mem::take(&mut self.cost));
        let result = self.look_on(target, &mut looker);
        looker.cost_mut().asked += target.tasks().take_asked();
        self.cost = looker.into_cost();
        result
    }

    fn look_on(&mut self, target: &Target, looker: &mut Looker) -> Result<Gone, Over> {
        self.begin();
        if let Some(placing) = &mut self.placing {
            placing.begin(target);
        }
        let (mut now, mut below) = (Instant::now(), Below::new());
        let mut woken = now;
        loop {
            let lives = || target.life() == Life::Running;
            if let Next::Look = self.wait_for_turn(|| target.tracer().settle(), lives, woken, now)? {
                now = Instant::now();
                woken = now;
                let at = self.at(now);
                fault::point("sampler");
                match self.look(target, looker, now)? {
                    Ok(outcome) => self.say(target, looker, at, outcome)?,
                    Err(Gone) => return Ok(Gone),
                }
            }
            if self.length == Length::Once {
                return Err(Over(Ending::Detached));
            }
            now = Instant::now();
            if let Some(placing) = &mut self.placing {
                now = placing.after(target, looker, self.totals.late, (woken, now));
            }
            let Cost { stopped, retried, .. } = *looker.cost();
            if self.sum_up(now, stopped, retried)? {
                self.totals.stands = target.stands();
                self.look_for_workers(target, looker, &mut below)?;
                now = Instant::now();
            }
        }
    }

    /// One look, begun at `now`. The only one there will be is tried again where it comes to nothing.
    fn look(
        &mut self,
        target: &Target,
        looker: &mut Looker,
        now: Instant,
    ) -> Result<Result<Outcome, Gone>, Over> {
        let mut outcome = looker.look(target, self.scope, now);
        let tries = if self.length == Length::Once { TRIES } else { 0 };
        for _ in 0..tries {
            if !matches!(outcome, Ok(Outcome::Failed(_))) {
                break;
            }
            self.obey_for(AGAIN)?;
            outcome = looker.look(target, self.scope, Instant::now());
        }
        Ok(outcome)
    }

    /// Says who is watched from now on.
    fn tell_of(&mut self, about: About) -> Result<(), Over> {
        self.tell(Event::About(about))?;
        self.tell(Event::Interval(micros(self.clock.interval())))
    }

    /// From now on it counts how long that takes.
    fn begin(&mut self) {
        if let (Length::For(length), None) = (self.length, self.end) {
            self.began = Instant::now();
            let clock = Clock::new(self.began, self.clock.interval(), fastrand::u64(..));
            // Else it might be over before its first look is due.
            self.clock = if length < clock.interval() { clock.at_once() } else { clock };
            self.end = Some(self.began + length);
        }
    }

    /// Threads have stood still for so long by `now`, in all, and so many looks were done again. Says whether the totals were
    /// told.
    fn sum_up(&mut self, now: Instant, stopped: Duration, retried: u64) -> Result<bool, Over> {
        let before = std::mem::replace(&mut self.totals.stopped, micros(stopped));
        self.totals.retried = retried;
        self.stopped_since += Duration::from_micros(self.totals.stopped.0.saturating_sub(before.0));
        let is_due = now.saturating_duration_since(self.told) >= TOTALS;
        if is_due {
            self.govern()?;
            self.tell_totals()?;
        }
        Ok(is_due)
    }

    /// Tells a sample, and first of the threads in it that nobody has heard of.
    fn say(
        &mut self,
        target: &Target,
        looker: &mut Looker,
        at: Micros,
        outcome: Outcome,
    ) -> Result<(), Over> {
        let failure = match &outcome {
            Outcome::Taken(threads) => {
                for (thread, name) in looker.names(target, threads) {
                    self.tell(Event::Thread(thread, name))?;
                }
                None
            }
            Outcome::Failed(failure) => Some(*failure),
        };
        self.send(at, outcome, failure)
    }

    /// Sends a sample, if there is room for it.
    fn send(&mut self, at: Micros, outcome: Outcome, failure: Option<Failure>) -> Result<(), Over> {
        self.totals.samples += 1;
        let index = failure.and_then(|failure| Failure::ALL.iter().position(|one| *one == failure));
        if let Some(count) = index.and_then(|index| self.totals.failed.get_mut(index)) {
            *count += 1;
        }
        if !self.say_the_unsaid()? || self.offer(Event::Sample(Sample { at, outcome }))?.is_some() {
            self.totals.dropped += 1;
        }
        Ok(())
    }

    /// Tells something, or gives it back if there is no room for it.
    fn offer(&self, event: Event) -> Result<Option<Event>, Over> {
        if self.events.len() >= WAITING_EVENTS {
            return Ok(Some(event));
        }
        self.events.send(event).map(|()| None).map_err(|_| Over(UNHEARD))
    }

    /// For what must not be lost. Nobody is waited for: a thread that was told to stop may come to its stop meanwhile.
    fn tell(&mut self, event: Event) -> Result<(), Over> {
        self.unsaid.push_back(event);
        self.say_the_unsaid().map(drop)
    }

    /// Is all told that there is to tell?
    fn say_the_unsaid(&mut self) -> Result<bool, Over> {
        while let Some(event) = self.unsaid.pop_front() {
            if let Some(event) = self.offer(event)? {
                self.unsaid.push_front(event);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tell_totals(&mut self) -> Result<(), Over> {
        self.told = Instant::now();
        self.totals.elapsed = micros(self.began.elapsed());
        if self.say_the_unsaid()? {
            self.offer(Event::Totals(self.totals.clone()))?;
        }
        Ok(())
    }

    /// A moment on the wall clock.
    fn at(&self, now: Instant) -> Micros {
        micros(self.epoch + now.saturating_duration_since(self.zero))
    }

    fn about(&self, target: &Target, python: &Python) -> About {
        let words = process::command_line(target.pid());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        About {
            pid: target.pid().0,
            command: words.join(" "),
            python: python.layout.build.name(python.layout.version),
            age: micros(target.identity().age().unwrap_or_default()),
            interval: micros(self.wanted),
            tasks: are_told(&python.layout) && self.means.stopping == Stopping::Brief,
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
