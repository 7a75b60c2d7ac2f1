//! Commands that we launch find everything as without us, and their end is known.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::Signal;
use pyflame_tui::target::{End, LaunchError, Life, Memory, ReadError, Target, launch, process};

use crate::roles::Player;
use crate::{eventually, raw, within};

fn words(words: &[&str]) -> Vec<std::ffi::OsString> {
    words.iter().map(Into::into).collect()
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn what_cannot_be_run_is_an_error() {
    assert_eq!(launch(&[]).unwrap_err(), LaunchError::Empty);
    assert_eq!(launch(&words(&["/no/such/program"])).unwrap_err(), LaunchError::Exec(libc::ENOENT));
    assert_eq!(launch(&words(&["no-such-program"])).unwrap_err(), LaunchError::Exec(libc::ENOENT));
    assert_eq!(launch(&words(&["/"])).unwrap_err(), LaunchError::Exec(libc::EACCES));
}

#[test]
fn its_end_is_known() {
    within(60, || {
        let status = launch(&words(&["sh", "-c", "exit 7"])).unwrap();
        assert_eq!(status.wait(LONG), Some(End::Exited(7)));
        assert_eq!(status.end(), Some(End::Exited(7)));
        let signal = launch(&words(&["sh", "-c", "kill -TERM $$"])).unwrap();
        assert_eq!(signal.wait(LONG), Some(End::Killed(libc::SIGTERM)));
    });
}

#[test]
fn its_end_is_known_to_the_target_too_however_it_is_sampled() {
    within(60, || {
        for round in 0..6 {
            let child =
                launch(&words(&["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 9"]));
            let child = child.unwrap();
            let target = child.attach().unwrap();
            if round % 2 == 0 {
                while target.memory().is_current() {
                    drop(target.stop(child.pid().leader()));
                }
            }
            assert_eq!(target.wait_for_end(LONG), Life::Exited(9));
            assert_eq!(child.end(), Some(End::Exited(9)));
        }
    });
}

#[test]
fn one_that_is_killed_while_it_is_held_is_not_lost() {
    within(60, || {
        for _ in 0..50 {
            let child = launch(&words(&["sh", "-c", "while :; do :; done"])).unwrap();
            let target = child.attach().unwrap();
            let stopped = target.stop(child.pid().leader()).unwrap();
            nix::sys::signal::kill(raw(child.pid()), Signal::SIGKILL).unwrap();
            drop(stopped);
            assert_eq!(target.wait_for_end(LONG), Life::Killed(libc::SIGKILL));
            assert_eq!(target.memory().read(pyflame_tui::target::Address(0), &mut [0]), Err(ReadError::Gone));
        }
    });
}

#[test]
fn an_exec_is_noticed_and_followed() {
    within(60, || {
        let child = launch(&words(&["sh", "-c", "sleep 0.2; exec sleep 20"])).unwrap();
        let mut target = child.attach().unwrap();
        let start = target.maps().unwrap().modules()[0].mappings[0].start;
        assert_eq!(target.memory().u32(start), Ok(u32::from_le_bytes(*b"\x7fELF")));
        eventually("exec", || target.life() == Life::Execed);
        assert_eq!(target.memory().u32(start), Err(ReadError::Gone));
        target.reopen().unwrap();
        assert_eq!(target.life(), Life::Running);
        // At first there is nothing in its map but a stack.
        eventually("it is mapped", || {
            target
                .maps()
                .unwrap()
                .modules()
                .first()
                .is_some_and(|module| module.file_name().contains("sleep"))
        });
        nix::sys::signal::kill(raw(child.pid()), Signal::SIGKILL).unwrap();
        assert_eq!(target.wait_for_end(LONG), Life::Killed(libc::SIGKILL));
    });
}

/// The lines of a `status` that must be the same with us as without us.
fn signals_of(status: &str) -> Vec<String> {
    let wanted = |line: &&str| ["SigBlk", "SigIgn", "SigCgt"].iter().any(|key| line.starts_with(key));
    status.lines().filter(wanted).map(str::to_owned).collect()
}

/// Starts `cat /proc/self/status` by us, with signals set as given, and by nobody.
fn compare(ignored: &'static [i32], blocked: &'static [i32]) {
    let prepare = move || {
        for &signal in ignored {
            #[expect(unsafe_code, reason = "to be started with a signal ignored")]
            // SAFETY: no handler.
            unsafe {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
        let blocked = blocked.iter().map(|&signal| Signal::try_from(signal).unwrap());
        blocked.collect::<nix::sys::signal::SigSet>().thread_block()?;
        Ok(())
    };
    let mut bare = std::process::Command::new("cat");
    bare.arg("/proc/self/status");
    let mut ours = Player::command("launch", "cat\n/proc/self/status");
    #[expect(unsafe_code, reason = "to be started with a signal ignored")]
    // SAFETY: only system calls.
    unsafe {
        bare.pre_exec(prepare);
        ours.pre_exec(prepare);
    }
    let bare = String::from_utf8(bare.output().unwrap().stdout).unwrap();
    let ours = ours.stderr(Stdio::null()).output().unwrap();
    let ours = String::from_utf8_lossy(&ours.stdout).into_owned();
    assert_eq!(signals_of(&ours), signals_of(&bare), "ignored {ignored:?}, blocked {blocked:?}");
    assert_eq!(signals_of(&bare).len(), 3);
}

#[test]
fn signals_are_as_we_found_them() {
    compare(&[], &[]);
    compare(&[libc::SIGPIPE], &[]);
    compare(&[libc::SIGINT, libc::SIGHUP, libc::SIGURG], &[libc::SIGUSR1, libc::SIGURG]);
}

#[test]
fn the_rest_is_as_we_have_it() {
    let directory = tempfile::tempdir().unwrap();
    let program = "import os, sys; print([os.getcwd(), os.environ['GIVEN'], os.getppid() == int(sys.argv[1]), \
        os.getpgrp() == os.getpgid(os.getppid()), sys.stdin.read(), os.isatty(1)])";
    // The shell's own number goes to the child of the role as its parent's: it becomes the role by exec.
    let script = format!("exec env TARGET_TEST_WORD=\"python3\n-c\n{program}\n$$\" \"$@\"");
    let inner = Player::command("launch", "");
    let mut outer = std::process::Command::new("sh");
    outer.args(["-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    outer.env("GIVEN", "x y").current_dir(directory.path());
    let mut child = outer.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"typed").unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    let expected = format!("['{}', 'x y', True, True, 'typed', False]", real.display());
    assert!(said.contains(&expected), "{said:?} lacks {expected}");
}

#[test]
fn it_outlives_us() {
    within(60, || {
        let mut player = Player::new("launch", "sleep\n20");
        let pid = pyflame_tui::target::Pid(player.line().parse().unwrap());
        player.child.kill().unwrap();
        player.child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let stat = process::stat(pid).unwrap();
        assert!(!stat.moment.state.is_dead());
        drop(Target::attach(pid).unwrap());
        nix::sys::signal::kill(raw(pid), Signal::SIGKILL).unwrap();
    });
}
