//! pyflame-tui: true stacks of a running Python, at a cost nobody notices.

mod choose; // a process that was not named
pub mod cli; // the command line; the only room that knows clap
mod doctor; // what stands between us and a target
pub mod error; // from errors to sentences
pub mod export; // from a profile to text
pub mod fault; // panics of ours
pub mod headless; // receiving without a screen
mod live; // the live view, and the terminal of a command under it
pub mod output; // files that appear whole or not at all
pub mod profile; // what was measured
pub mod python; // what CPython keeps in memory
pub mod sample; // the words between the sampler and the rest
pub mod sampler; // the thread that owns the target
mod stats; // what it took, in words
pub mod target; // the other process
pub mod tui; // the screen

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::libc::SIGXFSZ;
use signal_hook::consts::SIGHUP;

use cli::{Choice, Options, Parsed, UsageError};
use error::Error;
use headless::{Recording, Stops};
use output::Output;
use profile::{Grouping, Idle, Lines, Profile, Selection, Span, Thread, Who, Window};
use python::version::Version;
use sample::{Ending, Failure, Flags};
use sampler::govern::CAREFUL;
use sampler::look::Scope;
use sampler::{Length, Plan, Sampler, Stopping, Subprocesses, Watch, find};
use target::{Pid, RunState, Tasks, User, inherited};

/// Mean time between two samples, without `-r`.
const INTERVAL: Duration = Duration::from_millis(1);
/// How long a process is sampled without `-s`.
const LENGTH: Duration = Duration::from_secs(1);

/// Runs the program: its arguments in, its exit status out.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    fault::note_panics();
    // A file that grows larger than it may (`ulimit -f`) is an error of writing as any, and not our end.
    inherited::ignore(SIGXFSZ);
    let done = catch_unwind(AssertUnwindSafe(|| match cli::parse(arguments) {
        Ok(Parsed::Print(text)) => print(&text),
        Ok(Parsed::Examine(pid, abi)) => examine(pid, abi),
        Ok(Parsed::Run(options)) => {
            tell_of_vain(&options);
            watch(&options)
        }
        Ok(Parsed::Choose(choice)) => choose::choose(&choice),
        Err(error) => Err(error.into()),
    }));
    let done = done.unwrap_or(Err(Error::Panicked));
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // If not even this can be said, the status says it.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.status())
        }
    }
}

fn print(text: &str) -> Result<u8, Error> {
    to_a_reader(io::stdout().write_all(text.as_bytes())).map_err(Error::System)?;
    Ok(0)
}

/// Whoever read our output and has closed the pipe has seen enough: that is no mistake, and changes no status.
fn to_a_reader(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

fn examine(pid: Option<u32>, abi: Option<Version>) -> Result<u8, Error> {
    let report = doctor::examine(pid, abi);
    print(&report.to_string())?;
    Ok(report.status())
}

fn watch(options: &Options) -> Result<u8, Error> {
    if live::is_wanted(options) { view(options) } else { record(options) }
}

/// The live view.
fn view(options: &Options) -> Result<u8, Error> {
    let Watch::Command(words) = &options.watch else {
        let sampler = live::attach(options, plan(options))?;
        return choose::go_on(&Choice::like(options), (options.clone(), sampler), None);
    };
    let summary = live::trace(options, words, plan(options))?;
    print(&summary.to_string())?;
    // If we have left while it ran, that hangs it up.
    status(options, summary.ending.as_ref().or(Some(&Ending::Detached)), Some(SIGHUP))
}

/// Without a screen.
fn record(options: &Options) -> Result<u8, Error> {
    let output = Output::open(options.output.as_deref())?;
    if options.format.is_binary() && output.is_terminal() {
        return Err(Error::Usage(UsageError::Terminal));
    }
    let launched = matches!(options.watch, Watch::Command(_));
    let stops = Stops::note(launched).map_err(Error::System)?;
    let plan = plan(options);
    let total = match plan.length {
        Length::For(length) => Some(length),
        _ => None,
    };
    let sampler = Sampler::start(plan)?;
    // Where times are asked for none may be thinned away, whatever memory that takes.
    let profile = if options.format.has_times() { Profile::with_cap(usize::MAX) } else { Profile::of_sums() };
    let recording =
        headless::record(profile, sampler, stops, total, &|profile| save(options, &output, profile));
    let failure = failed_dump(options, &recording.profile);
    // A file that is there already is worth more than nothing.
    if failure.is_none() && has_samples(&recording) {
        write(options, output, &recording)?;
    }
    if options.stats {
        let Recording { profile, cost, .. } = &recording;
        // Standard error may be gone: then nobody wants to know.
        let _ = writeln!(io::stderr(), "{}", stats::text(profile.totals(), profile.memory(), cost.as_ref()));
    }
    if let Some(failure) = failure {
        return Err(Error::Look(failure));
    }
    let status = status(options, recording.ending.as_ref(), recording.signal)?;
    if let Some(note) = note(options, &recording) {
        let _ = writeln!(io::stderr(), "{note}");
    }
    Ok(status)
}

/// Writes what there is before the end, and says so, since somebody has asked for it.
fn save(options: &Options, output: &Output, profile: &Profile) {
    let path = options.output.as_deref().unwrap_or(Path::new("standard output")).display();
    let said = if !output.is_file() {
        "only a file of -o can be saved before the end".to_owned()
    } else if profile.last_at().is_none() {
        "there is nothing yet to save".to_owned()
    } else {
        match output.save(&|out| write_profile(options, profile, out)) {
            Ok(()) => format!("{path} has what there is, {} samples; it goes on", profile.totals().samples),
            Err(error) => format!("{path} cannot be written yet: {error}"),
        }
    };
    let _ = writeln!(io::stderr(), "pyflame-tui: {said}");
}

fn has_samples(recording: &Recording) -> bool {
    recording.profile.last_at().is_some()
}

/// Why the one look of a dump came to nothing.
fn failed_dump(options: &Options, profile: &Profile) -> Option<Failure> {
    if !options.dump || profile.threads().any(|(no, _)| profile.is_present(no)) {
        return None;
    }
    stats::failures(profile.totals()).map(|(failure, _)| failure).next()
}

/// One look in so many is rare.
const RARE: u64 = 20;

/// What somebody should know who finds less than was expected.
fn note(options: &Options, recording: &Recording) -> Option<String> {
    let profile = &recording.profile;
    if !has_samples(recording) {
        return Some(
            "Nothing was sampled, and nothing is written: the end came before the first look.".to_owned(),
        );
    }
    if options.dump
        && let Some((failure, _)) = stats::failures(profile.totals()).next()
    {
        return Some(format!("This is not all: of one process nothing could be read ({}).", failure.label()));
    }
    let is_task = |(_, thread): (_, &Thread)| thread.flags.has(Flags::TASK);
    if options.tasks && !options.dump && !profile.threads().any(is_task) {
        let told = profile.about().is_some_and(|about| about.tasks);
        let why = if told {
            "no task of asyncio's waited"
        } else {
            "only Python 3.11 and later says where tasks are"
        };
        return Some(format!("There is nothing to show: {why}."));
    }
    let Watch::Process(pid) = options.watch else { return None };
    if works_without_gil(options, profile, Pid(pid)) {
        return Some(
            "Hardly anybody held the GIL, but a thread runs: --threads shows what runs without it."
                .to_owned(),
        );
    }
    if options.subprocesses == Subprocesses::Watched || profile.function_count() > 0 {
        return None;
    }
    let child = find::python_below(Pid(pid))?;
    Some(format!("It did nothing. Its child {child} is a Python, too: pyflame-tui --subprocesses {pid}"))
}

/// Was nearly all of it `(idle)` for those who ask for holders of the GIL, while it computes, as NumPy does?
fn works_without_gil(options: &Options, profile: &Profile, pid: Pid) -> bool {
    if options.threads || options.tasks || options.dump {
        return false;
    }
    let window = Window::of(profile, Span::All);
    let verdicts = window.verdicts();
    let mut tasks = Tasks::of(pid);
    let threads = tasks.list().unwrap_or_default();
    verdicts.held * RARE < verdicts.taken()
        && threads.into_iter().any(|tid| tasks.is_in(tid, RunState::Running))
}

/// Says of options what does not count.
fn tell_of_vain(options: &Options) {
    if options.seconds_are_vain {
        let _ = writeln!(
            io::stderr(),
            "pyflame-tui: -s does not count with -t: the command is followed to its end"
        );
    }
}

/// Whom the command runs as. Told in any case, also where nobody may be reading: that a program has other rights than
/// its starter is the first thing that somebody must know who asks why it fails.
fn user(options: &Options) -> Option<User> {
    let Watch::Command(_) = options.watch else { return None };
    let user = if options.keep_root { None } else { User::behind_sudo() }?;
    let _ = writeln!(
        io::stderr(),
        "pyflame-tui: the command runs as user {user}, who called sudo (with --keep-root: as root)"
    );
    Some(user)
}

fn length(seconds: Duration) -> Length {
    match seconds {
        Duration::ZERO => Length::Once,
        cli::FOREVER => Length::ToTheEnd,
        seconds => Length::For(seconds),
    }
}

fn plan(options: &Options) -> Plan {
    let length = match &options.watch {
        _ if options.dump => Length::Once,
        Watch::Command(_) => Length::ToTheEnd,
        Watch::Process(_) => length(options.seconds.unwrap_or(LENGTH)),
    };
    Plan {
        watch: options.watch.clone(),
        user: user(options),
        abi: options.abi,
        interval: options.interval.unwrap_or(if options.tasks { CAREFUL } else { INTERVAL }),
        // Tasks may be thousands.
        governed: options.tasks && options.interval.is_none(),
        scope: match options {
            Options { tasks: true, .. } => Scope::Tasks,
            Options { threads: true, .. } | Options { dump: true, .. } => Scope::All,
            _ => Scope::Running,
        },
        subprocesses: options.subprocesses,
        stopping: if options.nonblocking { Stopping::Never } else { Stopping::Brief },
        length,
    }
}

fn write(options: &Options, output: Output, recording: &Recording) -> Result<(), Error> {
    let profile = &recording.profile;
    to_a_reader(output.finish(&|out| write_profile(options, profile, out)))
        .map_err(|cause| Error::Write { kept: keep(options, profile), cause })
}

/// Keeps what has no place to go to.
fn keep(options: &Options, profile: &Profile) -> Option<PathBuf> {
    let pid = profile.about()?.pid;
    let ending = if options.dump { "txt" } else { options.format.extension() };
    output::rescue(&format!("pyflame-{pid}.{ending}"), &|out| write_profile(options, profile, out))
}

/// Writes what was recorded as these options ask for it.
pub fn write_profile(options: &Options, profile: &Profile, mut out: &mut dyn Write) -> io::Result<()> {
    let selection = Selection {
        who: match options {
            Options { tasks: true, .. } => Who::Tasks,
            Options { threads: true, .. } => Who::AllThreads,
            _ => Who::GilHolder,
        },
        idle: if options.exclude_idle { Idle::Excluded } else { Idle::Shown },
        lines: if options.no_line_numbers { Lines::Merged } else { Lines::Apart },
        grouping: if options.by_thread { Grouping::ByThread } else { Grouping::Merged },
        ..Selection::default()
    };
    if options.dump {
        export::write_dump(profile, &selection, &mut out)
    } else {
        export::write(options.format, profile, &selection, &mut out)
    }
}

/// Ours, or with `-t` the command's, as strace does: 128 + n when signal n ended it.
fn status(options: &Options, ending: Option<&Ending>, signal: Option<i32>) -> Result<u8, Error> {
    /// What shells add to a signal's number.
    const SIGNALLED: i32 = 128;
    let launched = matches!(options.watch, Watch::Command(_));
    let no_python = |cause: &String| Error::NoPython { cause: cause.clone(), told: options.abi.is_some() };
    let status = match ending {
        None => return Err(Error::Panicked),
        Some(Ending::NotPython(cause)) if launched => return Err(no_python(cause)),
        Some(Ending::NotPython(cause)) => {
            let cause = error::clean(cause);
            let _ =
                writeln!(io::stderr(), "The process became another program, which is no Python ({cause}).");
            0
        }
        Some(Ending::Lost(why)) => return Err(Error::Lost(why.clone())),
        Some(Ending::Exited(Some(status))) if launched => *status,
        Some(Ending::Killed(signal)) if launched => SIGNALLED + signal,
        // We were told to go while the command runs on.
        Some(Ending::Detached) if launched => signal.map_or(0, |signal| SIGNALLED + signal),
        Some(_) => 0,
    };
    Ok(u8::try_from(status & 0xFF).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sample::{Event, Micros, Outcome, Sample, Totals};

    #[test]
    fn a_dump_of_nobody_tells_why_its_look_failed() {
        let options = |line: &str| {
            let words = line.split_whitespace().map(OsString::from);
            match cli::parse(words).unwrap() {
                Parsed::Run(options) => *options,
                other => panic!("{other:?}"),
            }
        };
        let mut profile = Profile::new();
        profile
            .record(&Event::Sample(Sample { at: Micros(1), outcome: Outcome::Failed(Failure::NotStopped) }));
        profile.record(&Event::Totals(Totals { samples: 1, failed: [1, 0, 0, 0], ..Totals::default() }));
        assert_eq!(failed_dump(&options("pyflame-tui -d 1"), &profile), Some(Failure::NotStopped));
        assert_eq!(failed_dump(&options("pyflame-tui -s 0 1"), &profile), None);
        profile.record(&Event::Sample(Sample { at: Micros(2), outcome: Outcome::Taken(Vec::new()) }));
        profile.record(&Event::Totals(Totals { samples: 1, ..Totals::default() }));
        assert_eq!(failed_dump(&options("pyflame-tui -d 1"), &profile), None);
    }

    /// Of several processes one could not be read.
    #[test]
    fn a_dump_that_lacks_somebody_says_so() {
        let Ok(Parsed::Run(options)) =
            cli::parse(["pyflame-tui", "-d", "--subprocesses", "1"].map(OsString::from).into_iter())
        else {
            panic!("no options")
        };
        let said = |failed| {
            let mut profile = Profile::new();
            let outcome = Outcome::Taken(Vec::new());
            profile.record(&Event::Sample(Sample { at: Micros(1), outcome }));
            profile.record(&Event::Totals(Totals { samples: 1, failed, ..Totals::default() }));
            note(&options, &Recording { profile, ending: None, cost: None, signal: None })
        };
        let words = "This is not all: of one process nothing could be read (not stopped in time).";
        assert_eq!(said([1, 0, 0, 0]).as_deref(), Some(words));
        assert_eq!(said([0; 4]), None);
    }
}
