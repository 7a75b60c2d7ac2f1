//! Words that are wrong, and the words that say so.

use std::os::unix::fs::PermissionsExt;

use crate::folder;
use crate::profiler::{Ran, profile, program};

/// It failed with status 1, said nothing on standard output, and this as its first line.
#[track_caller]
fn fails(words: &[&str]) -> (String, String) {
    let Ran { status, out, err } = profile(words);
    assert_eq!(status.code(), Some(1), "{words:?}: {err}");
    assert!(out.is_empty(), "{words:?}");
    let (first, rest) = err.split_once('\n').unwrap_or_else(|| panic!("{words:?}: one line only: {err}"));
    (first.to_owned(), rest.to_owned())
}

#[test]
fn mistakes_are_answered_with_the_usage() {
    for words in [
        &[][..],
        &["1", "2"],
        &["foo", "bar"],
        &["--wrong", "1"],
        &["-p"],
        &["-s", "x", "1"],
        &["-s", "-1", "1"],
        &["-r", "0", "1"],
        &["-r", "-0.1", "1"],
        &["-r", "nan", "1"],
        &["1", "-t", "true"],
    ] {
        let (first, _) = fails(words);
        assert!(first.starts_with("Usage: pyflame-tui "), "{words:?}: {first}");
    }
}

#[test]
fn what_is_no_pid() {
    for word in
        ["foo", "-1", "0", "1e3", "12x", "1606938044258990275541962092341162602522202993782792835301376"]
    {
        let (first, rest) = fails(&["-p", word]);
        assert_eq!(first, format!("Error: failed to parse {word:?} as a PID."));
        assert!(rest.contains("Usage: "), "{rest}");
    }
    assert_eq!(fails(&["sleep"]).0, "Error: failed to parse \"sleep\" as a PID.");
}

#[test]
fn what_is_no_abi() {
    for word in ["0", "28", "316", "4.0", "python"] {
        assert_eq!(
            fails(&[&format!("--abi={word}"), "1"]).0,
            format!("Unknown or unsupported ABI version: {word}")
        );
    }
}

#[test]
fn what_does_not_go_with_a_command() {
    assert_eq!(fails(&["-p", "1", "-t", "true"]).0, "Options -t and -p are not mutually compatible.");
    assert_eq!(
        fails(&["--subprocesses", "--nonblocking", "1"]).0,
        "Options --nonblocking and --subprocesses are not mutually compatible."
    );
    assert_eq!(fails(&["-t"]).0, "Option -t requires a command to run.");
    assert_eq!(fails(&["--trace"]).0, "Option -t requires a command to run.");
}

#[test]
fn a_command_that_cannot_be_run() {
    let folder = folder();
    let file = folder.path().join("no-program");
    std::fs::write(&file, "no program").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (first, rest) = fails(&["-t", "/no/such/program", "-x"]);
    assert_eq!(first, "Child process exited with status 127");
    assert!(rest.contains("No such file"), "{rest}");
    assert_eq!(fails(&["-t", file.to_str().unwrap()]).0, "Child process exited with status 126");
}

#[test]
fn a_pyflame_is_not_pyflamed() {
    let ours = program().to_str().unwrap();
    for command in [ours, "pyflame", "./pyflame-tui"] {
        assert_eq!(fails(&["-t", command, "1"]).0, "You tried to pyflame a pyflame, naughty!");
    }
}

#[test]
fn an_output_that_cannot_be_opened_is_found_out_first() {
    // The PID is nobody's, and that is not what is complained about: nothing has been touched yet.
    let (first, rest) = fails(&["-o", "/no/such/folder/file", "-p", "4194304"]);
    assert_eq!(first, "cannot open file \"/no/such/folder/file\" as output");
    assert!(rest.contains("No such file"), "{rest}");
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    assert_eq!(fails(&["-o", path, "-p", "4194304"]).0, format!("cannot open file \"{path}\" as output"));
}

#[test]
fn version_and_help() {
    for word in ["-v", "--version"] {
        let ran = profile(&[word]).well();
        let text = ran.text().trim_end();
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.starts_with(&format!("pyflame-tui {version} linux-gnu ")), "{text}");
        assert!(text.ends_with("(ABI list: 27 36 37 38 39 310 311 312 313 314 315)"), "{text}");
    }
    for word in ["-h", "--help"] {
        let ran = profile(&[word]).well();
        for option in [
            "--pid",
            "--trace",
            "--threads",
            "--subprocesses",
            "--abi",
            "--seconds",
            "--rate",
            "--output",
            "--timestamp",
            "--dump",
            "--exclude-idle",
            "--no-line-numbers",
            "--headless",
            "--live",
            "--help",
            "--version",
        ] {
            assert!(ran.text().contains(option), "{option}");
        }
    }
}
