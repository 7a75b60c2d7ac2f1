//! The parts of the program themselves, for what no output says: the sampler, and a target with its Python.

use std::time::Duration;

use pyflame_tui::python::locate::Python;
use pyflame_tui::sampler::look::Scope;
use pyflame_tui::sampler::{Length, Plan, Sampler, Stopping, Subprocesses, Watch, find};
use pyflame_tui::target::{Pid, Target};

use crate::subject::Subject;

/// Looks at all threads, so often and for so long.
pub(crate) fn at_all(subject: &Subject, interval: Duration, length: Duration) -> Result<Sampler, String> {
    let plan = Plan {
        watch: Watch::Process(subject.pid()),
        user: None,
        abi: None,
        interval,
        governed: false,
        scope: Scope::All,
        subprocesses: Subprocesses::Ignored,
        stopping: Stopping::Brief,
        length: Length::For(length),
    };
    Sampler::start(plan).map_err(|error| format!("{error:?}"))
}

/// Does this with a process and the Python in it.
pub(crate) fn at_memory<T: Send + 'static>(
    subject: &Subject,
    work: impl FnOnce(&Target, &Python) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    // A target belongs to one thread, and that thread waits for its stops: not the one that holds our other children.
    let pid = Pid(subject.pid());
    let work = move || {
        let mut target = Target::attach(pid).map_err(|error| format!("{error:?}"))?;
        let python = find::patiently(&mut target, None).map_err(|error| error.to_string())?;
        work(&target, &python)
    };
    let thread = std::thread::Builder::new().name("target".into()).spawn(work).unwrap();
    thread.join().unwrap()
}
