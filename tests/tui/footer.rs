//! The last line and the first: what they say is of the pane that has the keys, and true at this moment.

use crate::session::Session;
use crate::simulation::Program;

fn footer(session: &Session) -> String {
    session.lines().pop().unwrap()
}

#[test]
fn what_was_said_of_the_picture_before_goes_with_the_next_key() {
    let mut session = Session::new(Program::Web, (160, 48));
    session.run(5.0);
    session.press(&["r"]);
    session.expect("the past is forgotten");
    session.press(&["c"]);
    session.expect_not("the past is forgotten");
    session.press(&["Esc", "Esc", "Esc", "Esc"]);
    session.expect("nothing to go back to");
    session.press(&["/", "r", "e", "q", "Enter"]);
    assert!(footer(&session).contains("/req"), "{}", footer(&session));
    // A key that means nothing says nothing of the picture either.
    session.press(&["Esc", "x", "!"]);
    session.expect("only threads that run or hold the GIL");
}
