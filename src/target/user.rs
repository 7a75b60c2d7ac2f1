//! Who called sudo: the user that a command of ours runs as, because root was wanted for looking and not for running.

use std::ffi::{CString, OsString};
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{self, Gid, Uid};

/// Another user than we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    id: Uid,
    group: Gid,
    /// All groups that the user is in.
    groups: Vec<Gid>,
    /// As the system's list has it; a number may be in no list.
    entry: Option<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    home: PathBuf,
    shell: PathBuf,
}

impl User {
    /// Whoever has become root by sudo to start us; `None` if we are not root, or always were.
    pub fn behind_sudo() -> Option<Self> {
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        let id = Uid::from_raw(number("SUDO_UID")?);
        let group = number("SUDO_GID").map(Gid::from_raw);
        (unistd::geteuid().is_root() && !id.is_root()).then(|| Self::of(id, group))
    }

    fn of(id: Uid, group: Option<Gid>) -> Self {
        let found = unistd::User::from_uid(id).ok().flatten();
        // Without any word of a group: the one that nobody is in.
        let group = group.or(found.as_ref().map(|user| user.gid)).unwrap_or(Gid::from_raw(65534));
        let groups = found.as_ref().and_then(|user| {
            let name = CString::new(user.name.as_str()).ok()?;
            unistd::getgrouplist(&name, group).ok()
        });
        Self {
            id,
            group,
            groups: groups.unwrap_or_else(|| vec![group]),
            entry: found.map(|user| Entry { name: user.name, home: user.dir, shell: user.shell }),
        }
    }

    /// The number.
    pub(super) fn number(&self) -> u32 {
        self.id.as_raw()
    }

    /// Makes a command run as this user: rights, groups, and what the environment says of whose it is. If that fails
    /// it does not run.
    pub(super) fn dress(&self, command: &mut Command) {
        if let Some(Entry { name, home, shell }) = &self.entry {
            let words = [("USER", name.into()), ("LOGNAME", name.into()), ("HOME", home.into())];
            command.envs::<[(&str, OsString); 3], _, _>(words).env("SHELL", shell);
        }
        let (id, group) = (self.id.as_raw(), self.group.as_raw());
        let groups: Vec<libc::gid_t> = self.groups.iter().map(|group| group.as_raw()).collect();
        #[expect(unsafe_code, reason = "rights are to be given up between fork and exec")]
        // SAFETY: system calls only, by number (the C library's own would tell other threads, which a child after fork
        // does not have); the list was allocated before the fork.
        unsafe {
            command.pre_exec(move || {
                let give_up = |result: libc::c_long| -> io::Result<()> {
                    Errno::result(result).map(drop).map_err(io::Error::from)
                };
                give_up(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
                give_up(libc::syscall(libc::SYS_setresgid, group, group, group))?;
                give_up(libc::syscall(libc::SYS_setresuid, id, id, id))
            });
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "{} ({})", entry.name, self.id),
            None => write!(f, "number {}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_no_list_has_one_group_and_no_name() {
        let user = User::of(Uid::from_raw(3_999_999_999), Some(Gid::from_raw(7)));
        assert_eq!(user.to_string(), "number 3999999999");
        assert_eq!((user.groups, user.entry), (vec![Gid::from_raw(7)], None));
    }
}
