//! Interpreters, their threads, and which of these runs Python.

use crate::python::chain::{Chain, Endless};
use crate::python::frames::WalkError;
use crate::python::layout::{Gil, Layout};
use crate::target::memory::{Address, Memory, ReadError};

/// More interpreters than this are a broken list.
const MOST_INTERPRETERS: u32 = 1 << 14;
/// More threads than this, of all interpreters together, are broken lists.
pub(super) const MOST_THREADS: usize = 1 << 17;

/// Where the target keeps the roots of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roots {
    /// `_PyRuntime`; before 3.7 `interp_head`.
    pub runtime: Address,
    /// `_PyThreadState_Current`, before 3.7.
    pub current: Option<Address>,
}

/// An interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreter {
    /// Its `PyInterpreterState`.
    pub address: Address,
    /// Its number; 0 is the main one.
    pub id: u32,
    /// The lock that its threads run under.
    pub lock: Lock,
}

/// What says who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// A word that points to the holder or is null (before 3.7).
    Current(Address),
    /// `last_holder`, with `locked` 8 bytes later.
    Holder(Address),
    /// 3.7–3.11: the same, and [`TO_CURRENT`] bytes later `tstate_current`. A thread that enters another interpreter
    /// swaps that and keeps the lock, of which the thread state that took it stays the holder.
    Runtime(Address),
    /// No GIL: each thread that is attached.
    Attached,
}

/// From `ceval.gil.last_holder` to `gilstate.tstate_current` in `_PyRuntime`, the same in all of 3.7–3.11 and in all
/// their builds; two mutexes lie between, whose size is the C library's.
pub const TO_CURRENT: u64 = if cfg!(target_arch = "aarch64") { 224 } else { 208 };

impl Lock {
    /// The thread state that holds it now, `None` when nobody does; for [`Lock::Attached`] always `None`.
    pub fn holder(self, memory: &impl Memory) -> Result<Option<Address>, ReadError> {
        let holder = match self {
            Self::Current(word) => memory.pointer(word)?,
            Self::Runtime(word) => match Self::Holder(word).holder(memory)? {
                None => Address::NULL,
                // Null for a moment after the lock was taken, and before it is let go.
                Some(holder) => match memory.pointer(word + TO_CURRENT)? {
                    Address::NULL => holder,
                    current => current,
                },
            },
            Self::Holder(word) => {
                let mut bytes = [0; 12];
                memory.read(word, &mut bytes)?;
                let [h0, h1, h2, h3, h4, h5, h6, h7, l0, l1, l2, l3] = bytes;
                let locked = i32::from_le_bytes([l0, l1, l2, l3]);
                let holder = Address(u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]));
                // -1 until the first thread starts (3.6 and earlier create the lock lazily), else 0 or 1.
                if locked == 1 { holder } else { Address::NULL }
            }
            Self::Attached => Address::NULL,
        };
        Ok(Some(holder).filter(|holder| !holder.is_null()))
    }
}

/// All interpreters, the newest first, into `interpreters`.
pub fn interpreters(
    layout: &Layout,
    memory: &impl Memory,
    roots: Roots,
    interpreters: &mut Vec<Interpreter>,
) -> Result<(), WalkError> {
    interpreters.clear();
    let mut chain = Chain::new(MOST_INTERPRETERS);
    let mut address = layout.interpreters.of(memory, roots.runtime)?;
    while !address.is_null() {
        chain.step(address).map_err(|Endless| WalkError::Broken(address))?;
        let number = layout.interpreter.number(memory, address)?;
        let id = u32::try_from(number).map_err(|_| WalkError::Broken(address))?;
        interpreters.push(Interpreter { address, id, lock: lock(layout, memory, roots, address)? });
        address = layout.interpreter.next.of(memory, address)?;
    }
    Ok(())
}

/// A GIL that is not there yet (3.12 and later list an interpreter some steps before they give it one) is
/// held by nobody; nor is any thread attached, so that [`Lock::Attached`] says just that.
fn lock(
    layout: &Layout,
    memory: &impl Memory,
    roots: Roots,
    interpreter: Address,
) -> Result<Lock, WalkError> {
    Ok(match layout.gil {
        Gil::Current => Lock::Current(roots.current.ok_or(WalkError::Broken(roots.runtime))?),
        Gil::Runtime { holder } => Lock::Runtime(holder.within(roots.runtime)),
        Gil::Interpreter { pointer, holder } => match pointer.of(memory, interpreter)? {
            Address::NULL => Lock::Attached,
            gil => Lock::Holder(holder.within(gil)),
        },
        Gil::Optional { pointer, enabled, holder } => match pointer.of(memory, interpreter)? {
            Address::NULL => Lock::Attached,
            gil if enabled.of(memory, gil)? == 0 => Lock::Attached,
            gil => Lock::Holder(holder.within(gil)),
        },
    })
}

/// The thread states of the interpreter at `interpreter`, the newest first, appended to `threads`. What is there
/// already counts: 16,384 interpreters of 131,072 threads each would be no list, but all of our memory.
pub fn threads(
    layout: &Layout,
    memory: &impl Memory,
    interpreter: Address,
    threads: &mut Vec<Address>,
) -> Result<(), WalkError> {
    let mut chain = Chain::new(MOST_THREADS.saturating_sub(threads.len()) as u32);
    let mut address = layout.interpreter.threads.of(memory, interpreter)?;
    while !address.is_null() {
        chain.step(address).map_err(|Endless| WalkError::Broken(address))?;
        if layout.thread.interpreter.of(memory, address)? != interpreter {
            return Err(WalkError::Broken(address));
        }
        threads.push(address);
        address = layout.thread.next.of(memory, address)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
