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

/// The last part of a dotted name: `_bootstrap` of `Thread._bootstrap`. Before 3.11 there is only that.
fn last_name(function: &Function) -> &str {
    function.name.rsplit('.').next().unwrap_or(&function.name)
}

fn stands_in(function: &Function, table: &[(&str, &[&str])]) -> bool {
    let name = last_name(function);
    let listed = table.iter().any(|(file, names)| function.file.ends_with(file) && names.contains(&name));
    listed && origin(function) == Origin::Standard
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
    function.file.starts_with("<frozen importlib") || stands_in(function, PLUMBING)
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
    ("/multiprocessing/pool.py", &["worker"]),
    ("/multiprocessing/popen_fork.py", &["poll"]),
    ("/signal.py", &["sigwait"]),
    // Tasks of asyncio, as threads do in their own of these.
    ("/asyncio/queues.py", &["get"]),
    ("/asyncio/locks.py", &["wait"]),
    ("/asyncio/tasks.py", &["wait", "_wait"]),
    ("/asyncio/taskgroups.py", &["_aexit"]),
    ("/asyncio/base_events.py", &["serve_forever"]),
];

/// What reads for whoever called it: only the caller tells what is waited for, an answer or work.
const READING: &[(&str, &[&str])] = &[
    ("/socket.py", &["readinto", "readline", "read"]),
    ("/ssl.py", &["recv_into", "read"]),
    ("/multiprocessing/connection.py", &["recv", "recv_bytes", "_recv_bytes", "_recv"]),
    ("/multiprocessing/synchronize.py", &["__enter__"]),
];

/// Where servers and pools read the next thing to do, and nothing else, without a frame of their own between.
const ASKING: &[(&str, &[&str])] = &[
    ("/http/server.py", &["handle_one_request"]),
    ("/BaseHTTPServer.py", &["handle_one_request"]),
    ("/wsgiref/simple_server.py", &["handle"]),
    ("/multiprocessing/queues.py", &["get"]),
    ("/multiprocessing/pool.py", &["worker", "_handle_results"]),
];

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
    let tables = [(RESTING, Rest::Yes), (READING, Rest::Reading), (ASKING, Rest::Asking)];
    tables.into_iter().find(|(table, _)| stands_in(function, table)).map_or(Rest::No, |(_, rest)| rest)
}
