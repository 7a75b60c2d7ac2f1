//! Our layouts against the target's own words: `PyCode_Type.tp_members` (and `PyFrame_Type`'s, up to 3.10) say in every
//! Python where their fields stand.

use std::collections::BTreeMap;
use std::time::Duration;

use pyflame_tui::python::layout::Frames;
use pyflame_tui::python::locate::Python;
use pyflame_tui::target::{Address, Memory, Target};

use crate::interpreters::Interpreter;
use crate::looks;
use crate::subject::Subject;

/// Bytes from `ob_type` to `tp_members` in a type object, the same in all versions: `ob_size`, `tp_name` and 27 more.
const TO_MEMBERS: u64 = 232;
/// `sizeof(PyMemberDef)`: name, type, offset, flags, doc.
const MEMBER: u64 = 40;
/// Of a member definition.
const MEMBER_OFFSET: u64 = 16;

/// Compares, and says how many fields there were to compare.
pub(crate) fn compare(python: &Interpreter) -> Result<usize, String> {
    let program = if python.takes_programs() { "idle.py" } else { "maze.py" };
    let mut subject = Subject::program(python, program, &[]);
    subject.await_line("ready", Duration::from_secs(60))?;
    looks::at_memory(&subject, compare_code)
}

fn compare_code(target: &Target, python: &Python) -> Result<usize, String> {
    let layout = &python.layout;
    let theirs = members(target, python, python.code_type)?;
    let mut ours = vec![
        ("co_filename", layout.code.file.offset()),
        ("co_name", layout.code.name.offset()),
        ("co_firstlineno", layout.code.first_line.offset()),
    ];
    if let Some(field) = layout.code.qualified_name {
        ours.push(("co_qualname", field.offset()));
    }
    // Published under this name, though what it holds has changed; from 3.10 on `co_lnotab` is computed.
    ours.push(("co_lnotab", layout.code.lines.offset()));
    ours.push(("co_linetable", layout.code.lines.offset()));
    let mut compared = check("code", &ours, &theirs)?;
    if compared < 3 {
        return Err(format!("only {compared} members of code objects: {theirs:?}"));
    }
    if let Frames::Objects(frames) = &layout.frames {
        let kind = symbol(target, "PyFrame_Type").ok_or("no PyFrame_Type")?;
        let ours = [
            ("f_back", frames.back.offset()),
            ("f_code", frames.code.offset()),
            ("f_lasti", frames.last_instruction.offset()),
        ];
        compared += check("frame", &ours, &members(target, python, kind)?)?;
    }
    Ok(compared)
}

fn check(what: &str, ours: &[(&str, u32)], theirs: &BTreeMap<String, u64>) -> Result<usize, String> {
    let mut compared = 0;
    for (name, offset) in ours {
        match theirs.get(*name) {
            Some(true_offset) if *true_offset == u64::from(*offset) => compared += 1,
            Some(true_offset) => return Err(format!("{what}: {name} is at {true_offset}, we say {offset}")),
            None => {}
        }
    }
    Ok(compared)
}

/// The members of a type, and where they stand.
fn members(target: &Target, python: &Python, kind: Address) -> Result<BTreeMap<String, u64>, String> {
    let memory = target.memory();
    let said = |error| format!("members of the type at {kind}: {error}");
    let mut found = BTreeMap::new();
    let mut at = memory.pointer(python.layout.object_type.within(kind) + TO_MEMBERS).map_err(said)?;
    while !at.is_null() {
        let name = memory.pointer(at).map_err(said)?;
        if name.is_null() {
            break;
        }
        let mut bytes = [0; 24];
        memory.read(name, &mut bytes).map_err(said)?;
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let offset = memory.u64(at + MEMBER_OFFSET).map_err(said)?;
        found.insert(String::from_utf8_lossy(name).into_owned(), offset);
        at = at + MEMBER;
    }
    Ok(found)
}

fn symbol(target: &Target, name: &str) -> Option<Address> {
    let modules = target.maps().ok()?.modules();
    modules.iter().find_map(|module| Some(target.elf(module).ok()?.symbol(name).ok()??.address))
}
