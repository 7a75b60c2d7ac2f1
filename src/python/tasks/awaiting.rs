//! Which task awaits which. One that awaits another has it on its stack. One that awaits many at once has a future there
//! that they set when they are done, and what a task calls when it is done leads to that.
//!
//! ```text
//! task ─coroutines─→ a task, or a future
//! task ─callbacks─→ a function of gather(), wait() or shield() ─closure─→ a future
//!                   TaskGroup._on_task_done ─self─→ the group ─_on_completed_fut─→ a future
//! ```
//!
//! A task whose group is not waited for yet is nobody's: who has made it does something else.

use rustc_hash::FxHashMap;

use super::{Kind, TaskReader};
use crate::python::frames::WalkError;
use crate::python::layout::{Field, Layout};
use crate::python::objects::Objects;
use crate::target::memory::{Address, Memory};

/// A future: what it calls first, and a list of what it calls then.
const FIRST_CALLBACK: Field<Address> = Field::at(24);
const CALLBACKS: Field<Address> = Field::at(40);
/// So many of that are looked at.
const MOST_CALLBACKS: u64 = 4;
/// A list, and how long one or a tuple is.
const LENGTH: Field<u64> = Field::at(16);
const LIST_ITEMS: Field<Address> = Field::at(24);
/// A function's `__qualname__` and `__closure__`.
const QUALIFIED_NAME: Field<Address> = Field::at(40);
const CLOSURE: Field<Address> = Field::at(72);
/// What a cell holds.
const CONTENT: Field<Address> = Field::at(16);
/// None of those functions has more cells.
const MOST_CELLS: u64 = 8;
/// A method's function, and its `self`.
const FUNCTION: Field<Address> = Field::at(16);
const SELF: Field<Address> = Field::at(24);
/// The functions that are called when a task is done that others wait for.
const CLOSURES: [&str; 3] = [
    "gather.<locals>._done_callback",
    "_wait.<locals>._on_completion",
    "shield.<locals>._inner_done_callback",
];
const OF_GROUP: &str = "TaskGroup._on_task_done";
/// What whoever waits for a group awaits.
const OF_ALL: &str = "_on_completed_fut";
/// Entries of groups' attributes that are looked at in a look; each has a dozen.
const MOST_ATTRIBUTES: u64 = 1 << 16;

/// What is known of functions and groups in one look.
#[derive(Debug, Clone)]
pub(super) struct Awaiting {
    /// A tuple's items.
    items: Field<Address>,
    roles: FxHashMap<Address, Role>,
    /// By group or function.
    futures: FxHashMap<Address, Option<Address>>,
    /// Entries that may still be looked at.
    budget: u64,
}

/// What a function is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Closure,
    Group,
    Other,
}

impl Awaiting {
    pub(super) fn of(layout: &Layout) -> Self {
        // From 3.14 on a tuple keeps its hash.
        let items = Field::at(if layout.version.minor() >= (3, 14) { 32 } else { 24 });
        let budget = MOST_ATTRIBUTES;
        Self { items, roles: FxHashMap::default(), futures: FxHashMap::default(), budget }
    }

    /// Another look begins.
    pub(super) fn begin(&mut self) {
        self.roles.clear();
        self.futures.clear();
        self.budget = MOST_ATTRIBUTES;
    }
}

impl TaskReader {
    /// By whom each of these tasks is awaited, if by one of them; `futures` are what they await, by their places.
    pub fn awaited_by(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        list: &[Address],
        futures: &[Option<Address>],
    ) -> Result<Vec<Option<usize>>, WalkError> {
        let mut by = vec![None; list.len()];
        let places: FxHashMap<_, _> = list.iter().copied().zip(0..).collect();
        let mut others = FxHashMap::default();
        for (waits, future) in futures.iter().enumerate() {
            let Some(future) = future else { continue };
            match places.get(future).and_then(|place: &usize| by.get_mut(*place)) {
                Some(by) => *by = by.or(Some(waits)),
                None => drop(others.entry(*future).or_insert(waits)),
            }
        }
        if others.is_empty() {
            return Ok(by);
        }
        for (by, task) in by.iter_mut().zip(list).filter(|(by, _)| by.is_none()) {
            let future = self.sets(layout, memory, *task, |future| others.contains_key(&future))?;
            *by = future.and_then(|future| others.get(&future).copied());
        }
        Ok(by)
    }

    /// The future that a task sets when it is done, if it is awaited.
    fn sets(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        task: Address,
        is_awaited: impl Fn(Address) -> bool,
    ) -> Result<Option<Address>, WalkError> {
        let first = FIRST_CALLBACK.of(memory, task)?;
        if first.is_null() {
            return Ok(None);
        }
        if let Some(future) = self.set_by(layout, memory, first, &is_awaited)? {
            return Ok(Some(future));
        }
        let more = CALLBACKS.of(memory, task)?;
        if more.is_null() {
            return Ok(None);
        }
        let items = LIST_ITEMS.of(memory, more)?;
        for place in 0..LENGTH.of(memory, more)?.min(MOST_CALLBACKS) {
            // It, and the context that it is called in.
            let pair = memory.pointer(items + 8 * place)?;
            let callback = self.awaiting.items.of(memory, pair)?;
            if let Some(future) = self.set_by(layout, memory, callback, &is_awaited)? {
                return Ok(Some(future));
            }
        }
        Ok(None)
    }

    /// The future that is set when this is called.
    fn set_by(
        &mut self,
        layout: &Layout,
        memory: &impl Memory,
        callback: Address,
        is_awaited: &impl Fn(Address) -> bool,
    ) -> Result<Option<Address>, WalkError> {
        let (function, key) = match self.kind_of(layout, memory, callback)? {
            Kind::Function => (callback, callback),
            Kind::Method => (FUNCTION.of(memory, callback)?, SELF.of(memory, callback)?),
            _ => return Ok(None),
        };
        let role = self.role(layout, memory, function)?;
        if role == Role::Other || (role == Role::Closure) != (function == key) {
            return Ok(None);
        }
        if let Some(known) = self.awaiting.futures.get(&key) {
            return Ok(*known);
        }
        let found = match role {
            Role::Group => {
                let mut objects = Objects::new(layout, &self.objects, memory);
                objects.budget = self.awaiting.budget;
                let future = objects.attribute(key, OF_ALL)?.filter(|future| is_awaited(*future));
                self.awaiting.budget = objects.budget;
                future
            }
            _ => self.in_closure(memory, function, is_awaited)?,
        };
        self.awaiting.futures.insert(key, found);
        Ok(found)
    }

    fn in_closure(
        &self,
        memory: &impl Memory,
        function: Address,
        is_awaited: &impl Fn(Address) -> bool,
    ) -> Result<Option<Address>, WalkError> {
        let cells = CLOSURE.of(memory, function)?;
        if cells.is_null() {
            return Ok(None);
        }
        for place in 0..LENGTH.of(memory, cells)?.min(MOST_CELLS) {
            let cell = memory.pointer(self.awaiting.items.within(cells) + 8 * place)?;
            let content = CONTENT.of(memory, cell)?;
            if is_awaited(content) {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    fn role(&mut self, layout: &Layout, memory: &impl Memory, function: Address) -> Result<Role, WalkError> {
        if let Some(known) = self.awaiting.roles.get(&function) {
            return Ok(*known);
        }
        let name = layout.text.name(memory, QUALIFIED_NAME.of(memory, function)?);
        let role = match name.as_deref() {
            Ok(OF_GROUP) => Role::Group,
            Ok(name) if CLOSURES.contains(&name) => Role::Closure,
            _ => Role::Other,
        };
        self.awaiting.roles.insert(function, role);
        Ok(role)
    }
}
