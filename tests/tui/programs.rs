//! Where the threads of programs stand that do not exist.

use std::sync::Arc;

use pyflame_tui::sample::{Flags, Frame, Function, Stack};

/// A stack that a thread may stand in, how likely, and with which flags.
pub(crate) struct Choice {
    pub(crate) weight: f64,
    pub(crate) stack: Stack,
    pub(crate) flags: Flags,
}

const APP: &str = "/srv/app/websrv.py";

fn function(file: &str, name: &str, first_line: u32) -> Arc<Function> {
    Arc::new(Function { file: file.into(), name: name.into(), first_line })
}

/// `file:name:first_line@line` for each frame, root first.
pub(crate) fn stack(frames: &[(&str, &str, u32, u32)]) -> Stack {
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

pub(crate) fn choice(weight: f64, frames: &[(&str, &str, u32, u32)], flags: Flags) -> Choice {
    Choice { weight, stack: stack(frames), flags }
}

fn running() -> Flags {
    Flags::HOLDS_GIL | Flags::ON_CPU
}

/// A worker of the web service; `slow` is after its report became slow.
#[expect(clippy::too_many_lines, reason = "a table of stacks")]
pub(crate) fn worker(slow: bool) -> Vec<Choice> {
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

pub(crate) fn resting() -> Vec<Choice> {
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

pub(crate) fn hot(name: &str, line: u32) -> Vec<Choice> {
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

pub(crate) fn tower() -> Vec<Choice> {
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

pub(crate) fn wide() -> Vec<Choice> {
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

/// A task that answers a request: it waits for a database, for another service, or for its client.
pub(crate) fn handler() -> Vec<Choice> {
    const APP: &str = "/srv/app/api.py";
    const STREAMS: &str = "/usr/lib/python3.14/asyncio/streams.py";
    let waits = Flags::TASK | Flags::WAITING;
    let with = |tail: &[(&'static str, &'static str, u32, u32)]| {
        [&[(APP, "handle", 20, 24), (APP, "authorize", 30, 33)], tail].concat()
    };
    let query = ("/usr/lib/python3/site-packages/asyncdb/pool.py", "Pool.acquire", 90, 97);
    vec![
        choice(0.6, &with(&[(APP, "load_report", 40, 44), query]), waits),
        choice(
            0.3,
            &with(&[(APP, "ask_billing", 50, 58), (STREAMS, "StreamReader.readline", 540, 553)]),
            waits,
        ),
        choice(0.1, &with(&[(APP, "answer", 60, 61), (STREAMS, "StreamWriter.drain", 370, 386)]), waits),
    ]
}

/// One that waits for the next thing to do.
pub(crate) fn consumer() -> Vec<Choice> {
    let queue = ("/usr/lib/python3.14/asyncio/queues.py", "Queue.get", 186, 200);
    vec![choice(1.0, &[("/srv/app/api.py", "consume", 70, 72), queue], Flags::TASK | Flags::WAITING)]
}

pub(crate) fn hostile() -> Vec<Choice> {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt.exe\nrm -rf";
    vec![
        choice(0.7, &[("/srv/app/\u{1b}[31mred.py", evil, 1, 2)], running()),
        choice(0.3, &[("/srv/app/関数.py", "関数\u{301}の名前", 3, 4)], running()),
    ]
}
