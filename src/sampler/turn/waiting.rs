//! Waiting for the next look, and what is done meanwhile: commands are obeyed, the rate is governed.

use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::{Over, Turns, micros};
use crate::sample::{Command, Ending, Event};
use crate::sampler::clock::Clock;
use crate::sampler::look::{Looker, Scope};
use crate::sampler::{Length, UNHEARD, find};
use crate::target::{Pid, Target};

/// A sleep longer than this can be ended by a command.
const LONG: Duration = Duration::from_millis(20);
/// Who sleeps for less than this is late: to wake up again takes longer.
const SHORTEST: Duration = Duration::from_micros(5);
/// The kernel's own, at the longest: it is never better to rest for longer.
const TICK: Duration = Duration::from_millis(4);
/// How often it is asked whether the target lives, where looks are farther from each other.
const ALIVE: Duration = Duration::from_millis(100);
/// How often a thread is looked after that is still to stop.
const SETTLING: Duration = Duration::from_millis(1);

/// How often a Python is looked for below one that does nothing, or a command that is none.
const BELOW: Duration = Duration::from_secs(1);

/// What a command or the clock asks for.
pub(super) enum Next {
    Look,
    Nothing,
}

/// What is known of a Python below it.
pub(super) struct Below {
    asked: Instant,
    seen: Option<Pid>,
}

impl Below {
    pub(super) fn new() -> Self {
        Self { asked: Instant::now(), seen: None }
    }
}

impl Turns {
    /// What waits for `target` to become a Python may wait for ever, since it has started one: `timeout 60 python3 x.py`.
    pub(super) fn look_below(&mut self, target: &Target, below: &mut Below) -> Result<(), Over> {
        if below.asked.elapsed() < BELOW {
            return Ok(());
        }
        let found = find::python_below(target.pid());
        // One that has ended by the next time was started on the way.
        self.totals.below = found.filter(|_| found == below.seen).map(|pid| pid.0);
        *below = Below { seen: found, ..Below::new() };
        self.tell_totals()
    }

    /// Who does nothing may have others do it: the master of a server, a pool. Somebody who watches would want to know.
    pub(super) fn look_for_workers(
        &mut self,
        target: &Target,
        looker: &Looker,
        below: &mut Below,
    ) -> Result<(), Over> {
        let is_watched = self.length == Length::ToTheEnd && self.scope.is_all();
        if is_watched && !looker.has_holder() { self.look_below(target, below) } else { Ok(()) }
    }

    pub(super) fn govern(&mut self) -> Result<(), Over> {
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

    /// Sleeps until the clock says that a look is due, or the target no longer `lives`, doing what is asked for meanwhile.
    /// `settle` looks after threads that were told to stop and have not yet, and says how many these are.
    pub(super) fn wait_for_turn(
        &mut self,
        settle: impl Fn() -> usize,
        lives: impl Fn() -> bool,
        woken: Instant,
        mut now: Instant,
    ) -> Result<Next, Over> {
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
        while settle() > 0 && now < due.at {
            self.obey_for(SETTLING)?;
            now = Instant::now();
        }
        let left = due.at.saturating_duration_since(now);
        let awake = now.saturating_duration_since(woken);
        let rest = self.placing.as_ref().map_or(Duration::ZERO, |placing| placing.rest(awake));
        let wait = left.max(rest.min(self.clock.interval().max(TICK)));
        let until = if wait < SHORTEST { now } else { now + wait };
        while until.saturating_duration_since(now) > ALIVE {
            self.obey_for(ALIVE)?;
            now = Instant::now();
            if !lives() {
                // Which that will find.
                return Ok(Next::Look);
            }
        }
        self.obey_until(now, until, due.then)?;
        Ok(if self.paused { Next::Nothing } else { Next::Look })
    }

    /// Sleeps, and obeys the commands that come. What ends the sampling ends the sleep.
    pub(super) fn obey_for(&mut self, time: Duration) -> Result<(), Over> {
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
            Command::Tasks(too) => {
                self.scope = if too { Scope::Tasks } else { Scope::All };
                // There may be thousands.
                let slower = self.governor.as_mut().and_then(|governor| governor.expect(too));
                slower.map_or(Ok(()), |interval| self.look_every(interval))?;
            }
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Stop => return Err(Over(Ending::Detached)),
        }
        Ok(())
    }
}
