//! What is written for pprof is what the selection takes, as somebody else's code reads it.
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "tests say what they do by their names"
)]

mod workload;

use std::collections::BTreeSet;
use std::io::Read;

use libdd_profiling_protobuf::prost_impls::{Label, Message, Profile as Pprof};
use pyflame_tui::export::{Format, write};
use pyflame_tui::profile::{Lines, Profile, Selection, Who};
use workload::{text, two_threads};

/// A file as it is read back: what is in it that is one to a file, and each sample as its stack (root
/// first), its labels and its values.
fn pprof(profile: &Profile, selection: &Selection) -> (Pprof, Vec<(String, String, Vec<i64>)>) {
    let mut packed = Vec::new();
    write(Format::Pprof, profile, selection, &mut packed).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    let file = Pprof::decode(&bytes[..]).unwrap();
    let string = |place: i64| file.string_table[place as usize].as_str();
    let frame = |id: &u64| {
        let location = file.locations.iter().find(|location| location.id == *id).unwrap();
        let [line] = location.lines[..] else { panic!("one function each") };
        let function = file.functions.iter().find(|function| function.id == line.function_id).unwrap();
        format!("{}:{}:{}", string(function.filename), string(function.name), line.line)
    };
    let samples = file.samples.iter().map(|sample| {
        let stack: Vec<_> = sample.location_ids.iter().rev().map(frame).collect();
        let label = |label: &Label| match label.str {
            0 => format!("{}={}", string(label.key), label.num),
            text => format!("{}={}", string(label.key), string(text)),
        };
        let labels: Vec<_> = sample.labels.iter().map(label).collect();
        (stack.join(";"), labels.join(" "), sample.values.clone())
    });
    let mut samples: Vec<_> = samples.collect();
    samples.sort();
    (file, samples)
}

#[test]
fn stacks_as_pprof_reads_them() {
    let profile = two_threads();
    let all = Selection { who: Who::AllThreads, ..Selection::default() };
    let (file, samples) = pprof(&profile, &all);
    let told =
        |stack: &str, labels: &str, looks| (stack.to_owned(), labels.to_owned(), vec![looks, looks * 1000]);
    let expected = [
        told(":(failed):0", "", 1),
        told(":(idle):0", "", 1),
        told("app.py:main:3;app.py:work:10;app.py:deep:1", "thread=thread 1 tid=1", 1),
        told("app.py:main:3;app.py:work:8", "thread=thread 1 tid=1", 3),
        told("app.py:serve:5", "thread=thread 2 tid=2", 4),
    ];
    assert_eq!(samples, expected);
    let string = |place: i64| file.string_table[place as usize].as_str();
    let kinds: Vec<_> =
        file.sample_types.iter().map(|kind| (string(kind.r#type), string(kind.unit))).collect();
    assert_eq!(kinds, [("samples", "count"), ("wall", "nanoseconds")]);
    assert_eq!(file.period_type.as_ref(), file.sample_types.last());
    assert_eq!((file.time_nanos, file.duration_nanos, file.period), (1_000_001_000, 5_006_000, 1000));
    let once: BTreeSet<_> = file.string_table.iter().collect();
    assert_eq!((once.len(), &*file.string_table[0]), (file.string_table.len(), ""));
    let functions = Selection { lines: Lines::Merged, ..all };
    let (file, samples) = pprof(&profile, &functions);
    assert!(
        samples.contains(&told("app.py:main:0;app.py:work:0", "thread=thread 1 tid=1", 3)),
        "{samples:?}"
    );
    assert_eq!((file.locations.len(), file.functions.len()), (6, 6));
    assert_eq!(text(Format::Pprof, &Profile::new(), &Selection::default()), "");
}
