//! What a function's file and name tell about it: whose code it is, whether it only starts other
//! code, and whether a thread that stands in it waits for work. Tables, and nothing of the target.

use crate::sample::Function;

/// Whose code a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The program's own.
    Own,
    /// An installed package.
    Library,
    /// Python's standard library, frozen modules too.
    Standard,
}

/// Whose code this is, by where its file lies.
pub fn origin(function: &Function) -> Origin {
    let file = &*function.file;
    if file.contains("/site-packages/") || file.contains("/dist-packages/") {
        Origin::Library
    } else if file.starts_with("<frozen ") || in_standard_library(file) {
        Origin::Standard
    } else {
        Origin::Own
    }
}

/// `…/lib/python3.12/…`, `…/lib64/python3.12/…`, `…/lib/python312.zip/…`.
fn in_standard_library(file: &str) -> bool {
    file.match_indices("/python").any(|(place, word)| {
        let parent = &file[..place];
        let version = &file[place + word.len()..];
        (parent.ends_with("/lib") || parent.ends_with("/lib64")) && version.starts_with(['2', '3'])
    })
}

/// The package, or the module that is in none, in which a function of a library or of the standard library lies.
pub fn package(function: &Function) -> Option<&str> {
    let file = &*function.file;
    let inside = match origin(function) {
        Origin::Own => return None,
        Origin::Library => {
            let starts = ["/site-packages/", "/dist-packages/"];
            let ends = starts.iter().filter_map(|start| Some(file.rfind(start)? + start.len()));
            &file[ends.max()?..]
        }
        Origin::Standard => match file.strip_prefix("<frozen ") {
            Some(name) => name.trim_end_matches('>').split('.').next()?,
            None => file[file.rfind("/python")? + 1..].split_once('/')?.1,
        },
    };
    let mut parts = inside.split('/');
    let first = parts.by_ref().find(|part| part.strip_suffix(".egg").is_none())?;
    Some(first.strip_suffix(".py").unwrap_or(first)).filter(|name| !name.is_empty())
}

/// The last part of a dotted name: `_bootstrap` of `Thread._bootstrap`. Before 3.11 there is only that.
fn last_name(function: &Function) -> &str {
    function.name.rsplit('.').next().unwrap_or(&function.name)
}

fn stands_in(function: &Function, table: &[(&str, &[&str])], whose: Origin) -> bool {
    let name = last_name(function);
    let listed = table.iter().any(|(file, names)| function.file.ends_with(file) && names.contains(&name));
    listed && origin(function) == whose
}

/// Frames that only start others.
const PLUMBING: &[(&str, &[&str])] = &[
    ("/threading.py", &["_bootstrap", "_bootstrap_inner", "run", "__bootstrap", "__bootstrap_inner"]),
    ("/runpy.py", &["run_module", "run_path", "_run_module_as_main", "_run_code", "_run_module_code"]),
    ("<frozen runpy>", &["run_module", "run_path", "_run_module_as_main", "_run_code", "_run_module_code"]),
    ("/asyncio/runners.py", &["run"]),
    ("/asyncio/base_events.py", &["run_until_complete", "run_forever", "_run_once"]),
    ("/asyncio/events.py", &["_run"]),
    ("/concurrent/futures/thread.py", &["_worker", "run"]),
    ("/multiprocessing/process.py", &["_bootstrap", "run"]),
    ("/multiprocessing/spawn.py", &["spawn_main", "_main"]),
    ("/multiprocessing/popen_fork.py", &["__init__", "_launch"]),
    ("/multiprocessing/context.py", &["_Popen"]),
];

/// Does this function only start others? Import machinery does, too.
pub fn is_plumbing(function: &Function) -> bool {
    function.file.starts_with("<frozen importlib") || stands_in(function, PLUMBING, Origin::Standard)
}

/// Where the standard library waits for something to do. A thread that waits anywhere else (in a
/// lock of its own, in `recv`, in `sleep`) waits for *something*, unless [`ASKING`] has called it.
const RESTING: &[(&str, &[&str])] = &[
    ("/threading.py", &["wait", "join", "_wait_for_tstate_lock"]),
    ("/queue.py", &["get"]),
    ("/Queue.py", &["get"]),
    ("/selectors.py", &["select"]),
    ("/asyncore.py", &["poll", "poll2"]),
    ("/socket.py", &["accept"]),
    ("/socketserver.py", &["serve_forever"]),
    ("/SocketServer.py", &["serve_forever", "_eintr_retry"]),
    ("/concurrent/futures/thread.py", &["_worker"]),
    ("/multiprocessing/connection.py", &["accept", "wait", "_poll"]),
    ("/multiprocessing/pool.py", &["worker", "_handle_tasks"]),
    ("/multiprocessing/popen_fork.py", &["poll"]),
    ("/multiprocessing/resource_tracker.py", &["main"]),
    ("/signal.py", &["sigwait"]),
    // An event loop that is C from here on, as uvloop's is.
    ("/asyncio/runners.py", &["run"]),
    // Tasks of asyncio, as threads do in their own of these.
    ("/asyncio/queues.py", &["get"]),
    ("/asyncio/locks.py", &["wait"]),
    ("/asyncio/tasks.py", &["wait", "_wait"]),
    ("/asyncio/taskgroups.py", &["_aexit"]),
    ("/asyncio/base_events.py", &["serve_forever"]),
];

/// Where servers and event loops of packages do: else a master and its workers, all of them idle, hide what one does.
/// Where they call what may do something it is not from here but from a frame of its own.
const RESTING_IN_PACKAGES: &[(&str, &[&str])] = &[
    ("/gunicorn/arbiter.py", &["wait_for_signals", "sleep"]),
    ("/gunicorn/workers/sync.py", &["wait"]),
    ("/gevent/hub.py", &["run"]),
    ("/eventlet/hubs/epolls.py", &["do_poll"]),
    ("/eventlet/hubs/poll.py", &["do_poll", "wait"]),
    ("/eventlet/hubs/selects.py", &["wait"]),
    ("/twisted/internet/epollreactor.py", &["doPoll"]),
    ("/twisted/internet/pollreactor.py", &["doPoll"]),
    ("/twisted/internet/selectreactor.py", &["doSelect"]),
    ("/trio/_core/_io_epoll.py", &["get_events"]),
    ("/uvloop/__init__.py", &["run"]),
    ("/waitress/wasyncore.py", &["poll", "poll2"]),
    ("/werkzeug/_reloader.py", &["run"]),
    ("/django/utils/autoreload.py", &["tick"]),
    // Celery, with its own multiprocessing.
    ("/billiard/connection.py", &["accept", "wait", "_poll"]),
    ("/billiard/pool.py", &["body"]),
    ("/celery/utils/timer2.py", &["run"]),
    ("/kombu/transport/virtual/base.py", &["drain_events"]),
    ("/kombu/utils/eventio.py", &["poll"]),
    // Jupyter's kernel.
    ("/ipykernel/heartbeat.py", &["run"]),
    ("/ipykernel/iostream.py", &["_watch_pipe_fd"]),
    ("/ipykernel/parentpoller.py", &["run"]),
    ("/zmq/sugar/__init__.py", &["device"]),
];

/// What reads for whoever called it: only the caller tells what is waited for, an answer or work.
const READING: &[(&str, &[&str])] = &[
    ("/socket.py", &["readinto", "readline", "read"]),
    ("/ssl.py", &["recv_into", "read"]),
    ("/multiprocessing/connection.py", &["recv", "recv_bytes", "_recv_bytes", "_recv"]),
    ("/multiprocessing/synchronize.py", &["__enter__"]),
];

/// The same in packages.
const READING_IN_PACKAGES: &[(&str, &[&str])] = &[
    ("/billiard/connection.py", &["recv", "recv_bytes", "_recv_bytes", "_recv"]),
    ("/billiard/synchronize.py", &["__enter__"]),
];

/// Where servers and pools read the next thing to do, and nothing else, without a frame of their own between.
const ASKING: &[(&str, &[&str])] = &[
    ("/http/server.py", &["handle_one_request"]),
    ("/BaseHTTPServer.py", &["handle_one_request"]),
    ("/wsgiref/simple_server.py", &["handle"]),
    ("/multiprocessing/queues.py", &["get"]),
    ("/multiprocessing/pool.py", &["worker", "_handle_results"]),
];

/// The same in packages.
const ASKING_IN_PACKAGES: &[(&str, &[&str])] = &[("/billiard/queues.py", &["get_payload"])];

/// Does a thread at whose top this function stands, and that neither runs nor holds the GIL, wait for work?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It waits for something.
    No,
    /// It does.
    Yes,
    /// It does if its caller asks for work.
    Reading,
    /// It asks for work, if it has called what reads.
    Asking,
}

/// What waiting in this function means.
pub(super) fn rest(function: &Function) -> Rest {
    let tables = [
        (RESTING, Origin::Standard, Rest::Yes),
        (READING, Origin::Standard, Rest::Reading),
        (ASKING, Origin::Standard, Rest::Asking),
        (RESTING_IN_PACKAGES, Origin::Library, Rest::Yes),
        (READING_IN_PACKAGES, Origin::Library, Rest::Reading),
        (ASKING_IN_PACKAGES, Origin::Library, Rest::Asking),
    ];
    let found = tables.into_iter().find(|(table, whose, _)| stands_in(function, table, *whose));
    found.map_or(Rest::No, |(_, _, rest)| rest)
}
