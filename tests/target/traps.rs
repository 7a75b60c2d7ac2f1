//! Processes in the states in which tracers get stuck: frozen, in vfork, in exec, without a leader, with
//! threads that come and go.

use std::fs;
use std::time::{Duration, Instant};

use pyflame_tui::target::{Life, RunState, StopError, Target, process};

use crate::roles::Player;
use crate::{Subject, eventually, exists, is_root, threads, within};

/// A stop that does not come must give up at the deadline; 40 ms more are the watchdog's, the rest is for a
/// busy machine.
const GIVEN_UP: Duration = Duration::from_millis(400);

#[test]
fn a_parent_in_vfork_is_given_up_and_let_go_later() {
    within(60, || {
        let mut player = Player::new("vfork", "");
        assert_eq!(player.line(), "ready");
        let waiting = || {
            let found = threads(player.pid());
            found.into_iter().find(|&(_, state)| state == RunState::Uninterruptible).map(|(tid, _)| tid)
        };
        eventually("vfork", || waiting().is_some());
        let tid = waiting().unwrap();
        let target = Target::attach(player.pid()).unwrap();
        target.tracer().settle();
        let begin = Instant::now();
        assert_eq!(target.stop(tid).unwrap_err(), StopError::NotInTime);
        assert!(begin.elapsed() < GIVEN_UP);
        assert!(target.tracer().settle() > 0);
        assert_eq!(target.stop(tid).unwrap_err(), StopError::NotInTime);
        eventually("it is let go", || target.tracer().settle() == 0);
        assert_eq!(player.line(), "through");
        drop(target.stop(tid).unwrap());
        assert_eq!(process::status(tid).unwrap().tracer, None);
    });
}

#[test]
fn a_frozen_process_is_given_up_and_let_go_when_it_thaws() {
    const FREEZER: &str = "/sys/fs/cgroup/freezer";
    if !is_root() || !exists(&format!("{FREEZER}/tasks")) {
        return;
    }
    within(60, || {
        let subject = Subject::busy();
        let group = format!("{FREEZER}/pyflame-tui-test-{}", subject.pid());
        fs::create_dir(&group).unwrap();
        fs::write(format!("{group}/cgroup.procs"), subject.pid().to_string()).unwrap();
        fs::write(format!("{group}/freezer.state"), "FROZEN").unwrap();
        eventually("frozen", || {
            fs::read_to_string(format!("{group}/freezer.state")).unwrap().trim() == "FROZEN"
        });
        let begin = Instant::now();
        let target = Target::attach(subject.pid()).unwrap();
        assert_eq!(target.stop(subject.tid()).unwrap_err(), StopError::NotInTime);
        assert!(begin.elapsed() < GIVEN_UP * 2);
        assert_eq!(target.life(), Life::Running);
        fs::write(format!("{group}/freezer.state"), "THAWED").unwrap();
        eventually("it is let go", || target.tracer().settle() == 0);
        subject.assert_unharmed();
        drop(target.stop(subject.tid()).unwrap());
        drop(subject);
        eventually("the group is empty", || fs::remove_dir(&group).is_ok());
    });
}

#[test]
fn a_process_without_its_first_thread_is_sampled() {
    within(60, || {
        let exit = if cfg!(target_arch = "x86_64") { 60 } else { 93 };
        let mut subject = Subject::python(&format!(
            "
import ctypes, threading
def spin():
    print()
    while 1: pass
threading.Thread(target=spin).start()
ctypes.CDLL(None).syscall({exit}, 0)"
        ));
        subject.line();
        subject.until(RunState::Zombie);
        let target = Target::attach(subject.pid()).unwrap();
        assert_eq!(target.life(), Life::Running);
        assert_eq!(target.stop(subject.tid()).unwrap_err(), StopError::Gone);
        let alive = threads(subject.pid()).into_iter().find(|&(tid, _)| tid != subject.tid()).unwrap().0;
        drop(target.stop(alive).unwrap());
        assert!(target.maps().is_ok());
    });
}

#[test]
fn threads_that_come_and_go_are_neither_lost_nor_left() {
    within(60, || {
        let mut subject = Subject::python(
            "
import threading, time
end = time.monotonic() + 3
done = 0
def work():
    global done
    done += sum(range(2000)) * 0 + 1
print()
while time.monotonic() < end:
    all = [threading.Thread(target=work) for _ in range(20)]
    for t in all: t.start()
    for t in all: t.join()
print('done', done > 20, threading.active_count())",
        );
        subject.line();
        let target = Target::attach(subject.pid()).unwrap();
        let mut held = 0;
        let (mut gone, mut late) = (0, 0);
        while target.life() == Life::Running {
            let Ok(tids) = target.tasks().list() else { break };
            for result in target.stop_all(&tids) {
                match result {
                    Ok(_) => held += 1,
                    Err(StopError::Gone) => gone += 1,
                    // On a machine with much else to do.
                    Err(StopError::NotInTime) => late += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(subject.line(), "done True 1");
        assert!(held > 20 && late * 5 < held, "{held} held, {gone} gone, {late} late");
        assert_eq!(target.wait_for_end(Duration::from_secs(5)), Life::Exited(0));
    });
}

/// A thread that is not the first one turns the process into another program, again and again, while all its
/// threads are being stopped: each exec kills the others, which the kernel holds back until their tracer has
/// looked, while it holds back the tracer until exec is through.
#[test]
fn exec_by_any_thread_while_others_are_held_does_no_harm() {
    within(60, || {
        let mut subject = Subject::python(
            "
import os, sys, threading, time
def spin():
    while 1: pass
def become():
    time.sleep(0.01)
    if rounds: os.execv(sys.executable, [sys.executable, '-u', '-c', source, str(rounds - 1)])
    else: print('through'); os._exit(3)
source, rounds = (open('/proc/self/cmdline').read().split('\\0')[3], int((sys.argv[1:] or ['15'])[0]))
if rounds == 15: print('begun')
for _ in range(5): threading.Thread(target=spin, daemon=True).start()
threading.Thread(target=become).start()
spin()",
        );
        assert_eq!(subject.line(), "begun");
        let mut target = Target::attach(subject.pid()).unwrap();
        let mut execs = 0;
        loop {
            match target.life() {
                Life::Running => {}
                Life::Execed => {
                    execs += 1;
                    if target.reopen().is_err() {
                        continue;
                    }
                }
                Life::Ending => continue,
                _ => break,
            }
            let tids = target.tasks().list().unwrap_or_default();
            drop(target.stop_all(&tids));
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_eq!(subject.line(), "through");
        // Its status cannot be asked for: it was this process's child and tracee, and may have been told
        // already.
        assert!(execs > 7, "{execs}");
    });
}
