//! Line tables against reality: every interpreter at hand compiles some thousand functions, prints their
//! tables and what it makes of them itself, and each position must come out the same here.

mod pythons;

use std::process::Stdio;

use pyflame_tui::python::layout::LineFormat;
use pyflame_tui::python::lines::Lines;
use pyflame_tui::python::tables;
use pyflame_tui::python::version::{Build, Version};

/// Functions and positions compared.
#[derive(Debug, Default)]
struct Compared {
    functions: usize,
    positions: usize,
}

fn format_of(version: Version) -> LineFormat {
    // From 3.13 on a layout is published, always with this format.
    tables::layout(version, Build::Ordinary).map_or(LineFormat::Locations, |layout| layout.code.line_format)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hex") as u8;
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// `0:7 12:8` as pairs.
fn pairs(text: &str) -> impl Iterator<Item = (u32, u32)> {
    text.split_ascii_whitespace().map(|pair| {
        let (position, line) = pair.split_once(':').expect("position:line");
        (position.parse().expect("a position"), line.parse().expect("a line"))
    })
}

/// Compares the lines of one code object, and returns how many positions that were.
fn compare(python: &str, format: LineFormat, described: &str) -> usize {
    let fields: Vec<&str> = described.split('\t').collect();
    let [first, table, size, truth, spots, second, name] = fields[..] else {
        panic!("{python}: not seven fields: {described}")
    };
    let lines = Lines::decode(format, &bytes(table), first.parse().expect("a first line"));
    let size: u32 = size.parse().expect("a size");
    assert_eq!(lines.at(-1).to_string(), first, "{python} {name}");
    for truth in [truth, second].into_iter().filter(|truth| !truth.is_empty()) {
        let mut changes = pairs(truth).peekable();
        let mut line = 0;
        for position in 0..size {
            if let Some((_, next)) = changes.next_if(|(start, _)| *start == position) {
                line = next;
            }
            assert_eq!(lines.at(position.into()), line, "{python} {name}:{first} at {position}: {described}");
        }
    }
    for (position, line) in pairs(spots) {
        assert_eq!(lines.at(position.into()), line, "{python} {name}:{first} at {position}");
    }
    size as usize
}

#[test]
fn every_position_of_every_interpreter() {
    let (found, missing) = pythons::all();
    for python in &found {
        let program = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/lines.py"));
        let mut command = python.command();
        command.arg("-").stdin(program.expect("lines.py")).stderr(Stdio::inherit());
        let output = command.output().expect("an interpreter that starts");
        assert!(output.status.success(), "{python}: {}", output.status);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (version, codes) = text.split_once('\n').expect("a version");
        let version = Version::from_text(version).expect("a version");
        let mut compared = Compared::default();
        for described in codes.lines() {
            compared.positions += compare(&python.to_string(), format_of(version), described);
            compared.functions += 1;
        }
        println!("{python}: {version}, {compared:?}");
        assert!(compared.functions > 500, "{python}: {compared:?}");
    }
    for missing in missing {
        println!("not covered: {missing}");
    }
    assert!(!found.is_empty(), "no Python at all");
}
