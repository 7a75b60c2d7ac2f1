//! How each function fared over the last minute, in steps of five seconds, or over a span: the top list's sparklines.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::selection::{Lines, Selection, Span};
use super::stacks::FunctionId;
use super::store::Profile;
use super::timeline::Timeline;
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
    counted: u64,
}

/// Own and total weights of functions in the newest [`Trend::SLOTS`] steps of five seconds, or in as many of a span.
#[derive(Debug, Clone)]
pub struct Trend {
    selection: Selection,
    slots: VecDeque<Slot>,
}

impl Trend {
    /// How many steps are kept.
    pub const SLOTS: usize = 12;

    /// A trend of what this selection takes: in its span, if that has both ends, else in the last minute.
    pub fn new(selection: &Selection) -> Self {
        Self { selection: Selection { lines: Lines::Merged, ..selection.clone() }, slots: VecDeque::new() }
    }

    /// The time that it is of.
    pub fn length(&self) -> Micros {
        match self.selection.span {
            Span::Between(from, to) => Micros(to.0.saturating_sub(from.0)),
            _ => Micros(STEP * Self::SLOTS as u64),
        }
    }

    /// Where its steps begin, how long they are, and the newest moment that is in one of them. Those of a span are not
    /// shorter than those of the strip.
    fn steps(&self, profile: &Profile, newest: Micros) -> Option<(u64, u64, u64)> {
        Some(match self.selection.span {
            Span::Between(from, to) => {
                let step = self.length().0.div_ceil(Self::SLOTS as u64).max(Timeline::STEP.0);
                (from.0, step, newest.0.min(to.0.saturating_sub(1)))
            }
            _ => (profile.first_at()?.0, STEP, newest.0),
        })
    }

    /// Counts the looks that came since.
    pub fn advance(&mut self, profile: &Profile) {
        self.advance_to(profile, profile.last_at().unwrap_or_default());
    }

    /// Counts those that came since, up to this moment.
    pub fn advance_to(&mut self, profile: &Profile, newest: Micros) {
        let Some((origin, step, newest)) = self.steps(profile, newest) else { return };
        let last = newest.saturating_sub(origin) / step;
        let oldest = (last + 1).saturating_sub(Self::SLOTS as u64);
        self.slots.retain(|slot| slot.number >= oldest);
        let next = self.slots.back().map_or(oldest, |slot| slot.number);
        for number in next..=last {
            if self.slots.back().is_none_or(|slot| slot.number < number) {
                let (window, functions) = (Window::new(), HashMap::new());
                self.slots.push_back(Slot { number, window, functions, looks: 0, counted: 0 });
            }
            let Some(slot) = self.slots.back_mut() else { return };
            if number == last && newest.saturating_sub(slot.counted) < AGAIN {
                return;
            }
            slot.counted = newest;
            let from = origin + number * step;
            let to = (from + step).min(newest + 1);
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
