//! What it took, in words, for `--stats`.

use std::time::Duration;

use crate::sample::{Failure, Micros, Totals};
use crate::sampler::cost::Cost;

/// What it cost, for `--stats`; `memory` is what the profile takes, in bytes.
pub(crate) fn text(totals: &Totals, memory: usize, cost: Option<&Cost>) -> String {
    let text = format!(
        "samples {} in {:.3} s; failed {}; late {}; dropped {}; stopped {:.3} ms, {:.2} % of the time; kept in {} KiB",
        totals.samples,
        Duration::from_micros(totals.elapsed.0).as_secs_f64(),
        failed(totals),
        totals.late,
        totals.dropped,
        Duration::from_micros(totals.stopped.0).as_secs_f64() * 1e3,
        100.0 * share_of(totals.stopped, totals.elapsed),
        memory >> 10,
    );
    match cost {
        Some(cost) => format!("{text}\n{cost}"),
        None => text,
    }
}

/// The reasons that looks failed for, each with how often.
pub(crate) fn failures(totals: &Totals) -> impl Iterator<Item = (Failure, u64)> {
    Failure::ALL.into_iter().zip(totals.failed).filter(|(_, count)| *count > 0)
}

fn failed(totals: &Totals) -> String {
    let reasons: Vec<_> =
        failures(totals).map(|(failure, count)| format!("{}: {count}", failure.label())).collect();
    let all: u64 = totals.failed.iter().sum();
    if reasons.is_empty() { all.to_string() } else { format!("{all} ({})", reasons.join(", ")) }
}

fn share_of(part: Micros, whole: Micros) -> f64 {
    let seconds = |micros: Micros| Duration::from_micros(micros.0).as_secs_f64();
    seconds(part) / seconds(whole).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_name_the_reasons_that_there_were() {
        let said = |failed| text(&Totals { failed, ..Totals::default() }, 0, None);
        assert!(said([0; 4]).contains("; failed 0; late 0;"));
        assert!(
            said([0, 10, 0, 2]).contains("; failed 12 (GIL changed hands: 10, unreadable: 2); late"),
            "{}",
            said([0, 10, 0, 2])
        );
    }
}
