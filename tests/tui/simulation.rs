//! Programs that do not exist: what a sampler would say of them, the same at every run. Stacks are
//! drawn at random in spells, as real ones come.

use pyflame_tui::sample::{About, Event, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample, Totals};

use crate::programs::{Choice, choice, consumer, handler, hostile, hot, resting, tower, wide, worker};

/// When every simulation begins: 03:07:12 in the night.
pub(crate) const START: Micros = Micros(1_700_017_632_000_000);

/// A small generator of random numbers (xorshift64*), so that a seed means the same for ever.
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub u64);

impl Chance {
    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// A threaded web service of nine threads; after 20 s its report becomes slow.
    Web,
    /// The same, and it stays as it is.
    Steady,
    /// A recursion of 500 frames.
    Tower,
    /// 600 functions called from one.
    Wide,
    /// Everybody waits for work.
    Idle,
    /// Another hot function every ten seconds.
    Phases,
    /// A service that is hit by a burst of a second every seven.
    Bursty,
    /// An event loop: six tasks that answer requests, and one that waits for something to do.
    Coroutines,
    /// Names that try to take the terminal over.
    Hostile,
}

/// What a thread does: it draws a stack, and stays in it for a spell.
struct Actor {
    id: ThreadId,
    name: &'static str,
    now: usize,
    left: u32,
}

/// A program that runs.
pub(crate) struct Simulation {
    program: Program,
    chance: Chance,
    actors: Vec<Actor>,
    tables: Vec<Vec<Choice>>,
    at: Micros,
    interval: Micros,
    samples: u64,
    begun: bool,
    in_phase: u64,
}

impl Simulation {
    /// A program, sampled so often a second.
    pub(crate) fn new(program: Program, rate: u64, seed: u64) -> Self {
        let thread =
            |tid: u32, name| Actor { id: ThreadId { tid, interpreter: 0, seat: 0 }, name, now: 0, left: 0 };
        let mut actors = vec![thread(24060, "MainThread")];
        if matches!(program, Program::Web | Program::Steady | Program::Idle | Program::Bursty) {
            let names = [
                "worker-0", "worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "acceptor", "reaper",
            ];
            actors.extend((24061..).zip(names).map(|(tid, name)| thread(tid, name)));
        }
        if program == Program::Coroutines {
            let names = [
                "Task-12 (handle)",
                "Task-13 (handle)",
                "Task-17 (handle)",
                "Task-18 (handle)",
                "Task-21 (handle)",
                "Task-22 (handle)",
                "mail (consume)",
            ];
            let task =
                |(seat, name)| Actor { id: ThreadId { seat, ..thread(24060, "").id }, ..thread(24060, name) };
            actors.extend((1..).zip(names).map(task));
        }
        let mut simulation = Self {
            program,
            chance: Chance(seed | 1),
            actors,
            tables: Vec::new(),
            at: START,
            interval: Micros(1_000_000 / rate),
            samples: 0,
            begun: false,
            in_phase: 0,
        };
        simulation.tables = simulation.phase(0);
        simulation
    }

    /// What each thread may do in the so-manieth phase.
    fn phase(&self, phase: u64) -> Vec<Vec<Choice>> {
        let workers = |slow: bool, count: usize| {
            (0..9).map(|place| if (1..=count).contains(&place) { worker(slow) } else { resting() }).collect()
        };
        match self.program {
            Program::Web => workers(phase > 0, 4),
            Program::Steady => workers(true, 4),
            Program::Bursty => workers(phase % 2 == 1, if phase % 2 == 1 { 6 } else { 2 }),
            Program::Idle => workers(false, 0),
            Program::Phases => {
                vec![hot(["parse", "transform", "store"][(phase % 3) as usize], 10 + phase as u32 % 3)]
            }
            Program::Coroutines => {
                let main = vec![choice(
                    1.0,
                    &[("/usr/lib/python3.14/selectors.py", "EpollSelector.select", 435, 452)],
                    Flags::WAITING,
                )];
                let handlers = (0..6).map(|_| handler());
                [main].into_iter().chain(handlers).chain([consumer()]).collect()
            }
            Program::Tower => vec![tower()],
            Program::Wide => vec![wide()],
            Program::Hostile => vec![hostile()],
        }
    }

    /// The phase at this time, and whether it just began.
    fn phase_at(&self, at: Micros) -> u64 {
        let time = at.0 - START.0;
        match self.program {
            Program::Web => time / 20_000_000,
            Program::Phases => time / 10_000_000,
            Program::Bursty => 2 * (time / 7_000_000) + u64::from(time % 7_000_000 >= 6_000_000),
            _ => 0,
        }
    }

    /// What is said first.
    pub(crate) fn opening(&mut self) -> Vec<Event> {
        self.begun = true;
        let command = match self.program {
            Program::Hostile => "python3 \u{1b}[31mevil.py",
            _ => "python3 websrv.py --port 8080",
        };
        let about = About {
            pid: 24060,
            command: command.to_owned(),
            python: if self.program == Program::Coroutines { "3.14.2" } else { "3.11.7" }.to_owned(),
            age: Micros(273_600_000_000),
            interval: self.interval,
            tasks: self.program == Program::Coroutines,
        };
        let threads = self.actors.iter().map(|actor| Event::Thread(actor.id, actor.name.to_owned()));
        [Event::About(about)].into_iter().chain(threads).collect()
    }

    /// What is said until this time.
    pub(crate) fn until(&mut self, end: Micros) -> Vec<Event> {
        let mut events = if self.begun { Vec::new() } else { self.opening() };
        while self.at < end {
            let now = self.phase_at(self.at);
            if now != self.in_phase {
                self.in_phase = now;
                self.tables = self.phase(now);
                for actor in &mut self.actors {
                    actor.left = 0;
                }
            }
            events.push(self.sample());
            self.samples += 1;
            if self.samples.is_multiple_of(100) {
                events.push(self.totals());
            }
            self.at.0 += self.interval.0;
        }
        events
    }

    fn sample(&mut self) -> Event {
        let mut threads = Vec::new();
        let mut held = false;
        for (place, actor) in self.actors.iter_mut().enumerate() {
            let table = &self.tables[place];
            if actor.left == 0 {
                let whole: f64 = table.iter().map(|choice| choice.weight).sum();
                let mut left = self.chance.next() * whole;
                actor.now = table.len() - 1;
                for (place, choice) in table.iter().enumerate() {
                    left -= choice.weight;
                    if left < 0.0 {
                        actor.now = place;
                        break;
                    }
                }
                actor.left = 1 + (self.chance.next() * 6.0) as u32;
            }
            actor.left -= 1;
            let choice = &table[actor.now];
            let mut flags = choice.flags;
            if flags.has(Flags::HOLDS_GIL) {
                if held {
                    flags = Flags::WANTS_GIL | Flags::WAITING;
                }
                held = true;
            }
            threads.push(ThreadSample { thread: actor.id, stack: choice.stack.clone(), flags });
        }
        Event::Sample(Sample { at: self.at, outcome: Outcome::Taken(threads) })
    }

    /// The running totals.
    pub(crate) fn totals(&self) -> Event {
        let elapsed = self.at.0 - START.0;
        Event::Totals(Totals {
            samples: self.samples,
            elapsed: Micros(elapsed),
            stopped: Micros(elapsed * 9 / 1000),
            late: self.samples / 5000,
            ..Totals::default()
        })
    }
}
