//! Mistakes on the command line, as sentences.

use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// A mistake on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// Neither a PID nor a command, or too many PIDs.
    NoTarget,
    /// clap's own sentence about an argument.
    Argument(String),
    /// Not a process id.
    NotAPid(String),
    /// `--abi` with a version that has no layout.
    UnknownAbi(String),
    /// Two options that exclude each other.
    Incompatible(&'static str, &'static str),
    /// `-t` as the last word.
    NoCommand,
    /// The command to be traced is this program.
    Itself,
    /// What no terminal can show would be written to one.
    Terminal,
}

const USAGE: &str =
    "Usage: pyflame-tui [options] [-p] PID\n       pyflame-tui [options] -t command [args...]\n";

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => {
                write!(f, "{USAGE}\nName one process by its PID, or -t and a command to run.")?;
            }
            Self::Argument(sentence) => write!(f, "{USAGE}\n{sentence}")?,
            Self::NotAPid(word) => {
                writeln!(f, "Error: failed to parse {word:?} as a PID.")?;
                write!(
                    f,
                    "A PID is a number from 1 to 4194304; `pgrep -a python` lists those of Pythons.\n\n{USAGE}"
                )?;
            }
            Self::UnknownAbi(word) => {
                writeln!(f, "Unknown or unsupported ABI version: {word}")?;
                write!(
                    f,
                    "Known are 2.7 and 3.3 to 3.15, written 27, 3.9 or 312. Without --abi the version is found out."
                )?;
            }
            Self::Incompatible(one, other) => {
                writeln!(f, "Options {one} and {other} are not mutually compatible.")?;
                write!(f, "Leave one of them out.\n\n{USAGE}")?;
            }
            Self::NoCommand => write!(f, "Option -t requires a command to run.\n\n{USAGE}")?,
            Self::Itself => {
                writeln!(f, "You tried to pyflame a pyflame, naughty!")?;
                write!(
                    f,
                    "It is no Python. Name the Python command itself: pyflame-tui -t python3 script.py"
                )?;
            }
            Self::Terminal => {
                writeln!(f, "What pprof reads is packed, and would be written to a terminal.")?;
                write!(f, "Name a file for it: pyflame-tui --pprof -o profile.pb.gz PID")?;
            }
        }
        match self {
            Self::Terminal | Self::Itself | Self::UnknownAbi(_) => Ok(()),
            _ => f.write_str("\nSee `pyflame-tui --help` for all options."),
        }
    }
}

impl std::error::Error for UsageError {}

/// clap's first line, without its own usage text.
pub(super) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What clap does not say: which options an abbreviation may stand for. Some that pyflame had are those of more than one now.
pub(super) fn ambiguity(command: &Command, error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let begun = word.strip_prefix("--").filter(|begun| !begun.is_empty())?;
    let longs = command.get_arguments().filter_map(Arg::get_long);
    let meant: Vec<_> =
        longs.filter(|long| long.starts_with(begun)).map(|long| format!("--{long}")).collect();
    (error.kind() == ErrorKind::UnknownArgument && meant.len() > 1)
        .then(|| format!("error: '{word}' is ambiguous: it may be {}", meant.join(", ")))
}
