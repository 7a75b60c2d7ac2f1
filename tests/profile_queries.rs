//! What the profile answers, on small programs whose answers can be read off.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::collections::BTreeSet;

use pyflame_tui::profile::{
    Bucket, CallId, CallTree, Diff, Direction, Frames, Idle, Lines, MarkKind, Profile, Selection, Span,
    State, Threads, Timeline, Top, Trend, Who, Window, thread_rows,
};
use pyflame_tui::sample::{About, Event, Flags, Frame, Micros, Sample, Stack};
use workload::{drawn, frame, names, profile_of, seen, stack, taken};

fn holder(at: u64, text: &str) -> Sample {
    taken(at, vec![seen(1, &stack(text), Flags::HOLDS_GIL)])
}

fn about(pid: u32) -> Event {
    let (age, interval) = (Micros(0), Micros(1000));
    Event::About(About { pid, command: "app".into(), python: "3.12.1".into(), age, interval, tasks: false })
}

#[test]
fn folds_make_a_tree_readable() {
    let bootstrap = frame("/usr/lib/python3.11/threading.py", "Thread._bootstrap", 995);
    let with = |text: &str| {
        let frames: Vec<Frame> =
            std::iter::once(bootstrap.clone()).chain(stack(text).iter().cloned()).collect();
        Stack::from(frames)
    };
    let texts = ["main:1 fib:3 fib:3 fib:3", "main:1 fib:3 fib:2", "main:2 log:9", "main:1 fib:3 log:9"];
    let samples = texts.iter().map(|text| taken(1, vec![seen(1, &with(text), Flags::HOLDS_GIL)]));
    let profile = profile_of(samples);
    let folded = Selection {
        lines: Lines::Merged,
        frames: Frames::NoPlumbing,
        fold_recursion: true,
        ..Selection::default()
    };
    let tree = CallTree::of(&profile, &folded);
    assert_eq!(drawn(&profile, &tree), "all 4/0\n main 4/0\n  fib×3 3/2\n   log 1/1\n  log 1/1\n");

    let turned = Selection { direction: Direction::Callers, ..folded.clone() };
    let tree = CallTree::of(&profile, &turned);
    let expected = "all 4/0\n fib×3 2/0\n  main 2/2\n log 2/0\n  main 1/1\n  fib 1/0\n   main 1/1\n";
    assert_eq!(drawn(&profile, &tree), expected);
}

#[test]
fn a_root_keeps_what_passes_through_it() {
    let profile = profile_of([holder(1, "a:1 b:1 c:1"), holder(2, "a:1 d:1 c:1"), holder(3, "a:1 b:2")]);
    let all = Selection { lines: Lines::Merged, ..Selection::default() };
    let tree = CallTree::of(&profile, &all);
    let b = tree.calls().find(|(id, _)| names(&profile, &tree, *id) == ["a", "b"]).unwrap().0;
    let root = tree.path(b);
    let zoomed = Selection { root: root.clone(), ..all.clone() };
    let tree = CallTree::of(&profile, &zoomed);
    assert_eq!(drawn(&profile, &tree), "all 2/0\n a 2/0\n  b 2/1\n   c 1/1\n");
    assert_eq!(tree.find_nearest(&root), (tree.find(&root).unwrap(), 2));
    assert_eq!(Top::of(&profile, &zoomed).total, 2);
    let apart = CallTree::stacks(&profile, &Window::of(&profile, Span::All), &zoomed);
    assert_eq!(apart.total(), 2);

    let turned = Selection { direction: Direction::Callers, ..all };
    let tree = CallTree::of(&profile, &turned);
    let c = tree.children(CallId::ROOT)[0];
    let zoomed = Selection { root: tree.path(c), ..turned };
    let expected = "all 2/0\n c 2/0\n  b 1/0\n   a 1/1\n  d 1/0\n   a 1/1\n";
    assert_eq!(drawn(&profile, &CallTree::of(&profile, &zoomed)), expected);
}

#[test]
fn chains_end_where_work_begins() {
    let texts = ["a:1 b:1 c:1 d:1 e:1", "a:1 b:1 c:1 d:1 e:1", "a:1 b:1 c:1", "a:1 b:1 f:1"];
    let profile = profile_of(texts.iter().map(|text| holder(1, text)));
    let tree = CallTree::of(&profile, &Selection::default());
    let name = |id| names(&profile, &tree, id).pop();
    let chain = |from: &str, share| {
        let (id, _) = tree.calls().find(|(id, _)| name(*id).is_some_and(|name| name == from)).unwrap();
        name(*tree.chain(id, share).last().unwrap()).unwrap()
    };
    assert_eq!(chain("a", 0.01), "b", "b branches");
    assert_eq!(chain("c", 0.01), "c", "c works itself");
    assert_eq!(chain("c", 0.5), "e", "too little to matter");
}

#[test]
fn keys_outlive_trees_and_weights() {
    let mut profile = profile_of([holder(1, "a:1 b:1"), holder(2, "a:1 c:1")]);
    let before = CallTree::of(&profile, &Selection::default());
    for at in 3..7 {
        profile.push(&holder(at, "a:1 c:1"));
    }
    let after = CallTree::of(&profile, &Selection::default());
    let keys = |tree: &CallTree| tree.calls().map(|(_, call)| call.key).collect::<BTreeSet<_>>();
    assert_eq!(keys(&before), keys(&after));
    assert_eq!(keys(&before).len(), before.len());
    let diff = Diff::against(&before);
    let c = after.calls().find(|(id, _)| names(&profile, &after, *id) == ["a", "c"]).unwrap().1;
    let growth = diff.growth(&after, c).unwrap();
    assert!((growth - (5.0 / 6.0 - 0.5)).abs() < 1e-9);
}

#[test]
fn threads_say_what_they_do() {
    let wait = frame("/usr/lib/python3.11/threading.py", "Condition.wait", 320);
    let get = frame("/usr/lib/python3.11/queue.py", "Queue.get", 171);
    let resting: Stack = [frame("app.py", "work", 3), get, wait].into();
    let locked = stack("work:4 store:9");
    let at = |n: u64, second: Flags| {
        let waits = seen(2, &locked, second);
        taken(
            n,
            vec![
                seen(1, &resting, Flags::WAITING),
                waits,
                seen(3, &locked, Flags::HOLDS_GIL | Flags::ON_CPU),
            ],
        )
    };
    let profile =
        profile_of([at(1000, Flags::WANTS_GIL), at(2000, Flags::WAITING), at(9000, Flags::WAITING)]);
    let window = Window::of(&profile, Span::All);
    let rows = thread_rows(&profile, &window, &Selection::default());
    let facts: Vec<_> = rows.iter().map(|row| (row.now.unwrap(), row.states, row.standing.0)).collect();
    assert_eq!(facts[0], (State::Idle, [0, 0, 0, 3, 0], 8000));
    assert_eq!(facts[1], (State::Waiting, [0, 1, 2, 0, 0], 8000));
    assert_eq!(facts[2], (State::Running, [3, 0, 0, 0, 0], 8000));
    let only = Selection { threads: Threads::Only([rows[1].thread].into()), ..Selection::default() };
    assert_eq!(thread_rows(&profile, &window, &only).len(), 1);

    let hidden = Selection { who: Who::AllThreads, idle: Idle::RestingHidden, ..Selection::default() };
    assert_eq!(CallTree::of(&profile, &hidden).total(), 6, "who waits for a lock stays");
    let excluded = Selection { idle: Idle::Excluded, ..hidden };
    assert_eq!(CallTree::of(&profile, &excluded).total(), 3);
}

#[test]
fn who_was_not_asked_about_neither_works_nor_waits() {
    let get = frame("/usr/lib/python3.11/queue.py", "Queue.get", 171);
    let resting: Stack = [frame("app.py", "work", 3), get].into();
    let nothing = Flags::default();
    let profile =
        profile_of([taken(1, vec![seen(1, &stack("work:4"), nothing), seen(2, &resting, nothing)])]);
    let window = Window::of(&profile, Span::All);
    let states: Vec<_> = thread_rows(&profile, &window, &Selection::default())
        .iter()
        .map(|row| (row.now, row.mostly().0, row.states))
        .collect();
    assert_eq!(states[0], (Some(State::Unknown), State::Unknown, [0, 0, 0, 0, 1]));
    assert_eq!(states[1], (Some(State::Idle), State::Idle, [0, 0, 0, 1, 0]), "its stack tells");
    // It is somewhere in the program, so it is shown; whether it works is not known, so it is not counted as such.
    let hidden = Selection { who: Who::AllThreads, idle: Idle::RestingHidden, ..Selection::default() };
    assert_eq!(CallTree::of(&profile, &hidden).total(), 1);
    let excluded = Selection { idle: Idle::Excluded, ..hidden };
    assert_eq!(CallTree::of(&profile, &excluded).total(), 0);
}

/// He is part of the whole of which shares are, and of no call; asleep he waits for work.
#[test]
fn who_has_no_frame_counts_and_is_in_no_call() {
    let bare = |tid, flags| seen(tid, &Stack::default(), flags);
    let (works, sleeps) = (Flags::ON_CPU, Flags::WAITING);
    let samples = [
        taken(1, vec![seen(1, &stack("a:1 b:1"), Flags::HOLDS_GIL), bare(2, works), bare(3, sleeps)]),
        taken(2, vec![seen(1, &stack("a:1 b:1"), Flags::HOLDS_GIL), bare(2, works), bare(3, sleeps)]),
        taken(3, vec![bare(1, Flags::HOLDS_GIL), bare(2, Flags::default()), bare(3, sleeps)]),
    ];
    let profile = profile_of(samples);
    // Who is counted; the whole, what of it is in no Python code, and looks that are `(idle)`.
    for (who, idle, whole, own, no_one) in [
        (Who::AllThreads, Idle::Shown, 9, 7, 1),
        (Who::AllThreads, Idle::RestingHidden, 6, 4, 0),
        (Who::AllThreads, Idle::Excluded, 5, 3, 0),
        (Who::GilHolder, Idle::Shown, 3, 1, 1),
    ] {
        for direction in [Direction::Callees, Direction::Callers] {
            let selection = Selection { who, idle, direction, lines: Lines::Merged, ..Selection::default() };
            let tree = CallTree::of(&profile, &selection);
            let root = tree.call(CallId::ROOT);
            assert_eq!((root.total, root.own, tree.idle()), (whole, own, no_one), "{selection:?}");
            let top = Top::of(&profile, &selection);
            assert_eq!((top.total, top.idle, top.rows.len()), (whole, no_one, 2), "{selection:?}");
            assert_eq!((top.rows[0].own, top.rows[0].total), (2, 2));
        }
    }
    let all = Selection { who: Who::AllThreads, ..Selection::default() };
    let rows = thread_rows(&profile, &Window::of(&profile, Span::All), &all);
    let now: Vec<_> = rows.iter().map(|row| (row.now, row.here, row.standing)).collect();
    let expected = [(State::Running, 0), (State::Unknown, 2), (State::Idle, 2)];
    assert_eq!(now, expected.map(|(state, long)| (Some(state), None, Micros(long))));
    let mut timeline = Timeline::new(&all, Micros(1_000_000));
    timeline.advance(&profile);
    assert_eq!(timeline.buckets()[0].states, [5, 0, 0, 3, 1]);
}

#[test]
fn who_reads_the_next_thing_to_do_is_idle_and_who_reads_an_answer_is_not() {
    let read = |caller: &[(&str, &str)]| {
        let frames = caller.iter().map(|(file, name)| frame(&format!("/usr/lib/python3.11/{file}"), name, 1));
        let stack: Stack = [frame("app.py", "main", 3)].into_iter().chain(frames).collect();
        let profile = profile_of([taken(1, vec![seen(1, &stack, Flags::WAITING)])]);
        let window = Window::of(&profile, Span::All);
        thread_rows(&profile, &window, &Selection::default())[0].now.unwrap()
    };
    let socket = ("socket.py", "SocketIO.readinto");
    let pipe = [("connection.py", "Connection.recv_bytes"), ("connection.py", "Connection._recv")]
        .map(|(_, name)| ("multiprocessing/connection.py", name));
    let server = ("http/server.py", "BaseHTTPRequestHandler.handle_one_request");
    assert_eq!(read(&[server, socket]), State::Idle);
    assert_eq!(read(&[server, socket, ("ssl.py", "SSLSocket.recv_into")]), State::Idle);
    assert_eq!(read(&[("multiprocessing/queues.py", "SimpleQueue.get"), pipe[0], pipe[1]]), State::Idle);
    // The rest of a request, an answer, and whatever a program reads itself.
    let headers = ("http/client.py", "parse_headers");
    assert_eq!(read(&[server, headers, socket]), State::Waiting);
    assert_eq!(read(&[("http/client.py", "HTTPResponse._read_status"), socket]), State::Waiting);
    assert_eq!(read(&[pipe[0], pipe[1]]), State::Waiting);
    assert_eq!(read(&[socket]), State::Waiting);
    // It does something itself.
    assert_eq!(read(&[server]), State::Waiting);
}

#[test]
fn servers_and_loops_of_packages_are_idle_where_they_wait_for_work() {
    let packages = "/venv/lib/python3.12/site-packages";
    let state = |frames: &[(&str, &str)]| {
        let stack: Stack =
            frames.iter().map(|(file, name)| frame(&format!("{packages}/{file}"), name, 1)).collect();
        let profile = profile_of([taken(1, vec![seen(1, &stack, Flags::WAITING)])]);
        let window = Window::of(&profile, Span::All);
        thread_rows(&profile, &window, &Selection::default())[0].now.unwrap()
    };
    let master =
        [("gunicorn/arbiter.py", "Arbiter.run"), ("gunicorn/arbiter.py", "Arbiter.wait_for_signals")];
    assert_eq!(state(&master), State::Idle);
    assert_eq!(state(&[("gunicorn/workers/sync.py", "SyncWorker.wait")]), State::Idle);
    assert_eq!(state(&[("gevent/hub.py", "Hub.run")]), State::Idle);
    let task = [
        ("billiard/queues.py", "_SimpleQueue.get_payload"),
        ("billiard/connection.py", "Connection.recv_bytes"),
    ];
    assert_eq!(state(&task), State::Idle);
    assert_eq!(state(&task[1..]), State::Waiting, "who knows for what");
    assert_eq!(state(&[("own/gevent.py", "Hub.run")]), State::Waiting);
    assert_eq!(state(&[master[1], ("redis/client.py", "Redis.get")]), State::Waiting, "it was called by it");
}

#[test]
fn marks_and_trends() {
    let mut profile = Profile::new();
    profile.record(&about(7));
    let second = 1_000_000;
    for n in 0..20_000 {
        let text = if n < 10_000 { "a:1" } else { "a:1 b:1" };
        profile.push(&holder(n * 1000, text));
    }
    profile.record(&about(7));
    profile.push(&holder(25 * second, "b:1"));
    profile.mark(Micros(10 * second), MarkKind::Change);
    let kinds: Vec<_> = profile.marks().iter().map(|mark| (mark.at.0, mark.kind.clone())).collect();
    let last = 19_999_000;
    let gap = MarkKind::Gap(Micros(25 * second));
    assert_eq!(kinds, [(10 * second, MarkKind::Change), (last, MarkKind::Exec), (last, gap)]);

    let mut trend = Trend::new(&Selection::default());
    trend.advance(&profile);
    let a = profile.frame(profile.parent(profile.threads().next().unwrap().1.node));
    assert_eq!(a, None, "the newest stack has one frame");
    let top = Top::of(&profile, &Selection { lines: Lines::Merged, ..Selection::default() });
    let a = top.rows.iter().find(|row| &*profile.function(row.step.function).name == "a").unwrap();
    let own: Vec<f64> = trend.of(a.step.function).map(|(own, _)| own).collect();
    assert_eq!(own, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn steps_of_time_add_up() {
    let samples = (0..3000).map(|n| holder(n * 1000, if n < 1500 { "a:1" } else { "b:1" }));
    let profile = profile_of(samples);
    let mut timeline = Timeline::new(&Selection::default(), Micros(60_000_000));
    timeline.advance(&profile);
    assert_eq!(timeline.buckets().len(), 12);
    let mut sum = Bucket::default();
    timeline.buckets().iter().for_each(|bucket| sum.add(bucket));
    assert_eq!((sum.looks, sum.states), (3000, [3000, 0, 0, 0, 0]));
    assert_eq!(timeline.buckets()[5].leaves.len(), 1);
    assert_eq!(timeline.start(&profile), Some(Micros(0)));
}

#[test]
fn who_did_what_is_known_of_the_newest_minute() {
    let mut profile = Profile::new();
    let mut followed = Timeline::new(&Selection::default(), Micros(600_000_000));
    for n in 0..7000 {
        profile.push(&holder(n * 10_000, "a:1"));
        if n % 10 == 0 {
            followed.advance(&profile);
        }
    }
    followed.advance(&profile);
    let mut late = Timeline::new(&Selection::default(), Micros(600_000_000));
    late.advance(&profile);
    for timeline in [followed, late] {
        let buckets = timeline.buckets();
        assert_eq!(buckets.len(), 280);
        assert!(buckets.iter().all(|bucket| bucket.looks == 25 && bucket.states[0] == 25));
        let detailed = |bucket: &&Bucket| !bucket.leaves.is_empty() && !bucket.threads.is_empty();
        assert_eq!(buckets.iter().rev().take_while(detailed).count(), 240);
        assert_eq!(buckets.iter().filter(detailed).count(), 240);
    }
}

#[test]
fn fewer_looks_stand_for_more_time() {
    let mut profile = Profile::new();
    profile.record(&about(7));
    // A second of each; while it was dear to look there was a look in 50 ms.
    (0..1000).for_each(|n| profile.push(&holder(n * 1000, "a:1 cheap:1")));
    profile.record(&Event::Interval(Micros(50_000)));
    (0..20).for_each(|n| profile.push(&holder(1_000_000 + n * 50_000, "a:1 dear:1")));
    profile.record(&Event::Interval(Micros(1000)));
    (0..1000).for_each(|n| profile.push(&holder(2_000_000 + n * 1000, "a:1 cheap:1")));
    let tree = CallTree::of(&profile, &Selection::default());
    assert_eq!(drawn(&profile, &tree), "all 3000/0\n a:1 3000/0\n  cheap:1 2000/2000\n  dear:1 1000/1000\n");
    assert_eq!(tree.in_threads(tree.total()), 1.0);
    let window = Window::of(&profile, Span::Since(Micros(1_000_000)));
    assert_eq!((window.looks(), window.mean_weight()), (2000, 2000.0 / 1020.0));
    // Moved on, it is as if made anew; every look is still itself.
    let mut moved = Window::of(&profile, Span::All);
    moved.advance(&profile, Span::Since(Micros(1_500_000)));
    assert_eq!(moved, Window::of(&profile, Span::Since(Micros(1_500_000))));
    assert_eq!(moved.looks(), 1500);
    assert_eq!(profile.range(Span::All).end.0, 2020);
    // And a strip of time does not mind the rate.
    let mut timeline = Timeline::new(&Selection::default(), Micros(10_000_000));
    timeline.advance(&profile);
    assert!(timeline.buckets().iter().all(|bucket| bucket.states[State::Running.index()] == bucket.looks));
}
