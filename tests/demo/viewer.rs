//! The viewer on a program that does not exist: `cargo run --example viewer -- web`. For looking at the
//! screen without a target. Programs: web, steady, tower, wide, idle, phases, bursty, hostile.

#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "simulated shares")]

#[path = "../tui/programs.rs"]
mod programs;
#[path = "../tui/simulation.rs"]
mod simulation;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use pyflame_tui::sample::{Command, Ending, Event, Micros};
use pyflame_tui::tui;
use simulation::{Program, START, Simulation};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    let program = arguments.first().and_then(|name| by_name(name)).unwrap_or(Program::Web);
    let ahead = value("--ahead").and_then(|text| text.parse().ok()).unwrap_or(0);
    let last = value("--seconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
    let rate = value("--rate").and_then(|text| text.parse().ok()).unwrap_or(1000);

    let (events, received) = bounded(65_536);
    let (told, commands) = bounded(16);
    let mut simulation = Simulation::new(program, rate, 42);
    let mut first = simulation.opening();
    if let Some(Event::About(about)) = first.first_mut() {
        // Sources are read as this process sees them.
        about.pid = std::process::id();
    }
    first.extend(simulation.until(Micros(START.0 + ahead * 1_000_000)));
    first.push(simulation.totals());
    let panics = flag("--panic");
    let work = move || {
        let began = Instant::now();
        loop {
            match commands.recv_timeout(Duration::from_millis(5)) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                _ => {}
            }
            let elapsed = began.elapsed();
            assert!(!panics || elapsed < Duration::from_secs(2), "asked to");
            let ending = elapsed >= Duration::from_secs(last);
            let at = Micros(START.0 + ahead * 1_000_000 + elapsed.as_micros() as u64);
            let mut said = simulation.until(at);
            if ending {
                said.push(simulation.totals());
                said.push(Event::Ended(Ending::Exited(Some(0))));
            }
            for event in said {
                let _ = events.try_send(event);
            }
            if ending {
                return;
            }
        }
    };
    let sampler = thread::Builder::new().name("sampler".to_owned()).spawn(work);
    let options = tui::Options { ascii: flag("--ascii"), ..tui::Options::from_environment() };
    match tui::run(first, &received, &told, options) {
        Ok(summary) => {
            print!("{summary}");
            drop(told);
            drop(sampler);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pyflame-tui: {error}");
            ExitCode::FAILURE
        }
    }
}

fn by_name(name: &str) -> Option<Program> {
    Some(match name {
        "web" => Program::Web,
        "steady" => Program::Steady,
        "tower" => Program::Tower,
        "wide" => Program::Wide,
        "idle" => Program::Idle,
        "phases" => Program::Phases,
        "bursty" => Program::Bursty,
        "hostile" => Program::Hostile,
        _ => return None,
    })
}
