//! A process and those below it: the workers of a server, a pool, what a script starts. All that run a Python are looked
//! at in each look, one after the other; who they are is looked for ten times a second. Nothing is stopped for that.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::waiting::Next;
use super::{Over, REBIRTH, Turns, WATCH, ending};
use crate::fault;
use crate::python::locate::{LocateError, Python};
use crate::python::version::Version;
use crate::sample::{Ending, Event, Flags, Outcome, Process};
use crate::sampler::cost::{Below, Cost};
use crate::sampler::look::{Gone, Looker};
use crate::sampler::placing::{Means, used};
use crate::sampler::{Length, find};
use crate::target::{AttachError, Identity, Life, Pid, Target, process};

/// Processes that are looked for at the most: of a storm of them the rest is left alone.
const LARGEST: usize = 256;
/// Between two searches, and no less than so many times the CPU time of the last one, or while processes come and go: it
/// is done on the CPU of the busiest, mostly. Reading /proc costs 5 µs a thread, to look for a Python some milliseconds. How
/// long it took by the wall would say how busy the machine is: then nobody would be found there for seconds.
const BETWEEN: Duration = Duration::from_millis(100);
const SPARE: (u32, u32) = (100, 10);
/// Once it is known who there is, no search goes on for longer: looks would be late. The rest is found by the next.
const LONGEST: Duration = Duration::from_millis(20);
/// Before the first look.
const PATIENCE: Duration = Duration::from_secs(1);
/// A younger process may be about to become another program: between `fork` and `exec`, after `vfork` even in its parent's
/// memory, it looks like a Python.
const NEWBORN: Duration = Duration::from_millis(30);

/// A process with a Python, or the one that was named.
#[derive(Debug)]
struct Member {
    target: Target,
    /// Looks at its Python while it has one.
    looker: Option<Looker>,
    /// Looks since the last search in which a thread of its had a GIL.
    busy: u32,
}

/// A process in which no Python was found.
#[derive(Debug)]
struct Stranger {
    /// As what it was looked at: it may have become another program since, or another process.
    identity: Identity,
    stack_start: u64,
    /// Its libraries may still be loading, its Python starting.
    again: Instant,
}

/// What a search has to do with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    /// It is known, or nothing to us.
    Nobody,
    /// There is a Python in it that was not known.
    Newcomer,
    /// It is too young to be looked at.
    Newborn,
}

/// How a process is looked at.
#[derive(Debug, Clone)]
struct Manner {
    abi: Option<Version>,
    means: Means,
}

#[derive(Debug)]
struct Family {
    first: Member,
    others: Vec<Member>,
    strangers: FxHashMap<Pid, Stranger>,
    manner: Manner,
    below: Below,
    /// Why no Python was found in the first.
    cause: LocateError,
    /// When to search.
    due: Instant,
    /// When to search if one of them is gone: others may follow.
    soon: Instant,
    /// Whose CPU we may want to share: the busiest one's.
    lead: Option<Pid>,
}

impl Member {
    fn new(target: Target, python: Option<Python>, means: &Means) -> Self {
        let mut member = Self { target, looker: None, busy: 0 };
        if let Some(python) = python {
            member.find(python, means);
        }
        member
    }

    /// This Python was found in it.
    fn find(&mut self, python: Python, means: &Means) {
        self.looker = Some(Looker::new(python, means, self.target.rseq(), Cost::new()));
    }

    /// Its Python is gone.
    fn lose(&mut self, cost: &mut Cost) {
        if let Some(mut looker) = self.looker.take() {
            looker.cost_mut().asked += self.target.tasks().take_asked();
            cost.add(&looker.into_cost());
        }
    }
}

impl Family {
    fn members(&mut self) -> impl Iterator<Item = &mut Member> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// How many have a Python.
    fn count(&self) -> usize {
        usize::from(self.first.looker.is_some()) + self.others.len()
    }

    /// Looks after threads that were told to stop and have not yet; how many these are.
    fn settle(&self) -> usize {
        let others = self.others.iter().map(|member| member.target.tracer().settle());
        self.first.target.tracer().settle() + others.sum::<usize>()
    }

    /// Searches, if it is time for that, but no longer than this.
    fn search(&mut self, now: Instant, longest: Duration) {
        if now < self.due {
            return;
        }
        let begun = used();
        let tree = self.tree();
        self.strangers.retain(|pid, _| tree.contains(pid));
        let mut spare = SPARE.0;
        // Where there are many threads it has taken its time to learn who there is.
        let listed = Instant::now();
        for pid in tree {
            if listed.elapsed() > longest {
                self.below.cut += 1;
                spare = SPARE.1;
                break;
            }
            if self.meet(pid, now) != Met::Nobody {
                spare = SPARE.1;
            }
        }
        let took = used().saturating_sub(begun);
        let pause = if self.count() == 0 { WATCH.0.max(took) } else { BETWEEN.max(took * spare) };
        let now = Instant::now();
        self.due = now + pause;
        self.soon = now + pause.min(BETWEEN.max(took * SPARE.1));
    }

    /// The members' numbers, and those of all processes below them.
    fn tree(&mut self) -> Vec<Pid> {
        let members: Vec<_> = self.members().map(|member| member.target.pid()).collect();
        let mut tree = process::tree(members);
        let some = tree.by_ref().take(LARGEST).collect();
        self.below.cut += u64::from(tree.next().is_some());
        some
    }

    /// Looks whether there is a Python in a process in which none is known.
    fn meet(&mut self, pid: Pid, now: Instant) -> Met {
        let is_first = pid == self.first.target.pid();
        let is_known = if is_first {
            self.first.looker.is_some()
        } else {
            self.others.iter().any(|member| member.target.pid() == pid)
        };
        if is_known {
            return Met::Nobody;
        }
        let Some(stat) = process::stat(pid).filter(|stat| !stat.moment.state.is_dead()) else {
            return Met::Nobody;
        };
        let identity = Identity { pid, start: stat.start };
        let is_as_it_was = |one: &&Stranger| one.identity == identity && one.stack_start == stat.stack_start;
        let met = self.strangers.get(&pid).filter(is_as_it_was);
        let is_met = met.is_some();
        let age = identity.age().unwrap_or_default();
        if met.is_some_and(|one| now < one.again) {
            return Met::Nobody;
        }
        if age < NEWBORN && !is_first {
            return Met::Newborn;
        }
        let Manner { abi, ref means } = self.manner;
        if is_first {
            match find::attempt(&self.first.target, abi) {
                Ok(python) => {
                    self.first.find(python, means);
                    return Met::Newcomer;
                }
                Err(LocateError::Read(_)) => return Met::Nobody,
                Err(cause) => self.cause = cause,
            }
        } else {
            let attached = Target::attach_unstopped(pid);
            let found = attached.map(|target| find::attempt(&target, abi).map(|python| (target, python)));
            let count = match found {
                Ok(Ok((target, python))) => {
                    self.others.push(Member::new(target, Some(python), means));
                    self.strangers.remove(&pid);
                    self.below.pythons += 1;
                    return Met::Newcomer;
                }
                Ok(Err(_)) => &mut self.below.strangers,
                Err(AttachError::NoSuchProcess(_) | AttachError::Zombie { .. }) => return Met::Nobody,
                Err(_) => &mut self.below.barred,
            };
            *count += u64::from(!is_met);
        }
        // The older it is without a Python, the less likely it comes to have one.
        let again = now + (age / 2).max(WATCH.0);
        self.strangers.insert(pid, Stranger { identity, stack_start: stat.stack_start, again });
        Met::Nobody
    }

    /// Why there is nobody to be looked at.
    fn why_nobody(&self) -> String {
        let Below { strangers, barred, .. } = self.below;
        let pid = self.first.target.pid();
        format!(
            "There is no Python in process {pid} ({}) and none to be seen below it: of the processes there {strangers} run \
             something else, and {barred} could not be looked at. Of one of these, pyflame-tui --doctor PID says what is in \
             the way.",
            self.cause
        )
    }

    /// What has become of the first, where no Python is known in it.
    fn life(&mut self) -> Life {
        if self.first.looker.is_some() {
            return Life::Running;
        }
        let life = self.first.target.life();
        if life == Life::Execed && self.first.target.reopen().is_ok() {
            self.due = Instant::now();
        }
        life
    }

    /// Who is to lead: the busiest since this was last asked. Says whether that is another one.
    fn choose_lead(&mut self) -> bool {
        let before = self.lead;
        let busiest = self.members().max_by_key(|member| (member.busy, Some(member.target.pid()) == before));
        self.lead = busiest.map(|member| member.target.pid());
        self.members().for_each(|member| member.busy = 0);
        self.lead != before
    }

    fn lead(&mut self) -> Option<(&Target, &mut Looker)> {
        let lead = self.lead?;
        let member = self.members().find(|member| member.target.pid() == lead)?;
        Some((&member.target, member.looker.as_mut()?))
    }
}

fn described(target: &Target) -> Process {
    let leader = target.pid().leader();
    Process { pid: target.pid().0, name: target.tasks().name(leader).unwrap_or_default().into() }
}

impl Turns {
    /// Watches a process and those below it to its end, or to ours.
    pub(in crate::sampler) fn run_family(&mut self, target: Target, python: Option<Python>) -> Ending {
        let lead = target.pid();
        let mut family = Family {
            first: Member::new(target, python, &self.means),
            others: Vec::new(),
            strangers: FxHashMap::default(),
            manner: Manner { abi: self.abi, means: self.means.clone() },
            below: Below::default(),
            cause: LocateError::NotPython(0),
            due: Instant::now(),
            soon: Instant::now(),
            lead: Some(lead),
        };
        let Err(Over(ending)) = self.await_family(&mut family).and_then(|()| self.watch_family(&mut family));
        family.members().for_each(|member| member.lose(&mut self.cost));
        self.cost.below = family.below;
        ending
    }

    /// Waits until there is a Python, and says which.
    fn await_family(&mut self, family: &mut Family) -> Result<(), Over> {
        let deadline = (!self.follow).then(|| Instant::now() + REBIRTH);
        loop {
            family.search(Instant::now(), PATIENCE);
            if family.count() > 0 {
                break;
            }
            let life = family.life();
            if life.is_over() {
                return Err(Over(self.never(&family.first.target, life, family.cause.clone(), false)));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Over(Ending::Lost(family.why_nobody())));
            }
            self.obey_for(WATCH.0)?;
        }
        let Family { first, others, .. } = &family;
        let python =
            first.looker.iter().chain(others.iter().filter_map(|other| other.looker.as_ref())).next();
        let about = python.map(|looker| self.about(&first.target, looker.python()));
        about.map_or(Ok(()), |about| self.tell_of(about))
    }

    fn watch_family(&mut self, family: &mut Family) -> Result<Infallible, Over> {
        self.begin();
        let mut now = Instant::now();
        let mut woken = now;
        loop {
            let lives = || !family.first.target.life().is_over();
            if let Next::Look = self.wait_for_turn(|| family.settle(), lives, woken, now)? {
                now = Instant::now();
                woken = now;
                fault::point("sampler");
                self.look_at_all(family, now)?;
                if self.length == Length::Once {
                    return Err(Over(Ending::Detached));
                }
                now = Instant::now();
                family.search(now, LONGEST);
                let life = family.life();
                if life.is_over() {
                    return Err(Over(ending(life)));
                }
            }
            if let (Some(placing), Some((target, looker))) = (&mut self.placing, family.lead()) {
                placing.after(target, looker, self.totals.late, (woken, now));
            }
            let (mut stopped, mut retried) = (self.cost.stopped, self.cost.retried);
            for cost in family.members().filter_map(|member| Some(member.looker.as_ref()?.cost())) {
                stopped += cost.stopped;
                retried += cost.retried;
            }
            self.totals.processes = u32::try_from(family.count()).unwrap_or(u32::MAX);
            if self.sum_up(now, stopped, retried)? {
                self.totals.stands = family.first.target.stands();
                if family.choose_lead()
                    && let (Some(placing), Some((_, looker))) = (&mut self.placing, family.lead())
                {
                    placing.turn_to(looker.cost(), self.totals.late);
                }
                now = Instant::now();
            }
        }
    }

    /// One look at each process, told as one. What failed in one of them does not take away the others.
    fn look_at_all(&mut self, family: &mut Family, now: Instant) -> Result<(), Over> {
        let (at, before) = (self.at(now), family.count());
        let (mut all, mut failure) = (Vec::new(), None);
        for member in family.members() {
            let Some(looker) = &mut member.looker else { continue };
            match self.look(&member.target, looker, Instant::now())? {
                Ok(Outcome::Taken(threads)) => {
                    let names = looker.names(&member.target, &threads);
                    if !names.is_empty() {
                        let process = described(&member.target);
                        for (thread, name) in names {
                            self.tell(Event::Process(thread, process.clone()))?;
                            self.tell(Event::Thread(thread, name))?;
                        }
                    }
                    member.busy += u32::from(threads.iter().any(|thread| thread.flags.has(Flags::HOLDS_GIL)));
                    all.extend(threads);
                }
                Ok(Outcome::Failed(why)) => failure = Some(why),
                Err(Gone) => member.lose(&mut self.cost),
            }
        }
        family.others.retain(|member| member.looker.is_some());
        if family.count() < before {
            family.due = family.due.min(family.soon);
        }
        let outcome = match failure {
            Some(why) if all.is_empty() => Outcome::Failed(why),
            _ => Outcome::Taken(all),
        };
        self.send(at, outcome, failure)
    }
}
