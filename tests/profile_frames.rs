//! Which frames views show, and that no time is lost with those that they hide.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use pyflame_tui::profile::{
    CallId, CallTree, Direction, Frames, Lines, Profile, Selection, Top, TopRow, package,
};
use pyflame_tui::sample::{Flags, Stack};
use workload::{drawn, frame, profile_of, seen, taken};

#[test]
fn plumbing_that_has_called_nobody_is_seen() {
    let thread = |name: &str, line| frame("/usr/lib/python3.11/threading.py", name, line);
    let bootstrap = thread("Thread._bootstrap", 995);
    let deeper = Stack::from([bootstrap.clone(), frame("app.py", "main", 1)]);
    let bare = Stack::from([bootstrap, thread("Thread.run", 975)]);
    let samples = [&deeper, &bare, &bare].map(|stack| taken(1, vec![seen(1, stack, Flags::HOLDS_GIL)]));
    let profile = profile_of(samples);
    for direction in [Direction::Callees, Direction::Callers] {
        let hidden =
            Selection { lines: Lines::Merged, frames: Frames::NoPlumbing, direction, ..Selection::default() };
        let tree = CallTree::of(&profile, &hidden);
        assert_eq!(drawn(&profile, &tree), "all 3/0\n Thread.run 2/2\n main 1/1\n", "{direction:?}");
        // Whoever zooms into it sees the same.
        let root = tree.path(tree.children(CallId::ROOT)[0]);
        let tree = CallTree::of(&profile, &Selection { root, ..hidden });
        assert_eq!(drawn(&profile, &tree), "all 2/0\n Thread.run 2/2\n", "{direction:?}");
    }
}

/// Two pieces of own code with a library between them, and what they call.
fn of_own_and_others() -> Profile {
    let library = |name: &str| frame("/v/lib/python3.11/site-packages/web/app.py", name, 1);
    let json = |name: &str| frame("/usr/lib/python3.11/json/decoder.py", name, 2);
    let bootstrap = || frame("/usr/lib/python3.11/threading.py", "Thread._bootstrap", 3);
    let own = |name: &str| frame("app.py", name, 4);
    let stacks = [
        vec![own("main"), library("serve"), library("call"), own("view"), json("loads"), json("scan")],
        vec![own("main"), library("serve"), library("call"), own("view")],
        vec![own("main"), library("serve"), library("call")],
        vec![own("main"), library("serve")],
        vec![bootstrap(), library("serve"), library("call")],
        vec![bootstrap(), own("view"), bootstrap()],
        vec![bootstrap()],
        vec![own("main"), library("serve"), own("main")],
    ];
    profile_of(stacks.map(|stack| taken(1, vec![seen(1, &Stack::from(stack), Flags::HOLDS_GIL)])))
}

fn of_own(direction: Direction) -> Selection {
    let lines = Lines::Merged;
    Selection { lines, frames: Frames::Own, fold_recursion: true, direction, ..Selection::default() }
}

#[test]
fn own_code_is_shown_with_what_it_calls_of_others() {
    let profile = of_own_and_others();
    let tree = CallTree::of(&profile, &of_own(Direction::Callees));
    let expected = "all 8/0\n main×2 5/1\n  serve 2/2\n  view 2/1\n   loads 1/1\n serve 1/1\n view 1/0\n  \
                    Thread._bootstrap 1/1\n Thread._bootstrap 1/1\n";
    assert_eq!(drawn(&profile, &tree), expected);
    let tree = CallTree::of(&profile, &of_own(Direction::Callers));
    let expected = "all 8/0\n serve 3/1\n  main 2/2\n Thread._bootstrap 2/1\n  view 1/1\n main×2 1/1\n view 1/0\n  \
                    main 1/1\n loads 1/0\n  view 1/0\n   main 1/1\n";
    assert_eq!(drawn(&profile, &tree), expected);
}

#[test]
fn a_box_of_own_code_is_what_is_left_by_zooming_into_it() {
    let profile = of_own_and_others();
    for direction in [Direction::Callees, Direction::Callers] {
        let all = of_own(direction);
        let tree = CallTree::of(&profile, &all);
        for (id, call) in tree.calls() {
            let root = tree.path(id);
            let zoomed = CallTree::of(&profile, &Selection { root: root.clone(), ..all.clone() });
            assert_eq!(zoomed.total(), call.total, "{direction:?} {root:?}");
            let there = zoomed.find(&root).map(|id| zoomed.call(id).total);
            assert_eq!(there, Some(call.total), "{direction:?} {root:?}");
        }
    }
}

#[test]
fn the_list_of_own_code_gives_no_time_to_nobody() {
    let profile = of_own_and_others();
    let top = Top::of(&profile, &of_own(Direction::Callees));
    let name = |row: &TopRow| profile.function(row.step.function).name.to_string();
    let mut rows: Vec<_> = top.rows.iter().map(|row| (name(row), row.own, row.total)).collect();
    rows.sort();
    let expected =
        [("Thread._bootstrap", 2, 2), ("loads", 1, 1), ("main", 1, 5), ("serve", 3, 3), ("view", 1, 3)];
    assert_eq!(rows, expected.map(|(name, own, total)| (name.to_owned(), own, total)));
    assert_eq!(top.rows.iter().map(|row| row.own).sum::<u64>(), top.total);
}

#[test]
fn a_library_is_called_after_its_package() {
    for (file, expected) in [
        ("/srv/app.py", None),
        ("/v/lib/python3.11/site-packages/sqlalchemy/engine/base.py", Some("sqlalchemy")),
        ("/usr/lib/python3/dist-packages/six.py", Some("six")),
        ("/v/lib/python3.8/site-packages/web-1.0-py3.8.egg/web/app.py", Some("web")),
        ("/usr/lib/python3.11/json/decoder.py", Some("json")),
        ("/usr/lib/python3.11/queue.py", Some("queue")),
        ("/usr/lib/python312.zip/email/message.py", Some("email")),
        ("<frozen importlib._bootstrap>", Some("importlib")),
        ("<frozen runpy>", Some("runpy")),
    ] {
        let function = &frame(file, "f", 1).function;
        assert_eq!(package(function), expected, "{file}");
    }
}
