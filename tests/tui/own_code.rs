//! Only one's own code, and what it calls of libraries.

use pyflame_tui::profile::Frames;
use pyflame_tui::tui::Options;
use pyflame_tui::tui::action::Effect;

use crate::screens::{SIZES, same, web};
use crate::session::Session;

/// The shares of the rows of the list that are seen.
fn listed(session: &Session) -> u64 {
    session.state.view.top.iter().map(|row| row.own).sum()
}

#[test]
fn own_code_at_every_size() {
    for size in SIZES {
        let mut session = web(size, Options::default());
        session.press(&["2", "p"]);
        same(&format!("own-flame-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
        session.press(&["4"]);
        same(&format!("own-top-{}x{}.txt", size.0, size.1), &(session.text() + "\n"));
    }
}

#[test]
fn libraries_fold_away_and_what_one_calls_of_them_stays() {
    let mut session = web((160, 48), Options::default());
    let whole = session.state.view.tree.total();
    session.expect("middleware_gzip");
    session.expect_not("own code (p)");
    session.press(&["p"]);
    assert_eq!(session.state.frames, Frames::Own);
    session.expect(" · own code (p)");
    session.expect(" dispatch  9");
    session.expect("db: execute");
    session.expect("json: _");
    session.expect_not("▸ middleware_gzip");
    assert_eq!(session.state.view.tree.total(), whole);
    session.press(&["4"]);
    session.expect("own code (p)");
    session.expect("db: execute");
    // A library that calls own code is listed for what it does else.
    session.expect("gzipper: middleware_gzip");
    assert_eq!(listed(&session), whole);
    session.press(&["o", "2"]);
    session.expect("db: execute");
    assert_eq!(session.state.view.tree.total(), whole);
    session.press(&["p"]);
    session.expect(" · plumbing (p)");
    session.press(&["p"]);
    session.expect_not("(p)");
}

/// What waits deep in a library is seen to wait where the library is one box.
#[test]
fn a_box_of_a_library_tells_whether_it_waits() {
    let mut session = web((160, 48), Options::default());
    session.press(&["p", "x", "x"]);
    session.expect("▒ <module> websrv.py ▸ main ▸ socketserver: serve_forever");
}

#[test]
fn the_stack_of_a_thread_is_copied_as_it_is_shown() {
    let mut session = web((160, 48), Options::default());
    session.press(&["p", "3", "G", "y"]);
    let Some(Effect::Copy(stack)) = session.effects.pop() else { panic!("{}", session.text()) };
    let names: Vec<&str> =
        stack.lines().filter_map(|line| line.split_once(" (")).map(|line| line.0).collect();
    assert_eq!(names, ["<module>", "main", "BaseServer.serve_forever"]);
}
