//! The last words: what stays on the normal screen when the viewer is gone; with a command of ours, the last screen of
//! what it wrote, too.

use std::fmt::{self, Display};

use super::console_pane;
use super::header::ending_text;
use super::labels::GROWTH;
use super::state::State;
use super::text;
use crate::sample::{Ending, Totals};

/// Lines to print, none of them longer than it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The lines.
    pub lines: Vec<String>,
    /// How the sampling ended, if it did before we left.
    pub ending: Option<Ending>,
    /// The sampler's last counts.
    pub totals: Totals,
    /// What the profile took at the end, in bytes.
    pub memory: usize,
}

impl Summary {
    /// What was seen, what of it mattered, and what was saved.
    pub fn of(state: &State) -> Self {
        let mut lines = Vec::new();
        let signs = state.theme.signs;
        let (totals, memory) = (state.profile.totals().clone(), state.profile.memory());
        let ending = state.profile.ending().cloned();
        let Some(about) = state.profile.about() else {
            lines.extend(output(state));
            return Self { lines, ending, totals, memory };
        };
        let dot = signs.dot;
        let stopped = totals.stopped.0 as f64 / totals.elapsed.0.max(1) as f64;
        let ended = ending.as_ref().map_or(String::new(), |ending| {
            format!(" {dot} it {}", text::clean(&ending_text(ending), signs))
        });
        lines.push(format!(
            "pyflame-tui: watched {} ({}) {} {dot} {} samples {dot} stopped it {} of the time{}",
            about.pid,
            text::cut(&text::clean(&text::command(&about.command), signs), 60, signs),
            text::span(totals.elapsed),
            text::grouped(totals.samples),
            text::percent(stopped),
            ended.replace("it detached", "let go").replace("it killed", "it was killed"),
        ));
        lines.extend(finding(state));
        lines.extend(state.saved.iter().map(|saved| format!("  {saved}")));
        lines.extend(output(state));
        Self { lines, ending, totals, memory }
    }
}

/// The last screen of the command, if there is anything on it.
fn output(state: &State) -> Vec<String> {
    let mut lines = console_pane::lines(state);
    if !lines.is_empty() {
        lines.insert(0, "The end of what it wrote:".to_owned());
    }
    lines
}

/// The function that the cursor stands on, or the hottest; and when it last changed, or else the process did.
fn finding(state: &State) -> Vec<String> {
    let changed = state.view.changed.map(|at| text::clock(at, state.options.east));
    let process = || changed.as_ref().map(|at| format!("  the process changed at {at}"));
    let Some((line, before)) = function(state) else { return process().into_iter().collect() };
    match (before, &changed) {
        (Some(before), Some(at)) => {
            let (dot, before) = (state.theme.signs.dot, text::percent(before));
            vec![format!("{line} {dot} changed at {at} from {before}")]
        }
        _ => [line].into_iter().chain(process()).collect(),
    }
}

/// That function with its share; and what that was before the last change, if it was clearly another.
fn function(state: &State) -> Option<(String, Option<f64>)> {
    let signs = state.theme.signs;
    let view = &state.view;
    let hottest = || Some(view.tree.call(view.hottest(state, None)));
    let call = view.cursor_call().or_else(hottest)?;
    let function = state.profile.function(call.step?.function);
    let share = call.total as f64 / view.tree.total().max(1) as f64;
    let line = format!(
        "  {} {} {}:{}",
        text::percent(share),
        text::clean(&function.name, signs),
        text::clean(text::base_name(&function.file), signs),
        function.first_line
    );
    let growth = view.growth_since(call).filter(|growth| growth.abs() >= GROWTH);
    Some((line, growth.map(|growth| share - growth)))
}

impl Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}
