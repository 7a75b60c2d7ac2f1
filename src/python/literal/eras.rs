//! A layout of every era for the tests: 2.7–3.12 from the tables, 3.13–3.15 out of a published table that
//! is written down here, as 3.13.15, 3.14.10 and 3.15.2 hold it, built with the GIL and without.

use super::Literal;
use crate::python::layout::Layout;
use crate::python::published;
use crate::python::tables;
use crate::python::version::{Build, Version};
use crate::target::memory::Address;

/// Where the tests' `_PyRuntime` stands.
pub(crate) const RUNTIME: u64 = 0x10_0000;

/// Where each field stands in the table (3.13, 3.14, 3.15; 0 where there is none), and what stands there
/// (3.13, free-threaded 3.13, 3.14, free-threaded 3.14, …).
#[rustfmt::skip]
const PUBLISHED: &[([u32; 3], [u64; 6])] = &[
    ([40, 40, 40], [632, 632, 808, 808, 936, 936]), // runtime_state.interpreters_head
    ([56, 56, 56], [7272, 7272, 7280, 7280, 7272, 7272]), // interpreter_state.id
    ([64, 64, 64], [7264, 7264, 7272, 7272, 7264, 7264]), // interpreter_state.next
    ([72, 72, 72], [7344, 7344, 7344, 7344, 7336, 7336]), // interpreter_state.threads_head
    ([80, 88, 88], [7400, 7400, 7408, 7408, 7400, 7400]), // interpreter_state.gc
    ([88, 96, 96], [7656, 7664, 7688, 7712, 7592, 7592]), // interpreter_state.imports_modules
    ([112, 120, 120], [16, 16, 16, 16, 16, 16]), // interpreter_state.ceval_gil
    ([120, 128, 128], [7752, 7760, 7784, 7808, 7736, 7736]), // interpreter_state.gil_runtime_state
    ([144, 152, 152], [7760, 7776, 7792, 7824, 7744, 7752]), // interpreter_state.gil_runtime_state_holder
    ([0, 160, 160], [0, 0, 7992, 8024, 7944, 7952]), // interpreter_state.code_object_generation
    ([168, 192, 192], [8, 8, 8, 8, 8, 8]), // thread_state.next
    ([176, 200, 200], [16, 16, 16, 16, 16, 16]), // thread_state.interp
    ([184, 208, 208], [72, 72, 72, 72, 72, 72]), // thread_state.current_frame
    ([0, 0, 216], [0, 0, 0, 0, 80, 80]), // thread_state.base_frame
    ([192, 216, 240], [152, 152, 152, 152, 176, 176]), // thread_state.thread_id
    ([200, 224, 248], [160, 160, 160, 160, 184, 184]), // thread_state.native_thread_id
    ([216, 240, 264], [32, 32, 32, 32, 32, 32]), // thread_state.status
    ([0, 0, 280], [0, 0, 0, 0, 40, 40]), // thread_state.gil_requested
    ([232, 256, 320], [8, 8, 8, 8, 8, 8]), // interpreter_frame.previous
    ([240, 264, 328], [0, 0, 0, 0, 0, 0]), // interpreter_frame.executable
    ([248, 272, 336], [56, 56, 56, 56, 56, 56]), // interpreter_frame.instr_ptr
    ([264, 288, 352], [70, 70, 74, 78, 74, 78]), // interpreter_frame.owner
    ([0, 304, 368], [0, 0, 0, 72, 0, 72]), // interpreter_frame.tlbc_index
    ([280, 320, 384], [112, 128, 112, 128, 112, 128]), // code_object.filename
    ([288, 328, 392], [120, 136, 120, 136, 120, 136]), // code_object.name
    ([296, 336, 400], [128, 144, 128, 144, 128, 144]), // code_object.qualname
    ([304, 344, 408], [136, 152, 136, 152, 136, 152]), // code_object.linetable
    ([312, 352, 416], [68, 84, 68, 84, 68, 84]), // code_object.firstlineno
    ([344, 384, 448], [200, 216, 208, 232, 208, 232]), // code_object.co_code_adaptive
    ([0, 392, 456], [0, 0, 0, 224, 0, 224]), // code_object.co_tlbc
    ([360, 408, 472], [8, 24, 8, 24, 8, 24]), // pyobject.ob_type
    ([520, 600, 696], [16, 32, 16, 32, 16, 32]), // bytes_object.ob_size
    ([528, 608, 704], [32, 48, 32, 48, 32, 48]), // bytes_object.ob_sval
    ([544, 624, 720], [32, 48, 32, 48, 32, 48]), // unicode_object.state
    ([552, 632, 728], [16, 32, 16, 32, 16, 32]), // unicode_object.length
    ([560, 640, 736], [40, 56, 40, 56, 40, 56]), // unicode_object.asciiobject_size
    ([576, 656, 760], [200, 200, 192, 192, 112, 112]), // gc.collecting
];

/// Bytes of the table of 3.13, 3.14, 3.15.
const SIZES: [usize; 3] = [584, 760, 888];

/// The table that 3.`minor` publishes.
pub(crate) fn table(minor: u8, build: Build) -> Vec<u8> {
    let era = usize::from(minor - 13);
    let free_threaded = build == Build::FreeThreaded;
    let mut bytes = vec![0; SIZES[era]];
    let mut put = |position: u32, value: u64| {
        bytes[position as usize..position as usize + 8].copy_from_slice(&value.to_le_bytes());
    };
    put(0, u64::from_le_bytes(*b"xdebugpy"));
    put(8, 0x0300_00F0 | u64::from(minor) << 16);
    put(16, u64::from(free_threaded));
    for (positions, values) in PUBLISHED {
        if positions[era] != 0 {
            put(positions[era], values[2 * era + usize::from(free_threaded)]);
        }
    }
    bytes
}

/// The layout of 3.`minor`, or of 2.7.
pub(crate) fn layout(major: u8, minor: u8, build: Build) -> Layout {
    if (major, minor) < (3, 13) {
        return tables::layout(Version::new(major, minor, 7), build).expect("a table");
    }
    let table = table(minor, build);
    let memory = Literal::new().at(RUNTIME, table.len()).bytes(0, &table);
    published::layout(&memory, Address(RUNTIME)).expect("a published table")
}

/// The layouts of all versions and builds.
pub(crate) fn all() -> Vec<Layout> {
    let old = [(2, 7), (3, 3), (3, 4), (3, 5), (3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12)];
    let old = old.into_iter().flat_map(|(major, minor)| {
        [Build::Ordinary, Build::TraceRefs].map(|build| layout(major, minor, build))
    });
    let new = [13, 14, 15]
        .into_iter()
        .flat_map(|minor| [Build::Ordinary, Build::FreeThreaded].map(|build| layout(3, minor, build)));
    old.chain(new).collect()
}
