//! The sampler itself, for what no output says of a sample.

use std::time::Duration;

use pyflame_tui::sampler::look::Scope;
use pyflame_tui::sampler::{Length, Plan, Sampler, Stopping, Watch};

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
        stopping: Stopping::Brief,
        length: Length::For(length),
    };
    Sampler::start(plan).map_err(|error| format!("{error:?}"))
}
