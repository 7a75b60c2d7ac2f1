//! Each reason for which a process cannot be looked at, with its facts; and how processes end that are not ours.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use pyflame_tui::target::{AttachError, Identity, Life, Pid, RunState, Target, Tasks, process};

use crate::installed::copy_program;
use crate::roles::Player;
use crate::thirty_two;
use crate::{Subject, eventually, is_root, within};

fn refusal(pid: Pid) -> AttachError {
    within(10, move || Target::attach(pid).map(|_| ()).unwrap_err())
}

#[test]
fn nobody_has_this_number() {
    // Beyond `pid_max`, which is 4,194,304 at most.
    assert_eq!(refusal(Pid(5_000_000)), AttachError::NoSuchProcess(Pid(5_000_000)));
    assert_eq!(refusal(Pid(u32::MAX)), AttachError::NoSuchProcess(Pid(u32::MAX)));
    let mut subject = Subject::busy();
    subject.child.kill().unwrap();
    subject.child.wait().unwrap();
    assert_eq!(refusal(subject.pid()), AttachError::NoSuchProcess(subject.pid()));
}

#[test]
fn a_thread_is_not_a_process() {
    let mut subject = Subject::python(
        "import threading, time\nprint(threading.active_count())\n\
        threading.Thread(target=time.sleep, args=[60]).start()\nprint()",
    );
    subject.line();
    subject.line();
    let tids = Tasks::of(subject.pid()).list().unwrap();
    let tid = Pid(tids.into_iter().find(|&tid| tid != subject.tid()).unwrap().0);
    assert_eq!(refusal(tid), AttachError::Thread { tid, process: subject.pid() });
}

#[test]
fn the_kernel_has_no_stacks_for_us() {
    // In a container there are none to be seen.
    let is_one = |pid: &u32| process::stat(Pid(*pid)).is_some_and(|stat| stat.is_kernel_thread());
    let Some(pid) = (2..100).find(is_one).map(Pid) else {
        eprintln!("not tried: no kernel threads here");
        return;
    };
    assert!(matches!(refusal(pid), AttachError::KernelThread(name) if !name.is_empty()));
}

#[test]
fn a_zombie_has_none_either() {
    let subject = Subject::of(&mut Command::new("true"));
    subject.until(RunState::Zombie);
    assert_eq!(refusal(subject.pid()), AttachError::Zombie { parent: Pid::ours() });
}

#[test]
fn we_do_not_look_at_ourselves() {
    assert_eq!(refusal(Pid::ours()), AttachError::Ourselves(Pid::ours()));
    // Nor at an ancestor that is us.
    let mut player = Player::new("attach", &Pid::ours().to_string());
    assert_eq!(player.line(), format!("Err(Ourselves({:?}))", Pid::ours()));
}

#[test]
fn another_tracer_is_named() {
    let subject = Subject::busy();
    let mut player = Player::new("seize", &subject.pid().to_string());
    assert_eq!(player.line(), "seized");
    let name = process::name(player.pid().leader()).unwrap();
    assert_eq!(refusal(subject.pid()), AttachError::TracedBy { pid: player.pid(), name, stands: false });
    drop(player);
    subject.assert_unharmed();
}

#[test]
fn a_refusal_has_all_the_facts() {
    if !is_root() {
        return;
    }
    let subject = Subject::busy();
    let mut command = Player::command("attach", &subject.pid().to_string());
    let program = tempfile::tempdir().unwrap();
    let copy = program.path().join("test");
    copy_program(&std::env::current_exe().unwrap(), &copy);
    open_to_all(program.path());
    let mut other = Command::new(&copy);
    other.args(command.get_args()).uid(65534).gid(65534).current_dir("/");
    other.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command = other;
    let mut player = Player::start(&mut command);
    let said = player.line();
    for fact in [
        "Denied(",
        "our_user: 65534",
        "their_users: [Some(0), Some(0), Some(0)]",
        "we_have_capability: false",
    ] {
        assert!(said.contains(fact), "{said} lacks {fact}");
    }
    subject.assert_unharmed();
}

fn open_to_all(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_sleeping_process_is_looked_at_and_sleeps_on() {
    within(60, || {
        let subject = Subject::of(Command::new("sleep").arg("60").stderr(Stdio::null()));
        subject.until(RunState::Sleeping);
        let identity = Identity::of(subject.pid()).unwrap();
        let target = Target::attach(subject.pid()).unwrap();
        assert_eq!(target.identity(), identity);
        assert!(identity.age().unwrap() < Duration::from_secs(20));
        assert_eq!(process::command_line(subject.pid()), ["sleep", "60"]);
        for _ in 0..100 {
            drop(target.stop(subject.tid()).unwrap());
        }
        eventually("it sleeps on", || subject.moment().unwrap().state == RunState::Sleeping);
    });
}

/// `env` and many a shell's script become a Python just when we open their memory.
#[test]
fn one_that_becomes_another_program_meanwhile_has_not_gone() {
    within(100, || {
        let script = "[ $0 = 0 ] && { echo; exec sleep 60; }; exec sh -c \"$1\" $(($0 - 1)) \"$1\"";
        let mut subject = Subject::of(Command::new("sh").args(["-c", script, "2000", script]));
        let mut attached = 0;
        while process::command_line(subject.pid()).first().is_none_or(|word| word != "sleep") {
            let target = Target::attach(subject.pid());
            assert!(target.is_ok(), "{target:?}, after {attached} that went well");
            attached += 1;
        }
        assert!(attached > 200, "{attached}");
        assert_eq!(subject.line(), "");
        assert_eq!(process::status(subject.tid()).unwrap().tracer, None);
    });
}

#[test]
fn a_32_bit_program_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (bytes, path) = (directory.path().join("bytes"), directory.path().join("small"));
    std::fs::write(&bytes, thirty_two::program()).unwrap();
    copy_program(&bytes, &path);
    open_to_all(&path);
    let mut command = Command::new(&path);
    let Ok(mut child) = command.spawn() else {
        eprintln!("not tried: this kernel runs no 32-bit programs");
        return;
    };
    let pid = Pid(child.id());
    assert_eq!(refusal(pid), AttachError::ThirtyTwoBit);
    assert_eq!(process::status(pid.leader()).unwrap().tracer, None);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kernels from 6.15 on tell the ends of processes that have been waited for.
fn tells_ends() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[test]
fn the_ends_of_others_are_told() {
    within(60, || {
        // The last of them: the first thread leaves before the one that ends the process.
        let leaver = "import ctypes, os, threading, time\n\
            threading.Thread(target=lambda: (input(), time.sleep(0.1), os._exit(5))).start()\n\
            print()\nctypes.CDLL(None).pthread_exit(0)";
        for (program, end) in [
            ("print(); input()", Life::Exited(0)),
            ("print(); input(); raise SystemExit(3)", Life::Exited(3)),
            ("import os; print(); input(); os.abort()", Life::Killed(Signal::SIGABRT as i32)),
            (leaver, Life::Exited(5)),
        ] {
            let mut command = Command::new("python3");
            let mut child = command
                .args(["-u", "-c", program])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
            let target = Target::attach(Pid(child.id())).unwrap();
            assert_eq!(target.life(), Life::Running);
            child.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert_eq!(target.wait_for_end(Duration::from_secs(20)), end, "{program}");
            child.wait().unwrap();
            let then = if tells_ends() { end } else { Life::Gone };
            assert_eq!(target.life(), then, "its parent has asked");
        }
    });
}

/// Whoever sleeps in a system call that does not begin again sleeps on.
#[test]
fn who_sleeps_does_not_notice() {
    let mut subject = Subject::python(
        "import ctypes, select\npoll = select.epoll()\nprint(flush=True)\n\
        print(ctypes.CDLL(None).epoll_wait(poll.fileno(), ctypes.create_string_buffer(12), 1, 3000))",
    );
    subject.line();
    subject.until(RunState::Sleeping);
    let begun = std::time::Instant::now();
    for _ in 0..5 {
        let pid = subject.pid();
        within(10, move || drop(Target::attach(pid).unwrap()));
        assert_eq!(process::status(subject.tid()).unwrap().tracer, None);
    }
    // Nothing came in three seconds; the call was not interrupted, which would give -1 at once.
    assert_eq!(subject.line().trim(), "0");
    assert!(begun.elapsed() > Duration::from_secs(2));
}
