//! The command line: pyflame's options under their old names, and a few more. The only room that knows clap.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::export::Format;
use crate::python::version::Version;
use crate::sampler::{Subprocesses, Watch};

mod usage;

pub use usage::UsageError;
use usage::{ambiguity, sentence};

/// Where the result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// The live view if standard output is a terminal and no file was asked for.
    Auto,
    /// Never the live view.
    Headless,
    /// The live view in any case.
    Live,
}

/// What the command line asked for.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Options {
    /// `PID`, `-p PID` or `-t command…`.
    pub watch: Watch,
    /// `--subprocesses`: those below it, too.
    pub subprocesses: Subprocesses,
    /// `--nonblocking`: never stop the target.
    pub nonblocking: bool,
    /// `--abi`: the layout to use where the target hides its version.
    pub abi: Option<Version>,
    /// `--threads`: every thread, not only the GIL's holder.
    pub threads: bool,
    /// `--tasks`: asyncio's tasks that wait, instead of threads.
    pub tasks: bool,
    /// `-o`: the file to write; standard output without it.
    pub output: Option<PathBuf>,
    /// `-s`: how long to sample; 0 takes one sample. [`FOREVER`] is that. Never set together with a command.
    pub seconds: Option<Duration>,
    /// It was given with `-t`, where it does not count: pyflame took that, too.
    pub seconds_are_vain: bool,
    /// `-r`: mean time between samples.
    pub interval: Option<Duration>,
    /// `-T`, `--svg`, `--speedscope`, `--pprof`: what is written.
    pub format: Format,
    /// `-x`: leave out what is idle.
    pub exclude_idle: bool,
    /// `-d`: print every thread's stack once, and with `tasks` every task's.
    pub dump: bool,
    /// `--by-thread`: each stack below its thread.
    pub by_thread: bool,
    /// `-n`: functions without lines.
    pub no_line_numbers: bool,
    /// `--headless`, `--live`.
    pub screen: Screen,
    /// `--ascii`: nothing on the screen that is outside of 7 bits.
    pub ascii: bool,
    /// `--keep-root`: under sudo a command runs as root, and not as who called sudo.
    pub keep_root: bool,
    /// `--stats`: at the end, what the sampling cost, on standard error.
    pub stats: bool,
}

/// What the arguments come to.
#[derive(Debug)]
pub enum Parsed {
    /// Something to do.
    Run(Box<Options>),
    /// To find out what stands in the way, of a process if one is named.
    Examine(Option<u32>, Option<Version>),
    /// Something to do with a process that was not named.
    Choose(Choice),
    /// Something to print on standard output, successfully: help or version.
    Print(String),
}

/// No process has this number.
const NOBODY: Watch = Watch::Process(0);

/// All but the process, which somebody has to choose.
#[derive(Debug)]
pub struct Choice(Box<Options>);

impl Choice {
    /// What is to be done with another process than that of these.
    pub fn like(options: &Options) -> Self {
        Self(Box::new(options.clone()))
    }

    /// What holds whichever process it will be.
    pub fn options(&self) -> &Options {
        &self.0
    }

    /// What is to be done with this process.
    pub fn process(&self, pid: u32) -> Options {
        Options { watch: Watch::Process(pid), ..(*self.0).clone() }
    }
}

const TEMPLATE: &str = "{name} {version}: watch a Python process burn, live, without hurting it\n\n{usage-heading} {usage}\n\n{all-args}";

fn command() -> Command {
    let flag = |id: &'static str, short: Option<char>, help: &'static str| {
        let arg = Arg::new(id).long(id).action(ArgAction::SetTrue).help(help);
        match short {
            Some(short) => arg.short(short),
            None => arg,
        }
    };
    let value = |id: &'static str, short: Option<char>, name: &'static str, help: &'static str| {
        // As with getopt, a value may begin with a dash.
        flag(id, short, help).action(ArgAction::Set).value_name(name).allow_hyphen_values(true)
    };
    let path = ValueParser::path_buf;
    Command::new("pyflame-tui")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("pyflame-tui [options] [-p] PID\n       pyflame-tui [options] -t command [args...]")
        .help_template(TEMPLATE)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args_override_self(true)
        .next_help_heading("What to watch")
        .arg(value("pid", Some('p'), "PID", "A process that runs already (-p may be left out)").alias("p"))
        .arg(flag("trace", Some('t'), "Run the rest of the line, watch that to its end"))
        .arg(flag("keep-root", None, "With -t under sudo: as root, not as who called it"))
        .arg(flag("threads", None, "Every thread, not only the one that holds the GIL"))
        .arg(flag("tasks", None, "asyncio's tasks that wait, instead of threads (3.11+)"))
        .arg(flag("subprocesses", None, "The Pythons that it starts, too, and theirs"))
        .arg(flag("nonblocking", None, "Never stop it: show only stacks that prove themselves"))
        .arg(value("abi", None, "VERSION", "Take the target for this Python (27, 3.9, 312 ...)"))
        .next_help_heading("How long, how often")
        .arg(
            value("seconds", Some('s'), "SECONDS", "For how long; 0: once, inf: until ^C [default: 1]")
                .value_parser(length),
        )
        .arg(
            value("rate", Some('r'), "RATE", "Seconds between two samples [default: 0.001]")
                .value_parser(rate),
        )
        .next_help_heading("Output")
        .arg(value("output", Some('o'), "FILE", "Write to FILE, without a screen").value_parser(path()))
        .arg(flag("timestamp", Some('T'), "Every sample with its time, for flame charts").alias("flamechart"))
        .arg(flag("svg", None, "A flame graph for a browser, instead of folded stacks"))
        .arg(flag("speedscope", None, "For speedscope: every sample with its time, by thread"))
        .arg(flag("pprof", None, "For pprof: stacks by thread, packed"))
        .arg(flag("exclude-idle", Some('x'), "Leave out what is idle"))
        .arg(flag("by-thread", None, "Each stack below its thread; of all with --threads"))
        .arg(flag("no-line-numbers", Some('n'), "Functions without line numbers"))
        .arg(flag("dump", Some('d'), "All threads' stacks, once; with --tasks those of tasks"))
        .arg(flag("headless", None, "No screen, even on a terminal"))
        .arg(flag("live", None, "The live view; -o names the file of its export key"))
        .arg(flag("ascii", None, "The live view in plain 7-bit characters"))
        .arg(flag("stats", None, "Say at the end what the sampling cost"))
        .next_help_heading("Other")
        .arg(flag("doctor", None, "Say what stands between us and a Python, or the one named"))
        .arg(flag("help", Some('h'), "Show this").action(ArgAction::Help))
        .arg(flag("version", Some('v'), "Show the version and the Pythons it knows").short_alias('V'))
        .arg(Arg::new("words").num_args(0..).value_parser(ValueParser::os_string()).hide(true))
}

/// As long as the target lives, or until we are told to stop.
pub const FOREVER: Duration = Duration::MAX;
/// A century: what is much longer the clocks cannot count, and nobody waits for.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn seconds(word: &str) -> Result<Duration, String> {
    let seconds = word.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err(format!("must be {} (a century) or less", LONGEST.as_secs())),
        Err(_) => Err("not a time that can be waited for".to_owned()),
    }
}

fn length(word: &str) -> Result<Duration, String> {
    if word == "inf" { Ok(FOREVER) } else { seconds(word) }
}

fn rate(word: &str) -> Result<Duration, String> {
    match seconds(word)? {
        rate if rate < Duration::from_micros(1) => Err("must be 0.000001 (a microsecond) or more".to_owned()),
        rate => Ok(rate),
    }
}

/// Reads the command line; the first argument is the program's name.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut command = command();
    let mut own: Vec<OsString> = arguments.collect();
    let rest = match trace_at(&command, &own) {
        Some(at) => own.split_off(at + 1),
        None => Vec::new(),
    };
    let matches = match command.try_get_matches_from_mut(own) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            return Err(UsageError::Argument(
                ambiguity(&command, &error).unwrap_or_else(|| sentence(&error)),
            ));
        }
        Err(help) => return Ok(Parsed::Print(help.to_string())),
    };
    if matches.get_flag("version") {
        return Ok(Parsed::Print(version()));
    }
    if matches.get_flag("doctor") {
        return examined(&matches);
    }
    let options = Box::new(options(&matches, rest)?);
    Ok(if options.watch == NOBODY { Parsed::Choose(Choice(options)) } else { Parsed::Run(options) })
}

fn examined(matches: &ArgMatches) -> Result<Parsed, UsageError> {
    if matches.get_flag("trace") {
        return Err(UsageError::Incompatible("-t", "--doctor"));
    }
    let is_named = matches.contains_id("pid") || matches.get_many::<OsString>("words").is_some();
    let pid = match is_named.then(|| watch(matches, Vec::new())).transpose()? {
        Some(Watch::Process(pid)) => Some(pid),
        _ => None,
    };
    Ok(Parsed::Examine(pid, abi(matches)?))
}

fn abi(matches: &ArgMatches) -> Result<Option<Version>, UsageError> {
    let Some(word) = matches.get_one::<String>("abi") else { return Ok(None) };
    Version::from_abi(word).map(Some).ok_or_else(|| UsageError::UnknownAbi(word.clone()))
}

fn version() -> String {
    format!(
        "pyflame-tui {} linux-gnu {} (ABI list: 27 36 37 38 39 310 311 312 313 314 315)\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    )
}

/// The index of the word that holds `-t`: all that follow belong to the command, whatever they look like, as
/// with getopt and strace. clap would go on to look for options.
fn trace_at(command: &Command, words: &[OsString]) -> Option<usize> {
    let takes_value = |short: char| {
        command.get_arguments().any(|arg| arg.get_short() == Some(short) && arg.get_action().takes_values())
    };
    let mut index = 1;
    while let Some(word) = words.get(index).and_then(|word| word.to_str().or(Some(""))) {
        index += 1;
        if word == "--" {
            return None;
        }
        if let Some(long) = word.strip_prefix("--") {
            let mut known = command
                .get_arguments()
                .filter(|arg| arg.get_long().is_some_and(|name| !long.is_empty() && name.starts_with(long)));
            match known.next() {
                Some(arg) if arg.get_id() == "trace" => return Some(index - 1),
                Some(arg) if arg.get_action().takes_values() => index += 1,
                _ => {}
            }
        } else if let Some(cluster) = word.strip_prefix('-') {
            for (at, short) in cluster.char_indices() {
                if short == 't' {
                    return Some(index - 1);
                }
                if takes_value(short) {
                    index += usize::from(at + short.len_utf8() == cluster.len());
                    break;
                }
            }
        }
    }
    None
}

/// Options that exclude each other.
const EXCLUSIVE: [(&str, &[&str]); 7] = [
    ("-t", &["-d", "-p"]),
    // Where more than one process is busy most of them are on other CPUs, from where little can be proven.
    ("--nonblocking", &["--subprocesses", "--tasks"]),
    ("-T", &["--svg", "--speedscope", "--pprof"]),
    ("--svg", &["--speedscope", "--pprof"]),
    ("--speedscope", &["--pprof"]),
    ("-d", &["--svg", "--speedscope", "--pprof", "--live"]),
    ("--headless", &["--live"]),
];

/// Those of them that are not called by their long names, with these.
const SHORT: [(&str, &str); 4] = [("-d", "dump"), ("-p", "pid"), ("-t", "trace"), ("-T", "timestamp")];

fn options(matches: &ArgMatches, rest: Vec<OsString>) -> Result<Options, UsageError> {
    let flag = |id| matches.get_flag(id);
    let given = matches.get_one::<Duration>("seconds").copied();
    let seconds = given.filter(|_| !flag("trace"));
    let is_given = |option: &str| {
        let id = SHORT.iter().find(|(short, _)| *short == option).map_or(&option[2..], |(_, id)| id);
        matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
    };
    for (one, others) in EXCLUSIVE.into_iter().filter(|(one, _)| is_given(one)) {
        if let Some(other) = others.iter().find(|other| is_given(other)) {
            return Err(UsageError::Incompatible(one, other));
        }
    }
    // A single look is a text, and no view of what goes on.
    if flag("live") && seconds == Some(Duration::ZERO) {
        return Err(UsageError::Incompatible("-s 0", "--live"));
    }
    let format = match ["timestamp", "svg", "speedscope", "pprof"].map(flag) {
        [true, ..] => Format::Timestamps,
        [_, true, ..] => Format::Svg,
        [_, _, true, _] => Format::Speedscope,
        [.., true] => Format::Pprof,
        _ => Format::Folded,
    };
    let screen = match (flag("headless"), flag("live")) {
        (true, _) => Screen::Headless,
        (_, true) => Screen::Live,
        _ => Screen::Auto,
    };
    Ok(Options {
        watch: watch(matches, rest)?,
        abi: abi(matches)?,
        threads: flag("threads"),
        tasks: flag("tasks"),
        subprocesses: if flag("subprocesses") { Subprocesses::Watched } else { Subprocesses::Ignored },
        nonblocking: flag("nonblocking"),
        output: matches.get_one("output").cloned(),
        seconds,
        seconds_are_vain: given != seconds,
        interval: matches.get_one("rate").copied(),
        format,
        exclude_idle: flag("exclude-idle"),
        dump: flag("dump"),
        by_thread: flag("by-thread"),
        no_line_numbers: flag("no-line-numbers"),
        screen,
        ascii: flag("ascii"),
        keep_root: flag("keep-root"),
        stats: flag("stats"),
    })
}

fn watch(matches: &ArgMatches, rest: Vec<OsString>) -> Result<Watch, UsageError> {
    let words: Vec<&OsString> = matches.get_many("words").into_iter().flatten().collect();
    if matches.get_flag("trace") {
        return match rest.first() {
            None => Err(UsageError::NoCommand),
            Some(program) if is_ourselves(program) => Err(UsageError::Itself),
            Some(_) if words.is_empty() => Ok(Watch::Command(rest)),
            Some(_) => Err(UsageError::NoTarget),
        };
    }
    match (matches.get_one::<String>("pid"), words.as_slice()) {
        (Some(word), []) => pid(word),
        (None, [word]) => pid(&word.to_string_lossy()),
        (None, []) => Ok(NOBODY),
        _ => Err(UsageError::NoTarget),
    }
}

fn pid(word: &str) -> Result<Watch, UsageError> {
    /// `PID_MAX_LIMIT` on 64-bit Linux.
    const LARGEST: u32 = 1 << 22;
    match word.parse() {
        Ok(pid @ 1..=LARGEST) => Ok(Watch::Process(pid)),
        _ => Err(UsageError::NotAPid(word.to_owned())),
    }
}

fn is_ourselves(program: &OsStr) -> bool {
    let name = std::path::Path::new(program).file_name().and_then(OsStr::to_str);
    matches!(name, Some("pyflame" | "pyflame-tui"))
}

#[cfg(test)]
mod tests;
