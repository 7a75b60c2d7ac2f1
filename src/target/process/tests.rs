//! What the kernel writes about a process, line by line, and what is no such line.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

const TAIL: &str = "S 4161 4162 4162 0 -1 4194304 1 0 0 0 70 30 0 0 20 0 1 0 98765 \
    4382720 1 18446744073709551615 1 2 140720 0 0 0 0 0 0 1 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

#[test]
fn a_stat_is_read_after_its_last_parenthesis() {
    for name in ["sleep", "a) R 1 (b", ") Z 1 1 1", "", "((", "new\nline)"] {
        let line = format!("4162 ({name}) {TAIL}");
        let stat = Stat::parse(line.as_bytes()).expect(name);
        assert_eq!(stat.name, name.as_bytes());
        assert_eq!(stat.moment, Moment { state: RunState::Sleeping, cpu: 3, ticks: 100 });
        assert_eq!((stat.parent, stat.group), (Pid(4161), 4162));
        assert_eq!((stat.threads, stat.start, stat.stack_start), (1, 98765, 140_720));
        assert_eq!(Moment::parse(line.as_bytes()), Some(stat.moment));
        assert_eq!(stat.end, 0);
    }
    let ended = format!("7 (x) {}", TAIL.trim_end().strip_suffix('0').expect("the last field")) + "768\n";
    assert_eq!(Stat::parse(ended.as_bytes()).expect("a stat").end, 768);
}

#[test]
fn what_is_no_stat_is_refused() {
    for bytes in ["", "1 (x", "1 x) R", "1 (x) ", "1 (x) R 1 2", "1 (x) R a b c d e f g"] {
        assert_eq!(Stat::parse(bytes.as_bytes()), None);
        assert_eq!(Moment::parse(bytes.as_bytes()), None);
    }
}

#[test]
fn our_own_stat_is_one() {
    let ours = stat(Pid::ours()).expect("we exist");
    assert!(!ours.is_kernel_thread() && !ours.is_exiting() && ours.start > 0);
    let identity = Identity::of(Pid::ours()).expect("we exist");
    assert!(identity.holds());
    assert!(identity.age().expect("an age") < Duration::from_secs(3600));
    assert!(!Identity { start: identity.start + 1, ..identity }.holds());
}

#[test]
fn a_status_is_read_line_by_line() {
    let status = Status::parse(
        b"Name:\tx\\nTracerPid:\t9\nTgid:\t42\nTracerPid:\t7\nUid:\t1000\t0\t1\t2\n\
          NSpid:\t42\t7\t1\nCapEff:\t0000000000080000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\n",
    );
    assert_eq!((status.process, status.tracer), (Some(Pid(42)), Some(Tid(7))));
    assert_eq!(status.users, [Some(1000), Some(0), Some(1), Some(2)]);
    assert_eq!(status.namespaced, [42, 7, 1]);
    assert!(status.has_capability(19) && !status.has_capability(21));
    assert!(status.no_new_privileges && status.seccomp == 2);
    assert_eq!(Status::parse(b"TracerPid:\t0\n:::\n\xff:\xff"), Status::default());
}

#[test]
fn words_end_with_a_null_each() {
    assert_eq!(split_words(b"sh\0-c\0\0"), ["sh", "-c", ""]);
    assert_eq!(split_words(b"nginx: worker"), ["nginx: worker"]);
    assert!(split_words(b"").is_empty());
}

#[test]
fn parents_come_before_those_below_them() {
    let script = "sleep 60 & sh -c 'sleep 60; :' & wait";
    let mut shell = Command::new("sh").args(["-c", script]).process_group(0).spawn().expect("a shell");
    let root = Pid(shell.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut found = Vec::new();
    while found.len() < 4 && Instant::now() < deadline {
        found = tree(vec![root]).collect();
    }
    let some: Vec<_> = tree(vec![root]).take(2).collect();
    let parents: Vec<_> = found.iter().map(|pid| stat(*pid).map(|stat| stat.parent)).collect();
    let group = nix::unistd::Pid::from_raw(root.0.cast_signed());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).expect("its group");
    shell.wait().expect("it ends");
    assert_eq!((found.len(), found.first(), some.len()), (4, Some(&root), 2));
    for (index, parent) in parents.iter().enumerate().skip(1) {
        assert!(found[..index].contains(&parent.expect("it lives")), "{found:?} {parents:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        Stat::parse(&bytes);
        Moment::parse(&bytes);
        Status::parse(&bytes);
        split_words(&bytes);
    }

    #[test]
    fn any_name_is_a_name(name in proptest::collection::vec(any::<u8>(), 0..16)) {
        let line = [b"7 (".as_slice(), &name, b") ", TAIL.as_bytes()].concat();
        prop_assert_eq!(Stat::parse(&line).expect("a stat").name, name);
    }
}
