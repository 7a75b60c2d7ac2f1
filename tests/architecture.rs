//! The house keeps its walls: which room may use which, what no file is called, how long files are, and
//! where `unsafe` may stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with those that it may use. `main` may use `lib` only, and `lib` all, with the files at the top
/// that are its own: how errors are said, how what comes up the channel is received, where it is written.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["lib"]),
    ("cli", &["target", "sampler", "export", "sample", "python"]),
    ("fault", &[]),
    ("sample", &[]),
    ("target", &["fault"]),
    ("python", &["target", "sample"]),
    ("sampler", &["python", "target", "sample", "fault"]),
    ("profile", &["sample"]),
    ("export", &["profile", "sample"]),
    ("tui", &["export", "profile", "sample", "fault"]),
];

const PARTS_OF_LIB: &[&str] = &["lib", "choose", "doctor", "error", "headless", "live", "output", "stats"];

/// What of `target` the room `python` may know, beside memory: files, never the process.
const TARGET_FOR_PYTHON: &[&str] = &["memory", "maps", "elf"];

const NAMELESS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "types", "shared"];

const LONGEST_FILE: usize = 400;

/// Files that are tables, and may be as long as they need.
const TABLES: &[&str] = &["src/python/tables.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("src"), PathBuf::from("tests")];
    while let Some(directory) = directories.pop() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(&directory);
        for entry in fs::read_dir(root).expect("a directory").map(|entry| entry.expect("an entry")) {
            let path = directory.join(entry.file_name());
            if entry.path().is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path, fs::read_to_string(entry.path()).expect("UTF-8")));
            }
        }
    }
    assert!(found.len() > 10);
    found.sort();
    found
}

/// The room that a file of `src` belongs to: its directory there, or its own name.
fn room(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?;
    Some(Path::new(first.as_os_str()).file_stem()?.to_str()?.to_owned())
}

/// The code without comments and without what stands in quotes.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.map(|line| line.split('"').step_by(2).collect::<String>() + "\n").collect()
}

/// Every path that begins at the crate's root, as words: `crate::target::{maps::Map, memory}` gives
/// `target maps` and `target memory`.
fn paths(code: &str) -> BTreeSet<(String, Option<String>)> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "pyflame_tui::"] {
        for rest in code.split(root).skip(1) {
            for path in alternatives(rest) {
                let seconds = path.1.map_or(vec![None], |rest| {
                    alternatives(rest).into_iter().map(|(word, _)| Some(word.to_owned())).collect()
                });
                found.extend(seconds.into_iter().map(|second| (path.0.to_owned(), second)));
            }
        }
    }
    found
}

/// `a::b` gives a and what follows `::`; `{a::b, c}` gives both.
fn alternatives(rest: &str) -> Vec<(&str, Option<&str>)> {
    let Some(group) = rest.strip_prefix('{') else {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        return vec![(word, rest.strip_prefix("::"))];
    };
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.extend(alternatives(group[start..at].trim()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|(word, _)| !word.is_empty());
    found
}

#[test]
fn paths_are_read() {
    let read = |code| {
        let found = paths(code).into_iter();
        found.map(|(first, second)| format!("{first} {}", second.unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(read("use crate::target::memory::{Address, Memory};"), ["target memory"]);
    assert_eq!(read("use crate::target::{maps::Map, memory};"), ["target maps", "target memory"]);
    assert_eq!(
        read("use crate::{\n    sample::Frame,\n    tui::{a, b},\n};"),
        ["sample Frame", "tui a", "tui b"]
    );
    assert_eq!(read("pyflame_tui::run(1); f(crate::cli::Options)"), ["cli Options", "run "]);
    assert_eq!(read(&code("// crate::tui\nlet a = \"crate::cli\"; use crate::sample;")), ["sample "]);
}

#[test]
fn arrows_between_rooms() {
    let mut forbidden = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room(&path).filter(|room| !PARTS_OF_LIB.contains(&room.as_str())) else { continue };
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            forbidden.push(format!("{}: the house has no room {room}", path.display()));
            continue;
        };
        for (used, part) in paths(&code(&text)) {
            // A name at the root that is no room is lib's own.
            let used = if ROOMS.iter().any(|(name, _)| *name == used) { used } else { "lib".to_owned() };
            let part = part.unwrap_or_default();
            let allowed = used == room
                || may.contains(&used.as_str())
                    && (room != "python" || used != "target" || TARGET_FOR_PYTHON.contains(&part.as_str()));
            if !allowed {
                forbidden.push(format!("{}: {room} must not use {used}::{part}", path.display()));
            }
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

/// ptrace and signals are for `target` and `sampler`; a terminal is for `tui`.
#[test]
fn crates_in_rooms() {
    let only: &[(&str, &[&str])] = &[
        ("nix::sys::ptrace", &["target"]),
        ("ratatui::", &["tui"]),
        ("crossterm::", &["tui", "lib"]),
        ("clap::", &["cli"]),
        ("goblin::", &["target"]),
    ];
    let mut forbidden = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room(&path) else { continue };
        for (name, rooms) in only {
            if code(&text).contains(name) && !rooms.contains(&room.as_str()) {
                forbidden.push(format!("{}: {name} is for {}", path.display(), rooms.join(", ")));
            }
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn names_and_lengths_of_files() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let named = path.components().filter_map(|part| Path::new(part.as_os_str()).file_stem()?.to_str());
        wrong.extend(
            named
                .filter(|name| NAMELESS.contains(name))
                .map(|name| format!("{}: {name} is no name", path.display())),
        );
        let length = text.lines().count();
        let table = TABLES.iter().any(|table| path == Path::new(table));
        if length > LONGEST_FILE && !table {
            wrong.push(format!("{}: {length} lines", path.display()));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            wrong.push(format!("{}: does not say what it is for", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_target_only() {
    for (path, text) in sources() {
        let lines = code(&text);
        let words = lines.split(|c: char| !c.is_alphanumeric() && c != '_');
        let found = words.filter(|word| *word == "unsafe").count();
        let home = path.starts_with("src/target") || path.starts_with("tests/target");
        assert!(found == 0 || home, "{}: unsafe", path.display());
    }
}
