//! The layouts against what compilers and live Pythons say, for every patch release and build at hand.
//!
//! `offsets.json` holds `offsetof()` of each version's own headers on 64-bit Linux, a line a version:
//! {build: {structure: {field: offset}}}, builds being release, debug (`Py_DEBUG`), `trace_refs`, ft
//! (`--disable-gil`), `ft_debug`, ucs2 (2.7 with narrow strings) and arm64glibc; of what is read here alone. `_sizeof`
//! is a structure's size. Then come the positions in `_Py_DebugOffsets`, and the numbers that running Pythons published.

use std::collections::BTreeMap;

use pyflame_tui::python::dicts::DictLayout;
use pyflame_tui::python::layout::{
    Boundary, Bytecode, Collecting, Field, FirstFrame, Frames, Generation, Gil, Layout, NameFormat,
};
use pyflame_tui::python::objects::ObjectLayout;
use pyflame_tui::python::published::{self, PublishedError};
use pyflame_tui::python::tables;
use pyflame_tui::python::version::{Build, Version};
use pyflame_tui::target::memory::{Address, Memory, ReadError};
use serde_json::Value;

const RUNTIME: u64 = 0x1000;

/// The table alone.
struct Published(Vec<u8>);

impl Memory for Published {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let bytes = from.0.checked_sub(RUNTIME).and_then(|start| self.0.get(start as usize..));
        let bytes = bytes.and_then(|bytes| bytes.get(..to.len())).ok_or(ReadError::Unmapped(from))?;
        to.copy_from_slice(bytes);
        Ok(())
    }
}

/// One build's numbers: structure → field → offset.
#[derive(Clone, Copy)]
struct Compiled<'a>(&'a Value);

impl Compiled<'_> {
    fn get(self, structure: &str, field: &str) -> Option<u64> {
        self.0.get(structure)?.get(field)?.as_u64()
    }

    /// The first of `fields` that there is: names changed over time.
    fn any(self, structure: &str, fields: &[&str]) -> Option<u64> {
        fields.iter().find_map(|field| self.get(structure, field))
    }

    /// How far one field stands behind another.
    fn between(self, structure: &str, from: &str, to: &str) -> Option<u64> {
        self.get(structure, to)?.checked_sub(self.get(structure, from)?)
    }
}

fn offsets() -> Value {
    serde_json::from_str(include_str!("offsets.json")).expect("offsets.json")
}

/// Versions with their builds, without what was published.
fn versions(offsets: &Value) -> impl Iterator<Item = (Version, &str, Compiled<'_>)> {
    let all = offsets.as_object().expect("an object").iter();
    all.filter_map(|(version, builds)| Some((Version::from_text(version)?, builds.as_object()?))).flat_map(
        |(version, builds)| builds.iter().map(move |(build, it)| (version, build.as_str(), Compiled(it))),
    )
}

/// Which of our layouts a build is to be read with.
fn build_of(version: Version, name: &str) -> Build {
    match name {
        // Before 3.8 a debug build chained all objects; from 3.13 on the chain is kept elsewhere.
        "debug" if version.minor() < (3, 8) => Build::TraceRefs,
        "trace_refs" if version.minor() < (3, 13) => Build::TraceRefs,
        "ft" | "ft_debug" => Build::FreeThreaded,
        "release" | "debug" | "trace_refs" | "ucs2" | "arm64glibc" => Build::Ordinary,
        _ => panic!("what is a {name} build of {version}?"),
    }
}

/// Every number in `layout` beside what was compiled. The locked word is read 8 bytes behind the holder.
fn numbers(layout: &Layout, compiled: Compiled<'_>) -> Vec<(&'static str, u32, Option<u64>)> {
    let c = compiled;
    let mut all = Vec::new();
    if layout.version.minor() >= (3, 7) {
        all.push(("interpreters", layout.interpreters.offset(), c.get("runtime", "interpreters.head")));
    }
    match layout.gil {
        Gil::Current => {}
        Gil::Runtime { holder } => {
            all.push(("holder", holder.offset(), c.get("runtime", "ceval.gil.last_holder")));
            all.push(("locked", holder.offset() + 8, c.get("runtime", "ceval.gil.locked")));
        }
        Gil::Interpreter { pointer, holder } | Gil::Optional { pointer, holder, .. } => {
            all.push(("gil", pointer.offset(), c.get("interp", "ceval.gil")));
            all.push(("holder", holder.offset(), c.between("interp", "_gil", "_gil.last_holder")));
            all.push(("locked", holder.offset() + 8, c.between("interp", "_gil", "_gil.locked")));
        }
    }
    if let Gil::Optional { enabled, .. } = layout.gil {
        all.push(("enabled", enabled.offset(), c.between("interp", "_gil", "_gil.enabled")));
    }
    interpreter_and_thread(layout, c, &mut all);
    frames(layout, c, &mut all);
    code(layout, c, &mut all);
    text(layout, c, &mut all);
    objects(layout, c, &mut all);
    all
}

type Numbers = Vec<(&'static str, u32, Option<u64>)>;

fn interpreter_and_thread(layout: &Layout, c: Compiled<'_>, all: &mut Numbers) {
    let it = &layout.interpreter;
    all.push(("interp.next", it.next.offset(), c.get("interp", "next")));
    all.push(("threads", it.threads.offset(), c.any("interp", &["threads.head", "tstate_head"])));
    all.push(("modules", it.modules.offset(), c.any("interp", &["imports.modules", "modules"])));
    all.extend(it.id.map(|field| ("interp.id", field.offset(), c.get("interp", "id"))));
    all.extend(it.collecting.map(|collecting| match collecting {
        Collecting::Runtime(field) => ("collecting", field.offset(), c.get("runtime", "gc.collecting")),
        Collecting::Interpreter(field) => ("collecting", field.offset(), c.get("interp", "gc.collecting")),
    }));
    let generation = match it.generation {
        Some(Generation::Made(field)) => Some(("func_state.next_version", field.offset())),
        Some(Generation::Died(field)) => Some(("_code_object_generation", field.offset())),
        _ => None,
    };
    assert!(generation.is_some() || c.get("interp", "_code_object_generation").is_none());
    all.extend(generation.map(|(name, offset)| (name, offset, c.get("interp", name))));
    let it = &layout.thread;
    all.push(("tstate.next", it.next.offset(), c.get("tstate", "next")));
    all.push(("tstate.interp", it.interpreter.offset(), c.get("tstate", "interp")));
    all.push(("thread_id", it.pthread.offset(), c.get("tstate", "thread_id")));
    for (name, field, compiled) in [
        ("native_thread_id", it.native_id.map(Field::offset), c.get("tstate", "native_thread_id")),
        ("_status", it.status.map(Field::offset), c.get("tstate", "_status")),
        ("gil_requested", it.gil_requested.map(Field::offset), c.get("tstate", "gil_requested")),
    ] {
        assert_eq!(field.is_some(), compiled.is_some(), "{name}");
        all.extend(field.map(|offset| (name, offset, compiled)));
    }
}

fn frames(layout: &Layout, c: Compiled<'_>, all: &mut Numbers) {
    match &layout.frames {
        Frames::Objects(it) => {
            all.push(("frame", it.first.offset(), c.get("tstate", "frame")));
            all.push(("f_back", it.back.offset(), c.get("pyframe", "f_back")));
            all.push(("f_code", it.code.offset(), c.get("pyframe", "f_code")));
            all.push(("f_lasti", it.last_instruction.offset(), c.get("pyframe", "f_lasti")));
        }
        Frames::Interpreter(it) => {
            all.push(("executable", it.code.offset(), c.any("iframe", &["f_executable", "f_code"])));
            all.push(("previous", it.previous.offset(), c.get("iframe", "previous")));
            all.push(("instr", it.instruction.offset(), c.any("iframe", &["instr_ptr", "prev_instr"])));
            all.push(("owner", it.owner.offset(), c.get("iframe", "owner")));
            let index = c.get("iframe", "tlbc_index");
            assert_eq!(it.bytecode_copy.is_some(), index.is_some());
            all.extend(it.bytecode_copy.map(|field| ("tlbc_index", field.offset(), index)));
            match it.first {
                FirstFrame::Entry { cframe, links, root, boundary, stack } => {
                    all.push(("chunk", stack.offset(), c.get("tstate", "datastack_chunk")));
                    all.push(("top", stack.offset() + 8, c.get("tstate", "datastack_top")));
                    all.push(("limit", stack.offset() + 16, c.get("tstate", "datastack_limit")));
                    all.push(("cframe", cframe.offset(), c.get("tstate", "cframe")));
                    all.push(("current", links.offset(), c.get("cframe", "current_frame")));
                    all.push(("root_cframe", root, c.get("tstate", "root_cframe")));
                    all.push(("cframe.previous", links.offset() + 8, c.get("cframe", "previous")));
                    if let Boundary::IsEntry(field) = boundary {
                        all.push(("is_entry", field.offset(), c.get("iframe", "is_entry")));
                    }
                }
                FirstFrame::Current { current, base } => {
                    all.push(("current_frame", current.offset(), c.get("tstate", "current_frame")));
                    assert_eq!(base.is_some(), c.get("tstate", "base_frame").is_some());
                    all.extend(base.map(|field| ("base", field.offset(), c.get("tstate", "base_frame"))));
                }
            }
        }
    }
}

fn code(layout: &Layout, c: Compiled<'_>, all: &mut Numbers) {
    let it = &layout.code;
    all.push(("ob_type", layout.object_type.offset(), c.get("object", "ob_type")));
    all.push(("firstlineno", it.first_line.offset(), c.get("code", "co_firstlineno")));
    all.push(("filename", it.file.offset(), c.get("code", "co_filename")));
    all.push(("name", it.name.offset(), c.get("code", "co_name")));
    all.push(("lines", it.lines.offset(), c.any("code", &["co_linetable", "co_lnotab"])));
    all.extend(it.version.map(|field| ("version", field.offset(), c.get("code", "co_version"))));
    let qualified = c.get("code", "co_qualname");
    assert_eq!(it.qualified_name.is_some(), qualified.is_some());
    all.extend(it.qualified_name.map(|field| ("qualname", field.offset(), qualified)));
    let Some(Bytecode { start, first_traceable, copies }) = it.bytecode else {
        return assert_eq!(c.get("code", "co_code_adaptive"), None);
    };
    all.push(("co_code_adaptive", start.offset(), c.get("code", "co_code_adaptive")));
    all.push(("firsttraceable", first_traceable.offset(), c.get("code", "_co_firsttraceable")));
    assert_eq!(copies.is_some(), c.get("code", "co_tlbc").is_some());
    all.extend(copies.map(|field| ("co_tlbc", field.offset(), c.get("code", "co_tlbc"))));
}

fn text(layout: &Layout, c: Compiled<'_>, all: &mut Numbers) {
    let it = &layout.text;
    all.push(("ob_size", it.bytes_length.offset(), c.get("varobject", "ob_size")));
    match it.names {
        NameFormat::Bytes => {
            all.push(("ob_sval", it.bytes_data.offset(), c.get("string27", "ob_sval")));
        }
        NameFormat::Unicode { length, state, ascii_data, wide_data, .. } => {
            all.push(("ob_sval", it.bytes_data.offset(), c.get("bytes", "ob_sval")));
            all.push(("length", length.offset(), c.get("ascii", "length")));
            // A bit field has no offsetof; it follows the hash.
            all.push(("state", state.offset(), c.get("ascii", "hash").map(|hash| hash + 8)));
            all.push(("ascii data", ascii_data.offset(), c.get("ascii", "_sizeof")));
            all.push(("wide data", wide_data.offset(), c.get("compact_unicode", "_sizeof")));
            all.push(("other data", wide_data.offset(), c.get("unicode", "data")));
        }
    }
}

/// What it takes to find the names of threads. Only 3.11 and later have a header for dict keys.
fn objects(layout: &Layout, c: Compiled<'_>, all: &mut Numbers) {
    let it = ObjectLayout::of(layout).expect("a layout");
    all.push(("tp_basicsize", it.types.basic_size.offset(), c.get("type", "tp_basicsize")));
    all.push(("tp_flags", it.types.flags.offset(), c.get("type", "tp_flags")));
    all.push(("tp_dictoffset", it.types.dict_offset.offset(), c.get("type", "tp_dictoffset")));
    let cached = c.get("heap_type", "ht_cached_keys");
    all.extend(it.types.cached_keys.map(|field| ("ht_cached_keys", field.offset(), cached)));
    match it.dicts {
        DictLayout::Table { mask, slots } => {
            all.push(("ma_mask", mask.offset(), c.get("dict", "ma_mask")));
            all.push(("ma_table", slots.offset(), c.get("dict", "ma_table")));
        }
        DictLayout::Keys { keys, values, first_value, .. } => {
            all.push(("ma_keys", keys.offset(), c.get("dict", "ma_keys")));
            all.push(("ma_values", values.offset(), c.get("dict", "ma_values")));
            let first = c.get("dict_values", "values").or(Some(0));
            all.push(("values", first_value.offset(), first));
        }
    }
    let size = c.any("long", &["long_value.lv_tag"]).or(c.get("varobject", "ob_size"));
    all.push(("lv_tag", it.integers.size.offset(), size));
    // 2.7 has a header of its own for it.
    let digits = c.any("long", &["long_value.ob_digit", "ob_digit"]);
    all.extend(digits.map(|digits| ("ob_digit", it.integers.digits.offset(), Some(digits))));
}

fn compare(what: &str, layout: &Layout, compiled: Compiled<'_>) {
    for (name, ours, compiled) in numbers(layout, compiled) {
        assert_eq!(Some(u64::from(ours)), compiled, "{what}: {name}");
    }
}

/// What `_Py_DebugOffsets` would hold: for each of its fields, where a compiler put that.
const PUBLISHED_FIELDS: &[(&str, &str, &str)] = &[
    ("runtime_state.interpreters_head", "runtime", "interpreters.head"),
    ("interpreter_state.size", "interp", "_sizeof"),
    ("interpreter_state.id", "interp", "id"),
    ("interpreter_state.next", "interp", "next"),
    ("interpreter_state.threads_head", "interp", "threads.head"),
    ("interpreter_state.gc", "interp", "gc"),
    ("interpreter_state.imports_modules", "interp", "imports.modules"),
    ("interpreter_state.ceval_gil", "interp", "ceval.gil"),
    ("interpreter_state.gil_runtime_state", "interp", "_gil"),
    ("interpreter_state.gil_runtime_state_holder", "interp", "_gil.last_holder"),
    ("interpreter_state.code_object_generation", "interp", "_code_object_generation"),
    ("thread_state.next", "tstate", "next"),
    ("thread_state.interp", "tstate", "interp"),
    ("thread_state.current_frame", "tstate", "current_frame"),
    ("thread_state.base_frame", "tstate", "base_frame"),
    ("thread_state.thread_id", "tstate", "thread_id"),
    ("thread_state.native_thread_id", "tstate", "native_thread_id"),
    ("thread_state.status", "tstate", "_status"),
    ("thread_state.gil_requested", "tstate", "gil_requested"),
    ("interpreter_frame.previous", "iframe", "previous"),
    ("interpreter_frame.executable", "iframe", "f_executable"),
    ("interpreter_frame.instr_ptr", "iframe", "instr_ptr"),
    ("interpreter_frame.owner", "iframe", "owner"),
    ("interpreter_frame.tlbc_index", "iframe", "tlbc_index"),
    ("code_object.filename", "code", "co_filename"),
    ("code_object.name", "code", "co_name"),
    ("code_object.qualname", "code", "co_qualname"),
    ("code_object.linetable", "code", "co_linetable"),
    ("code_object.firstlineno", "code", "co_firstlineno"),
    ("code_object.co_code_adaptive", "code", "co_code_adaptive"),
    ("code_object.co_tlbc", "code", "co_tlbc"),
    ("pyobject.ob_type", "object", "ob_type"),
    ("bytes_object.ob_size", "varobject", "ob_size"),
    ("bytes_object.ob_sval", "bytes", "ob_sval"),
    ("unicode_object.length", "ascii", "length"),
    ("unicode_object.asciiobject_size", "ascii", "_sizeof"),
    ("gc.collecting", "gc_state", "collecting"),
];

/// The table's bytes, with `value` for each field that the version's table has.
fn table(positions: &Value, value: impl Fn(&str) -> Option<u64>) -> Published {
    let positions: BTreeMap<&str, usize> = positions
        .as_object()
        .expect("positions")
        .iter()
        .map(|(field, position)| (field.as_str(), position.as_u64().expect("a position") as usize))
        .collect();
    let mut bytes = vec![0; positions["_sizeof"]];
    for (field, position) in positions {
        let word = match field {
            "_sizeof" => continue,
            "cookie" => u64::from_le_bytes(published::COOKIE),
            _ => value(field).unwrap_or(0),
        };
        bytes[position..position + 8].copy_from_slice(&word.to_le_bytes());
    }
    Published(bytes)
}

fn hex(version: Version) -> u64 {
    u64::from(u32::from_be_bytes([version.major, version.minor, version.micro, version.release]))
}

/// What the target would publish, were it built with these numbers.
fn published_of(offsets: &Value, version: Version, build: Build, compiled: Compiled<'_>) -> Published {
    let positions = &offsets["published_positions"][format!("3.{}", version.minor)];
    table(positions, |field| match field {
        "version" => Some(hex(version)),
        "free_threaded" => Some(u64::from(build == Build::FreeThreaded)),
        "unicode_object.state" => compiled.get("ascii", "hash").map(|hash| hash + 8),
        _ => {
            let (_, structure, name) = PUBLISHED_FIELDS.iter().find(|(known, ..)| *known == field)?;
            compiled.get(structure, name)
        }
    })
}

/// 2.7–3.12, and 3.3–3.5 beside them: every number of the tables, for every patch release and build.
#[test]
fn tables_agree_with_the_compiler() {
    let offsets = offsets();
    let mut compared = 0;
    for (version, name, compiled) in versions(&offsets).filter(|(version, ..)| version.minor() < (3, 13)) {
        let layout = tables::layout(version, build_of(version, name)).expect("a table");
        compare(&format!("{version} {name}"), &layout, compiled);
        compared += 1;
    }
    assert!(compared >= 140, "{compared} builds compared");
}

/// 3.13 and later: a table with the compiler's numbers gives a layout with them, what is not published
/// (`_co_firsttraceable`, where a string's state stands) among them.
#[test]
fn published_tables_agree_with_the_compiler() {
    let offsets = offsets();
    let mut compared = 0;
    for (version, name, compiled) in versions(&offsets).filter(|(version, ..)| version.minor() >= (3, 13)) {
        let build = build_of(version, name);
        let memory = published_of(&offsets, version, build, compiled);
        let layout = published::layout(&memory, Address(RUNTIME)).expect("a layout");
        assert_eq!((layout.version, layout.build), (version, build));
        compare(&format!("{version} {name}"), &layout, compiled);
        compared += 1;
    }
    assert_eq!(compared, 36, "six builds of 3.13.0, 3.13.5, 3.13.15, 3.13.18, 3.14.10 and 3.15.2");
}

/// What running Pythons published, against the compiler's numbers for the same version and build.
#[test]
fn what_was_published_live_agrees_with_the_compiler() {
    let offsets = offsets();
    let live = offsets.as_object().expect("an object").iter();
    let live: Vec<_> =
        live.filter_map(|(name, values)| Some((name.strip_prefix("published by ")?, values))).collect();
    assert_eq!(live.len(), 8);
    for (name, values) in live {
        let (text, build) = name.split_once('/').expect("version/build");
        let version = Version::from_text(text).expect("a version");
        // The one snapshot that is no release held another table than 3.15.2's.
        let positions = &offsets["published_positions"][format!("3.{}", version.minor)];
        let memory = table(positions, |field| values[field].as_u64());
        let layout = published::layout(&memory, Address(RUNTIME));
        if !version.is_settled() {
            assert_eq!(layout, Err(PublishedError::Unknown(version)));
            continue;
        }
        let layout = layout.expect("a layout");
        assert_eq!((layout.version, layout.build), (version, build_of(version, build)));
        compare(name, &layout, Compiled(&offsets[text][build]));
    }
}

/// No table is taken for another version's.
#[test]
fn unknown_versions_have_no_table() {
    for (major, minor) in [(2, 6), (2, 8), (3, 0), (3, 2), (3, 13), (3, 14), (3, 15), (3, 16), (4, 0)] {
        assert_eq!(tables::layout(Version::new(major, minor, 0), Build::Ordinary), None, "{major}.{minor}");
    }
    for minor in [3, 6, 12] {
        assert_eq!(tables::layout(Version::new(3, minor, 0), Build::FreeThreaded), None, "3.{minor}");
    }
    for (text, known) in [("3.9.0a1", false), ("3.12.0b4", false), ("3.12.0rc1", true)] {
        let version = Version::from_text(text).expect("a version");
        assert_eq!(tables::layout(version, Build::Ordinary).is_some(), known, "{text}");
    }
}
