//! The viewer on a real process: `cargo run --release --example live -- PID`. Until the command line
//! opens the viewer itself, and for measuring it.

use std::process::ExitCode;
use std::time::Duration;

use pyflame_tui::sampler::look::Scope;
use pyflame_tui::sampler::{Length, Plan, Sampler, Stopping, Subprocesses, Watch};
use pyflame_tui::tui;

fn main() -> ExitCode {
    let Some(pid) = std::env::args().nth(1).and_then(|word| word.parse().ok()) else {
        eprintln!("usage: live PID");
        return ExitCode::FAILURE;
    };
    let plan = Plan {
        watch: Watch::Process(pid),
        user: None,
        abi: None,
        interval: Duration::from_millis(1),
        governed: true,
        scope: Scope::All,
        subprocesses: Subprocesses::Ignored,
        stopping: Stopping::Brief,
        length: Length::ToTheEnd,
    };
    let sampler = match Sampler::start(plan) {
        Ok(sampler) => sampler,
        Err(error) => {
            eprintln!("{error:?}");
            return ExitCode::FAILURE;
        }
    };
    let options = tui::Options::from_environment();
    let seen = tui::run(Vec::new(), &sampler.events, &sampler.commands, options);
    sampler.join();
    match seen {
        Ok(summary) => {
            print!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pyflame-tui: {error}");
            ExitCode::FAILURE
        }
    }
}
