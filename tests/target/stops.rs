//! Stopping and letting go: what the target and others see of it.

use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use pyflame_tui::target::{Address, Life, Memory, ReadError, RunState, StopError, Target, process};

use crate::roles::Player;
use crate::{Subject, eventually, raw, threads, within};

#[test]
fn a_busy_thread_is_stopped_and_runs_on() {
    within(60, || {
        let subject = Subject::busy();
        let target = Target::attach(subject.pid()).unwrap();
        let before = target.tracer().stopped();
        let mut sum = Duration::ZERO;
        for _ in 0..1000 {
            let stopped = target.stop(subject.tid()).unwrap();
            assert_eq!(subject.moment().unwrap().state, RunState::Traced);
            assert_eq!(target.memory().read(Address(0), &mut [0]), Err(ReadError::Unmapped(Address(0))));
            sum += stopped.release();
            assert_eq!(target.life(), Life::Running);
        }
        assert_eq!(target.tracer().stopped(), before + sum);
        subject.assert_unharmed();
    });
}

#[test]
fn a_panic_lets_the_thread_go() {
    within(60, || {
        let subject = Subject::busy();
        let target = Target::attach(subject.pid()).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _stopped = target.stop(subject.tid()).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err());
        subject.assert_unharmed();
    });
}

#[test]
fn a_thread_is_held_once() {
    within(60, || {
        let subject = Subject::busy();
        let target = Target::attach(subject.pid()).unwrap();
        let stopped = target.stop(subject.tid()).unwrap();
        assert_eq!(target.stop(subject.tid()).unwrap_err(), StopError::Held);
        drop(stopped);
        drop(target.stop(subject.tid()).unwrap());
        subject.assert_unharmed();
    });
}

const CROWD: &str = "
import threading
def spin():
    while 1: pass
for _ in range(7): threading.Thread(target=spin, daemon=True).start()
print()
spin()";

#[test]
fn all_threads_are_stopped_at_the_same_time() {
    within(60, || {
        let mut subject = Subject::python(CROWD);
        subject.line();
        let target = Target::attach(subject.pid()).unwrap();
        let tids = target.tasks().list().unwrap();
        assert_eq!(tids.len(), 8);
        for _ in 0..50 {
            let stopped = target.stop_all(&tids);
            assert!(stopped.iter().all(Result::is_ok));
            assert!(threads(subject.pid()).iter().all(|&(_, state)| state == RunState::Traced));
        }
        assert!(threads(subject.pid()).iter().all(|&(_, state)| state != RunState::Traced));
        subject.assert_unharmed();
    });
}

/// What the handler of the role `signals` writes.
fn received(player: &mut Player) -> [i32; 4] {
    use std::io::Read;
    let mut bytes = [0; 16];
    player.errors.read_exact(&mut bytes).unwrap();
    std::array::from_fn(|index| i32::from_ne_bytes(*bytes[index * 4..].first_chunk().unwrap()))
}

fn queue(player: &Player, value: i32) {
    #[expect(unsafe_code, reason = "nix has no sigqueue")]
    // SAFETY: numbers only.
    let result = unsafe {
        let value =
            libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value.unsigned_abs() as usize) };
        libc::sigqueue(player.child.id().cast_signed(), libc::SIGRTMIN() + 3, value)
    };
    assert_eq!(result, 0);
}

fn assert_is_ours(words: [i32; 4], value: i32) {
    let us = std::process::id().cast_signed();
    assert_eq!(words, [libc::SIGRTMIN() + 3, libc::SI_QUEUE, us, value]);
}

#[test]
fn a_signal_to_a_stopped_thread_arrives_once_and_unchanged() {
    within(60, || {
        let mut player = Player::new("signals", "");
        assert_eq!(player.line(), "ready");
        let target = Target::attach(player.pid()).unwrap();
        // libtest has more threads than one: any may get the signal.
        for value in 0..500_i32 {
            let tids = target.tasks().list().unwrap();
            if value % 2 == 0 {
                // While all are stopped.
                let stopped = target.stop_all(&tids);
                queue(&player, value);
                drop(stopped);
            } else {
                // Pending when they are told to stop: they stop to have it delivered.
                queue(&player, value);
                for &tid in &tids {
                    drop(target.stop(tid));
                }
            }
            assert_is_ours(received(&mut player), value);
        }
        assert_eq!(process::status(player.pid().leader()).unwrap().tracer, None);
    });
}

#[test]
fn no_signal_is_lost_with_a_tracer_that_is_killed() {
    within(120, || {
        let mut player = Player::new("signals", "");
        assert_eq!(player.line(), "ready");
        let mut sent = 0;
        for round in 0..100_u64 {
            let mut tracer = Player::new("sample", &player.pid().to_string());
            assert_eq!(tracer.line(), "attached");
            let end = Instant::now() + Duration::from_micros(200 + round * 37);
            let first = sent;
            while Instant::now() < end {
                queue(&player, sent);
                sent += 1;
            }
            tracer.child.kill().unwrap();
            tracer.child.wait().unwrap();
            // In whatever order: there are two threads to get them.
            let mut got: Vec<_> = (first..sent).map(|_| received(&mut player)).collect();
            got.sort_by_key(|words| words[3]);
            got.into_iter().zip(first..sent).for_each(|(words, value)| assert_is_ours(words, value));
        }
        assert!(sent > 1000);
    });
}

#[test]
fn a_tracer_that_is_killed_leaves_nothing() {
    within(120, || {
        let mut subject = Subject::python(CROWD);
        subject.line();
        for round in 0..100_u64 {
            let mut tracer = Player::new("sample", &subject.pid().to_string());
            assert_eq!(tracer.line(), "attached");
            std::thread::sleep(Duration::from_micros(round * 97));
            tracer.child.kill().unwrap();
            tracer.child.wait().unwrap();
            for (tid, state) in threads(subject.pid()) {
                assert!(!matches!(state, RunState::Traced | RunState::Stopped), "{tid} {state:?}");
                assert_eq!(process::status(tid).unwrap().tracer, None);
            }
        }
        subject.assert_unharmed();
    });
}

/// What a parent is told of its child, if anything.
fn told(subject: &Subject) -> Option<WaitStatus> {
    let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
    match waitpid(raw(subject.pid()), Some(flags)).unwrap() {
        WaitStatus::StillAlive => None,
        status => Some(status),
    }
}

/// The parent must not be in the tracer's process, where it would be told of both: so the tracer is another
/// one.
#[test]
fn job_control_works_as_without_us() {
    within(60, || {
        let subject = Subject::busy();
        let mut tracer = Player::new("sample", &subject.pid().to_string());
        assert_eq!(tracer.line(), "attached");
        for signal in [Signal::SIGSTOP, Signal::SIGTSTP].repeat(10) {
            subject.signal(signal);
            eventually("the parent is told that it has stopped", || {
                told(&subject) == Some(WaitStatus::Stopped(raw(subject.pid()), signal))
            });
            let before = subject.moment().unwrap().ticks;
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!(told(&subject), None);
            assert!(subject.moment().unwrap().ticks <= before + 1, "it ran while stopped");
            subject.signal(Signal::SIGCONT);
            eventually("the parent is told that it runs", || {
                told(&subject) == Some(WaitStatus::Continued(raw(subject.pid())))
            });
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(told(&subject), None);
        }
        drop(tracer);
        subject.assert_unharmed();
    });
}

#[test]
fn a_stopped_process_is_let_be() {
    within(60, || {
        let subject = Subject::busy();
        subject.signal(Signal::SIGSTOP);
        subject.until(RunState::Stopped);
        let target = Target::attach(subject.pid()).unwrap();
        for _ in 0..20 {
            assert_eq!(target.stop(subject.tid()).unwrap_err(), StopError::GroupStopped);
            subject.until(RunState::Stopped);
        }
        subject.signal(Signal::SIGCONT);
        subject.assert_unharmed();
        drop(target.stop(subject.tid()).unwrap());
        // Stopped, and continued while we hold it.
        let stopped = target.stop(subject.tid()).unwrap();
        subject.signal(Signal::SIGSTOP);
        drop(stopped);
        subject.until(RunState::Stopped);
        subject.signal(Signal::SIGCONT);
        subject.assert_unharmed();
    });
}
