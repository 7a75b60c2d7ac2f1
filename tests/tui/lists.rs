//! Lists that are longer than the screen.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use pyflame_tui::sample::{Event, Flags, Micros, Outcome, Sample, ThreadId, ThreadSample};
use pyflame_tui::tui::action::Action;
use pyflame_tui::tui::keys::Pane;
use ratatui::style::Modifier;

use crate::coming_and_going::{at_work, look, thread};
use crate::programs::stack;
use crate::session::Session;
use crate::simulation::{Program, START};

fn click(session: &mut Session, row: u16) {
    let (kind, modifiers) = (MouseEventKind::Down(MouseButton::Left), KeyModifiers::NONE);
    session.point(MouseEvent { kind, column: 4, row, modifiers });
}

/// The name in a line of the list.
fn name(line: &str) -> String {
    line.trim_matches(['│', ' '])
        .split(' ')
        .find(|word| word.len() > 1 && word.contains('_'))
        .unwrap()
        .to_owned()
}

#[test]
fn a_click_in_a_scrolled_list_selects_what_was_clicked() {
    let mut session = Session::new(Program::Wide, (80, 24));
    session.run(3.0);
    session.press(&["s", "s", "4", "G"]);
    for row in [8, 12, 8] {
        let line = session.lines()[usize::from(row)].clone();
        click(&mut session, row);
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        assert_eq!(session.state.profile.function(function).name.to_string(), name(&line), "{line}");
        assert_eq!(session.lines()[usize::from(row)], line, "it stays where it is");
    }
}

#[test]
fn a_click_on_a_thread_selects_what_was_clicked() {
    let mut session = Session::new(Program::Steady, (80, 14));
    session.run(3.0);
    session.press(&["3", "G"]);
    session.expect_not("worker ×6");
    let line = session.lines()[7].clone();
    click(&mut session, 7);
    assert_eq!(session.lines()[7], line);
    session.press(&["Enter"]);
    let chosen = session.state.threads.as_ref().and_then(|set| set.first().copied()).unwrap();
    let thread = &session.state.profile.thread(chosen).name;
    assert!(line.contains(&thread["worker".len()..]), "{thread}: {line}");
}

#[test]
fn a_click_in_a_flame_that_became_lower_selects_what_was_clicked() {
    let mut session = Session::new(Program::Tower, (80, 24));
    session.run(3.0);
    session.press(&["g"]);
    session.state.scroll = 100_000;
    let row = session.lines().iter().position(|line| line.contains("work")).unwrap() as u16;
    click(&mut session, row);
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    assert_eq!(&*session.state.profile.function(call.function).name, "work");
}

#[test]
fn the_next_match_in_the_top_list() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(5.0);
    session.press(&["4", "/", "v", "i", "e", "w", "_", "Enter"]);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        seen.push(session.state.profile.function(function).name.to_string());
        session.press(&["n"]);
    }
    assert!(seen.iter().all(|name| name.starts_with("view_")), "{seen:?}");
    assert!(seen[0] != seen[1], "{seen:?}");
    let before = session.state.top_list.cursor;
    session.press(&["n", "N"]);
    assert_eq!((session.state.pane, session.state.top_list.cursor), (Pane::Top, before));
}

#[test]
fn the_threads_have_one_order_and_the_functions_keep_theirs() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    session.press(&["3"]);
    session.expect("own code");
    session.press(&["s"]);
    session.expect_not("own code");
    session.press(&["s", "4"]);
    session.expect("by self (s)");
    session.press(&["s"]);
    session.expect("by total (s)");
}

#[test]
fn a_click_on_a_row_of_a_list_over_the_panes_does_what_it_says() {
    for size in [(160, 48), (80, 24), (40, 10)] {
        let mut session = Session::new(Program::Steady, size);
        session.run(3.0);
        session.press(&["2", ":", "t", "h", "e", " ", "t", "i", "m"]);
        session.click(session.place(&format!(" {:<12}the timeline", "1")));
        session.expect_not("Commands");
        let there = if size.0 == 40 { "no room for a timeline" } else { "1 Timeline" };
        session.expect(there);
        assert_eq!(session.state.pane == Pane::Timeline, size.0 > 40, "{}", session.text());
    }
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    // Below the first screen of them.
    session.press(&[":"]);
    for _ in 0..40 {
        session.press(&["Down"]);
    }
    session.click(session.place("functions by weight"));
    assert_eq!(session.state.pane, Pane::Top);
    // Beside the list it is closed.
    session.press(&["2", ":"]);
    session.click((0, 10));
    session.expect_not("Commands");
    assert_eq!(session.state.pane, Pane::Flame);
    let mut session = Session::new(Program::Wide, (100, 30));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "$", "Enter"]);
    session.expect("calls too small for a box");
    let (column, row) = session.place("calls too small");
    let line = session.lines()[usize::from(row) + 4].clone();
    session.click((column, row + 4));
    session.expect("zoomed (Esc)");
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    let function = session.state.profile.function(call.function).name.to_string();
    assert!(line.contains(&function), "{function}: {line}");
}

#[test]
fn the_wheel_turns_what_is_seen() {
    let mut session = Session::new(Program::Steady, (120, 20));
    session.run(3.0);
    session.expect_not("reaper");
    let place = session.place("more (3)");
    let before = session.state.cursor.clone();
    for _ in 0..5 {
        session.mouse(MouseEventKind::ScrollDown, place);
    }
    session.expect("reaper");
    session.expect_not("more (3)");
    session.mouse(MouseEventKind::ScrollUp, place);
    session.expect_not("reaper");
    assert_eq!((session.state.pane, session.state.thread_list.cursor), (Pane::Flame, 0));
    assert_eq!(session.state.cursor, before);
}

#[test]
fn the_wheel_does_not_turn_away_a_flame_that_fits() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(3.0);
    let place = session.place(" all ");
    session.mouse(MouseEventKind::ScrollDown, place);
    session.expect(" all ");
    // Of one that does not, the end is the last that is seen.
    let mut session = Session::new(Program::Idle, (80, 24));
    let names = ["rule_0", "rule_1", "rule_2"].into_iter().cycle().take(40);
    let frames: Vec<_> = names.map(|name| ("/srv/app/parser.py", name, 1, 2)).collect();
    for depth in 1..=40 {
        let at = Micros(START.0 + depth * 1000);
        let id = ThreadId { tid: 1, interpreter: 0, seat: 0 };
        let stack = stack(&frames[..depth as usize]);
        let threads = vec![ThreadSample { thread: id, stack, flags: Flags::HOLDS_GIL }];
        session.act(Action::Sampled(Event::Sample(Sample { at, outcome: Outcome::Taken(threads) })));
    }
    session.act(Action::Now(Micros(START.0 + 1_000_000)));
    session.press(&["g"]);
    let (rows, (x, y)) = (session.state.view.flame.rows.len(), session.place("all "));
    assert!(rows > 40, "{rows}");
    for _ in 0..rows {
        session.mouse(MouseEventKind::ScrollDown, (x, y));
    }
    let shown = session.lines()[usize::from(y)..].iter().take_while(|line| !line.starts_with('├')).count();
    assert_eq!(session.state.scroll, rows - shown, "{}", session.text());
}

#[test]
fn the_end_of_the_help_is_left_with_the_next_key() {
    for key in ["?", "F"] {
        let mut session = Session::new(Program::Steady, (80, 24));
        session.run(1.0);
        session.press(&[key]);
        if key == "F" {
            session.act(Action::HelpAll);
        }
        session.press(&["G"]);
        let end = session.text();
        session.press(&["k"]);
        let above = session.text();
        assert_ne!(above, end);
        session.press(&["j", "j", "j"]);
        assert_eq!(session.text(), end);
        session.press(&["k"]);
        assert_eq!(session.text(), above);
    }
}

/// Lets a thread stand in these functions, in turn, for so many steps of 10 ms.
fn work(session: &mut Session, functions: &[&'static str], steps: u64) {
    for step in 0..steps {
        session.now.0 += 10_000;
        let function = functions[(step % functions.len() as u64) as usize];
        look(session, session.now, vec![thread(1, at_work(function), Flags::ON_CPU)]);
        session.act(Action::Now(session.now));
    }
}

#[test]
fn the_cursor_of_the_top_list_stays_on_its_function() {
    let mut session = Session::new(Program::Idle, (160, 48));
    let under_cursor = |session: &Session| {
        let function = session.state.view.top[session.state.top_list.cursor].step.function;
        session.state.profile.function(function).name.to_string()
    };
    work(&mut session, &["parse"], 300);
    session.press(&["c", "4"]);
    work(&mut session, &["store", "send"], 1200);
    assert_eq!(under_cursor(&session), "parse");
    assert_eq!(session.state.top_list.cursor, 2, "two have overtaken it");
    session.press(&["k"]);
    let above = under_cursor(&session);
    work(&mut session, &["parse"], 900);
    assert_eq!((under_cursor(&session), session.state.top_list.cursor), (above, 2));
    session.press(&["g", "Enter"]);
    let call = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    assert_eq!(&*session.state.profile.function(call.function).name, "parse");
    // What has gone leaves the cursor where it is.
    session.press(&["4", "j", "r"]);
    work(&mut session, &["read", "write", "close"], 30);
    assert_eq!(session.state.top_list.cursor, 1);
}

/// Nobody has touched it there: it shows what is hottest.
#[test]
fn a_list_that_is_the_whole_screen_begins_with_the_hottest() {
    let mut session = Session::new(Program::Idle, (40, 10));
    work(&mut session, &["parse"], 300);
    work(&mut session, &["store", "send"], 1200);
    assert_eq!(session.state.top_list.cursor, 0);
}

#[test]
fn the_cursor_of_the_thread_list_stays_on_its_thread() {
    for (keys, chosen) in [(&[][..], 3), (&["j"], 1), (&["j", "j", "j", "j"], 1)] {
        let mut session = Session::new(Program::Idle, (160, 48));
        let step = |session: &mut Session, turn: u64, stuck: u32| {
            session.now.0 += 10_000;
            let stack = |tid| at_work(if tid == stuck || turn.is_multiple_of(2) { "wait" } else { "work" });
            let all = (1..=6).map(|tid| thread(tid, stack(tid), Flags::WAITING)).collect::<Vec<_>>();
            look(session, session.now, all);
            session.act(Action::Now(session.now));
        };
        for tid in 3..=5 {
            let name = format!("worker-{tid}");
            session.act(Action::Sampled(Event::Thread(
                thread(tid, at_work("work"), Flags::WAITING).thread,
                name,
            )));
        }
        (0..100).for_each(|turn| step(&mut session, turn, 0));
        session.press(&["3"]);
        session.press(keys);
        let meant = session.state.view.threads_at(session.state.thread_list.cursor).unwrap();
        assert_eq!(meant.len(), chosen, "{}", session.text());
        // The last of them is stuck, and comes first.
        (0..300).for_each(|turn| step(&mut session, turn, 6));
        assert!(session.lines()[6].contains("thread 6"), "{}", session.text());
        session.press(&["Enter"]);
        assert_eq!(session.state.threads, Some(meant));
    }
}

#[test]
fn the_cursor_of_a_crowd_stays_on_its_call() {
    let mut session = Session::new(Program::Wide, (100, 30));
    session.run(5.0);
    session.press(&["g", "Down", "Down", "$", "Enter", " ", " "]);
    let under_cursor = |session: &Session| {
        let buffer = session.buffer();
        let lines = session.lines();
        let reversed = |y: &usize| buffer[(20, *y as u16)].modifier.contains(Modifier::REVERSED);
        let row = (0..lines.len()).filter(reversed).find(|y| lines[*y].contains("handler_"));
        name(lines[row.unwrap()].trim_matches(['│', ' ']))
    };
    let before = under_cursor(&session);
    session.run(2.0);
    assert_eq!(under_cursor(&session), before);
    session.press(&["Enter"]);
    let zoomed = session.state.zoom.last().unwrap().function;
    assert_eq!(session.state.profile.function(zoomed).name.to_string(), before);
}
