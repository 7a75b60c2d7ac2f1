//! What reads our output: pyflame's own checks, its flame chart converter, and flamegraph.pl.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use libdd_profiling_protobuf::prost_impls::{Message, Profile};
use serde_json::Value;

use crate::folded::{dump, folded, frame};
use crate::interpreters::python3;
use crate::profiler::profile;
use crate::subject::Subject;
use crate::{folder, subject};

/// pyflame's own pattern of a folded line: `^((?:[^:]+:[^:]+:\d+)(?:;[^:]+:[^:]+:\d+)*) (\d+)$`
fn is_pyflames(stack: &[&str]) -> bool {
    stack.iter().all(|text| {
        let parts: Vec<_> = text.split(':').collect();
        matches!(parts[..], [file, function, line]
            if !file.is_empty() && !function.is_empty() && line.parse::<u32>().is_ok())
    })
}

#[test]
fn folded_stacks_are_pyflames_and_flamegraphs() {
    let subject = subject("threads.py", &["2", "2"]);
    for words in [&[][..], &["--threads"], &["-x"], &["--threads", "-x"]] {
        let pid = subject.pid().to_string();
        let ran = profile(&[words, &["-s", "0.4", "-r", "0.005", &pid]].concat()).well();
        let stacks = folded(ran.text());
        assert!(!stacks.is_empty());
        for (stack, count) in &stacks {
            assert!(*count > 0);
            assert!(matches!(stack[..], ["(idle)" | "(failed)"]) || is_pyflames(stack), "{stack:?}");
        }
        for line in ran.text().lines() {
            // flamegraph.pl: /^(.*)\s+?(\d+(?:\.\d*)?)$/, and frames without a tab or a semicolon of their own
            let (stack, count) = line.rsplit_once(char::is_whitespace).unwrap();
            assert!(count.bytes().all(|byte| byte.is_ascii_digit()) && !stack.is_empty(), "{line}");
        }
        let mut unique: Vec<_> = stacks.iter().map(|(stack, _)| stack).collect();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), stacks.len(), "each stack once");
    }
}

/// The threads of a process as their frames are spelled.
fn spelled(pid: &str) -> BTreeSet<String> {
    let threads = dump(profile(&["-d", pid]).well().text()).unwrap();
    threads.iter().map(|thread| format!("thread:{}:{}", thread.name, thread.tid)).collect()
}

/// Who works stands in the function that is called as he is: `thread:busy-1:77` in `busy_1`.
fn is_its_own(stack: &[&str]) -> bool {
    let name = stack[0].split(':').nth(1).unwrap().replace('-', "_");
    let functions: Vec<_> = stack[1..].iter().filter_map(|frame| frame.split(':').nth(1)).collect();
    let busy = functions.iter().find(|function| function.starts_with("busy_"));
    busy.is_none_or(|busy| **busy == name)
}

#[test]
fn by_thread_whose_stack_it_is_stands_at_its_root() {
    let subject = subject("threads.py", &["2", "2"]);
    let pid = subject.pid().to_string();
    let (all, short) = (spelled(&pid), ["--by-thread", "-s", "0.4", "-r", "0.005"]);
    assert_eq!(all.len(), 5);
    for words in [&["--threads"][..], &["--threads", "-n"], &["--threads", "-T"], &["--threads", "-x"], &[]] {
        let ran = profile(&[&short, words, &[&pid]].concat()).well();
        let is_chart = words.contains(&"-T");
        let chart = if is_chart { chart(ran.text()) } else { Vec::new() };
        let folded = if is_chart { Vec::new() } else { folded(ran.text()) };
        let stacks =
            chart.into_iter().map(|(_, stack)| stack).chain(folded.into_iter().map(|(stack, _)| stack));
        let mut seen = BTreeSet::new();
        for stack in stacks.filter(|stack| !matches!(stack[..], ["(idle)" | "(failed)"])) {
            let lines = if words.contains(&"-n") { 1 } else { stack.len() };
            assert!(is_pyflames(&stack[..lines]), "{stack:?}");
            assert!(is_its_own(&stack), "{stack:?}");
            seen.insert(stack[0].to_owned());
        }
        let busy: BTreeSet<_> =
            all.iter().filter(|thread| thread.starts_with("thread:busy-")).cloned().collect();
        // Of the holders of the GIL these two are all there are; of those that work, too.
        let expected = if words.contains(&"-x") || words.is_empty() { &busy } else { &all };
        assert_eq!(seen, *expected, "{words:?}\n{}", ran.text());
    }
}

/// Reads the picture with a parser that forgives nothing: how many samples it has in all, then what each box is told as.
const READ: &str = "
import sys, xml.etree.ElementTree as tree
svg = '{http://www.w3.org/2000/svg}'
picture = tree.parse(sys.argv[1])
print(next(part.get('total_samples') for part in picture.iter(svg + 'svg') if part.get('id') == 'frames'))
for title in picture.iter(svg + 'title'):
    print(title.text)
";

#[test]
fn a_picture_has_what_the_folded_stacks_have() {
    // What would end a frame, be a tag, or is none of XML's characters.
    let source = r"
import tracee
file = '<a> & \x22b\x22;c:\x1b\ufffe\uffff.py'
exec(compile('def busy():\n  while True: sum(range(9))\ntracee.ready()\nbusy()', file, 'exec'))";
    let subject = Subject::lines(python3(), source).ready();
    let folder = folder();
    let path = folder.path().join("a.svg");
    let pid = subject.pid().to_string();
    profile(&["--svg", "-s", "0.3", "-r", "0.01", "-o", path.to_str().unwrap(), &pid]).well();
    let read = Command::new("python3").args(["-c", READ]).arg(&path).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let told = String::from_utf8(read.stdout).unwrap();
    let (total, boxes) = told.split_once('\n').unwrap();
    assert!(boxes.lines().any(|told| told == format!("all ({total} samples, 100%)")), "{told}");
    let escaped = "<a> & \"b\"\\x3bc\\x3a\\u{1b}XX.py:busy:2 (".replace('X', "\u{fffd}");
    let count = boxes.lines().find_map(|told| told.strip_prefix(&escaped)?.split(' ').next()?.parse().ok());
    let (count, total): (u64, u64) = (count.expect(boxes), total.parse().unwrap());
    assert!(count > 0 && count <= total, "{count} of {total}");
}

#[test]
fn a_track_is_as_long_as_the_look() {
    let subject = subject("threads.py", &["2", "2"]);
    let pid = subject.pid().to_string();
    let ran = profile(&["--threads", "--speedscope", "-s", "0.5", "-r", "0.01", &pid]).well();
    let file: Value = serde_json::from_slice(&ran.out).unwrap();
    let tracks = file["profiles"].as_array().unwrap();
    for track in tracks {
        let samples = track["samples"].as_array().unwrap();
        assert!(samples.iter().any(|stack| !stack.as_array().unwrap().is_empty()), "{track}");
        let weights = track["weights"].as_array().unwrap();
        assert_eq!(weights.len(), samples.len());
        let length: u64 = weights.iter().map(|weight| weight.as_u64().unwrap()).sum();
        // Looks may have been late.
        assert!(
            (400_000..1_500_000).contains(&length) && track["endValue"].as_u64() >= Some(length),
            "{track}"
        );
    }
    assert!(!tracks.is_empty(), "{file}");
}

#[test]
fn pprof_is_told_whose_each_stack_is() {
    let subject = subject("threads.py", &["2", "2"]);
    let pid = subject.pid().to_string();
    let ran = profile(&["--threads", "--pprof", "-s", "0.5", "-r", "0.01", &pid]).well();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&ran.out[..]).read_to_end(&mut bytes).unwrap();
    let file = Profile::decode(&bytes[..]).unwrap();
    let string = |place: i64| file.string_table[usize::try_from(place).unwrap()].as_str();
    let spelled: BTreeSet<_> = spelled(&pid);
    let told: BTreeSet<_> = file
        .samples
        .iter()
        .filter(|sample| !sample.labels.is_empty())
        .map(|sample| {
            let [thread, tid] = &sample.labels[..] else { panic!("two labels") };
            assert_eq!((string(thread.key), string(tid.key)), ("thread", "tid"));
            assert_eq!(sample.values[1], sample.values[0] * 10_000_000);
            format!("thread:{}:{}", string(thread.str), tid.num)
        })
        .collect();
    assert_eq!(told, spelled);
    assert!(now() * 1000 - u64::try_from(file.time_nanos).unwrap() < 60_000_000_000);
    // Looks may have been late.
    assert!((400_000_000..1_500_000_000).contains(&file.duration_nanos), "{}", file.duration_nanos);
}

/// A sample as pyflame's converter reads it: a line that is a number, then a line to be cut at its semicolons, in which
/// an empty last piece is passed over.
fn chart(text: &str) -> Vec<(u64, Vec<&str>)> {
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len().is_multiple_of(2), "pairs of lines");
    let pair = |pair: &[_]| {
        let [at, stack]: [&str; 2] = pair.try_into().unwrap();
        assert!(at.bytes().all(|byte| byte.is_ascii_digit()), "{at:?}");
        let mut frames: Vec<_> = stack.split(';').collect();
        let last = frames.pop().unwrap();
        match stack {
            "(idle)" | "(failed)" => frames.push(last),
            _ => assert!(last.is_empty(), "it ends in a semicolon: {stack:?}"),
        }
        assert!(!frames.is_empty());
        (at.parse().unwrap(), frames)
    };
    lines.chunks_exact(2).map(pair).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

#[test]
fn timestamps_are_pyflames() {
    let subject = subject("shares.py", &[]);
    let pid = subject.pid().to_string();
    for word in ["-T", "--timestamp", "--flamechart"] {
        let began = now();
        let ran = profile(&[word, "-s", "0.4", "-r", "0.004", &pid]).well();
        let samples = chart(ran.text());
        assert!(!samples.is_empty() && samples.len() <= 100);
        assert!(samples.is_sorted_by_key(|(at, _)| *at));
        assert!(samples[0].0 >= began && samples.last().unwrap().0 <= now());
        for (_, frames) in &samples {
            assert!(matches!(frames[..], ["(idle)" | "(failed)"]) || is_pyflames(frames), "{frames:?}");
        }
        // Root first.
        let (_, stack) = samples.iter().find(|(_, frames)| frames.len() > 1).expect("a stack");
        assert_eq!(frame(stack[0]).unwrap().1, "<module>");
    }
    let ran = profile(&["-T", "-n", "-s", "0.2", "-r", "0.01", &pid]).well();
    assert!(
        chart(ran.text()).iter().all(|(_, frames)| frames.iter().all(|frame| frame.split(':').count() < 3))
    );
}

#[test]
fn timestamps_of_who_waits_and_of_all_threads() {
    let idle = subject("idle.py", &[]);
    let pid = idle.pid().to_string();
    let ran = profile(&["-T", "-s", "0.2", "-r", "0.01", &pid]).well();
    let samples = chart(ran.text());
    assert!(
        !samples.is_empty() && samples.iter().all(|(_, frames)| frames[..] == ["(idle)"]),
        "{}",
        ran.text()
    );
    assert!(profile(&["-T", "-x", "-s", "0.2", "-r", "0.01", &pid]).well().out.is_empty());

    let threads = subject("threads.py", &["1", "2"]);
    let ran = profile(&["-T", "--threads", "-s", "0.2", "-r", "0.01", &threads.pid().to_string()]).well();
    let samples = chart(ran.text());
    // Main, one busy, two that wait: each look is four pairs of the same moment.
    assert!(samples.len().is_multiple_of(4) && !samples.is_empty(), "{}", ran.text());
    for look in samples.chunks_exact(4) {
        assert!(look.iter().all(|(at, _)| *at == look[0].0));
    }
}
