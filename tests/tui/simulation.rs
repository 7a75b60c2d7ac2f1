//! Programs that do not exist: what a sampler would say of them, the same at every run. Stacks are
//! drawn at random in spells, as real ones come.

use std::sync::Arc;

use pyflame_tui::sample::{
    About, Event, Flags, Frame, Function, Micros, Outcome, Sample, Stack, ThreadId, ThreadSample, Totals,
};

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
    /// Names that try to take the terminal over.
    Hostile,
}

/// A stack that a thread may stand in, how likely, and with which flags.
struct Choice {
    weight: f64,
    stack: Stack,
    flags: Flags,
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

const APP: &str = "/srv/app/websrv.py";

fn function(file: &str, name: &str, first_line: u32) -> Arc<Function> {
    Arc::new(Function { file: file.into(), name: name.into(), first_line })
}

/// `file:name:first_line@line` for each frame, root first.
fn stack(frames: &[(&str, &str, u32, u32)]) -> Stack {
    frames
        .iter()
        .map(|(file, name, first, line)| Frame { function: function(file, name, *first), line: *line })
        .collect()
}

const THREADING: &str = "/usr/lib/python3.11/threading.py";
const BOOT: [(&str, &str, u32, u32); 3] = [
    (THREADING, "Thread._bootstrap", 995, 1002),
    (THREADING, "Thread._bootstrap_inner", 1036, 1045),
    (THREADING, "Thread.run", 974, 982),
];

fn choice(weight: f64, frames: &[(&str, &str, u32, u32)], flags: Flags) -> Choice {
    Choice { weight, stack: stack(frames), flags }
}

fn running() -> Flags {
    Flags::HOLDS_GIL | Flags::ON_CPU
}

/// A worker of the web service; `slow` is after its report became slow.
fn worker(slow: bool) -> Vec<Choice> {
    let base = [
        BOOT[0],
        BOOT[1],
        BOOT[2],
        (APP, "worker", 61, 66),
        (APP, "handle", 52, 57),
        ("/srv/app/middleware.py", "middleware_auth", 10, 14),
        ("/srv/app/middleware.py", "middleware_log", 20, 25),
        ("/usr/lib/python3/site-packages/gzipper/core.py", "middleware_gzip", 30, 33),
    ];
    let dispatch = (APP, "dispatch", 70, 75);
    let with = |tail: &[(&'static str, &'static str, u32, u32)]| [&base[..], &[dispatch], tail].concat();
    let report = |line| with(&[(APP, "view_report", 39, line)]);
    let weight = if slow { 1.0 } else { 0.15 };
    vec![
        choice(0.29 * weight, &report(40), Flags::WAITING),
        choice(0.02 * weight, &report(42), running()),
        choice(0.20 * weight, &report(43), running()),
        choice(
            0.10,
            &with(&[
                (APP, "view_users", 80, 84),
                ("/usr/lib/python3/site-packages/db/cursor.py", "execute", 120, 131),
            ]),
            Flags::WAITING,
        ),
        choice(
            0.06,
            &with(&[
                (APP, "view_users", 80, 86),
                ("/usr/lib/python3.11/json/encoder.py", "_iterencode", 380, 383),
            ]),
            running(),
        ),
        choice(
            0.06,
            &with(&[
                (APP, "view_users", 80, 88),
                ("/usr/lib/python3/site-packages/templates/env.py", "render", 55, 60),
            ]),
            running(),
        ),
        choice(0.05, &with(&[(APP, "view_home", 95, 97)]), running()),
        choice(
            0.05,
            &[&base[..], &[("/usr/lib/python3.11/gzip.py", "compress", 500, 512)]].concat(),
            running(),
        ),
        choice(0.02, &with(&[(APP, "view_static", 100, 101)]), running()),
        choice(0.01, &with(&[(APP, "view_health", 110, 111)]), running()),
        choice(
            0.04,
            &[
                base[0],
                base[1],
                base[2],
                base[3],
                ("/usr/lib/python3.11/queue.py", "Queue.get", 154, 171),
                (THREADING, "Condition.wait", 288, 320),
            ],
            Flags::WAITING,
        ),
    ]
}

fn resting() -> Vec<Choice> {
    vec![choice(
        1.0,
        &[
            (APP, "<module>", 1, 130),
            (APP, "main", 120, 128),
            ("/usr/lib/python3.11/socketserver.py", "BaseServer.serve_forever", 215, 232),
            ("/usr/lib/python3.11/selectors.py", "_PollLikeSelector.select", 402, 415),
        ],
        Flags::WAITING,
    )]
}

fn hot(name: &str, line: u32) -> Vec<Choice> {
    let base = ("/srv/app/batch.py", "<module>", 1, 40);
    vec![
        choice(
            0.8,
            &[base, ("/srv/app/batch.py", "main", 30, 35), ("/srv/app/batch.py", name, line, line + 2)],
            running(),
        ),
        choice(
            0.15,
            &[
                base,
                ("/srv/app/batch.py", "main", 30, 36),
                ("/usr/lib/python3.11/json/decoder.py", "decode", 330, 337),
            ],
            running(),
        ),
        choice(0.05, &[base, ("/srv/app/batch.py", "main", 30, 37)], running()),
    ]
}

fn tower() -> Vec<Choice> {
    let deep = |depth: u32, turn: u32| {
        let mut frames = vec![Frame { function: function("/srv/app/deep.py", "<module>", 1), line: 90 }];
        for level in 0..depth {
            let name = format!("level_{}", level % 7);
            frames.push(Frame {
                function: function("/srv/app/deep.py", &name, 10 + level % 7),
                line: 12 + turn,
            });
        }
        frames.push(Frame { function: function("/srv/app/deep.py", "work", 80), line: 82 });
        frames.into_iter().collect::<Stack>()
    };
    vec![
        Choice { weight: 0.6, stack: deep(498, 0), flags: running() },
        Choice { weight: 0.3, stack: deep(300, 0), flags: running() },
        Choice { weight: 0.1, stack: deep(40, 0), flags: running() },
    ]
}

fn wide() -> Vec<Choice> {
    let base = ("/srv/app/wide.py", "<module>", 1, 40);
    let leaf = |number: u32| {
        let name = format!("handler_{number:03}");
        let weight = 1.0 / f64::from(number + 1);
        choice(
            weight,
            &[
                base,
                ("/srv/app/wide.py", "dispatch", 5, 9),
                ("/srv/app/wide.py", &name, 50 + number, 51 + number),
            ],
            running(),
        )
    };
    (0..600).map(leaf).collect()
}

fn hostile() -> Vec<Choice> {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt.exe\nrm -rf";
    vec![
        choice(0.7, &[("/srv/app/\u{1b}[31mred.py", evil, 1, 2)], running()),
        choice(0.3, &[("/srv/app/関数.py", "関数\u{301}の名前", 3, 4)], running()),
    ]
}

impl Simulation {
    /// A program, sampled so often a second.
    pub(crate) fn new(program: Program, rate: u64, seed: u64) -> Self {
        let thread = |tid: u32, name| Actor { id: ThreadId { tid, interpreter: 0 }, name, now: 0, left: 0 };
        let mut actors = vec![thread(24060, "MainThread")];
        if matches!(program, Program::Web | Program::Steady | Program::Idle | Program::Bursty) {
            let names = [
                "worker-0", "worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "acceptor", "reaper",
            ];
            actors.extend((24061..).zip(names).map(|(tid, name)| thread(tid, name)));
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
            python: "3.11.7".to_owned(),
            age: Micros(273_600_000_000),
            interval: self.interval,
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
