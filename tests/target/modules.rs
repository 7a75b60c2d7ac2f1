//! Files in the target's map: found under any name, or in memory when they are gone; and threads under other
//! numbers.

use std::fs;
use std::path::Path;
use std::process::Command;

use pyflame_tui::target::{Elf, ElfError, Memory, Module, Pid, RunState, Target, Tasks, process};

use crate::installed::copy_program;
use crate::{Subject, is_root, within};

/// The module in which most of Python is, and a symbol that all versions have.
fn interpreter(target: &Target) -> Module {
    let modules = target.maps().unwrap().modules();
    let has_it = |module: &&Module| {
        target.elf(module).is_ok_and(|elf| matches!(elf.symbol("PyType_Type"), Ok(Some(_))))
    };
    modules.iter().find(has_it).expect("a Python that exports its symbols").clone()
}

/// `PyType_Type.ob_type` is its own address, at 8 (at 24 in builds with more in front of an object).
fn assert_is_type(target: &Target, elf: &Elf<'_>) {
    let place = elf.symbol("PyType_Type").unwrap().unwrap();
    let words = [8, 24].map(|offset| target.memory().pointer(place.address + offset));
    assert!(words.contains(&Ok(place.address)), "{place:?}: {words:?}");
}

#[test]
fn symbols_are_where_the_file_says() {
    within(60, || {
        let subject = Subject::busy();
        let target = Target::attach(subject.pid()).unwrap();
        let module = interpreter(&target);
        let elf = target.elf(&module).unwrap();
        assert_is_type(&target, &elf);
        assert_eq!(elf.symbol("no_such_symbol"), Ok(None));
        assert_eq!(elf.symbol("malloc"), Ok(None), "imported, not defined here");
        assert_eq!(elf.section(".no_such_section"), Ok(None));
        let data = elf.section(".data").unwrap().unwrap();
        let place = elf.symbol("PyType_Type").unwrap().unwrap();
        assert!(data.address <= place.address && place.address - data.address < data.size);
        assert!(elf.zeroed().count() > 0);
        if let Some(all) = elf.local_symbol("PyType_Type").unwrap() {
            assert_eq!(all, place);
        }
        // The same from memory.
        let in_memory = Elf::of_memory(target.memory(), &module).unwrap();
        assert_eq!(in_memory.symbol("PyType_Type"), Ok(Some(place)));
        assert_eq!(in_memory.symbol("no_such_symbol"), Ok(None));
        assert_eq!((in_memory.bias(), in_memory.soname()), (elf.bias(), elf.soname()));
        assert_eq!(in_memory.section(".data"), Ok(None));
    });
}

#[test]
fn what_is_no_elf_is_told() {
    within(60, || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("just a\nfile");
        fs::write(&path, vec![b'x'; 8192]).unwrap();
        let mut subject = Subject::python(&format!(
            "import mmap\nf = open({:?}, 'rb')\nm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\nprint()\nwhile 1: pass",
            path.to_str().unwrap()
        ));
        subject.line();
        let target = Target::attach(subject.pid()).unwrap();
        let module = target.maps().unwrap().modules().into_iter().find(|module| module.path == path).unwrap();
        assert_eq!(target.elf(&module).unwrap_err(), ElfError::NotElf);
        fs::remove_file(&path).unwrap();
        let module = target.maps().unwrap().modules().into_iter().find(|module| module.path == path).unwrap();
        assert!(module.deleted);
        assert_eq!(target.elf(&module).unwrap_err(), ElfError::NotElf);
    });
}

/// A copy of `sleep`, so that it can be deleted, moved and put elsewhere.
fn copy_of_sleep(directory: &Path) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let sleep = std::env::split_paths(&path).map(|path| path.join("sleep")).find(|path| path.exists());
    let copy = directory.join("sleep");
    copy_program(&sleep.unwrap(), &copy);
    copy
}

/// Waits for a process to be this program and to have begun. The kernel says that it is before it has mapped it.
fn until_it_sleeps(pid: Pid, program: &str) {
    crate::eventually("it sleeps", || {
        process::executable(pid).is_ok_and(|path| path.ends_with(program))
            && Tasks::of(pid).is_in(pid.leader(), RunState::Sleeping)
    });
}

/// The program of a process as ELF: its `.text` must be in its map, where it can be executed.
fn assert_sections_are_there(target: &Target, file: &str) {
    let maps = target.maps().unwrap();
    let module = maps.modules().into_iter().find(|module| module.file_name() == file).unwrap();
    let elf = target.elf(&module).unwrap();
    let text = elf.section(".text").unwrap().expect("the file is needed for this");
    assert!(maps.containing(text.address).unwrap().access.execute);
}

#[test]
fn a_file_that_was_deleted_or_replaced_is_found_all_the_same() {
    within(60, || {
        let directory = tempfile::tempdir().unwrap();
        let copy = copy_of_sleep(directory.path());
        let subject = Subject::of(Command::new(&copy).arg("60"));
        until_it_sleeps(subject.pid(), "sleep");
        let target = Target::attach(subject.pid()).unwrap();
        assert_sections_are_there(&target, "sleep");
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, "another file with this name").unwrap();
        let module = target.maps().unwrap().modules()[0].clone();
        assert!(module.deleted && module.file_name() == "sleep");
        let from_memory = Elf::of_memory(target.memory(), &module).unwrap();
        let elf = target.elf(&module).unwrap();
        assert_eq!(elf.bias(), from_memory.bias());
        if is_root() {
            assert_sections_are_there(&target, "sleep");
        }
    });
}

#[test]
fn a_file_on_an_overlay_is_recognised() {
    if !is_root() {
        return;
    }
    within(60, || {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["lower", "upper", "work", "all"] {
            fs::create_dir(at(name)).unwrap();
        }
        copy_of_sleep(&at("lower"));
        let options = format!(
            "mount -t overlay overlay -o lowerdir={},upperdir={},workdir={} {} && exec {}/sleep 60",
            at("lower").display(),
            at("upper").display(),
            at("work").display(),
            at("all").display(),
            at("all").display()
        );
        let subject = Subject::of(Command::new("unshare").args(["-m", "sh", "-c", &options]));
        until_it_sleeps(subject.pid(), "all/sleep");
        let target = Target::attach(subject.pid()).unwrap();
        assert_sections_are_there(&target, "sleep");
    });
}

#[test]
fn a_chroot_and_a_mount_namespace_do_not_matter() {
    if !is_root() {
        return;
    }
    within(60, || {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().display();
        copy_of_sleep(directory.path());
        // The name is of the new namespace alone: outside there is nothing at it.
        let script = format!(
            "mkdir {inside}/new && mount -t tmpfs none \
             {inside}/new && cp {inside}/sleep {inside}/new/ && exec {inside}/new/sleep 60"
        );
        let subject = Subject::of(Command::new("unshare").args(["-m", "sh", "-c", &script]));
        until_it_sleeps(subject.pid(), "new/sleep");
        assert!(!directory.path().join("new/sleep").exists());
        assert_sections_are_there(&Target::attach(subject.pid()).unwrap(), "sleep");
    });
}

#[test]
fn threads_in_a_namespace_are_known_by_both_numbers() {
    if !is_root() {
        return;
    }
    within(60, || {
        let program = "
import os, threading, time
def work():
    print(threading.get_native_id(), flush=True)
    time.sleep(60)
threading.Thread(target=work, name='worker').start()
time.sleep(0.5)
threading.Thread(target=work).start()
time.sleep(60)";
        let mut outer =
            Subject::of(Command::new("unshare").args(["-p", "-f", "--kill-child", "python3", "-c", program]));
        let inside: u32 = outer.line().parse().unwrap();
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", outer.pid())).unwrap();
        let pid = pyflame_tui::target::Pid(children.trim().parse().unwrap());
        let target = Target::attach(pid).unwrap();
        let mut tasks = target.tasks();
        assert_eq!(tasks.ours(1), Some(pid.leader()));
        let worker = tasks.ours(inside).unwrap();
        assert_ne!(worker, pid.leader());
        assert!(tasks.name(worker).is_some() && tasks.moment(worker).is_some());
        assert_eq!(tasks.ours(999_999), None);
        drop(tasks);
        // Those that come later are found, too.
        let inside: u32 = outer.line().parse().unwrap();
        let another = target.tasks().ours(inside).unwrap();
        assert!(another != worker && another != pid.leader());
        assert_eq!(target.tasks().list().unwrap().len(), 3);
        assert_eq!(target.tasks().ours(1), Some(pid.leader()));
    });
}
