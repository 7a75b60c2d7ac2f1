//! The line to the command that we run: the screen knows its two ends, and not what lies between them.

use std::fmt;

use crossbeam_channel::{Receiver, Sender};

/// What the command says, what it is told, and how large its terminal is.
pub struct Wire {
    /// What it writes to its terminal, piece by piece; it waits while nobody takes them.
    pub output: Receiver<Box<[u8]>>,
    /// What is typed. Bounded: who does not read must not make us wait.
    pub input: Sender<Box<[u8]>>,
    /// Tells its terminal how many columns and rows it has.
    pub resize: Box<dyn Fn((u16, u16))>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
