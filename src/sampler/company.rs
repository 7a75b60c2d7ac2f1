//! Stopping more than one thread, where one is not enough: sub-interpreters up to 3.12, of which it is not certain who
//! runs them, and a GIL that changes hands faster than we can follow.

use crate::python::locate::Python;
use crate::python::threads::Lock;
use crate::sampler::held::Still;
use crate::sampler::look::{Looker, Scope, Wanted};
use crate::sampler::miss::Miss;
use crate::target::memory::Address;
use crate::target::{RunState, Stopped, Target, Tid};

impl Looker {
    /// Stops whoever else may be the one that runs `holder`, where that is not certain to be `tid`: everybody who runs.
    /// An alternation of two chains of calls in a sub-interpreter of 3.12, made by one thread and run by another, gave
    /// stacks of both.
    pub(super) fn stop_company<'a>(
        &mut self,
        target: &'a Target,
        holder: Address,
        tid: Tid,
    ) -> Result<Vec<Stopped<'a>>, Miss> {
        if !self.is_lent(target, holder)? {
            return Ok(Vec::new());
        }
        let others: Vec<_> = running(target).into_iter().filter(|other| *other != tid).collect();
        self.stop_all(target, &others)
    }

    /// Stops all of these, or none.
    pub(super) fn stop_all<'a>(
        &mut self,
        target: &'a Target,
        tids: &[Tid],
    ) -> Result<Vec<Stopped<'a>>, Miss> {
        let (mut stopped, mut miss) = (Vec::new(), None);
        for told in target.stop_all(tids) {
            match told {
                Ok(one) => stopped.push(one),
                Err(error) => miss = Some(error.into()),
            }
        }
        match miss {
            None => Ok(stopped),
            Some(miss) => {
                self.release(stopped);
                Err(miss)
            }
        }
    }

    /// Is it uncertain which thread runs `holder`?
    pub(super) fn is_lent(&self, target: &Target, holder: Address) -> Result<bool, Miss> {
        let Python { layout, .. } = &self.python;
        if !layout.lends_threads() || self.interpreters.len() < 2 {
            return Ok(false);
        }
        let interpreter = layout.thread.interpreter.of(target.memory(), holder)?;
        Ok(!self.interpreters.iter().any(|main| main.id == 0 && main.address == interpreter))
    }

    /// The GIL went from hand to hand each time that its holder was stopped: stops everybody who runs, and looks who
    /// has it then. Of 2.7 with four busy threads every tenth look at all threads came to nothing without this.
    pub(super) fn take_contested(&mut self, target: &Target, lock: Lock) -> Result<(), Miss> {
        let told = target.stop_all(&running(target));
        let stopped: Vec<_> = told.into_iter().filter_map(Result::ok).collect();
        let copied = self.glance(target, lock).map_err(Miss::from).and_then(|glanced| match glanced {
            (None, turn) => self.take_idle(target, lock, turn),
            (Some(holder), _) => match self.tids.of(&self.python, target, holder) {
                Some((tid, identity)) if stopped.iter().any(|one| one.tid() == tid) => {
                    let wanted = Wanted { lock, holder, identity, scope: Scope::All };
                    self.copy(target, wanted, Still::Stopped).map(drop)
                }
                _ => Err(Miss::Fled),
            },
        });
        self.release(stopped);
        copied
    }
}

/// The threads that are on a CPU, or wait for one.
fn running(target: &Target) -> Vec<Tid> {
    let mut tasks = target.tasks();
    let mut all = tasks.list().unwrap_or_default();
    all.retain(|tid| tasks.is_in(*tid, RunState::Running));
    all
}
