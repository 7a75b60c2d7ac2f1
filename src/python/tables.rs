//! The layouts of the versions that do not publish theirs, 2.7 and 3.3–3.12, release builds on 64-bit Linux.
//!
//! The numbers were compiled from each version's own headers (`tests/offsets.json` holds them for every
//! patch release, and a test compares). Inside a minor version only one patch release moved anything that
//! we read: 3.7.4, whose garbage collector's header grew.

use crate::python::layout::{
    Boundary, Bytecode, CodeLayout, Collecting, Field, FirstFrame, FrameObjects, FrameSize, Frames, Gil,
    InterpreterFrames, InterpreterLayout, Layout, LineFormat, NameFormat, TextLayout, ThreadLayout,
};
use crate::python::version::{Build, Version};

/// Two pointers in front of each object: `_ob_next` and `_ob_prev`.
const TRACE_REFS_HEADER: u32 = 16;

/// The layout of `version`, or `None` where there is no table: 3.13 and later publish theirs, and an unknown
/// version is never read with the nearest table.
pub fn layout(version: Version, build: Build) -> Option<Layout> {
    if !version.is_settled() {
        return None;
    }
    let layout = Layout {
        version,
        build,
        interpreters: Field::at(interpreters(version)?),
        gil: gil(version),
        interpreter: interpreter(version),
        thread: thread(version),
        frames: frames(version),
        code: code(version),
        text: text(version),
        object_type: Field::at(8),
    };
    Some(match build {
        Build::Ordinary => layout,
        Build::TraceRefs => layout.with_object_header(TRACE_REFS_HEADER),
        // 3.13 was the first.
        Build::FreeThreaded => return None,
    })
}

fn interpreters(version: Version) -> Option<u32> {
    Some(match version.minor() {
        (2, 7) | (3, 3..=6) => 0,
        (3, 7) => 24,
        (3, 8..=10) => 32,
        (3, 11 | 12) => 40,
        _ => return None,
    })
}

fn gil(version: Version) -> Gil {
    let holder = match version.minor() {
        (2, _) | (3, ..=6) => return Gil::Current,
        (3, 7) if version.micro < 4 => 1184,
        (3, 7) => 1272,
        (3, 8) => 1160,
        (3, 9 | 10) => 360,
        (3, 11) => 368,
        _ => return Gil::Interpreter { pointer: Field::at(384), holder: Field::at(8) },
    };
    Gil::Runtime { holder: Field::at(holder) }
}

fn interpreter(version: Version) -> InterpreterLayout {
    let (id, threads, modules) = match version.minor() {
        (2, _) | (3, ..=6) => (None, 8, 16),
        (3, 7) => (Some(16), 8, 40),
        (3, 8) => (Some(16), 8, 56),
        (3, 9 | 10) => (Some(24), 8, 856),
        (3, 11) => (Some(48), 16, 888),
        _ => (Some(8), 72, 944),
    };
    let collecting = match version.minor() {
        (2, _) | (3, ..=6) => None,
        (3, 7) if version.micro < 4 => Some(Collecting::Runtime(Field::at(544))),
        (3, 7) => Some(Collecting::Runtime(Field::at(632))),
        (3, 8) => Some(Collecting::Runtime(Field::at(544))),
        (3, 9 | 10) => Some(Collecting::Interpreter(Field::at(816))),
        (3, 11) => Some(Collecting::Interpreter(Field::at(848))),
        _ => Some(Collecting::Interpreter(Field::at(312))),
    };
    InterpreterLayout {
        next: Field::at(0),
        id: id.map(Field::at),
        threads: Field::at(threads),
        modules: Field::at(modules),
        collecting,
        generation: None,
    }
}

fn thread(version: Version) -> ThreadLayout {
    let (next, interpreter, pthread, native_id) = match version.minor() {
        (2, _) | (3, ..=3) => (0, 8, 144, None),
        (3, 4..=6) => (8, 16, 152, None),
        (3, 7..=10) => (8, 16, 176, None),
        (3, 11) => (8, 16, 152, Some(160)),
        _ => (8, 16, 136, Some(144)),
    };
    ThreadLayout {
        next: Field::at(next),
        interpreter: Field::at(interpreter),
        pthread: Field::at(pthread),
        native_id: native_id.map(Field::at),
        in_pthread: None,
        status: (version.minor() >= (3, 12)).then_some(Field::at(24)),
        size: None,
        gil_requested: None,
    }
}

fn frames(version: Version) -> Frames {
    let (first, last_instruction, instruction_unit) = match version.minor() {
        (2, _) | (3, ..=3) => (16, 120, 1),
        (3, 4..=6) => (24, 120, 1),
        (3, 7..=9) => (24, 104, 1),
        (3, 10) => (24, 96, 2),
        (3, 11) => return Frames::Interpreter(frames_311()),
        _ => return Frames::Interpreter(frames_312()),
    };
    Frames::Objects(FrameObjects {
        first: Field::at(first),
        back: Field::at(24),
        code: Field::at(32),
        last_instruction: Field::at(last_instruction),
        instruction_unit,
    })
}

fn frames_311() -> InterpreterFrames {
    InterpreterFrames {
        first: FirstFrame::Entry {
            cframe: Field::at(56),
            links: Field::at(8),
            root: 336,
            boundary: Boundary::IsEntry(Field::at(68)),
            stack: Field::at(296),
        },
        code: Field::at(32),
        previous: Field::at(48),
        instruction: Field::at(56),
        owner: Field::at(69),
        bytecode_copy: None,
    }
}

fn frames_312() -> InterpreterFrames {
    InterpreterFrames {
        first: FirstFrame::Entry {
            cframe: Field::at(56),
            links: Field::at(0),
            root: 272,
            boundary: Boundary::Shim,
            stack: Field::at(232),
        },
        code: Field::at(0),
        previous: Field::at(8),
        instruction: Field::at(56),
        owner: Field::at(70),
        bytecode_copy: None,
    }
}

fn code(version: Version) -> CodeLayout {
    let (first_line, file, name, lines) = match version.minor() {
        (2, _) => (96, 80, 88, 104),
        (3, ..=5) => (112, 96, 104, 120),
        (3, 6 | 7) => (36, 96, 104, 112),
        (3, 8..=10) => (40, 104, 112, 120),
        (3, 11) => (72, 112, 120, 136),
        _ => (68, 112, 120, 136),
    };
    let line_format = match version.minor() {
        (2, _) | (3, ..=5) => LineFormat::PairsUnsigned,
        (3, 6..=9) => LineFormat::PairsSigned,
        (3, 10) => LineFormat::Ranges,
        _ => LineFormat::Locations,
    };
    let bytecode = match version.minor() {
        (2, _) | (3, ..=10) => None,
        (3, 11) => Some((184, 168)),
        _ => Some((192, 176)),
    };
    let frame_size = match version.minor() {
        (3, 11) => Some(FrameSize { stack: Field::at(68), locals: Some(Field::at(76)), specials: 9 }),
        (3, 12) => Some(FrameSize { stack: Field::at(76), locals: None, specials: 0 }),
        _ => None,
    };
    CodeLayout {
        first_line: Field::at(first_line),
        file: Field::at(file),
        name: Field::at(name),
        qualified_name: bytecode.map(|_| Field::at(128)),
        lines: Field::at(lines),
        line_format,
        bytecode: bytecode.map(|(start, first_traceable)| Bytecode {
            start: Field::at(start),
            first_traceable: Field::at(first_traceable),
            copies: None,
        }),
        frame_size,
        version: (version.minor() >= (3, 12)).then_some(Field::at(92)),
    }
}

fn text(version: Version) -> TextLayout {
    if version.major == 2 {
        // 2.7's `str` keeps its hash and whether it is interned before its bytes.
        return TextLayout {
            bytes_length: Field::at(16),
            bytes_data: Field::at(36),
            names: NameFormat::Bytes,
        };
    }
    // 3.12 dropped `wstr`.
    let (ascii, wide) = if version.minor() >= (3, 12) { (40, 56) } else { (48, 72) };
    TextLayout {
        bytes_length: Field::at(16),
        bytes_data: Field::at(32),
        names: NameFormat::Unicode {
            length: Field::at(16),
            state: Field::at(32),
            kind_shift: 2,
            ascii_data: Field::at(ascii),
            wide_data: Field::at(wide),
        },
    }
}
