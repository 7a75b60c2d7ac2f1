//! Files in which each stack stands below its thread.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests say what they do by their names")]

mod workload;

use pyflame_tui::export::Format;
use pyflame_tui::profile::{Grouping, Lines, Profile, Selection, Threads, Who};
use pyflame_tui::sample::{Event, Flags, ThreadId, ThreadSample};
use workload::{folded, seen, stack, taken, text, two_threads};

#[test]
fn each_stack_below_its_thread() {
    let mut profile = two_threads();
    let by_thread = Selection { grouping: Grouping::ByThread, ..Selection::default() };
    let all = Selection { who: Who::AllThreads, ..by_thread.clone() };
    // Nobody has named them.
    let work = "app.py:main:3;app.py:work";
    let lines = format!(
        "(idle) 1\n(failed) 1\nthread:thread 1:1;{work}:10;app.py:deep:1 1\nthread:thread 1:1;{work}:8 3\n\
         thread:thread 2:2;app.py:serve:5 4\n"
    );
    assert_eq!(folded(&profile, &all), lines);
    // Both are called alike, and stand in one stack; and the name would be more than one frame, and one line.
    for tid in [1, 2] {
        profile.record(&Event::Thread(workload::thread(tid), "a;b:1\n\u{1b}(idle) 7".into()));
    }
    let main = stack("main:3 work:8");
    profile.record(&Event::Sample(taken(1_006_007, vec![seen(2, &main, Flags::HOLDS_GIL)])));
    let name = "thread:a\\x3bb\\x3a1\\n\\u{1b}(idle) 7";
    let lines = format!(
        "(idle) 2\n(failed) 1\n{name}:1;{work}:10;app.py:deep:1 1\n{name}:1;{work}:8 2\n{name}:2;{work}:8 1\n"
    );
    assert_eq!(folded(&profile, &by_thread), lines);
    let second = profile.threads().nth(1).unwrap().0;
    let only = Selection { threads: Threads::Only([second].into()), lines: Lines::Merged, ..by_thread };
    assert_eq!(
        folded(&profile, &only),
        format!("(idle) 2\n(failed) 1\n{name}:2;app.py:main;app.py:work 1\n")
    );
    let chart = text(Format::Timestamps, &profile, &all);
    let at = 1_006_007;
    assert!(chart.starts_with(&format!("1000001\n{name}:1;{work}:8;\n1000001\n{name}:2;app.py:serve:5;\n")));
    assert!(chart.ends_with(&format!("1005006\n(idle)\n{at}\n{name}:2;{work}:8;\n")), "{chart}");
}

/// What is kept of a task outlives it, and says nothing of the one before: its loop's thread is what is known.
#[test]
fn a_task_stands_below_the_thread_of_its_loop() {
    let task = |seat, name: &str| {
        let id = ThreadId { seat, ..workload::thread(7) };
        (
            Event::Thread(id, name.into()),
            ThreadSample { thread: id, stack: stack("serve:5"), flags: Flags::TASK },
        )
    };
    let mut profile = Profile::new();
    let (names, tasks): (Vec<_>, Vec<_>) =
        [task(1, "Task-3 (serve)"), task(2, "mail (serve)")].into_iter().unzip();
    for name in &names {
        profile.record(name);
    }
    profile.record(&Event::Sample(taken(1, tasks)));
    let selection = Selection { who: Who::Tasks, grouping: Grouping::ByThread, ..Selection::default() };
    assert_eq!(folded(&profile, &selection), "thread:thread 7:7;app.py:serve:5 2\n");
    profile.record(&Event::Thread(workload::thread(7), "loop".into()));
    assert_eq!(folded(&profile, &selection), "thread:loop:7;app.py:serve:5 2\n");
}
