//! The live view: the sampler at one end, the screen at the other; and between them, with `-t`, the terminal that the
//! command gets because ours has become the screen.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::INTERVAL;
use crate::cli::{Options, Screen};
use crate::error::{Error, Watched};
use crate::sampler::look::Scope;
use crate::sampler::{Length, Plan, Sampler, StartError};
use crate::target::{LaunchError, Pty, Seat, job};
use crate::tui::theme::Depth;
use crate::tui::{self, Another, Failed, Given, Left, Summary, Wire};

/// Is there somebody to look at a screen, and nothing that says otherwise?
pub(crate) fn is_wanted(options: &Options) -> bool {
    match options.screen {
        Screen::Live => true,
        Screen::Headless => false,
        Screen::Auto => {
            let asked_for_text =
                options.output.is_some() || options.dump || options.seconds == Some(Duration::ZERO);
            let is_smart = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
            !asked_for_text && is_smart && io::stdout().is_terminal() && io::stdin().is_terminal()
        }
    }
}

/// Runs a command, and shows what it does until somebody has seen enough.
pub(crate) fn trace(options: &Options, words: &[OsString], plan: Plan) -> Result<Summary, Error> {
    let mut screen = screen(options);
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    screen.command = Some(words.join(" "));
    let (sampler, wire) = launch(live(options, plan), screen.depth)?;
    let given = Given { wire: Some(wire), held: None };
    show(options, sampler, screen, given, None).map(|left| left.summary)
}

/// Begins to sample a process as the screen wants it.
pub(crate) fn attach(options: &Options, plan: Plan) -> Result<Sampler, StartError> {
    Sampler::start(live(options, plan))
}

fn live(options: &Options, plan: Plan) -> Plan {
    let length = options.seconds.map_or(Length::ToTheEnd, crate::length);
    let scope = if options.tasks { Scope::Tasks } else { Scope::All };
    let interval = options.interval.unwrap_or(INTERVAL);
    Plan { scope, interval, length, governed: options.interval.is_none(), ..plan }
}

/// What the command line and the environment say of the screen.
pub(crate) fn screen(options: &Options) -> tui::Options {
    tui::Options {
        output: options.output.clone(),
        exclude_idle: options.exclude_idle,
        format: options.format,
        tasks: options.tasks,
        by_thread: options.by_thread,
        no_line_numbers: options.no_line_numbers,
        ascii: options.ascii,
        stand_still: || job::obey(Signal::SIGTSTP),
        ..tui::Options::from_environment()
    }
}

/// Shows what the sampler says.
pub(crate) fn show(
    options: &Options,
    sampler: Sampler,
    screen: tui::Options,
    given: Given,
    another: Option<Another<'_>>,
) -> Result<Left, Error> {
    let watched = if given.wire.is_some() { Watched::Command } else { Watched::Process };
    let mut left = tui::run_with(Vec::new(), &sampler.events, &sampler.commands, given, another, screen);
    let cost = sampler.join();
    if options.stats
        && let Ok(Left { summary, .. }) = &mut left
    {
        let stats = crate::stats::text(&summary.totals, summary.memory, cost.as_ref());
        summary.lines.extend(stats.lines().map(str::to_owned));
    }
    left.map_err(|Failed { error, profile }| {
        let kept = crate::keep(options, &profile);
        Error::Screen { cause: error, watched, kept }
    })
}

/// Starts the command on a terminal of its own, of the size that the screen will have for it.
fn launch(plan: Plan, depth: Depth) -> Result<(Sampler, Wire), Error> {
    let size = tui::console::size_here().map_err(|error| Error::Screen {
        cause: error.into(),
        watched: Watched::Nothing,
        kept: None,
    })?;
    let no_terminal =
        |error: io::Error| StartError::Launch(LaunchError::Terminal(error.raw_os_error().unwrap_or(0)));
    let pty = Pty::open(size).map_err(no_terminal)?;
    let sampler = Sampler::start_at(plan, Some(seat(&pty, depth)))?;
    let line = pty.listen().map_err(no_terminal)?;
    let resize = Box::new(move |size| line.size.set(size));
    Ok((sampler, Wire { output: line.output, input: line.input, resize }))
}

/// What a command is told of its terminal: that of an xterm with as many colours as ours. Sizes in the environment
/// would be those of our own, and go before what the terminal says. ncurses draws lines in a way that needs a second
/// set of characters, unless it is told not to.
fn seat(pty: &Pty, depth: Depth) -> Seat {
    let (term, colours) = match depth {
        Depth::True => ("xterm-256color", Some("truecolor")),
        Depth::Indexed => ("xterm-256color", None),
        Depth::Sixteen | Depth::Mono => ("xterm", None),
    };
    pty.seat(vec![
        ("TERM", Some(term)),
        ("COLORTERM", colours),
        ("NCURSES_NO_UTF8_ACS", Some("1")),
        ("COLUMNS", None),
        ("LINES", None),
    ])
}
