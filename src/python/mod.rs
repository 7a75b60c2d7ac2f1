//! What CPython keeps in memory, and how to read it: knows `Memory`, never processes or ptrace.

pub mod ahead;
pub mod capture;
pub mod chain;
pub mod code;
pub mod dicts;
pub mod field;
pub mod frames;
#[cfg(test)]
mod hostile;
pub mod layout;
pub mod lines;
#[cfg(test)]
pub(crate) mod literal;
pub mod locate;
pub mod names;
pub mod objects;
pub mod published;
pub mod quiet;
pub mod recognise;
pub mod search;
pub mod snapshot;
pub mod tables;
pub mod tasks;
pub mod text;
pub mod threads;
pub mod version;
