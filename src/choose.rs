//! Which process? Nobody named one, and somebody sits at a terminal: the Pythons of this machine, for the list to choose
//! from, and what comes of the choice.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use nix::unistd::{Uid, User};

use crate::cli::{Choice, Options, UsageError};
use crate::error::{Error, Watched};
use crate::python::recognise::{self, Kind};
use crate::sample::Micros;
use crate::sampler::{Sampler, StartError, Subprocesses, Watch};
use crate::target::process::Stat;
use crate::target::{AttachError, Care, Listed, Pid, Roster, maps, may_attach, process};
use crate::tui::action::Other;
use crate::tui::picker::{Barred, Candidate};
use crate::tui::{Given, Held, Picked};
use crate::{fault, live, tui};

/// The first numbers of CPU time come soon, the others at leisure.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(1));

/// A process that was chosen, and how it is watched.
type Chosen = (Options, Sampler);

/// Lets a person choose, and shows what was chosen.
pub(crate) fn choose(choice: &Choice) -> Result<u8, Error> {
    if !live::is_wanted(choice.options()) {
        return Err(UsageError::NoTarget.into());
    }
    let failed = |cause| Error::Screen { cause, watched: Watched::Nothing, kept: None };
    let mut held = Held::take(live::screen(choice.options()).mouse).map_err(|error| failed(error.into()))?;
    match pick(choice, &mut held, None).map_err(failed)? {
        Picked::Chosen(chosen) => go_on(choice, chosen, Some(held)),
        Picked::Back | Picked::Refused(_) | Picked::Left => Ok(0),
    }
}

/// Shows what was chosen, and what is chosen after it, until somebody has seen enough; in the terminal that is `held`, if
/// one is. What is said of each process stays on the normal screen.
pub(crate) fn go_on(choice: &Choice, mut chosen: Chosen, mut held: Option<Held>) -> Result<u8, Error> {
    let mut said = String::new();
    let ended = loop {
        let (options, sampler) = chosen;
        let watched = match options.watch {
            Watch::Process(pid) => Some(pid),
            Watch::Command(_) => None,
        };
        let mut next = None;
        let mut another = |held: &mut Held, other| {
            let picked = match other {
                Other::Chosen => pick(choice, held, watched)?,
                Other::Family => with_or_without_family(&options),
            };
            Ok(match picked {
                Picked::Chosen(chosen) => {
                    next = Some(chosen);
                    Picked::Chosen(())
                }
                Picked::Back => Picked::Back,
                Picked::Refused(why) => Picked::Refused(why),
                Picked::Left => Picked::Left,
            })
        };
        let given = Given { held: held.take(), wire: None };
        match live::show(&options, sampler, live::screen(&options), given, Some(&mut another)) {
            Ok(left) => {
                said.push_str(&left.summary.to_string());
                held = left.held;
            }
            Err(error) => break Err(error),
        }
        match (next, &held) {
            (Some(next), Some(_)) => chosen = next,
            (Some((_, sampler)), None) => {
                // We were told to end when it had been chosen.
                sampler.join();
                break Ok(0);
            }
            (None, _) => break Ok(0),
        }
    };
    crate::print(&said)?;
    ended
}

/// Lets a person choose, with the process that was `watched` before to go back to.
fn pick(choice: &Choice, held: &mut Held, watched: Option<u32>) -> Result<Picked<Chosen>, tui::Error> {
    let (sender, lists) = bounded(1);
    Builder::new().name("roster".to_owned()).spawn(move || list(&sender))?;
    let mut attach = |pid| {
        let options = choice.process(pid);
        let sampler = live::attach(&options, crate::plan(&options));
        sampler.map(|sampler| (options, sampler)).map_err(|error| Error::from(error).to_string())
    };
    tui::pick(&live::screen(choice.options()), held, &lists, watched, &mut attach)
}

/// The same process, with those below it if that is not how it is watched.
fn with_or_without_family(options: &Options) -> Picked<Chosen> {
    let subprocesses = match options.subprocesses {
        Subprocesses::Watched => Subprocesses::Ignored,
        Subprocesses::Ignored if options.nonblocking => {
            return Picked::Refused("those below it cannot be watched without a stop".to_owned());
        }
        Subprocesses::Ignored => Subprocesses::Watched,
    };
    let options = Options { subprocesses, ..options.clone() };
    match live::attach(&options, crate::plan(&options)) {
        Ok(sampler) => Picked::Chosen((options, sampler)),
        Err(error) => {
            let why = Error::from(error).to_string();
            Picked::Refused(why.lines().next().unwrap_or_default().to_owned())
        }
    }
}

/// Lists until nobody wants to know any more.
fn list(lists: &Sender<Vec<Candidate>>) {
    let mut roster = Roster::new();
    let mut users = HashMap::new();
    let mut before: Option<Instant> = None;
    loop {
        fault::point("roster");
        let since = before.map(|before| before.elapsed());
        before = Some(Instant::now());
        let pythons = roster.list(since, judge);
        let candidates = pythons.into_iter().map(|one| candidate(one, &mut users)).collect();
        if lists.send(candidates).is_err() {
            return;
        }
        std::thread::sleep(if since.is_none() { BETWEEN.0 } else { BETWEEN.1 });
    }
}

/// Is it a Python? Its program's name tells that of most, and its memory's map of the others, which takes longer. Where
/// both are hidden from us the first word has to do.
fn judge(pid: Pid, stat: &Stat, care: Care) -> Option<Kind> {
    let by_names = |files: &[PathBuf]| recognise::by_names(files.iter().map(PathBuf::as_path));
    let mut files = match process::executable(pid) {
        Ok(program) => vec![program],
        Err(_) => process::command_line(pid).into_iter().take(1).map(PathBuf::from).collect(),
    };
    if files.is_empty() {
        files.push(PathBuf::from(String::from_utf8_lossy(&stat.name).into_owned()));
    }
    let kind = by_names(&files);
    if matches!(kind, Some(Kind::CPython(Some(_)))) || (kind.is_none() && care == Care::Quick) {
        return kind;
    }
    files.extend(maps::files(pid).unwrap_or_default());
    by_names(&files)
}

fn candidate(one: Listed<Kind>, users: &mut HashMap<u32, String>) -> Candidate {
    let Listed { identity, stat, cpu, verdict } = one;
    let words = process::command_line(identity.pid);
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let user = process::status(identity.pid.leader()).ok().and_then(|status| status.users[1]);
    Candidate {
        pid: identity.pid.0,
        start: identity.start,
        cpu,
        age: Micros(identity.age().map_or(0, |age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX))),
        python: match verdict {
            Kind::CPython(Some((major, minor))) => format!("{major}.{minor}"),
            Kind::CPython(None) => String::new(),
            Kind::PyPy => "PyPy".to_owned(),
        },
        threads: stat.threads,
        user: user.map_or(String::new(), |user| users.entry(user).or_insert_with(|| name(user)).clone()),
        command: if words.is_empty() {
            String::from_utf8_lossy(&stat.name).into_owned()
        } else {
            words.join(" ")
        },
        barred: barred(identity.pid, verdict),
    }
}

/// Asked once a user: it may come from far away.
fn name(user: u32) -> String {
    let known = User::from_uid(Uid::from_raw(user)).ok().flatten();
    known.map_or_else(|| user.to_string(), |user| user.name)
}

/// What is in the way, in a word and in sentences.
fn barred(pid: Pid, kind: Kind) -> Option<Barred> {
    if kind == Kind::PyPy {
        let why = "A PyPy keeps its frames in another way than CPython.\nTry vmprof, which is made for it.";
        return Some(Barred { word: "pypy", why: why.to_owned() });
    }
    let error = may_attach(pid).err()?;
    let word = match &error {
        AttachError::NoSuchProcess(_) | AttachError::Zombie { .. } => "ended",
        AttachError::Thread { .. } => "thread",
        AttachError::KernelThread(_) => "kernel",
        AttachError::Ourselves(_) => "ourselves",
        AttachError::TracedBy { .. } => "traced",
        AttachError::ThirtyTwoBit => "32-bit",
        AttachError::Failed(_) => "error",
        AttachError::Denied(facts) if facts.their_users[1] != Some(facts.our_user) => "user",
        AttachError::Denied(facts) if facts.yama_scope.is_some_and(|scope| scope > 0) => "yama",
        AttachError::Denied(_) => "denied",
    };
    Some(Barred { word, why: Error::from(StartError::Attach(pid.0, error)).to_string() })
}
