//! Programs that cannot be read, or only with help: the doctor and the error both say what was found, where, and what to
//! try; and that helps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folded::share;
use crate::installed::copy_program;
use crate::interpreters::{Build, Interpreter, pythons};
use crate::profiler::profile;
use crate::subject::Subject;
use crate::{folder, is_long, is_untraced, thirty_two};

/// It is refused by an ordinary run and by the doctor, in these words.
#[track_caller]
fn refused(words: &[&str], subject: &Subject, said: &[&str]) {
    let pid = subject.pid().to_string();
    let ran = profile(&[words, &["-s", "0", &pid]].concat());
    let report = profile(&[words, &["--doctor", &pid]].concat());
    assert_eq!((ran.code(), report.code()), (1, 1), "{}{}", ran.err, report.text());
    let wrong = report.text().split_once("\n!! ").unwrap_or_else(|| panic!("{}", report.text())).1;
    for text in [&*ran.err, wrong] {
        for word in said {
            assert!(text.contains(word), "no {word:?}: {text}");
        }
    }
    is_untraced(subject.pid());
}

/// A folder with a file that holds this program.
fn install(program: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    let (bytes, path) = (folder.path().join("bytes"), folder.path().join(name));
    fs::write(&bytes, program).unwrap();
    fs::set_permissions(&bytes, fs::Permissions::from_mode(0o755)).unwrap();
    copy_program(&bytes, &path);
    (folder, path)
}

#[test]
fn a_32_bit_program() {
    let (_folder, path) = install(&thirty_two::program(), "small");
    if Command::new(&path).spawn().is_ok_and(|mut child| child.kill().and(child.wait()).is_ok()) {
        let subject = Subject::of(&mut Command::new(&path));
        let pid = subject.pid().to_string();
        refused(
            &[],
            &subject,
            &[&format!("Failed to seize PID {pid}: it is a 32-bit program.\n"), "Only 64-bit"],
        );
    } else {
        eprintln!("not tried: this kernel runs no 32-bit programs");
    }
}

/// A Python without a symbol, a section's name, or a library, in a folder of its own.
struct Static {
    home: String,
    folder: tempfile::TempDir,
}

impl Static {
    const PROGRAM: &str = "#include <Python.h>\nint main(int count, char **words) {\n\
        #if PY_VERSION_HEX < 0x03080000\n\
        static wchar_t *wide[9]; for (int i = 0; i < count; i++) wide[i] = Py_DecodeLocale(words[i], 0);\n\
        return Py_Main(count, wide);\n#else\nreturn Py_BytesMain(count, words);\n#endif\n}\n";

    /// By the machine's compiler, of the archive that this Python has been installed with; `None` if there are no such.
    fn of(python: &Interpreter) -> Option<Self> {
        const PARTS: &str = "import sys, sysconfig as s; print(sys.prefix); print(s.get_config_var('INCLUDEPY')); \
            print(s.get_config_var('LIBPL') + '/' + s.get_config_var('LIBRARY').replace('.so', '.a'))";
        let asked = Command::new(&python.command).args(["-c", PARTS]).output().ok()?;
        let parts = String::from_utf8(asked.stdout).ok()?;
        let [home, headers, archive] = parts.lines().collect::<Vec<_>>().try_into().ok()?;
        let folder = folder();
        fs::write(folder.path().join("main.c"), Self::PROGRAM).unwrap();
        let mut compiler = Command::new("gcc");
        compiler.args(["-static", "-s", "-o", "small", "main.c", "-I", headers, archive]);
        compiler
            .args(["-ldl", "-lm", "-lpthread", "-lutil"])
            .current_dir(folder.path())
            .stderr(Stdio::null());
        let made = compiler.status().is_ok_and(|status| status.success());
        made.then(|| Self { home: home.to_owned(), folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    /// Runs it, or what was made of it.
    fn run(&self, path: &Path) -> Subject {
        let source = "def toil():\n  while True: sum(range(100))\nprint('ready', flush=True)\ntoil()";
        Subject::of(Command::new(path).args(["-c", source]).env("PYTHONHOME", &self.home)).ready()
    }
}

/// The newest of the Pythons of these versions, or all of them, if there is time; made into static ones.
fn statics(from: (u32, u32), to: (u32, u32)) -> Vec<(&'static Interpreter, Static)> {
    let is_meant = |one: &&Interpreter| {
        one.root.is_none() && one.build == Build::Release && (from..to).contains(&one.version)
    };
    let there = pythons().there.iter().filter(is_meant).rev();
    let made = there.filter_map(|one| Some((one, Static::of(one)?)));
    let made: Vec<_> = made.take(if is_long() { 100 } else { 1 }).collect();
    if made.is_empty() {
        eprintln!("not tried: no gcc, or no archive of a Python from {from:?} to {to:?}");
    }
    made
}

#[test]
fn a_static_build_without_symbols_says_which_option_helps_and_that_helps() {
    for (python, small) in statics((3, 7), (3, 10)) {
        let path = small.path();
        let subject = small.run(&path);
        let found = format!("It runs {}: its one file is no CPython", path.display());
        refused(&[], &subject, &["Failed to locate libpython", &found, "needs --abi", "pstree"]);
        let pid = subject.pid().to_string();
        let abi = format!("{}.{}", python.version.0, python.version.1);
        let ran = profile(&["--abi", &abi, "-s", "0.3", &pid]).well();
        assert!(share(ran.text(), "toil").0 > 0, "{}", ran.text());
        assert!(profile(&["--abi", &abi, "--doctor", &pid]).well().text().contains("\nok stacks "));
        refused(&["--abi", "3.12"], &subject, &["does not fit Python 3.12", "Leave --abi out"]);
        println!("{}: refused, and read with --abi {abi}", python.name);
    }
}

#[test]
fn a_static_build_without_symbols_of_a_version_that_names_itself_is_read() {
    // The section of 3.10 and later, the table of 3.13 and later.
    for versions in [((3, 10), (3, 13)), ((3, 13), (3, 99))] {
        for (python, small) in statics(versions.0, versions.1) {
            let subject = small.run(&small.path());
            let pid = subject.pid().to_string();
            assert!(share(profile(&["-s", "0.3", &pid]).well().text(), "toil").0 > 0, "{}", python.name);
            println!("{}: read", python.name);
        }
    }
}

#[test]
fn a_version_before_those_that_can_be_found_without_names() {
    for (python, small) in statics((3, 6), (3, 7)) {
        let subject = small.run(&small.path());
        refused(&["--abi", "3.6"], &subject, &["without any names", "Python 3.6", "not stripped"]);
        println!("{}: refused", python.name);
    }
}

#[test]
fn a_version_that_is_not_known_yet() {
    for (_, small) in statics((3, 13), (3, 99)) {
        // The mark of the published table is followed by the version that it is for.
        const MARK: &[u8] = b"xdebugpy";
        let mut bytes = fs::read(small.path()).unwrap();
        let tables: Vec<_> = (0..bytes.len() - 16)
            .filter(|at| bytes[*at..].starts_with(MARK) && bytes[at + 11] == 3)
            .collect();
        assert!(!tables.is_empty());
        for at in tables {
            bytes[at + 10] = 99;
        }
        let (_folder, path) = install(&bytes, "tomorrow");
        let subject = small.run(&path);
        refused(&[], &subject, &["Python 3.99", "not known", "--version", "newer release"]);
    }
}
