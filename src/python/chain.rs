//! A linked list in another process: it may be cyclic or endless, following it must not be.

use crate::target::memory::Address;

/// Watches the following of a list: no more than a limit of steps, and no address twice (Brent's cycle
/// detection: an anchor that is set anew at each power of two, so that a cycle is found within three times
/// its length).
#[derive(Debug)]
pub struct Chain {
    anchor: Address,
    steps: u32,
    limit: u32,
}

/// The list comes back to itself, or is longer than any real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endless;

impl Chain {
    /// A list of at most `limit` nodes.
    pub const fn new(limit: u32) -> Self {
        Self { anchor: Address::NULL, steps: 0, limit }
    }

    /// The next node is at `address`.
    pub fn step(&mut self, address: Address) -> Result<(), Endless> {
        if self.steps >= self.limit || address == self.anchor {
            return Err(Endless);
        }
        if self.steps.is_power_of_two() {
            self.anchor = address;
        }
        self.steps += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(addresses: impl Iterator<Item = u64>, limit: u32) -> usize {
        let mut chain = Chain::new(limit);
        addresses.take_while(|address| chain.step(Address(*address)).is_ok()).count()
    }

    #[test]
    fn a_list_ends_where_it_ends() {
        assert_eq!(follow((1..=1000).map(|n| n * 8), 1000), 1000);
        assert_eq!(follow((1..=1001).map(|n| n * 8), 1000), 1000);
    }

    #[test]
    fn a_cycle_is_found_within_three_times_its_length() {
        for tail in [0, 1, 7, 100] {
            for length in [1, 2, 3, 64, 100] {
                let nodes = (0..tail).chain((0..length).cycle().map(|n| n + tail)).map(|n| 8 + n * 8);
                let steps = follow(nodes, 1_000_000);
                assert!(steps as u64 <= 3 * (tail + length) + 3, "{tail} {length}: {steps}");
            }
        }
    }
}
