//! How each function fared over the last minute, in steps of five seconds: the top list's sparklines.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::selection::{Lines, Selection, Span};
use super::stacks::FunctionId;
use super::store::Profile;
use super::top::Top;
use super::window::Window;
use crate::sample::Micros;

const STEP: u64 = 5_000_000;
/// The newest step is counted again after this much time, not at each draw.
const AGAIN: u64 = 500_000;

#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    window: Window,
    functions: HashMap<FunctionId, (u64, u64)>,
    looks: u64,
    counted: Micros,
}

/// Own and total weights of functions in the newest [`Trend::SLOTS`] steps of five seconds.
#[derive(Debug, Clone)]
pub struct Trend {
    selection: Selection,
    slots: VecDeque<Slot>,
}

impl Trend {
    /// How many steps are kept.
    pub const SLOTS: usize = 12;

    /// A trend of what this selection takes, whatever its span.
    pub fn new(selection: &Selection) -> Self {
        Self { selection: Selection { lines: Lines::Merged, ..selection.clone() }, slots: VecDeque::new() }
    }

    /// Counts the looks that came since.
    pub fn advance(&mut self, profile: &Profile) {
        self.advance_to(profile, profile.last_at().unwrap_or_default());
    }

    /// Counts those that came since, up to this moment.
    pub fn advance_to(&mut self, profile: &Profile, newest: Micros) {
        let Some(origin) = profile.first_at() else { return };
        let last = newest.0.saturating_sub(origin.0) / STEP;
        let oldest = (last + 1).saturating_sub(Self::SLOTS as u64);
        self.slots.retain(|slot| slot.number >= oldest);
        let next = self.slots.back().map_or(oldest, |slot| slot.number);
        for number in next..=last {
            if self.slots.back().is_none_or(|slot| slot.number < number) {
                let (window, functions) = (Window::new(), HashMap::new());
                self.slots.push_back(Slot { number, window, functions, looks: 0, counted: Micros(0) });
            }
            let Some(slot) = self.slots.back_mut() else { return };
            if number == last && newest.0.saturating_sub(slot.counted.0) < AGAIN {
                return;
            }
            slot.counted = newest;
            let from = origin.0 + number * STEP;
            let to = (from + STEP).min(newest.0 + 1);
            if slot.window.advance(profile, Span::Between(Micros(from), Micros(to))) {
                let top = Top::build(profile, &slot.window, &self.selection);
                slot.looks = top.looks;
                slot.functions =
                    top.rows.iter().map(|row| (row.step.function, (row.own, row.total))).collect();
            }
            if number < last {
                // A full slot no longer moves; its counts are not needed again.
                slot.window = Window::new();
            }
        }
    }

    /// A function's own and total weight as numbers of threads, a pair for each step, oldest first.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn of(&self, function: FunctionId) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.slots.iter().map(move |slot| {
            let (own, total) = slot.functions.get(&function).copied().unwrap_or_default();
            let looks = slot.looks.max(1) as f64;
            (own as f64 / looks, total as f64 / looks)
        })
    }
}
