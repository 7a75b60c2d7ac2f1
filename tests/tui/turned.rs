//! The flame turned round: what was executing comes first, and is what a box, the cursor and the source tell of.

use pyflame_tui::tui::action::Effect;

use crate::session::Session;
use crate::simulation::Program;

/// The flame's rows, from the one below the root on.
fn row(session: &Session) -> String {
    let lines = session.lines();
    let root = lines.iter().position(|line| line.contains("│ all ") || line.contains("│▶all ")).unwrap();
    lines[root + 1].clone()
}

fn cursor(session: &Session) -> String {
    let step = session.state.view.cursor_call().and_then(|call| call.step).unwrap();
    session.state.profile.function(step.function).name.to_string()
}

#[test]
fn what_was_executing_is_what_boxes_are_named_after() {
    let mut session = Session::new(Program::Steady, (80, 24));
    session.run(5.0);
    session.press(&["o"]);
    assert_eq!(cursor(&session), "view_report");
    let boxes = row(&session);
    assert!(boxes.contains("▶view_report ▸ dispatch ▸ "), "{boxes}");
    assert!(boxes.contains(" ▸ …  "), "what is far from the leaf is left out: {boxes}");
    assert!(boxes.contains("execute"), "{boxes}");
    session.expect(" view_report /srv/app/websrv.py:39");
    // By hand, too.
    session.press(&["Right"]);
    assert_eq!(cursor(&session), "execute");
    // A copied stack begins at the root, whichever way it is looked at.
    session.press(&["y"]);
    let Some(Effect::Copy(stack)) = session.effects.pop() else { panic!("{:?}", session.effects) };
    let names: Vec<&str> = stack.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"worker"), Some(&"execute")), "{stack}");
}
