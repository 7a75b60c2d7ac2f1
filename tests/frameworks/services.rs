//! Services under load, and a program that computes: the function that takes the time is under the framework's own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::folded::folded;
use crate::interpreters::{Interpreter, python3};
use crate::profiler::profile;
use crate::subject::Subject;
use crate::{is_wanted, packages, say};

struct Service {
    name: &'static str,
    packages: &'static [&'static str],
    /// After `python -m`; `{socket}` is where it listens.
    words: &'static [&'static str],
    /// Functions on the way to where the time goes, root first.
    way: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service {
        name: "Flask, gunicorn with threads",
        packages: &["flask", "gunicorn"],
        words: &["gunicorn", "--threads", "4", "--bind", "unix:{socket}", "web_flask:app"],
        way: &["ThreadWorker.handle", "Flask.wsgi_app", "view", "compute"],
    },
    Service {
        name: "Flask, gunicorn with gevent",
        packages: &["flask", "gunicorn", "gevent", "packaging"],
        words: &["gunicorn", "--worker-class", "gevent", "--bind", "unix:{socket}", "web_flask:app"],
        way: &["Flask.wsgi_app", "view", "compute"],
    },
    Service {
        name: "Django, gunicorn, 2 workers",
        packages: &["django", "gunicorn"],
        words: &["gunicorn", "--preload", "--workers", "2", "--bind", "unix:{socket}", "web_django:app"],
        way: &["SyncWorker.run", "WSGIHandler.__call__", "view", "Template.render", "compute"],
    },
    Service {
        name: "FastAPI, uvicorn",
        packages: &["fastapi", "uvicorn"],
        words: &["uvicorn", "--uds", "{socket}", "web_fastapi:app"],
        way: &["Server.run", "FastAPI.__call__", "view", "compute"],
    },
];

#[test]
fn the_time_of_a_service_is_its_view_s() {
    if !is_wanted() {
        return;
    }
    for service in SERVICES {
        let python = python3();
        let watched = match packages::fetch(python, service.packages) {
            Ok(folder) => {
                watch(service, python, &folder).unwrap_or_else(|wrong| panic!("{}: {wrong}", service.name))
            }
            Err(why) => format!("not tried: {why}"),
        };
        say(&format!("{:30} {watched}", service.name));
    }
}

#[test]
fn numpy_lets_go_of_the_gil() {
    if !is_wanted() {
        return;
    }
    let python = python3();
    let folder = match packages::fetch(python, &["numpy"]) {
        Ok(folder) => folder,
        Err(why) => return say(&format!("NumPy: not tried: {why}")),
    };
    let mut command = Command::new(&python.command);
    command.arg(apps().join("numpy_loop.py")).env("PYTHONPATH", folder);
    let mut subject = Subject::of(&mut command);
    subject.await_line("ready", Duration::from_secs(60)).unwrap();
    let pid = subject.pid().to_string();
    let ran = profile(&["--threads", "-x", "-s", "1", &pid]).well();
    let (some, all) = on_the_way(ran.text(), &["view", "multiply"]);
    assert!(all > 0 && some * 10 > all * 9, "{some} of {all}: {}", ran.text());
    say(&format!("{:30} {some} of {all} samples in the view", "NumPy"));
}

fn apps() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks/apps")
}

fn watch(service: &Service, python: &Interpreter, folder: &Path) -> Result<String, String> {
    let room = tempfile::tempdir().map_err(|error| error.to_string())?;
    let socket = room.path().join("socket");
    let mut command = Command::new(&python.command);
    command
        .arg("-m")
        .args(service.words.iter().map(|word| word.replace("{socket}", socket.to_str().unwrap())));
    command.current_dir(apps()).env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    // gunicorn leaves things at home.
    command.env("HOME", room.path());
    let mut subject = Subject::of(&mut command);
    await_answer(&mut subject, &socket)?;
    let clients = Clients::start(&socket);
    // What answers is mostly a worker of what was started.
    let ran = profile(&["--subprocesses", "-s", "2", &subject.pid().to_string()]);
    drop(clients);
    if ran.code() != 0 || !ran.err.is_empty() {
        return Err(ran.err);
    }
    let (some, all) = on_the_way(ran.text(), service.way);
    if all == 0 || some * 10 < all * 9 {
        return Err(format!("{some} of {all}: {}", ran.text()));
    }
    Ok(format!("{some} of {all} samples in the view"))
}

/// Samples whose stack leads this way, and all that are not idle.
fn on_the_way(text: &str, way: &[&str]) -> (u64, u64) {
    let mut sums = (0, 0);
    for (stack, count) in folded(text).into_iter().filter(|(stack, _)| stack[..] != ["(idle)"]) {
        let mut names = stack.iter().map(|frame| frame.split(':').nth(1).unwrap_or_default());
        sums.1 += count;
        if way.iter().all(|function| names.any(|name| name == *function)) {
            sums.0 += count;
        }
    }
    sums
}

fn await_answer(subject: &mut Subject, socket: &Path) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(socket).is_err() {
        if Instant::now() > deadline || !subject.is_alive() {
            return Err(format!("no answer: {:?}", subject.await_line("never", Duration::from_secs(1))));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn ask(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.") && answer.windows(4).any(|part| part == b" 200") {
        Ok(())
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
    }
}

/// Three who ask all the time, until dropped.
struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(socket: &Path) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (over, socket) = (Arc::clone(&over), socket.to_owned());
            let work = move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = ask(&socket);
                }
            };
            std::thread::Builder::new().name("client".into()).spawn(work).unwrap()
        };
        let threads = (0..3).map(client).collect();
        Self { over, threads }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}
