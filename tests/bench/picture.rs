//! A thread of a CPython 3.8 as it lies in memory, so many frames deep, each of a function of its own.

use pyflame_tui::python::layout::{Frames, Layout, NameFormat};
use pyflame_tui::python::locate::Python;
use pyflame_tui::python::tables;
use pyflame_tui::python::threads::{Interpreter, Lock, Roots};
use pyflame_tui::python::version::{Build, Version};
use pyflame_tui::target::memory::{Address, Memory, ReadError};

/// Where the picture begins; every structure has [`ROOM`] bytes.
const BASE: u64 = 0x7F00_0000_0000;
const ROOM: u64 = 512;

// Structures by number:   0 runtime   1 interpreter   2 thread   3 type of code objects
//                         FRAMES + 5n frame   + 1 its code object   + 2 file   + 3 name   + 4 line table
const FRAMES: u64 = 4;

/// The bytes of the picture.
pub(crate) struct Picture {
    layout: Layout,
    bytes: Vec<u8>,
}

const fn structure(number: u64) -> Address {
    Address(BASE + number * ROOM)
}

impl Picture {
    pub(crate) const INTERPRETER: Interpreter =
        Interpreter { address: structure(1), id: 0, lock: Lock::Attached };
    pub(crate) const THREAD: Address = structure(2);

    pub(crate) fn of(depth: u64) -> Self {
        let layout = tables::layout(Version::new(3, 8, 18), Build::Ordinary).unwrap();
        let bytes = vec![0; ((FRAMES + 5 * depth) * ROOM) as usize];
        let mut picture = Self { bytes, layout: layout.clone() };
        let Frames::Objects(frames) = layout.frames else { unreachable!("3.8 has frame objects") };
        picture.word(structure(2), layout.thread.interpreter.offset(), structure(1).0);
        picture.word(structure(2), frames.first.offset(), structure(FRAMES).0);
        for number in 0..depth {
            let frame = FRAMES + 5 * number;
            let [code, file, name, table] = [1, 2, 3, 4].map(|part| structure(frame + part));
            let back = if number + 1 < depth { structure(frame + 5) } else { Address::NULL };
            picture.word(structure(frame), frames.back.offset(), back.0);
            picture.word(structure(frame), frames.code.offset(), code.0);
            picture.word(structure(frame), frames.last_instruction.offset(), 40);
            picture.word(code, layout.object_type.offset(), structure(3).0);
            picture.word(code, layout.code.first_line.offset(), number + 1);
            picture.word(code, layout.code.file.offset(), file.0);
            picture.word(code, layout.code.name.offset(), name.0);
            picture.word(code, layout.code.lines.offset(), table.0);
            picture.string(
                file,
                &format!("/srv/app/lib/python3.8/site-packages/package/module_{}.py", number % 40),
            );
            picture.string(name, &format!("function_{number}"));
            // Twenty lines of six bytes of code each.
            let lines = [6_u8, 1].repeat(20);
            picture.word(table, layout.text.bytes_length.offset(), lines.len() as u64);
            picture.put(table, layout.text.bytes_data.offset(), &lines);
        }
        picture
    }

    fn put(&mut self, structure: Address, offset: u32, bytes: &[u8]) {
        let start = (structure.0 - BASE) as usize + offset as usize;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    fn word(&mut self, structure: Address, offset: u32, value: u64) {
        self.put(structure, offset, &value.to_le_bytes());
    }

    /// A compact ASCII string.
    fn string(&mut self, at: Address, text: &str) {
        let NameFormat::Unicode { length, state, kind_shift, ascii_data, .. } = self.layout.text.names else {
            unreachable!("3.8 has Unicode strings")
        };
        self.word(at, length.offset(), text.len() as u64);
        self.word(at, state.offset(), 0b11_001 << kind_shift);
        self.put(at, ascii_data.offset(), text.as_bytes());
    }

    pub(crate) fn python(&self) -> Python {
        let roots = Roots { runtime: structure(0), current: None };
        Python { layout: self.layout.clone(), roots, code_type: structure(3), evaluation: None }
    }
}

impl Memory for Picture {
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(from.0.wrapping_sub(BASE)).map_err(|_| ReadError::Unmapped(from))?;
        let bytes = start.checked_add(to.len()).and_then(|end| self.bytes.get(start..end));
        to.copy_from_slice(bytes.ok_or(ReadError::Unmapped(from))?);
        Ok(())
    }
}
