//! Stopping more than one thread where it is not certain which one runs Python: sub-interpreters up to 3.12.

use crate::python::locate::Python;
use crate::sampler::look::Looker;
use crate::sampler::miss::Miss;
use crate::target::memory::Address;
use crate::target::{RunState, Stopped, Target, Tid};

impl Looker {
    /// Stops whoever else may be the one that runs `holder`, where that is not certain to be `tid`: everybody who runs.
    /// An alternation of two chains of calls in a sub-interpreter of 3.12, made by one thread and run by another, gave
    /// stacks of both.
    pub(super) fn stop_company<'a>(
        &self,
        target: &'a Target,
        holder: Address,
        tid: Tid,
    ) -> Result<Vec<Stopped<'a>>, Miss> {
        let Python { layout, .. } = &self.python;
        if !layout.lends_threads() || self.interpreters.len() < 2 {
            return Ok(Vec::new());
        }
        let interpreter = layout.thread.interpreter.of(target.memory(), holder)?;
        if self.interpreters.iter().any(|main| main.id == 0 && main.address == interpreter) {
            return Ok(Vec::new());
        }
        let others = {
            let mut tasks = target.tasks();
            let mut others = tasks.list().unwrap_or_default();
            let mut runs = |tid| tasks.moment(tid).is_some_and(|moment| moment.state == RunState::Running);
            others.retain(|other| *other != tid && runs(*other));
            others
        };
        target.stop_all(&others).into_iter().map(|stopped| stopped.map_err(Miss::from)).collect()
    }
}
