//! What is exported can be read back, holds to pyflame's forms, and drives no terminal.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::collections::BTreeMap;
use std::io::{self, Write};

use proptest::prelude::*;
use pyflame_tui::export::{Format, write, write_dump, write_folded};
use pyflame_tui::profile::{Grouping, Idle, Lines, Profile, Selection, Span, Threads, Who};
use pyflame_tui::sample::{Event, Failure, Flags, Frame, Function, Micros, Outcome, Sample, Stack};
use serde_json::Value;
use workload::{Service, failed, folded, frame, profile_of, seen, stack, taken, text, two_threads};

fn dump(profile: &Profile, selection: &Selection) -> String {
    let mut out = Vec::new();
    write_dump(profile, selection, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Undoes the escapes, by their description.
fn unescaped(text: &str) -> String {
    let mut name = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            name.push(c);
            continue;
        }
        let mut number =
            |digits: String| name.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
        match rest.next().unwrap() {
            'x' => number(rest.by_ref().take(2).collect()),
            'u' => {
                assert_eq!(rest.next(), Some('{'));
                number(rest.by_ref().take_while(|c| *c != '}').collect());
            }
            'n' => name.push('\n'),
            'r' => name.push('\r'),
            't' => name.push('\t'),
            '\\' => name.push('\\'),
            other => panic!("unknown escape {other:?}"),
        }
    }
    name
}

type Names = Vec<(String, String, u32)>;

fn parsed_frames(text: &str) -> Names {
    let frame = |frame: &str| {
        let fields: Vec<&str> = frame.split(':').collect();
        assert_eq!(fields.len(), 3, "{frame:?}");
        (unescaped(fields[0]), unescaped(fields[1]), fields[2].parse().unwrap())
    };
    text.split(';').map(frame).collect()
}

/// Stacks and counts of folded text; `(idle)` and `(failed)` as stacks of one name.
fn parsed(text: &str) -> BTreeMap<Names, u64> {
    let line = |line: &str| {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let special = stack == "(idle)" || stack == "(failed)";
        let names = if special { vec![(stack.into(), String::new(), 0)] } else { parsed_frames(stack) };
        (names, count.parse().unwrap())
    };
    let lines: Vec<_> = text.split_terminator('\n').map(line).collect();
    let stacks: BTreeMap<Names, u64> = lines.iter().cloned().collect();
    assert_eq!(lines.len(), stacks.len(), "each stack once");
    stacks
}

fn parsed_timestamps(text: &str) -> (BTreeMap<Names, u64>, Vec<u64>) {
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    let (mut stacks, mut times) = (BTreeMap::new(), Vec::new());
    for pair in lines.chunks(2) {
        times.push(pair[0].parse().unwrap());
        let names = match pair[1] {
            "(idle)" | "(failed)" => vec![(pair[1].into(), String::new(), 0)],
            stack => parsed_frames(stack.strip_suffix(';').unwrap()),
        };
        *stacks.entry(names).or_default() += 1;
    }
    (stacks, times)
}

/// Names of all sorts, most of them nasty.
fn any_name() -> impl Strategy<Value = String> {
    let nasty =
        "[a-z;:\\\\ \n\r\t\u{0}\u{1b}\u{7f}\u{85}\u{9b}\u{202e}\u{2066}\u{2028}\u{200f}é日(){}x0-9]{0,6}";
    prop_oneof![3 => nasty, 1 => any::<String>()]
}

fn any_stack() -> impl Strategy<Value = Stack> {
    let frame = (any_name(), any_name(), 0_u32..3).prop_map(|(file, name, line)| frame(&file, &name, line));
    prop::collection::vec(frame, 1..5).prop_map(Stack::from)
}

fn names_of(stack: &Stack) -> Names {
    let names =
        |frame: &Frame| (frame.function.file.to_string(), frame.function.name.to_string(), frame.line);
    stack.iter().map(names).collect()
}

proptest! {
    #[test]
    fn folded_stacks_can_be_read_back(stacks in prop::collection::vec((any_stack(), 1_u64..4), 1..20)) {
        let mut expected: BTreeMap<Names, u64> = BTreeMap::new();
        let mut profile = Profile::new();
        for (stack, times) in &stacks {
            *expected.entry(names_of(stack)).or_default() += times;
            for _ in 0..*times {
                profile.push(&taken(1, vec![seen(1, stack, Flags::HOLDS_GIL)]));
            }
        }
        let text = folded(&profile, &Selection::default());
        prop_assert_eq!(parsed(&text), expected.clone());
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let hidden = text.contains(['\u{202e}', '\u{2066}', '\u{2028}', '\u{200f}']);
        prop_assert!(!hidden);
        // Python's `splitlines` and flamegraph.pl see the same lines as we do.
        prop_assert_eq!(text.lines().count(), expected.len());
        let (stacks, _) = parsed_timestamps(&self::text(Format::Timestamps, &profile, &Selection::default()));
        prop_assert_eq!(stacks, expected);
    }
}

#[test]
fn folded_as_pyflame_writes_it() {
    let profile = two_threads();
    let one =
        "(idle) 2\n(failed) 1\napp.py:main:3;app.py:work:10;app.py:deep:1 1\napp.py:main:3;app.py:work:8 2\n";
    assert_eq!(folded(&profile, &Selection::default()), one);
    let all = Selection { who: Who::AllThreads, ..Selection::default() };
    let text = "(idle) 1\n(failed) 1\napp.py:main:3;app.py:work:10;app.py:deep:1 1\n\
                app.py:main:3;app.py:work:8 3\napp.py:serve:5 4\n";
    assert_eq!(folded(&profile, &all), text);
    let busy = Selection { idle: Idle::Excluded, ..all.clone() };
    let text = "(failed) 1\napp.py:main:3;app.py:work:10;app.py:deep:1 1\napp.py:main:3;app.py:work:8 3\n";
    assert_eq!(folded(&profile, &busy), text);
    let functions = Selection { lines: Lines::Merged, ..Selection::default() };
    let text = "(idle) 2\n(failed) 1\napp.py:main;app.py:work 2\napp.py:main;app.py:work;app.py:deep 1\n";
    assert_eq!(folded(&profile, &functions), text);
    let second = profile.threads().nth(1).unwrap().0;
    let only = Selection { threads: Threads::Only([second].into()), ..all };
    assert_eq!(folded(&profile, &only), "(idle) 1\n(failed) 1\napp.py:serve:5 4\n");
    let span = Span::Between(Micros(1_001_002), Micros(1_004_005));
    let part = Selection { span, ..Selection::default() };
    let text = "(idle) 1\n(failed) 1\napp.py:main:3;app.py:work:10;app.py:deep:1 1\n";
    assert_eq!(folded(&profile, &part), text);
    assert_eq!(folded(&Profile::new(), &Selection::default()), "");
}

#[test]
fn timestamps_as_pyflame_writes_them() {
    let profile = two_threads();
    let one = "1000001\napp.py:main:3;app.py:work:8;\n1001002\napp.py:main:3;app.py:work:10;app.py:deep:1;\n\
               1002003\n(idle)\n1003004\n(failed)\n1004005\napp.py:main:3;app.py:work:8;\n1005006\n(idle)\n";
    assert_eq!(text(Format::Timestamps, &profile, &Selection::default()), one);
    let busy = Selection { who: Who::AllThreads, idle: Idle::Excluded, ..Selection::default() };
    let text = text(Format::Timestamps, &profile, &busy);
    assert!(text.contains("1002003\napp.py:main:3;app.py:work:8;\n1003004\n(failed)\n"), "{text}");
    assert!(!text.contains("(idle)") && !text.contains("serve"));
}

/// A track as it is read back: its name, and each stack with how long it was there.
fn tracks(profile: &Profile, selection: &Selection) -> Vec<(String, Vec<(String, u64)>)> {
    let file: Value = serde_json::from_str(&text(Format::Speedscope, profile, selection)).unwrap();
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frame = |number: &Value| {
        let frame = &file["shared"]["frames"][number.as_u64().unwrap() as usize];
        let line = frame.get("line").map_or(String::new(), |line| format!(":{line}"));
        format!("{}:{}{line}", frame["file"].as_str().unwrap(), frame["name"].as_str().unwrap())
    };
    let stack = |frames: &Value| frames.as_array().unwrap().iter().map(frame).collect::<Vec<_>>().join(";");
    let track = |track: &Value| {
        assert_eq!((&track["type"], &track["unit"]), (&"sampled".into(), &"microseconds".into()));
        let weights = track["weights"].as_array().unwrap().iter().map(|weight| weight.as_u64().unwrap());
        let all: Vec<_> = track["samples"].as_array().unwrap().iter().map(stack).zip(weights).collect();
        assert!(all.iter().map(|(_, weight)| weight).sum::<u64>() <= track["endValue"].as_u64().unwrap());
        (track["name"].as_str().unwrap().to_owned(), all)
    };
    file["profiles"].as_array().unwrap().iter().map(track).collect()
}

#[test]
fn tracks_as_speedscope_reads_them() {
    let profile = two_threads();
    let [work, deep] = ["app.py:main:3;app.py:work:8", "app.py:main:3;app.py:work:10;app.py:deep:1"];
    let rows = |rows: &[(&str, u64)]| rows.iter().map(|(stack, time)| ((*stack).to_owned(), *time)).collect();
    let held: Vec<_> = rows(&[(work, 1001), (deep, 1001), ("", 2002), (work, 1001)]);
    assert_eq!(tracks(&profile, &Selection::default()), [("thread 1 (1)".to_owned(), held)]);
    let all = Selection { who: Who::AllThreads, lines: Lines::Merged, ..Selection::default() };
    let all = tracks(&profile, &all);
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["thread 1 (1)", "thread 2 (2)"]);
    let idle: Vec<_> = rows(&[("app.py:serve", 3003), ("", 1001), ("app.py:serve", 1001)]);
    assert_eq!(all[1].1, idle);
    assert_eq!(text(Format::Speedscope, &Profile::new(), &Selection::default()), "");
}

#[test]
fn all_threads_share_a_moment() {
    let profile = two_threads();
    let all = Selection { who: Who::AllThreads, lines: Lines::Merged, ..Selection::default() };
    let text = text(Format::Timestamps, &profile, &all);
    assert!(
        text.starts_with("1000001\napp.py:main;app.py:work;\n1000001\napp.py:serve;\n1001002\n"),
        "{text}"
    );
}

/// Two lambdas on different lines are different functions, but one text without lines.
#[test]
fn equal_texts_are_one_line() {
    let lambda = |first_line| {
        let function = Function { file: "app.py".into(), name: "<lambda>".into(), first_line };
        Stack::from([Frame { function: function.into(), line: first_line }])
    };
    let one = |line| taken(1, vec![seen(1, &lambda(line), Flags::HOLDS_GIL)]);
    let profile = profile_of([one(3), one(9)]);
    let merged = Selection { lines: Lines::Merged, ..Selection::default() };
    assert_eq!(folded(&profile, &merged), "app.py:<lambda> 2\n");
    assert_eq!(folded(&profile, &Selection::default()), "app.py:<lambda>:3 1\napp.py:<lambda>:9 1\n");
}

#[test]
fn no_frame_can_be_forged() {
    let forged = "x.py:f:1;evil.py:g:2 7\n(idle) 9\n";
    let profile =
        profile_of([taken(1, vec![seen(1, &[frame(forged, "\u{1b}[2J", 1)].into(), Flags::HOLDS_GIL)])]);
    let text = folded(&profile, &Selection::default());
    assert_eq!(text, "x.py\\x3af\\x3a1\\x3bevil.py\\x3ag\\x3a2 7\\n(idle) 9\\n:\\u{1b}[2J:1 1\n");
}

#[test]
fn the_dump_shows_each_thread() {
    let mut profile = two_threads();
    let deep = stack("main:3 work:10 deep:1");
    let threads = vec![
        seen(1, &deep, Flags::HOLDS_GIL),
        seen(2, &stack("serve:5"), Flags::WAITING),
        seen(3, &[].into(), Flags::WAITING),
    ];
    profile.record(&Event::Thread(workload::thread(1), "Main\nThread".into()));
    profile.record(&Event::Sample(taken(2_000_000, threads)));
    profile.record(&Event::Thread(workload::thread(9), "gone".into()));
    let text = "1*: Main\\nThread\napp.py:deep:1\napp.py:work:10\napp.py:main:3\n\n2:\napp.py:serve:5\n\n3:\n(no Python code)\n";
    assert_eq!(dump(&profile, &Selection::default()), text);
    let merged = Selection { lines: Lines::Merged, ..Selection::default() };
    assert!(dump(&profile, &merged).contains("app.py:deep\napp.py:work\n"));
}

/// Whoever is in no Python code, and whatever he does, is in no stack: all is as if he were not there.
#[test]
fn who_has_no_frame_changes_no_format() {
    let (mut with, mut without) = (Profile::with_cap(150_000), Profile::with_cap(150_000));
    let doing = [Flags::WAITING, Flags::ON_CPU, Flags::HOLDS_GIL, Flags::WANTS_GIL, Flags::default()];
    for (threads, thinned) in [(9, false), (0, false), (9, true)] {
        let mut service = Service::new(11, 60);
        for n in 0..if thinned { 20_000 } else { 400 } {
            let sample = service.sample();
            let Outcome::Taken(mut taken) = sample.outcome else { panic!("{sample:?}") };
            taken.truncate(if n % 7 == 0 { 0 } else { threads });
            let at = sample.at;
            without.push(&Sample { at, outcome: Outcome::Taken(taken.clone()) });
            let bare = [(1, doing[n % 5]), (2, Flags::WAITING)];
            taken.extend(bare.map(|(tid, flags)| seen(tid, &Stack::default(), flags)));
            with.push(&Sample { at, outcome: Outcome::Taken(taken) });
        }
        for who in [Who::GilHolder, Who::AllThreads, Who::Tasks] {
            for idle in [Idle::Shown, Idle::RestingHidden, Idle::Excluded] {
                let selection = Selection { who, idle, ..Selection::default() };
                assert_eq!(folded(&with, &selection), folded(&without, &selection), "{selection:?}");
                if !thinned {
                    let text = |profile| text(Format::Timestamps, profile, &selection);
                    assert_eq!(text(&with), text(&without), "{selection:?}");
                }
            }
        }
        assert_eq!(with.thinned_before().is_some(), thinned);
    }
}

/// Both formats are the same selection, also of a profile that gave up its past.
#[test]
fn timestamps_add_up_to_folded() {
    let mut service = Service::new(11, 60);
    let mut profile = Profile::with_cap(150_000);
    for n in 0..20_000 {
        let sample = service.sample();
        profile.push(&sample);
        if n % 997 == 0 {
            profile.push(&failed(sample.at.0 + 1, Failure::Broken));
            profile.push(&taken(sample.at.0 + 2, vec![]));
        }
    }
    assert!(profile.thinned_before().is_some());
    for who in [Who::GilHolder, Who::AllThreads] {
        for idle in [Idle::Shown, Idle::Excluded] {
            let merged = Selection { who, idle, ..Selection::default() };
            let by_thread = Selection { grouping: Grouping::ByThread, ..merged.clone() };
            let whole = parsed(&folded(&profile, &merged));
            // Reading it back takes its time.
            let twice = (who, idle) == (Who::AllThreads, Idle::Excluded);
            let all = if twice { vec![merged, by_thread] } else { vec![merged] };
            for selection in all {
                let stacks = parsed(&folded(&profile, &selection));
                let (mut same, times) = parsed_timestamps(&text(Format::Timestamps, &profile, &selection));
                same.retain(|_, count| *count > 0);
                assert_eq!(stacks, same);
                assert!(times.is_sorted());
                // Without their threads they are what they are where threads are merged.
                let mut sums: BTreeMap<Names, u64> = BTreeMap::new();
                for (mut names, count) in stacks {
                    names.retain(|(file, ..)| file != "thread");
                    *sums.entry(names).or_default() += count;
                }
                assert_eq!(sums, whole);
            }
        }
    }
}

/// What flamegraph.pl and pyflame's own tests demand of a line.
#[test]
fn lines_hold_to_the_known_forms() {
    let mut service = Service::new(2, 50);
    let profile = profile_of((0..500).map(|_| service.sample()));
    for line in folded(&profile, &Selection { who: Who::AllThreads, ..Selection::default() }).lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        assert!(count.parse::<u64>().unwrap() >= 1);
        for frame in stack.split(';') {
            let fields: Vec<&str> = frame.split(':').collect();
            assert!(fields.len() == 3 && fields.iter().all(|field| !field.is_empty()), "{frame}");
            assert!(fields[2].bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}

#[test]
fn the_order_is_fixed() {
    let lines = ["b:1", "a:10", "a:1", "a:1 z:1", "a:1 b:2", "B:1"];
    let samples = |order: &[usize]| {
        let one = |place: &usize| taken(1, vec![seen(1, &stack(lines[*place]), Flags::HOLDS_GIL)]);
        profile_of(order.iter().map(one))
    };
    let (one, other) = (samples(&[0, 1, 2, 3, 4, 5]), samples(&[5, 3, 4, 1, 0, 2]));
    let text = folded(&one, &Selection::default());
    assert_eq!(text, folded(&other, &Selection::default()));
    let order = ["B:1 1", "a:1 1", "a:1;app.py:b:2 1", "a:1;app.py:z:1 1", "a:10 1", "b:1 1"];
    assert_eq!(text, order.map(|line| format!("app.py:{line}\n")).concat());
}

#[test]
fn errors_of_the_writer_pass_through() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let profile = two_threads();
    for room in 0..60 {
        let error = write_folded(&profile, &Selection::default(), &mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    let error = write(Format::Timestamps, &profile, &Selection::default(), &mut Full(20)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
