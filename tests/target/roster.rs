//! Everybody on the machine, listed without anybody noticing.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use pyflame_tui::target::{AttachError, Listed, Pid, Roster, may_attach};

use crate::{Subject, eventually};

fn find(list: &[Listed<u32>], pid: Pid) -> Option<&Listed<u32>> {
    list.iter().find(|one| one.identity.pid == pid)
}

#[test]
fn a_process_comes_works_becomes_another_and_goes() {
    // A shell that works until it is told to become a sleep.
    let script = "trap 'exec sleep 60' USR1; while :; do :; done";
    let subject = Subject::of(Command::new("sh").args(["-c", script]));
    let pid = subject.pid();
    let mut roster = Roster::new();
    let mut asked = Vec::new();
    let mut list = || {
        roster.list(Some(Duration::from_secs(1)), |pid, stat, _| {
            asked.push(pid);
            [b"sh".as_slice(), b"sleep"]
                .into_iter()
                .zip(0..)
                .find(|(name, _)| stat.name == *name)
                .map(|(_, no)| no)
        })
    };
    eventually("it is a shell", || find(&list(), pid).is_some_and(|one| one.verdict == 0));
    eventually("it works", || find(&list(), pid).is_some_and(|one| one.cpu.is_some_and(|cpu| cpu > 0.0)));
    subject.signal(Signal::SIGUSR1);
    eventually("it is a sleep", || find(&list(), pid).is_some_and(|one| one.verdict == 1));
    for _ in 0..40 {
        list();
    }
    drop(subject);
    assert_eq!(find(&list(), pid), None);
    let times = asked.iter().filter(|one| **one == pid).count();
    // As what it was between fork and exec, perhaps; as a shell; as a sleep.
    assert!(times <= 3, "once a program: {times}");
    assert!(!asked.contains(&Pid::ours()), "we are not asked about");
}

#[test]
fn who_may_be_attached_to_is_told_without_stopping_anybody() {
    let subject = Subject::busy();
    assert_eq!(may_attach(subject.pid()), Ok(()));
    subject.assert_unharmed();
    assert_eq!(may_attach(Pid::ours()), Err(AttachError::Ourselves(Pid::ours())));
    let pid = subject.pid();
    drop(subject);
    assert_eq!(may_attach(pid), Err(AttachError::NoSuchProcess(pid)));
}
