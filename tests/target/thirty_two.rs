//! A program for a machine of 32 bits, written by hand: no compiler for one needs to be there.

/// The smallest program for a 32-bit x86: a header, a segment, and a jump to itself.
pub(crate) fn program() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    [
        b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec(),
        words(&[1, BASE + 84, 52, 0, 0]),
        vec![52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        words(&[1, 0, BASE, BASE, 86, 86, 5, 0x1000]),
        vec![0xeb, 0xfe],
    ]
    .concat()
}
