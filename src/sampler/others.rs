//! What is remembered of threads that do not hold the GIL.
//!
//! Frames change only in the hands of the holder, and the lock counts how often it goes to another thread state than
//! the one that had it last (`switch_number`, 3.7 and later). So as long as that count stands, and the list of threads
//! begins where it began and is the same interpreter's, all threads but the last holder are as they were. (A program that
//! embeds a Python up to 3.12 could exchange thread states of one interpreter under the lock; none is known that does.
//! Interpreters that share a lock do it, and are read each time.)

use crate::python::capture::Capture;
use crate::python::layout::Layout;
use crate::python::locate::Python;
use crate::python::threads::{Interpreter, Lock};
use crate::target::memory::{Address, Memory, ReadError};

/// From `last_holder` to `switch_number`, in all versions and builds.
const TO_SWITCHES: u64 = 16;

/// What must stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    switches: u64,
    holder: Address,
    newest: Address,
    interpreter: i64,
}

/// What else there is beside the thread that was stopped.
#[derive(Debug, Default)]
pub(super) enum Rest {
    /// Nothing: all that was asked for is there.
    #[default]
    Nothing,
    /// It was not asked for. This is the one that was stopped.
    NotAsked(Interpreter, Address),
    /// It is as it was, except for the one that was stopped.
    Remembered(Interpreter, Address),
    /// It has to be read now, and may be remembered if it can be told what it depends on.
    ToRead(Lock, Option<Turn>),
}

/// The last picture of all threads.
#[derive(Debug, Default)]
pub(super) struct Others {
    turn: Option<Turn>,
    /// The edition of the code objects.
    edition: u64,
    capture: Capture,
}

impl Others {
    /// What is to be done about all threads but the holder, while that stands still.
    pub(super) fn rest(
        &self,
        python: &Python,
        memory: &impl Memory,
        interpreters: &[Interpreter],
        interpreter: Interpreter,
        holder: Address,
        edition: u64,
    ) -> Result<Rest, ReadError> {
        let turn = Turn::of(&python.layout, memory, interpreters, interpreter.lock)?;
        let same = self.turn.is_some() && turn == self.turn && edition == self.edition;
        let same = same && turn.is_some_and(|turn| turn.holder == holder);
        Ok(if same { Rest::Remembered(interpreter, holder) } else { Rest::ToRead(interpreter.lock, turn) })
    }

    /// What must have stayed the same, if that proves anything.
    pub(super) const fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// Remembers a picture.
    pub(super) fn remember(&mut self, turn: Option<Turn>, edition: u64, capture: &Capture) {
        self.turn = turn;
        self.edition = edition;
        if turn.is_some() {
            self.capture.clone_from(capture);
        }
    }

    /// The picture that is remembered.
    pub(super) const fn capture(&self) -> &Capture {
        &self.capture
    }
}

impl Turn {
    /// Who had the lock last.
    pub(super) const fn holder(self) -> Address {
        self.holder
    }

    /// As it is while nobody can take the lock; `None` where it proves nothing.
    pub(super) fn of(
        layout: &Layout,
        memory: &impl Memory,
        interpreters: &[Interpreter],
        lock: Lock,
    ) -> Result<Option<Self>, ReadError> {
        let (Lock::Holder(word) | Lock::Runtime(word)) = lock else { return Ok(None) };
        let mut sharing = interpreters.iter().filter(|interpreter| interpreter.lock == lock);
        let (Some(only), None) = (sharing.next(), sharing.next()) else { return Ok(None) };
        Ok(Some(Self {
            switches: memory.u64(word + TO_SWITCHES)?,
            holder: memory.pointer(word)?,
            newest: layout.interpreter.threads.of(memory, only.address)?,
            interpreter: layout.interpreter.number(memory, only.address)?,
        }))
    }
}
