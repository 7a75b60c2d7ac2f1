//! A target in which nothing happens. The last picture is the next one as long as nobody else has had the GIL, which the
//! lock's count tells, and the one that had it last has not got a CPU since it was seen asleep, which the scheduler's
//! count tells. So nothing is read but these two.

use crate::sampler::look::{Compare, Looker};
use crate::sampler::others::{Rest, Turn};
use crate::target::{RunState, Target, Tid};

/// What is known of a sleep.
#[derive(Debug, Default)]
pub(super) enum Asleep {
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
        *self = Self::Awake;
    }

    /// The picture that was taken just now is as the one before, and of this turn, in which `tid` has had the GIL last.
    pub(super) fn unmoved(&mut self, tid: Tid, turn: Turn, edition: u64) {
        *self = match *self {
            Self::Slept(sleeper, slices) if sleeper == tid => Self::Picture(tid, slices, turn, edition),
            _ => Self::Still(tid),
        };
    }
}

impl Looker {
    /// Is the last picture the next one, if it was this `turn` before this was asked, and nobody had the GIL?
    pub(super) fn is_asleep(&mut self, target: &Target, turn: Turn) -> bool {
        let same = match self.asleep {
            Asleep::Awake => return false,
            Asleep::Still(tid) => {
                // In this order: having been counted, it is not running.
                let slices = target.tasks().slices(tid);
                let sleeps = target.tasks().is_in(tid, RunState::Sleeping);
                self.asleep = match slices.filter(|_| sleeps) {
                    Some(slices) => Asleep::Slept(tid, slices),
                    None => Asleep::Awake,
                };
                return false;
            }
            Asleep::Slept(..) => false,
            Asleep::Picture(tid, slices, last, edition) => {
                let only = self.interpreters.len() == 1 && self.codes.edition() == edition;
                only && turn == last && target.tasks().slices(tid) == Some(slices)
            }
        };
        if same {
            self.cost.asleep += 1;
            self.compare = Compare::Done;
            self.rest = Rest::Nothing;
        } else {
            self.asleep.wake();
        }
        same
    }
}
