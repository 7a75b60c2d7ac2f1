//! The room `target` against real processes. Everything that waits has a deadline.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pyflame_tui::target::*;

fn python() -> Command {
    Command::new("python3")
}

struct Reaped(Child);
impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_busy_thread_is_stopped_and_runs_on() {
    let child = Reaped(python().args(["-c", "while 1: pass"]).stdin(Stdio::null()).spawn().unwrap());
    std::thread::sleep(Duration::from_millis(200));
    let target = Target::attach(Pid(child.0.id())).unwrap();
    let tid = target.pid().leader();
    let before = target.tasks().moment(tid).unwrap().ticks;
    let begin = Instant::now();
    for _ in 0..1000 {
        let stopped = target.stop(tid).unwrap();
        assert_eq!(target.memory().read(Address(0), &mut [0]), Err(ReadError::Unmapped(Address(0))));
        assert!(stopped.release() < Duration::from_millis(100));
        assert_eq!(target.life(), Life::Running);
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    std::thread::sleep(Duration::from_millis(100));
    assert!(target.tasks().moment(tid).unwrap().ticks > before);
}
