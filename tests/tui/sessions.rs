//! Whole sessions: what is pressed, clicked and seen.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::sample::{Ending, Event};
use pyflame_tui::tui::action::{Action, Effect};
use pyflame_tui::tui::keys::{Pane, TABLE, markdown};
use pyflame_tui::tui::{Options, Summary, update};

use crate::session::Session;
use crate::simulation::{Program, START};

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> MouseEvent {
    MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }
}

#[test]
fn the_first_sample_is_a_picture() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.turn();
    session.expect("24060 python3 websrv.py");
    session.expect("of 9 threads");
    session.expect("threads  100 %");
}

#[test]
fn the_first_ten_seconds_questions_have_answers() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(24.0);
    for words in [
        "3.11.7",
        "up 3d04h",
        "9 threads",
        "stopped 0.9 %",
        "CPU",
        "GIL-wait",
        "waiting",
        "idle",
        "changed 03:07:32",
        "view_report",
        "▲+",
    ] {
        session.expect(words);
    }
}

#[test]
fn zoom_in_and_out() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "Enter"]);
    session.expect("zoomed (Esc)");
    assert_eq!(session.state.zoom.len(), session.state.cursor.len());
    session.press(&["Esc"]);
    session.expect_not("zoomed (Esc)");
    session.press(&["Esc", "Esc", "Esc"]);
    assert!(!session.effects.contains(&Effect::Quit), "Esc never quits");
}

#[test]
fn freezing_stops_the_picture_and_not_the_sampling() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(10.0);
    session.press(&[" "]);
    let flame = |session: &Session| session.lines()[6..20].join("\n");
    let before = flame(&session);
    session.run(8.0);
    session.expect("FROZEN ■ 8 s, +8,000 samples");
    assert_eq!(before, flame(&session));
    session.press(&[" "]);
    session.expect("LIVE");
}

#[test]
fn a_frozen_trend_stands_still() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(19.0);
    session.press(&["4", " "]);
    let list = |session: &Session| session.lines()[5..12].join("\n");
    let before = list(&session);
    session.run(8.0);
    session.press(&["2", "4"]);
    assert_eq!(before, list(&session));
    session.press(&[" "]);
    assert_ne!(before, list(&session));
}

#[test]
fn finding_lights_and_counts() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.press(&["/", "v", "_", "r", "e", "p"]);
    session.expect("1 frame,");
    session.press(&["Enter"]);
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    assert_eq!(&*session.state.profile.function(call.function).name, "view_report");
    session.press(&["Esc"]);
    assert!(!session.state.find.is_on());
}

#[test]
fn only_stacks_with_a_match_are_kept() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["/", "e", "x", "e", "c", "Enter", "&"]);
    session.expect("only matches (&)");
    session.expect("execute");
    session.expect_not("view_report  ");
    assert_eq!(session.state.view.tree.total(), session.state.view.cursor_call().unwrap().total);
    session.press(&["&"]);
    session.expect("view_report  ");
}

#[test]
fn a_crowd_is_listed() {
    let mut session = Session::new(Program::Wide, (100, 30));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "$", "Enter"]);
    session.expect("calls too small for a box");
    session.press(&["Down", "Enter"]);
    session.expect("zoomed (Esc)");
}

#[test]
fn windows_and_spans() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(12.0);
    session.press(&["["]);
    session.expect("last 10 s");
    session.press(&["["]);
    session.expect("last 5 s");
    session.press(&["c"]);
    session.expect("since start");
    session.press(&["c"]);
    session.expect("(auto)");
    let (_, row) = session.place("cpu");
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), 150, row));
    session.point(mouse(MouseEventKind::Drag(MouseButton::Left), 140, row));
    session.point(mouse(MouseEventKind::Up(MouseButton::Left), 136, row));
    session.expect(" s from 03:07:");
    session.press(&["Esc"]);
    session.expect("(auto)");
}

#[test]
fn the_past_can_be_forgotten_at_any_moment() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    for _ in 0..12 {
        session.press(&["r"]);
        session.run(0.35);
    }
    session.expect("last <1 s (auto)");
    session.expect("view_report");
}

#[test]
fn a_click_selects_and_two_zoom() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    let (x, y) = session.place("view_users");
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    assert_eq!(&*session.state.profile.function(call.function).name, "view_users");
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    session.expect("zoomed (Esc)");
    session.point(mouse(MouseEventKind::Down(MouseButton::Right), x, y));
    session.expect_not("zoomed (Esc)");
    let (x, y) = session.place("? help");
    session.point(mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    session.expect("Help: Flame");
}

#[test]
fn only_this_thread() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["3", "Down", "Enter"]);
    session.press(&["2"]);
    session.expect("only worker-");
    session.expect("1.0 threads");
    session.press(&["T"]);
    session.expect("threads merged");
}

#[test]
fn a_pool_is_folded_opened_and_looked_at_as_one() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    let rows = |session: &Session| {
        let lines = session.lines();
        let rows = lines.iter().skip(6).map(|line| line.trim_matches(['│', ' ']).to_owned());
        rows.take_while(|row| !row.is_empty()).collect::<Vec<_>>()
    };
    session.press(&["3"]);
    let open = rows(&session);
    assert_eq!(open.len(), 10, "nine threads and a pool of six: {open:#?}");
    assert!(open[0].starts_with("worker ×6") && open[0].contains(" busy "), "{open:#?}");
    let members: Vec<&str> = open[1..7].iter().map(|row| &row[..2]).collect();
    assert_eq!(members, ["-0", "-1", "-2", "-3", "-4", "-5"]);
    // From any of its threads.
    session.press(&["Down", "Down", "h"]);
    let folded = rows(&session);
    assert_eq!(folded.len(), 4, "{folded:#?}");
    assert!(folded[0].starts_with("+worker ×6"), "{folded:#?}");
    session.press(&["Enter", "2"]);
    session.expect("only worker ×6 (T: all)");
    session.press(&["Esc", "3", "l"]);
    assert_eq!(rows(&session).len(), 10);
    // `h` on one that is in no pool does nothing.
    session.press(&["G", "h"]);
    assert_eq!(rows(&session).len(), 10);
    session.press(&["Enter", "2"]);
    session.expect("only reaper (T: all)");
}

#[test]
fn a_worker_that_mostly_waits_for_work_shows_what_it_does_when_it_has_some() {
    let mut session = Session::new(Program::Bursty, (160, 48));
    session.run(14.9);
    session.press(&["3"]);
    let worker = session.lines().into_iter().find(|line| line.contains("  -2 ")).unwrap();
    let words: Vec<&str> = worker.trim_start_matches('│').split_whitespace().collect();
    let (share, place) = (words[1].parse::<f64>().unwrap(), words[3]);
    assert!(words[2] == "busy" && (0.1..0.5).contains(&share) && place.starts_with("view_"), "{worker}");
}

#[test]
fn the_selection_follows_its_path() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(15.0);
    session.press(&["/", "v", "_", "u", "s", "e", "r", "Enter"]);
    let cursor = session.state.cursor.clone();
    session.run(15.0);
    assert_eq!(session.state.cursor, cursor);
    let path = session.state.view.tree.path(session.state.view.cursor);
    assert_eq!(path, cursor);
}

#[test]
fn every_key_of_the_table_does_something_or_says_why() {
    for pane in Pane::ALL {
        for binding in TABLE.iter().filter(|binding| binding.holds_in(pane)) {
            let mut session = Session::new(Program::Web, (160, 48));
            session.run(0.4);
            session.act(Action::Focus(pane));
            session.act(binding.action.clone());
            session.run(0.1);
            let _ = session.buffer();
        }
    }
}

#[test]
fn every_key_stands_in_the_whole_help() {
    let mut session = Session::new(Program::Web, (160, 120));
    session.turn();
    session.act(Action::HelpAll);
    for binding in TABLE {
        session.expect(binding.help);
        session.expect(&binding.label(false));
    }
}

#[test]
fn the_readme_has_the_keys_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let begin = readme.find("## Keys\n\n").expect("a section of keys") + "## Keys\n\n".len();
    let end = begin + readme[begin..].find("## ").unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{}{}{}", &readme[..begin], markdown(), &readme[end..])).unwrap();
        return;
    }
    assert_eq!(&readme[begin..end], markdown(), "BLESS=1 takes the table over");
}

#[test]
fn the_footer_keeps_help_and_quit_at_any_width() {
    for width in 50..200 {
        let mut session = Session::new(Program::Web, (width, 24));
        session.turn();
        let last = session.lines().pop().unwrap();
        assert!(last.contains("? help") && last.contains("q quit"), "{last}");
    }
}

#[test]
fn the_targets_end_leaves_the_picture() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.act(Action::Sampled(Event::Ended(Ending::Exited(Some(3)))));
    session.expect("exited, status 3");
    session.expect("view_report");
    session.press(&["4"]);
    session.expect("functions");
    assert!(!session.effects.contains(&Effect::Quit));
}

#[test]
fn the_last_words() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(24.0);
    let lines = Summary::of(&session.state).lines;
    assert!(
        lines[0].starts_with("pyflame-tui: watched 24060 (python3 websrv.py --port 8080) 2"),
        "{lines:?}"
    );
    assert!(lines[1].contains("view_report websrv.py:39 · changed at 03:07:32 from 1"), "{lines:?}");
    // Long after that, too, and wherever the cursor stands.
    session.run(70.0);
    session.expect_not("▲+");
    session.press(&["g"]);
    let lines = Summary::of(&session.state).lines;
    assert!(lines[1].contains("view_report websrv.py:39 · changed at 03:07:32 from 1"), "{lines:?}");
    // What was the same before is not said to have changed.
    session.press(&["/", "a", "u", "t", "h", "Enter"]);
    let lines = Summary::of(&session.state).lines;
    assert!(lines[1].contains("middleware_auth ") && !lines[1].contains("changed"), "{lines:?}");
    assert_eq!(lines[2], "  the process changed at 03:07:32");
}

#[test]
fn idle_programs_show_what_they_wait_in() {
    let mut session = Session::new(Program::Idle, (160, 48));
    session.run(2.0);
    session.expect("all idle, so shown");
    session.expect("serve_forever");
}

#[test]
fn a_picture_without_a_box_says_why() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(2.0);
    session.press(&["/", "x", "y", "z", "z", "y", "Enter", "&"]);
    session.expect_not("all idle, so shown");
    session.expect("no stack in this window has a match; & shows all");
    let mut session = Session::new(Program::Idle, (160, 48));
    session.run(2.0);
    session.press(&["a"]);
    session.expect_not("all idle, so shown");
    session.expect("nobody held the GIL in this window; a shows all threads");
}

#[test]
fn hostile_names_do_nothing_to_the_terminal() {
    let mut session = Session::new(Program::Hostile, (160, 48));
    session.run(2.0);
    for keys in [&["2"][..], &["3"], &["4"], &["5"]] {
        session.press(keys);
        for cell in session.buffer().content() {
            let harmful =
                |character: char| character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character);
            assert!(!cell.symbol().chars().any(harmful), "{:?}", cell.symbol());
        }
    }
    let summary = Summary::of(&session.state).to_string();
    assert!(!summary.contains('\u{1b}') && !summary.contains('\u{202e}'), "{summary}");
}

/// Of two hot lines the one that runs, and not the one at which a lock is waited for, is the running line.
#[test]
fn the_running_line_runs() {
    let mut session = crate::screens::web((160, 48), Options::default());
    session.expect("    40       with LOCK:");
    session.expect("    43 ▶             x += i * i % 7");
    session.press(&["5"]);
    session.expect("    43 ▶             x += i * i % 7");
    session.press(&["Enter"]);
    assert!(
        session.effects.contains(&Effect::Edit("/srv/app/websrv.py".into(), 43)),
        "{:?}",
        session.effects
    );
}

#[test]
fn exports_are_asked_for_with_what_the_command_line_said() {
    let options = Options { output: Some("x.folded".into()), ..Options::default() };
    let mut session = Session::with(Program::Web, (160, 48), options);
    session.run(1.0);
    session.press(&["e"]);
    let written = session.effects.iter().any(|effect| matches!(effect, Effect::Write { file: Some(_), .. }));
    assert!(written, "{:?}", session.effects);
    session.press(&["y"]);
    assert!(
        session
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Copy(stack) if stack.contains("worker (")))
    );
}

#[test]
fn time_only_passes_by_its_parameter() {
    let mut session = Session::new(Program::Web, (80, 24));
    assert_eq!(session.state.now, START);
    update::update(&mut session.state, Action::Now(START));
    assert_eq!(session.state.now, START);
}
