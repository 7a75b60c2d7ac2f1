//! A target in which nothing happens. The last picture is the next one as long as nobody else has had the GIL, which the
//! lock's count tells, and the one that had it last has not got a CPU since it was seen asleep, which the scheduler's
//! count tells. So nothing is read but these two.

use crate::python::snapshot::Snapshot;
use crate::python::threads::Lock;
use crate::sampler::look::{Compare, Looker};
use crate::sampler::miss::Miss;
use crate::sampler::others::{Rest, Turn};
use crate::target::{RunState, Target, Tid};

/// What is known of a sleep.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    /// The words of the lock.
    words: Snapshot,
    since: Since,
}

#[derive(Debug, Default)]
enum Since {
    /// Something has moved.
    #[default]
    Awake,
    /// Nothing had moved in the last picture: if this one sleeps, it may go on.
    Still(Tid),
    /// It slept, having got a CPU so many times, before the last picture was taken.
    Slept(Tid, u64),
    /// And that is the last picture, in this turn and of this edition of the code objects.
    Picture(Tid, u64, Turn, u64),
}

impl Asleep {
    /// Something has moved.
    pub(super) fn wake(&mut self) {
        self.since = Since::Awake;
    }

    /// The picture that was taken just now is as the one before, and of this turn, in which `tid` has had the GIL last.
    pub(super) fn unmoved(&mut self, tid: Tid, turn: Turn, edition: u64) {
        self.since = match self.since {
            Since::Slept(sleeper, slices) if sleeper == tid => Since::Picture(tid, slices, turn, edition),
            _ => Since::Still(tid),
        };
    }
}

impl Looker {
    /// Is the last picture the next one?
    pub(super) fn is_asleep(&mut self, target: &Target, lock: Lock) -> Result<bool, Miss> {
        let same = match self.asleep.since {
            Since::Awake => return Ok(false),
            Since::Still(tid) => {
                // In this order: having been counted, it is not running.
                let slices = target.tasks().slices(tid);
                let sleeps = target.tasks().is_in(tid, RunState::Sleeping);
                self.asleep.since = match slices.filter(|_| sleeps) {
                    Some(slices) => Since::Slept(tid, slices),
                    None => Since::Awake,
                };
                return Ok(false);
            }
            Since::Slept(..) => false,
            Since::Picture(tid, slices, turn, edition) => {
                let memory = target.memory();
                self.asleep.words.take(memory)?;
                let words = self.asleep.words.of(memory);
                let free = lock.holder(&words)?.is_none();
                let now = Turn::of(&self.python.layout, &words, &self.interpreters, lock)?;
                self.cost.read(self.asleep.words.take_reads());
                // In this order: who has not run until then has not taken it until then.
                let only = self.interpreters.len() == 1 && self.codes.edition() == edition;
                only && free && now == Some(turn) && target.tasks().slices(tid) == Some(slices)
            }
        };
        if same {
            self.cost.asleep += 1;
            self.compare = Compare::Done;
            self.rest = Rest::Nothing;
        } else {
            self.asleep.wake();
        }
        Ok(same)
    }
}
