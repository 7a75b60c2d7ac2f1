//! The names that a program gave its threads. Up to 3.13 the kernel does not know them (3.14 tells it the
//! first 15 bytes), so they are found as Python would: `sys.modules["threading"]._active`, a dict of the
//! `Thread` objects by `pthread_self()`, and their attribute `_name`. To be read rarely, when threads are new,
//! and while the GIL's holder stands still: these dicts change.

use std::fmt;

use crate::python::layout::Layout;
use crate::python::objects::{ObjectLayout, Objects};
use crate::python::snapshot::Snapshot;
use crate::target::memory::{Address, Memory, ReadError};

/// More threads than this are not named.
const MOST_THREADS: usize = 1 << 17;
/// Bytes of names in all: each of them could be as long as a name may be.
const MOST_TEXT: usize = 1 << 24;

/// What must be known to find the names of threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameLayout {
    /// Types, dicts, instances and integers.
    pub objects: ObjectLayout,
    /// The attribute of a `Thread` that holds its name.
    pub attribute: &'static str,
}

impl NameLayout {
    /// For the versions that have a [`Layout`], 2.7 and 3.3–3.15.
    pub fn of(layout: &Layout) -> Option<Self> {
        Some(Self {
            objects: ObjectLayout::of(layout)?,
            // 2.7 wrote `self.__name` in `class Thread`.
            attribute: if layout.version.major == 2 { "_Thread__name" } else { "_name" },
        })
    }
}

/// Why there are no names at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// The memory on the way to them cannot be read.
    Read(ReadError),
    /// `sys.modules` or `threading._active` is no dict: the program has put something else there.
    NotADict(Address),
}

impl From<ReadError> for NameError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the names of its threads could not be read: {error}"),
            Self::NotADict(address) => {
                write!(f, "its threads have no names: what stands at {address} is not a dict")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// The names of the threads of the interpreter at `interpreter` that are `wanted`, in the order of `threading._active`: by
/// what `pthread_self()` is in the thread, which is [`ThreadLayout::pthread`]. A thread that something is odd about
/// is left out. Nothing where `threading` was not imported: no thread has a name then.
///
/// Some 200 µs for a dozen threads, 3 ms for a thousand: too much to stand still for at every sample. Of those that are not
/// wanted nothing is read but where they are.
///
/// [`ThreadLayout::pthread`]: crate::python::layout::ThreadLayout::pthread
pub fn thread_names(
    layout: &Layout,
    names: &NameLayout,
    memory: &impl Memory,
    interpreter: Address,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<(u64, String)>, NameError> {
    let mut found = Vec::new();
    let mut objects = Objects::new(layout, &names.objects, memory);
    let modules = layout.interpreter.modules.of(memory, interpreter)?;
    if modules.is_null() {
        return Ok(found);
    }
    let entries = objects.dict(modules)?.ok_or(NameError::NotADict(modules))?;
    let Some(threading) = objects.item(entries, "threading")? else { return Ok(found) };
    let Some(active) = objects.attribute(threading, "_active")? else { return Ok(found) };
    let entries = objects.dict(active)?.ok_or(NameError::NotADict(active))?;
    // What belongs to threads stands close together: a block read once serves many of them.
    let snapshot = Snapshot::new();
    let nearby = snapshot.of(memory);
    let mut things = Objects::new(layout, &names.objects, &nearby);
    let mut page = Vec::new();
    let mut start = 0;
    let mut text = 0;
    while objects.page(entries, &mut start, &mut page)? {
        for entry in page.iter().filter(|entry| entry.hash.is_none_or(&wanted)) {
            if found.len() >= MOST_THREADS || text >= MOST_TEXT {
                return Ok(found);
            }
            match name(&mut things, names, entry.key, entry.value) {
                Ok(Some(name)) if wanted(name.0) => {
                    text += name.1.len();
                    found.push(name);
                }
                Ok(_) | Err(ReadError::Unmapped(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(found)
}

fn name(
    objects: &mut Objects<'_, impl Memory>,
    names: &NameLayout,
    key: Address,
    thread: Address,
) -> Result<Option<(u64, String)>, ReadError> {
    let Some(pthread) = objects.integer(key)? else { return Ok(None) };
    let Some(name) = objects.attribute(thread, names.attribute)? else { return Ok(None) };
    Ok(objects.text(name)?.map(|name| (pthread, name)))
}

#[cfg(test)]
mod tests;
