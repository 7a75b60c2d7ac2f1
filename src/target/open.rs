//! Which file a mapping really is. The path in a map is a word of the target's: its mount namespace may
//! differ from ours, the file may have been replaced since, and a name may lead anywhere. A file is taken
//! only if it is proved to be the one that is mapped.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::elf::{Elf, ElfError};
use super::maps::Module;
use super::memory::Memory;
use super::process::{self, Pid, Tid};

/// The file of a module, if it can be had: by its path as the target sees it, by the same path as we see it
/// (a process in a chroot has full paths in its map already), and by the kernel's own link to what is mapped,
/// which works for deleted files too but asks for `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`.
pub fn open(pid: Pid, module: &Module) -> Option<File> {
    let witness = process::witness(pid)?;
    let inside = module
        .path
        .strip_prefix("/")
        .ok()
        .map(|path| PathBuf::from(format!("/proc/{witness}/root")).join(path));
    let by_name = [inside.as_deref(), Some(module.path.as_path())];
    by_name
        .into_iter()
        .flatten()
        .find_map(|path| open_if(path, module))
        .or_else(|| open_mapped(witness, module))
}

/// Opens what a path leads to, if it is the module.
fn open_if(path: &Path, module: &Module) -> Option<File> {
    // Not to hang in, nor to wake, a FIFO or a device with the same name: look first, and open without
    // blocking.
    if !std::fs::metadata(path).ok()?.file_type().is_file() {
        return None;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .ok()?;
    is_same(&file, module).then_some(file)
}

/// Opens the kernel's link to what lies under the module's first mapping.
fn open_mapped(witness: Tid, module: &Module) -> Option<File> {
    let first = module.mappings.first()?;
    let path = format!("/proc/{witness}/map_files/{:x}-{:x}", first.start.0, first.end.0);
    // A mapped device is not to be opened a second time.
    if !std::fs::metadata(&path).ok()?.file_type().is_file() {
        return None;
    }
    File::open(path).ok()
}

/// Is this file the one that is mapped? Its inode must be the same. Its device must be so too, except that on
/// overlayfs (containers) and btrfs `maps` and `stat` differ by design: the one shows the layer's or the
/// subvolume's anonymous device, the other the file system's. There an equal inode with enough bytes for the
/// mappings is taken: the path led to it, so an accident would need two files of one name and one inode
/// number in two file systems.
fn is_same(file: &File, module: &Module) -> bool {
    let Ok(facts) = file.metadata() else { return false };
    let device = (nix::libc::major(facts.dev()), nix::libc::minor(facts.dev()));
    let needed = module.mappings.iter().map(|mapping| mapping.offset).max().unwrap_or(0);
    if facts.ino() != module.id.inode || !facts.file_type().is_file() {
        return false;
    }
    device == module.id.device || (!module.deleted && devices_may_differ(file) && facts.len() > needed)
}

/// Is it on a file system on which `maps` and `stat` name different devices?
fn devices_may_differ(file: &File) -> bool {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, fstatfs};
    fstatfs(file)
        .is_ok_and(|system| [BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC].contains(&system.filesystem_type()))
}

/// The module as ELF, from its file or, when that is out of reach, from the target's memory.
pub fn load<'a>(pid: Pid, memory: &'a dyn Memory, module: &Module) -> Result<Elf<'a>, ElfError> {
    match open(pid, module) {
        Some(file) => Elf::of_file(file, module),
        None => Elf::of_memory(memory, module),
    }
}
