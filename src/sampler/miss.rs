//! Why an attempt at a look came to nothing, and with that what is to be done: follow, begin anew, or give up.

use crate::python::code::CodeError;
use crate::python::frames::WalkError;
use crate::sample::Failure;
use crate::target::StopError;
use crate::target::memory::ReadError;

/// Why an attempt came to nothing.
pub(super) enum Miss {
    /// The GIL changed hands, or its holder ended: follow.
    Fled,
    /// What was copied contradicts itself: once more.
    Again(Failure),
    /// No use.
    Failed(Failure),
    Gone,
}

impl From<ReadError> for Miss {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gone => Self::Gone,
            ReadError::Unmapped(_) | ReadError::NotCopied(_) => Self::Again(Failure::Unreadable),
            ReadError::Denied => Self::Failed(Failure::Unreadable),
        }
    }
}

impl From<WalkError> for Miss {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Read(error) => error.into(),
            WalkError::Broken(_) => Self::Again(Failure::Broken),
        }
    }
}

impl From<CodeError> for Miss {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Read(error) => error.into(),
            CodeError::NotCode(_) => Self::Again(Failure::Broken),
        }
    }
}

impl From<StopError> for Miss {
    fn from(error: StopError) -> Self {
        match error {
            StopError::Gone | StopError::GroupStopped => Self::Fled,
            StopError::NotInTime | StopError::Held | StopError::TracedBy(_) | StopError::Refused(_) => {
                Self::Failed(Failure::NotStopped)
            }
        }
    }
}
