//! What is in the way is made to be, for real, and the doctor and the error both name it, and it alone. (Yama cannot be
//! made: its sentences are tested on its facts, in `src/doctor`.)

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::profiler::{Ran, profile, profiler, start};
use crate::subject::Subject;
use crate::{NOBODY, interpreters, is_root, is_untraced, program_for_everybody, python_for_everybody};

const LONGEST: Duration = Duration::from_secs(60);

/// What the report says of this step: its mark, and the rest of its lines.
#[track_caller]
fn step(ran: &Ran, name: &str) -> (String, String) {
    let text = ran.text();
    let line = text.lines().find(|line| line.get(3..).is_some_and(|rest| rest.starts_with(name)));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    let rest = text.split_once(line).unwrap().1.lines().skip(1);
    let more: String = rest.take_while(|line| line.starts_with("   ")).map(str::trim_start).collect();
    (line[..2].to_owned(), line[3..].to_owned() + " " + &more)
}

#[test]
fn all_is_well_with_a_python() {
    let subject = Subject::program(interpreters::python3(), "threads.py", &["1", "3"]).ready();
    let ran = profile(&["--doctor", &subject.pid().to_string()]).well();
    let (major, minor) = interpreters::python3().version;
    for (name, found) in [
        ("kernel", "Linux"),
        ("trial", "stopped and let go"),
        ("process", "threads.py"),
        ("attach", "traced for a moment"),
        ("program", "python"),
        ("version", &format!("{major}.{minor}.")),
        ("build", ""),
        ("layout", ""),
        ("stacks", "5 threads, the deepest "),
    ] {
        let (mark, said) = step(&ran, name);
        assert!(mark == "ok" && said.contains(found), "{said}");
    }
    is_untraced(subject.pid());
    assert!(profile(&["--doctor"]).well().text().contains("ok trial"));
}

#[test]
fn the_step_that_fails_is_the_last_one() {
    let sleeper = Subject::of(Command::new("sleep").arg("1000"));
    let ran = profile(&["--doctor", &sleeper.pid().to_string()]);
    assert_eq!((ran.code(), ran.err.as_str()), (1, ""));
    let (mark, said) = step(&ran, "Python");
    assert!(mark == "!!" && said.contains("sleep") && said.contains("pstree"), "{said}");
    assert!(!ran.text().contains("version"), "{}", ran.text());

    let ran = profile(&["--doctor", "4194304"]);
    assert_eq!(ran.code(), 1);
    assert!(step(&ran, "attach").1.contains("no such process"), "{}", ran.text());
}

/// We are refused, in these words, by the doctor and by an ordinary run; with none of the other causes.
#[track_caller]
fn refused(mut us: impl FnMut(&[&str]) -> Command, pid: u32, cause: &str) -> String {
    const CAUSES: [&str; 6] = [
        "It belongs to user",
        "bounding set: whoever",
        "user namespace, in which",
        "not dumpable",
        "seccomp filter, as",
        "security module",
    ];
    let pid = pid.to_string();
    let ran = start(&mut us(&["-s", "0", &pid])).end(LONGEST);
    assert_eq!(ran.code(), 1, "{cause}: {}", ran.err);
    assert!(ran.err.starts_with(&format!("Failed to seize PID {pid}: ")), "{}", ran.err);
    let report = start(&mut us(&["--doctor", &pid])).end(LONGEST);
    assert_eq!(report.code(), 1, "{}", report.text());
    let (mark, said) = step(&report, "attach");
    assert_eq!(mark, "!!");
    for told in [&ran.err, &said] {
        assert!(told.contains(cause), "{told} lacks {cause}");
        let others = CAUSES.iter().filter(|other| told.contains(**other) && **other != cause);
        assert_eq!(others.count(), 0, "{told}");
    }
    println!("{}", ran.err);
    ran.err
}

/// A process of this user's that sleeps.
fn sleeper_of(user: u32) -> Subject {
    Subject::of(Command::new("sleep").arg("1000").uid(user).gid(user).current_dir("/"))
}

fn nobodys(program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// Words before the program's own, by which another program starts it.
fn by<'a>(starter: &'a [&'a str], program: &'a Path) -> impl Fn(&[&str]) -> Command + use<'a> {
    move |words| {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(program).args(words).current_dir("/");
        command
    }
}

#[test]
fn another_users_process_and_privileges_that_cannot_be_had() {
    if !is_root() {
        eprintln!("not tried: it takes root to become somebody else");
        return;
    }
    let (_folder, program) = program_for_everybody();
    let roots = sleeper_of(0);
    let said = refused(|words| nobodys(&program, words), roots.pid(), "It belongs to user");
    assert!(said.contains(&format!("user 0, and we are user {NOBODY}")), "{said}");
    let starter = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let report = start(&mut by(&starter, &program)(&["--doctor"])).end(LONGEST);
    assert!(step(&report, "privileges").1.contains("no_new_privs"), "{}", report.text());
    refused(by(&starter, &program), roots.pid(), "It belongs to user");
    is_untraced(roots.pid());
}

#[test]
fn a_capability_that_is_withheld() {
    if !is_root() {
        eprintln!("not tried: it takes root");
        return;
    }
    let nobodys = sleeper_of(NOBODY);
    let starter = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    let said = refused(by(&starter, crate::profiler::program()), nobodys.pid(), "bounding set: whoever");
    assert!(said.contains("pyflame-tui "), "{said}");
}

#[test]
fn a_user_namespace_of_our_own() {
    let (_folder, program) = program_for_everybody();
    let outside = sleeper_of(nix::unistd::geteuid().as_raw());
    let starter = ["unshare", "--user", "--map-root-user"];
    let tried = start(&mut by(&starter, &program)(&["--version"])).end(LONGEST);
    if tried.code() != 0 || !is_root() {
        eprintln!("not tried: no user namespace for us: {}", tried.err);
        return;
    }
    // Root's own process is out of reach of a root that is none.
    let mut us = Command::new("setpriv");
    us.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(starter).arg(&program);
    let words: Vec<_> = us.get_args().map(|word| word.to_str().unwrap().to_owned()).collect();
    let us = |more: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(&words).args(more).current_dir("/");
        command
    };
    refused(us, outside.pid(), "user namespace, in which");
    is_untraced(outside.pid());
}

#[test]
fn a_process_that_has_forbidden_it() {
    let Some(python) = is_root().then(python_for_everybody).flatten() else {
        eprintln!("not tried: it takes root, and a Python that another user can run");
        return;
    };
    let (_folder, program) = program_for_everybody();
    let source = "import ctypes, time\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nprint('ready', flush=True)\n\
        time.sleep(1000)";
    let mut command = Command::new(python);
    let subject = Subject::of(command.args(["-c", source]).uid(NOBODY).gid(NOBODY).current_dir("/")).ready();
    refused(|words| nobodys(&program, words), subject.pid(), "not dumpable");
    // Root may.
    assert!(
        start(&mut profiler(&["-d", &subject.pid().to_string()])).end(LONGEST).text().contains("<module>")
    );
}

/// Becomes us under a filter that answers ptrace with EPERM.
const FILTERED: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
program = struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_filter_that_forbids_ptrace() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("not tried: the filter names the calls of x86-64");
        return;
    }
    let subject = Subject::program(interpreters::python3(), "idle.py", &[]).ready();
    let python = interpreters::python3().command.to_str().unwrap();
    let starter = [python, "-c", FILTERED];
    refused(by(&starter, crate::profiler::program()), subject.pid(), "seccomp filter, as");
    let report = start(&mut by(&starter, crate::profiler::program())(&["--doctor"])).end(LONGEST);
    assert_eq!(report.code(), 1);
    assert!(step(&report, "trial").0 == "!!" && step(&report, "seccomp").0 == "--", "{}", report.text());
}
