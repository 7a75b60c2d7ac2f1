//! A living picture that can be read: how many edges move, how soon a change shows, and that a burst is
//! one change. The figures are those of the specification.

use std::collections::HashMap;

use pyflame_tui::profile::MarkKind;
use pyflame_tui::tui::flame::What;
use pyflame_tui::tui::state::State;

use crate::session::Session;
use crate::simulation::Program;

/// Every box by its path: its edges.
fn edges(state: &State) -> HashMap<u64, (u16, u16)> {
    let view = &state.view;
    let boxes = view.flame.rows.iter().flatten();
    // Lines have no key of their own; they follow the same rule.
    let boxes = boxes.filter(|cell| !cell.calls().is_empty());
    boxes.map(|cell| (view.tree.call(cell.calls()[0]).key, (cell.left, cell.right))).collect()
}

/// Edges that moved between two pictures: of boxes that are in both.
fn moved(before: &HashMap<u64, (u16, u16)>, after: &HashMap<u64, (u16, u16)>) -> usize {
    let shared = before.iter().filter_map(|(key, old)| Some((old, after.get(key)?)));
    shared.map(|(old, new)| usize::from(old.0 != new.0) + usize::from(old.1 != new.1)).sum()
}

/// Edges a second that move while the load is steady, once the first seconds are over.
fn restlessness(program: Program, seconds: u32) -> f64 {
    let mut session = Session::new(program, (160, 48));
    session.run(16.0);
    let mut before = edges(&session.state);
    let mut count = 0;
    for _ in 0..seconds * 4 {
        session.run(0.25);
        let after = edges(&session.state);
        count += moved(&before, &after);
        before = after;
    }
    count as f64 / f64::from(seconds)
}

#[test]
fn a_steady_load_stands_still() {
    let steady = restlessness(Program::Steady, 45);
    println!("edges a second: steady web service {steady:.2}");
    assert!(steady <= 0.5, "{steady} edges a second");
}

#[test]
fn a_wide_program_stands_still() {
    let wide = restlessness(Program::Wide, 45);
    println!("edges a second: 600 siblings {wide:.2}");
    assert!(wide <= 1.0, "{wide} edges a second");
}

#[test]
fn a_steady_load_is_no_change() {
    let mut session = Session::new(Program::Steady, (160, 48));
    session.run(60.0);
    assert_eq!(session.state.view.changed, None);
}

#[test]
fn a_step_change_shows_within_a_second_and_a_half() {
    let mut session = Session::new(Program::Phases, (160, 48));
    session.run(20.0);
    for hot in ["store", "parse", "transform"] {
        let mut waited = 0.0;
        loop {
            let cursor = session
                .state
                .view
                .cursor_call()
                .and_then(|call| call.step)
                .map(|step| session.state.profile.function(step.function).name.to_string());
            let marked = session.state.view.changed.is_some_and(|at| session.now.0 - at.0 < 3_000_000);
            if cursor.as_deref() == Some(hot) && marked {
                break;
            }
            session.run(0.05);
            waited += 0.05;
            assert!(waited < 1.5, "{hot} is not on top after {waited:.2} s\n{}", session.text());
        }
        println!("{hot} on top and marked after {waited:.2} s");
        session.expect("changed");
        session.run(10.0 - waited);
    }
}

#[test]
fn a_burst_is_one_change_at_most_at_each_of_its_ends() {
    let mut session = Session::new(Program::Bursty, (160, 48));
    session.run(70.0);
    let changes = session.state.profile.marks().iter().filter(|mark| mark.kind == MarkKind::Change).count();
    println!("changes in 70 s with 10 bursts: {changes}");
    assert!(changes <= 10, "{changes} changes for 10 bursts");
}

#[test]
fn children_tile_their_parent_at_every_width() {
    for program in [Program::Web, Program::Tower, Program::Wide] {
        let mut session = Session::new(program, (160, 48));
        session.run(3.0);
        for width in (50..200).chain([300, 499, 500]) {
            session.act(pyflame_tui::tui::action::Action::Resized(width, 48));
            check_tiles(&session.state);
        }
    }
}

/// Boxes of a row never overlap, and each lies below exactly one box that it belongs to.
fn check_tiles(state: &State) {
    let view = &state.view;
    for rows in view.flame.rows.windows(2) {
        for pair in rows[1].windows(2) {
            assert!(pair[0].right <= pair[1].left, "{pair:?}");
        }
        for cell in &rows[1] {
            assert!(cell.left < cell.right, "{cell:?}");
            let parent = match &cell.what {
                What::Line(call, ..) => *call,
                _ => view.tree.call(cell.calls()[0]).parent,
            };
            let above = rows[0].iter().find(|above| above.left <= cell.left && cell.right <= above.right);
            assert!(
                above.is_some_and(|above| above.calls().contains(&parent)),
                "{cell:?} lies below {above:?}"
            );
        }
        for above in &rows[0] {
            let family: Vec<_> =
                rows[1].iter().filter(|cell| cell.left >= above.left && cell.right <= above.right).collect();
            let Some(first) = family.first() else { continue };
            assert_eq!(first.left, above.left, "children begin where their parent does");
            assert!(family.windows(2).all(|pair| pair[0].right == pair[1].left), "no gap between siblings");
        }
    }
}
