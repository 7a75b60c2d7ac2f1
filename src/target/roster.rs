//! Who runs on this machine: all processes, cheaply, again and again. Nobody is stopped or traced, and only what changes
//! is read anew: one file a process.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use super::process::{self, Identity, Pid, Stat};

/// What was thought of a process that is not wanted may change, as when it loads a library: it is judged again after so
/// many lists.
const AGAIN: u32 = 16;

/// How closely a process is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Somebody waits for the first list.
    Quick,
    /// There is time.
    Thorough,
}

/// Processes, and what is remembered of each. `V` is what the caller found out about a program.
#[derive(Debug)]
pub struct Roster<V> {
    known: HashMap<Identity, Known<V>>,
    lists: u32,
    ticks_a_second: f64,
}

#[derive(Debug)]
struct Known<V> {
    stack_start: u64,
    ticks: u64,
    verdict: Option<V>,
}

/// A process that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<V> {
    /// Which.
    pub identity: Identity,
    /// What the kernel says of it.
    pub stat: Stat,
    /// CPUs that it used since the last list; none the first time.
    pub cpu: Option<f64>,
    /// What the caller found out.
    pub verdict: V,
}

impl<V: Clone> Default for Roster<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone> Roster<V> {
    /// Nobody is known yet.
    pub fn new() -> Self {
        let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
        let ticks_a_second = ticks.and_then(|ticks| u32::try_from(ticks).ok()).map_or(100.0, f64::from);
        Self { known: HashMap::new(), lists: 0, ticks_a_second }
    }

    /// Everybody but us, threads of the kernel, and the dead, who by `judge` is wanted. Who is wanted is judged once a
    /// program. `since` is the time since the last list. For 1,000 processes this takes 8 ms.
    pub fn list(
        &mut self,
        since: Option<Duration>,
        mut judge: impl FnMut(Pid, &Stat, Care) -> Option<V>,
    ) -> Vec<Listed<V>> {
        self.lists = self.lists.saturating_add(1);
        let care = if self.lists == 1 { Care::Quick } else { Care::Thorough };
        let mut listed = Vec::new();
        let mut known = HashMap::with_capacity(self.known.len());
        for pid in pids() {
            let Some(stat) = process::stat(pid).filter(|stat| !stat.is_kernel_thread()) else { continue };
            if stat.moment.state.is_dead() || pid == Pid::ours() {
                continue;
            }
            let identity = Identity { pid, start: stat.start };
            let ticks = stat.moment.ticks;
            let before = self.known.remove(&identity).filter(|known| known.stack_start == stat.stack_start);
            let cpu = before.as_ref().zip(since).map(|(before, since)| self.cpus(ticks, before.ticks, since));
            // Not all in the same list, but for those that were only glanced at.
            let again = self.lists == 2 || pid.0.wrapping_add(self.lists).is_multiple_of(AGAIN);
            let verdict = match before {
                Some(known) if known.verdict.is_some() || !again => known.verdict,
                _ => judge(pid, &stat, care),
            };
            known.insert(identity, Known { stack_start: stat.stack_start, ticks, verdict: verdict.clone() });
            if let Some(verdict) = verdict {
                listed.push(Listed { identity, stat, cpu, verdict });
            }
        }
        self.known = known;
        listed
    }

    fn cpus(&self, ticks: u64, before: u64, since: Duration) -> f64 {
        let used = u32::try_from(ticks.saturating_sub(before)).map_or(f64::INFINITY, f64::from);
        let cpus = used / self.ticks_a_second / since.as_secs_f64();
        if cpus.is_finite() { cpus } else { 0.0 }
    }
}

/// The numbers in /proc.
fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid))
}
