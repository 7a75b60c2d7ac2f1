//! What tasks are called, and what they are told by.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::{Kind, TaskReader};
use crate::python::frames::WalkError;
use crate::python::layout::Layout;
use crate::target::memory::{Address, Memory, ReadError};

/// Bytes of a name by which it is told from others: all that is shown of it.
const TOLD_BY: usize = 256;

/// What a task is told by from the next one at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// No two of a program have the same number.
    Number(u64),
    /// The program has given it a name; this stands for it.
    Given(u64),
}

impl TaskReader {
    /// What the task at `task` is told by.
    pub fn label(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        task: Address,
    ) -> Result<Label, WalkError> {
        let name = self.task.name.of(memory, task)?;
        Ok(match self.kind_of(layout, memory, name)? {
            Kind::Integer => Label::Number(self.objects.integers.number(memory, name)?.unwrap_or_default()),
            Kind::Text => label_of(layout, memory, name)?,
            // `str()` of what was given may be of a class of the program's.
            _ => Label::Given(name.0),
        })
    }

    /// The name that a program has given to the task at `task`, if that is still what this `label` stands for: another one
    /// may be there by now.
    pub fn name(&self, layout: &Layout, memory: &impl Memory, task: Address, label: Label) -> Option<String> {
        let name = self.task.name.of(memory, task).ok()?;
        let text = layout.text.name(memory, name).ok()?;
        let is_it = label == Label::Given(name.0) || label_of(layout, memory, name) == Ok(label);
        is_it.then_some(text)
    }
}

/// What the string at `name` stands for.
fn label_of(layout: &Layout, memory: &impl Memory, name: Address) -> Result<Label, ReadError> {
    let Some((start, length)) = layout.text.characters_of_name(memory, name) else {
        return Ok(Label::Given(name.0));
    };
    let mut bytes = [0; TOLD_BY];
    let bytes = &mut bytes[..length.min(TOLD_BY)];
    memory.read(start, bytes)?;
    Ok(number(bytes).map_or_else(|| Label::Given(hash(length, bytes)), Label::Number))
}

/// The number of a task that has not been given a name; up to 3.12 it is spelled at once.
fn number(name: &[u8]) -> Option<u64> {
    let digits = name.strip_prefix(b"Task-").filter(|digits| !digits.starts_with(b"0"))?;
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn hash(length: usize, bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_usize(length);
    hasher.write(bytes);
    hasher.finish()
}
