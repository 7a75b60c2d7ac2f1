//! Targets with more files in their memory, or larger ones, than can be looked at: a clear error, in time. (By perl, which
//! is on every machine and is no Python.)

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::profiler::{profiler, start};
use crate::subject::Subject;
use crate::{folder, is_long, is_untraced};

const LONGEST: Duration = Duration::from_secs(100);

/// Maps so many files of that size, each a copy of a template; as programs, and, if that is wanted, as their data, too.
const MAPS: &str = r#"
my ($folder, $count, $size, $data) = @ARGV;
open(my $template, '<', "$folder/template") or die; local $/; my $bytes = <$template>;
for my $number (1..$count) {
    open(my $file, '+>', "$folder/$number") or die "$number: $!";
    syswrite($file, $bytes); truncate($file, $size);
    for my $access ($data ? (5, 3) : (5)) {
        syscall(9, 0, $size, $access, 2, fileno($file), 0) > 0 or die "mmap $number: $!";
    }
}
$| = 1; print "ready\n";
1 while 1;
"#;

/// A library that says of itself that it has 65,535 sections.
fn library() -> Vec<u8> {
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec(),
        words(&[0, 64, 4096]),
        b"\0\0\0\0\x40\0\x38\0\x01\0\x40\0\xff\xff\x01\0".to_vec(),
        words(&[0x5_0000_0001, 0, 0, 0, 4096, 4096, 4096]),
    ]
    .concat()
}

/// It is refused in these words, by an ordinary run, with `--abi`, and by the doctor.
#[track_caller]
fn refused(count: u32, size: u64, data: &str, said: &str) {
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("not tried: the program names the calls of x86-64");
    }
    let folder = folder();
    fs::write(folder.path().join("template"), library()).unwrap();
    let mut command = Command::new("perl");
    command.args(["-e", MAPS]).arg(folder.path()).args([&count.to_string(), &size.to_string(), data]);
    let mut subject = Subject::of(&mut command);
    if let Err(why) = subject.await_line("ready", LONGEST) {
        assert!(why.contains("mmap") || why.contains("No space"), "{why}");
        return eprintln!("not tried: {why}");
    }
    let pid = subject.pid().to_string();
    for words in [&["-s", "0"][..], &["--abi", "3.9", "-s", "0"], &["--doctor"]] {
        let began = Instant::now();
        let ran = start(&mut profiler(&[words, &[&pid]].concat())).end(LONGEST);
        println!("{count} files of {size} bytes, {words:?}: {:?}", began.elapsed());
        let told = format!("{}{}", ran.err, ran.text());
        assert_eq!(ran.code(), 1, "{told}");
        for said in [said, "Files called python"] {
            assert!(told.contains(said), "{told}");
        }
    }
    assert!(subject.is_alive());
    is_untraced(subject.pid());
}

#[test]
fn more_files_than_can_be_looked_at() {
    let count = if is_long() { 60_000 } else { 6000 };
    refused(count, 4 << 20, "", "the first 4096 of its files are no CPython, and it has more");
}

#[test]
fn larger_files_than_can_be_searched() {
    refused(12, 64 << 20, "data", "too large to be searched");
}
