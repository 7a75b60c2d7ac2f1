//! The stack of a greenlet: it begins on a `_PyCFrame` of its own, which names no frame and leads to the root.

use super::*;

//   tstate → CFRAME_A → OWN → ROOT → NULL      The root is the main greenlet's: what it names is not ours.
//               ↓        ↓      ↓
//              A* ───→ NULL     B

fn greenlet_3_11() -> (Layout, Literal) {
    const OWN: u64 = CFRAME_B;
    #[rustfmt::skip]
    let memory = Literal::new()
        .at(THREAD, 320).word(56, CFRAME_A)
        .at(CFRAME_A, 24).word(8, FRAME_A).word(16, OWN)
        .at(OWN, 24).word(8, NULL).word(16, ROOT)
        .at(ROOT, 24).word(8, FRAME_B).word(16, NULL)
        .at(FRAME_A, 72).word(32, CODE_A).word(48, NULL).word(56, CODE_A + 190).u8(68, 1).u8(69, 0);
    (eras::layout(3, 11, Build::Ordinary), memory)
}

#[test]
fn a_greenlet_has_a_root_of_its_own() {
    let (layout, memory) = greenlet_3_11();
    assert_eq!(walked(&layout, &memory), Ok(vec![address(CODE_A, CODE_A + 190)]));
}

#[test]
fn a_chain_that_ends_early_is_no_greenlet() {
    let (layout, memory) = greenlet_3_11();
    // Its own `_PyCFrame` names a frame, or leads elsewhere than to this thread's root.
    let names = memory.clone().again(CFRAME_B).word(8, FRAME_B);
    assert_eq!(walked(&layout, &names), broken(FRAME_A));
    for elsewhere in [NULL, ROOT + 8, CFRAME_A] {
        let leads = memory.clone().again(CFRAME_B).word(16, elsewhere);
        assert_eq!(walked(&layout, &leads), broken(FRAME_A), "{elsewhere:#x}");
    }
}
