//! What `e` writes is what a run without a screen writes of the same samples, byte for byte, once the same is selected.

use std::collections::BTreeSet;
use std::ffi::OsString;

use pyflame_tui::cli::{self, Parsed};
use pyflame_tui::export::Format;
use pyflame_tui::profile::{Grouping, Idle, Profile};
use pyflame_tui::sample::{Event, Failure, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample};
use pyflame_tui::tui::action::{Action, Effect};
use pyflame_tui::tui::{Options, save, update};
use pyflame_tui::write_profile;

use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Program, START, Simulation};

const FOLDED: (Format, Grouping) = (Format::Folded, Grouping::Merged);

fn command_line(words: &[&str]) -> cli::Options {
    let words = ["pyflame-tui"].iter().chain(words).chain(&["24060"]);
    match cli::parse(words.map(OsString::from)) {
        Ok(Parsed::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

/// Two seconds of a program, with looks that came to nothing among the others.
fn events(program: Program) -> Vec<Event> {
    let mut simulation = Simulation::new(program, 1000, 11);
    let mut events = simulation.opening();
    for second in 1..=2 {
        let at = Micros(START.0 + second * 1_000_000);
        events.extend(simulation.until(at));
        for failure in [Failure::NotStopped, Failure::Broken, Failure::Broken] {
            events.push(Event::Sample(Sample { at, outcome: Outcome::Failed(failure) }));
        }
    }
    events.push(simulation.totals());
    events
}

/// As a run without a screen records and writes it.
fn headless(options: &cli::Options, events: &[Event]) -> Vec<u8> {
    let mut profile = Profile::new();
    for event in events {
        profile.record(event);
    }
    let mut out = Vec::new();
    write_profile(options, &profile, &mut out).unwrap();
    out
}

/// As the viewer records it, and as `e` writes it when everything is chosen that such a run writes.
fn viewed(options: &cli::Options, events: &[Event]) -> Vec<u8> {
    let screen = Options {
        exclude_idle: options.exclude_idle,
        format: options.format,
        by_thread: options.by_thread,
        no_line_numbers: options.no_line_numbers,
        ..Options::default()
    };
    let mut session = Session::with(Program::Web, (160, 48), screen);
    for event in events {
        update::update(&mut session.state, Action::Sampled(event.clone()));
    }
    session.press(&["c"]);
    if !options.threads {
        session.press(&["a"]);
    }
    let wanted = if options.exclude_idle { Idle::Excluded } else { Idle::Shown };
    while session.state.idle != wanted {
        session.press(&["x"]);
    }
    session.press(&["e"]);
    let Some(Effect::Write { format, grouping, .. }) = session.effects.pop() else {
        panic!("e asks for a file")
    };
    let mut out = Vec::new();
    save::export(&session.state, (format, grouping), &mut out).unwrap();
    out
}

#[test]
fn e_writes_what_a_run_without_a_screen_writes() {
    for program in [Program::Web, Program::Wide, Program::Idle, Program::Hostile] {
        let events = events(program);
        for words in [
            &[][..],
            &["-x"],
            &["-T"],
            &["--threads"],
            &["-n"],
            &["-x", "-T"],
            &["--threads", "-x"],
            &["--threads", "-T"],
            &["--threads", "-x", "-n"],
            &["--threads", "-x", "-T", "-n"],
            &["--by-thread"],
            &["--threads", "--by-thread", "-x"],
            &["--threads", "--by-thread", "-T", "-n"],
            &["--threads", "--svg"],
            &["--threads", "--speedscope"],
            &["--threads", "--pprof"],
        ] {
            let options = command_line(words);
            let (one, other) = (headless(&options, &events), viewed(&options, &events));
            assert!(!one.is_empty(), "{program:?} {words:?}");
            let (one, other) = (String::from_utf8_lossy(&one), String::from_utf8_lossy(&other));
            for (number, (one, other)) in one.lines().zip(other.lines()).enumerate() {
                assert_eq!(one, other, "{program:?} {words:?}, line {}", number + 1);
            }
            assert_eq!(one.len(), other.len(), "{program:?} {words:?}");
        }
    }
}

/// What is chosen on the screen is chosen in the file, and of each of its lines it is told whose it is.
#[test]
fn by_thread_is_what_is_on_the_screen() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    let export = |session: &mut Session, name: &str| {
        session.press(&["E"]);
        session.expect(".threads: by thread");
        session.press(&name.split("").filter(|key| !key.is_empty()).collect::<Vec<_>>());
        session.press(&["Enter"]);
        let Some(Effect::Write { format, grouping, file, .. }) = session.effects.pop() else {
            panic!("no file")
        };
        assert_eq!(file.unwrap().to_str(), Some(name));
        let mut out = Vec::new();
        save::export(&session.state, (format, grouping), &mut out).unwrap();
        (format, String::from_utf8(out).unwrap())
    };
    let roots = |text: &str| {
        let stacks = text.lines().filter(|line| line.contains(';'));
        stacks.map(|line| line.split(';').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let workers = (0..4).map(|number| format!("thread:worker-{number}:{}", 24061 + number));
    for name in ["a.threads", "a.threads.folded", "a.threads.flamechart"] {
        let (format, text) = export(&mut session, name);
        assert_eq!(format == Format::Timestamps, name.ends_with("chart"), "{name}");
        assert_eq!(roots(&text), workers.clone().collect(), "{name}: the idle are hidden");
    }
    let (format, text) = export(&mut session, "a.threads.svg");
    assert_eq!(format, Format::Svg);
    for worker in workers {
        assert!(text.contains(&format!("<title>{worker} (")), "{worker}");
    }
    let (_, text) = export(&mut session, "threads.folded");
    assert!(!text.contains("thread:"), "{text}");
    // The first line is the pool, and its first worker the next.
    session.press(&["3", "Down", "t"]);
    let shown: u64 = session.state.view.tree.total();
    let (_, text) = export(&mut session, "a.threads");
    assert_eq!(roots(&text).len(), 1, "{text}");
    let counts = text.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), shown);
}

#[test]
fn a_zoom_takes_lines_away_but_not_their_numbers() {
    let written = |session: &Session| {
        let mut out = Vec::new();
        save::export(&session.state, FOLDED, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    for turned in [false, true] {
        let mut session = Session::new(Program::Steady, (160, 48));
        session.run(3.0);
        if turned {
            session.press(&["o"]);
        }
        let whole = written(&session);
        session.press(&["/", "v", "i", "e", "w", "_", "r", "e", "p", "Enter", "Enter"]);
        session.expect("zoomed (Esc)");
        let zoomed = written(&session);
        assert!(zoomed.lines().count() > 2, "{zoomed}");
        for line in zoomed.lines() {
            assert!(line.contains("view_report"), "{line}");
            assert!(whole.lines().any(|other| other == line), "{line} is not in\n{whole}");
        }
    }
}

#[test]
fn a_copied_stack_says_how_often_a_function_called_itself() {
    let mut session = Session::new(Program::Idle, (160, 48));
    let rec = ("/srv/app/deep.py", "rec", 5, 6);
    let stack = stack(&[("/srv/app/deep.py", "main", 1, 2), rec, rec, rec, rec]);
    let thread = ThreadId { tid: 1, interpreter: 0, seat: 0 };
    let threads = vec![ThreadSample { thread, stack, flags: Flags::HOLDS_GIL }];
    session.act(Action::Sampled(Event::Sample(Sample { at: START, outcome: Outcome::Taken(threads) })));
    for turn in [&[][..], &["o"]] {
        session.press(turn);
        session.press(&["y"]);
        let Some(Effect::Copy(text)) = session.effects.pop() else { panic!("{:?}", session.effects) };
        assert_eq!(text, "main (/srv/app/deep.py:1)\nrec (/srv/app/deep.py:5) ×4\n");
    }
}

/// A path through one tree leads to nothing in another: what it would select is told to be nothing.
#[test]
fn what_is_zoomed_into_is_let_go_where_paths_become_others() {
    for key in ["p", "L", "o"] {
        let mut session = Session::new(Program::Steady, (160, 48));
        session.run(3.0);
        session.press(&["g", "Down", "Enter", "Down", "Enter"]);
        session.expect("zoomed (Esc)");
        session.press(&[key]);
        session.expect_not("zoomed (Esc)");
        assert!(session.state.view.cursor_call().is_some(), "{key}: the cursor is on a call");
        session.press(&["4"]);
        session.expect_not(" 0 functions");
        // Nor is there anything to go back to.
        session.press(&["2", "Esc"]);
        session.expect_not("zoomed (Esc)");
        session.expect("nothing to go back to");
    }
}

#[test]
fn a_file_without_a_stack_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(19.0);
    let refused = |session: &Session| {
        for (form, name) in [(FOLDED, "a.folded"), ((Format::Timestamps, Grouping::ByThread), "a.flamechart")]
        {
            let file = directory.path().join(name);
            let error = save::write(&session.state, form, Some(&file)).unwrap_err();
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
            assert_eq!(error.to_string(), save::write(&session.state, form, None).unwrap_err().to_string());
        }
        save::write(&session.state, FOLDED, None).unwrap_err().to_string()
    };
    session.press(&["/", "x", "y", "z", "z", "y", "Enter", "&"]);
    assert_eq!(refused(&session), "no stack in this window has a match; & shows all");
    session.press(&["Esc", "="]);
    let file = directory.path().join("a.folded");
    assert_eq!(save::write(&session.state, FOLDED, Some(&file)).unwrap(), file);
}

#[test]
fn what_is_zoomed_into_may_go_and_its_caller_is_what_is_kept() {
    // Another function ten seconds later.
    let mut session = Session::new(Program::Phases, (160, 48));
    session.run(5.0);
    session.press(&["G", "Enter"]);
    session.expect("zoomed (Esc)");
    session.run(25.0);
    let shown = session.state.view.tree.call(session.state.view.zoom).total;
    assert!(shown > 0);
    let mut out = Vec::new();
    save::export(&session.state, FOLDED, &mut out).unwrap();
    let counts = out.split(|byte| *byte == b'\n').filter_map(|line| line.rsplit(|byte| *byte == b' ').next());
    let counts = counts.filter_map(|count| std::str::from_utf8(count).unwrap().parse::<u64>().ok());
    assert_eq!(counts.sum::<u64>(), shown);
    session.press(&["4"]);
    let own: u64 = session.state.view.top.iter().map(|row| row.own).sum();
    assert_eq!(own, shown);
}
