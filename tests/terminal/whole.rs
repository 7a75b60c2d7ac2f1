//! What a terminal shows of what it is sent: a picture that is begun is shown when all of it is there. Who looks at half of
//! one clicks where nothing is any more.

/// The marks between which a picture comes: a synchronized update.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// How much of all that was sent is to be seen.
pub(crate) fn whole(sent: &[u8]) -> usize {
    let last = |mark: &[u8]| sent.windows(mark.len()).rposition(|bytes| bytes == mark);
    match (last(BEGIN), last(END)) {
        (Some(begun), ended) if ended.is_none_or(|ended| ended < begun) => begun,
        _ => sent.len(),
    }
}
