//! Frames that have died and still agree with everything that names them: 3.11 and 3.12.

use super::{FRAME_A, FRAME_B, FRAME_C, THREAD, broken, frames_3_11, walked};

#[test]
fn dead_frames_of_3_11() {
    // Both accounts agree, for the dead frame A still names B, which lives, as its caller. But A lies above the top
    // of the data stack (datastack_chunk@296 _top@304 _limit@312), at it (it is just being popped), or below C …
    let (layout, memory) = frames_3_11();
    let stack = |chunk: u64, top: u64, limit: u64| {
        memory.clone().again(THREAD).word(296, chunk).word(304, top).word(312, limit)
    };
    let (low, high) = (FRAME_A.min(FRAME_C), FRAME_A.max(FRAME_C) + 72);
    const { assert!(FRAME_A < FRAME_C, "here C, the caller, lies above A") };
    assert_eq!(walked(&layout, &stack(low, high, high)), broken(FRAME_C));
    assert_eq!(walked(&layout, &stack(low, FRAME_A, high)), broken(FRAME_A));
    assert_eq!(walked(&layout, &stack(low, FRAME_A - 8, high)), broken(FRAME_A));
    assert!(walked(&layout, &stack(FRAME_C, FRAME_C + 72, high)).is_ok(), "A lies in an older chunk");
    // … or B is a generator that does not run: gi_frame_state, five bytes before its frame, is not 0.
    for state in [0xFE, 0xFF, 1, 4] {
        let memory = memory.clone().again(FRAME_B - 8).u8(3, state);
        assert_eq!(walked(&layout, &memory), broken(FRAME_B));
    }
}
