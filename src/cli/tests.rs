//! Command lines as they are typed, and what comes of them.

use super::*;

fn parsed(line: &str) -> Result<Options, UsageError> {
    let words = std::iter::once("pyflame-tui").chain(line.split_whitespace()).map(OsString::from);
    match parse(words)? {
        Parsed::Run(options) => Ok(*options),
        Parsed::Choose(_) => Err(UsageError::NoTarget),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pid_with_and_without_p_and_options_around_it() {
    for line in ["77", "-p 77", "--pid=77", "--pid 77", "-xp77", "77 -x", "-x -- 77"] {
        assert_eq!(parsed(line).unwrap().watch, Watch::Process(77), "{line}");
    }
}

#[test]
fn every_word_after_t_belongs_to_the_command() {
    for line in [
        "-t python -s -t --live",
        "-xt python -s -t --live",
        "-o f --trace python -s -t --live",
        "--tra python -s -t --live",
    ] {
        let Watch::Command(words) = parsed(line).unwrap().watch else { panic!("{line}") };
        assert_eq!(words, ["python", "-s", "-t", "--live"], "{line}");
    }
    // -t as another option's value is not ours
    assert_eq!(parsed("-o -t 77").unwrap().output, Some(PathBuf::from("-t")));
}

#[test]
fn pyflames_options_mean_what_they_meant() {
    let options = parsed("--abi=36 --threads -d -n -o out -p 1 -r 0.01 -s 2.5 -T -x").unwrap();
    assert_eq!(options.abi, Some(Version::new(3, 6, 0)));
    assert!(options.threads && options.dump && options.no_line_numbers);
    assert!(options.format == Format::Timestamps && options.exclude_idle);
    assert_eq!(options.interval, Some(Duration::from_millis(10)));
    assert_eq!(options.seconds, Some(Duration::from_millis(2500)));
    assert_eq!(parsed("--flamechart 1").unwrap().format, Format::Timestamps);
    assert_eq!(parsed("--timestamp 1").unwrap().format, Format::Timestamps);
    assert_eq!(parsed("--svg 1").unwrap().format, Format::Svg);
    assert_eq!(parsed("--speedscope 1").unwrap().format, Format::Speedscope);
    assert_eq!(parsed("--pprof 1").unwrap().format, Format::Pprof);
}

/// Scripts abbreviate as they like: what has stood for one option must go on to.
#[test]
fn what_stands_for_one_option_is_not_ambiguous() {
    for word in ["--th", "--ti", "--tr", "--e", "--no-l", "--o", "--p", "--r", "--du", "--sec", "--ab=36"] {
        let words = [word, "1"].map(OsString::from);
        let parsed = parse(std::iter::once("pyflame-tui".into()).chain(words));
        let is_ambiguous = matches!(&parsed, Err(UsageError::Argument(why)) if why.contains("ambiguous"));
        assert!(!is_ambiguous, "{word}: {parsed:?}");
    }
    assert!(parsed("--th 1").unwrap().threads && !parsed("--th 1").unwrap().by_thread);
    for word in ["--by-thread", "--by", "--b"] {
        assert!(parsed(&format!("{word} 1")).unwrap().by_thread);
    }
}

#[test]
fn mistakes() {
    let error = |line| parsed(line).unwrap_err();
    assert_eq!(error(""), UsageError::NoTarget);
    assert_eq!(error("1 2"), UsageError::NoTarget);
    assert_eq!(error("-t"), UsageError::NoCommand);
    assert_eq!(error("-p 1 -t true"), UsageError::Incompatible("-t", "-p"));
    let traced = parsed("-s 1 -t true").unwrap();
    assert_eq!((traced.seconds, traced.seconds_are_vain), (None, true));
    assert_eq!(error("--tasks --nonblocking 1"), UsageError::Incompatible("--nonblocking", "--tasks"));
    assert_eq!(error("-T --svg 1"), UsageError::Incompatible("-T", "--svg"));
    assert_eq!(error("-d --svg 1"), UsageError::Incompatible("-d", "--svg"));
    assert_eq!(error("--speedscope --svg 1"), UsageError::Incompatible("--svg", "--speedscope"));
    assert_eq!(error("--pprof --speedscope 1"), UsageError::Incompatible("--speedscope", "--pprof"));
    assert!(parsed("-d -T 1").is_ok());
    assert_eq!(error("-t ./pyflame-tui"), UsageError::Itself);
    assert_eq!(error("--abi=0 1"), UsageError::UnknownAbi("0".to_owned()));
    for word in ["0", "99999999999999", "foo", "4194305"] {
        assert_eq!(error(word), UsageError::NotAPid(word.to_owned()));
    }
    assert_eq!(error("--live -s 0 1"), UsageError::Incompatible("-s 0", "--live"));
    for line in [
        "--wrong 1",
        "-r 0 1",
        "-r x 1",
        "-s -1 1",
        "-r nan 1",
        "-s infinity 1",
        "-s 3153600001 1",
        "-r 9e18 1",
        "-s 1e19 1",
        "-p",
    ] {
        let error = error(line);
        assert!(matches!(error, UsageError::Argument(_)), "{line}: {error:?}");
        assert!(error.to_string().starts_with("Usage: "), "{error}");
    }
}

#[test]
fn an_abbreviation_of_more_than_one_names_them() {
    let said = |line| parsed(line).unwrap_err().to_string();
    for line in ["--s 1 77", "--s=1 77"] {
        let said = said(line);
        assert!(
            said.contains(
                "'--s' is ambiguous: it may be --subprocesses, --seconds, --svg, --speedscope, --stats\n"
            ),
            "{said}"
        );
    }
    assert_eq!(parsed("--sec 1 77").unwrap().seconds, Some(Duration::from_secs(1)));
    assert_eq!(parsed("--sec inf 77").unwrap().seconds, Some(FOREVER));
    assert!(parsed("--rate inf 77").is_err());
    assert!(said("--sx 1 77").contains("unexpected argument '--sx'"));
}

#[test]
fn help_fits_a_screen() {
    let Parsed::Print(help) = parse(["pyflame-tui", "-h"].map(OsString::from).into_iter()).unwrap() else {
        panic!("no help")
    };
    assert!(help.lines().count() <= 40, "{help}");
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
}

#[test]
fn the_doctor_may_be_asked_for_nobody() {
    let examined = |line: &str| {
        let words = std::iter::once("pyflame-tui").chain(line.split_whitespace()).map(OsString::from);
        match parse(words) {
            Ok(Parsed::Examine(pid, abi)) => Ok((pid, abi.map(Version::minor))),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    assert_eq!(examined("--doctor"), Ok((None, None)));
    for line in ["--doctor 77", "77 --doctor", "--doctor -p 77"] {
        assert_eq!(examined(line), Ok((Some(77), None)), "{line}");
    }
    assert_eq!(examined("--doctor --abi 39 77"), Ok((Some(77), Some((3, 9)))));
    assert_eq!(examined("--doctor -t python3"), Err(UsageError::Incompatible("-t", "--doctor")));
    assert_eq!(examined("--doctor python"), Err(UsageError::NotAPid("python".to_owned())));
}
