//! EPERM has many causes: from the facts to the one that applies, and to the one command that helps where we are. Pure.

use std::fmt;

use crate::target::{Container, Denied};

/// Why the kernel does not let us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is another user's.
    OtherUser {
        /// Whose.
        theirs: u32,
        /// We are.
        ours: u32,
    },
    /// Yama lets nobody but root (2), or only those who started it (1).
    Yama(u8),
    /// Yama lets nobody, until the machine is started anew.
    YamaForbids,
    /// We are root, and may never have the capability.
    CapabilityWithheld,
    /// We are root, and have put the capability away.
    CapabilityDropped,
    /// What of ours is root is so in its own user namespace only, or it lives in another one than we.
    UserNamespace,
    /// It has forbidden it, or its program may not be read.
    NotDumpable,
    /// A filter of system calls.
    Seccomp,
    /// We have every right that can be had.
    SecurityModule,
    /// None that we know of.
    Unknown,
}

impl Cause {
    /// The one that the kernel comes to first: it looks at users, then at the target's wish, then asks its modules.
    pub(crate) fn of(facts: &Denied) -> Self {
        let elsewhere = facts.same_user_namespace == Some(false);
        let filtered = facts.seccomp == 2;
        if facts.yama_scope == Some(3) {
            return Self::YamaForbids;
        }
        if facts.we_have_capability {
            return match () {
                () if elsewhere || facts.in_user_namespace => Self::UserNamespace,
                () if filtered => Self::Seccomp,
                () => Self::SecurityModule,
            };
        }
        let theirs = facts.their_users.into_iter().flatten().find(|user| *user != facts.our_user);
        if facts.our_user == 0 {
            // Between processes of root's own the capability is asked for by Yama only.
            let needless = theirs.is_none() && matches!(facts.yama_scope, None | Some(0)) && filtered;
            return match facts.we_may_have_capability {
                _ if needless => Self::Seccomp,
                true => Self::CapabilityDropped,
                false => Self::CapabilityWithheld,
            };
        }
        match (theirs, facts.yama_scope) {
            (Some(theirs), _) => Self::OtherUser { theirs, ours: facts.our_user },
            _ if elsewhere => Self::UserNamespace,
            _ if facts.dumpable == Some(false) => Self::NotDumpable,
            (None, Some(scope @ 1..=2)) => Self::Yama(scope),
            _ if filtered => Self::Seccomp,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser { theirs, ours } => {
                write!(f, "It belongs to user {theirs}, and we are user {ours}.")
            }
            Self::Yama(1) => f.write_str(
                "kernel.yama.ptrace_scope is 1: only root may trace what it has not started itself.",
            ),
            Self::Yama(scope) => write!(f, "kernel.yama.ptrace_scope is {scope}: only root may trace."),
            Self::YamaForbids => f.write_str(
                "kernel.yama.ptrace_scope is 3: nobody may trace on this machine until it is started anew.",
            ),
            Self::CapabilityWithheld => f.write_str(
                "We are root, but the capability SYS_PTRACE is not in our bounding set: whoever started us has taken it away.",
            ),
            Self::CapabilityDropped => {
                f.write_str("We are root, but without the capability SYS_PTRACE, which we could have.")
            }
            Self::UserNamespace => {
                f.write_str("It lives outside of our user namespace, in which alone our rights count.")
            }
            Self::NotDumpable => f.write_str(
                "It is not dumpable: it has forbidden it (PR_SET_DUMPABLE), or its program may be run but not read.",
            ),
            Self::Seccomp => f.write_str("A seccomp filter, as containers have one, forbids ptrace to us."),
            Self::SecurityModule => f.write_str(
                "We have every right that can be had, so a security module (AppArmor, SELinux) must be what forbids it.",
            ),
            Self::Unknown => f.write_str("None of the known causes applies."),
        }
    }
}

/// The cause and its cure, two sentences; `pid` is the target's number as we see it.
pub(crate) fn explain(pid: u32, facts: &Denied) -> String {
    let cause = Cause::of(facts);
    match cure(cause, pid, facts) {
        Some(cure) => format!("{cause} {cure}"),
        None => cause.to_string(),
    }
}

/// The one command that helps.
fn cure(cause: Cause, pid: u32, facts: &Denied) -> Option<String> {
    if cause == Cause::YamaForbids {
        return None;
    }
    Some(match facts.container {
        Container::Docker => from_outside("docker exec --user root --privileged -it", pid, facts),
        Container::Podman => from_outside("podman exec --user root --privileged -it", pid, facts),
        Container::Kubernetes => format!(
            "From outside of the pod: kubectl debug -it {} --target=CONTAINER --profile=general \
             --image=IMAGE-WITH-US -- pyflame-tui {pid} (for good: securityContext.capabilities.add: [SYS_PTRACE])",
            if facts.host.is_empty() { "POD" } else { &facts.host }
        ),
        Container::Other => {
            format!("From outside of the container, with its number there: sudo pyflame-tui {pid}")
        }
        Container::None => on_the_machine(cause, pid, facts),
    })
}

fn from_outside(exec: &str, pid: u32, facts: &Denied) -> String {
    // Unless it was told otherwise, a container's name is its number.
    let is_number = facts.host.len() == 12 && facts.host.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = if is_number { &facts.host } else { "CONTAINER" };
    format!(
        "From outside of the container: {exec} {name} pyflame-tui {pid} (for good: start it with --cap-add SYS_PTRACE)"
    )
}

fn on_the_machine(cause: Cause, pid: u32, facts: &Denied) -> String {
    let anew = format!("From a service of its own: systemd-run --pty pyflame-tui {pid}");
    match cause {
        Cause::CapabilityWithheld | Cause::CapabilityDropped | Cause::Seccomp => anew,
        Cause::UserNamespace => {
            format!("From outside of the namespace, with its number there: sudo pyflame-tui {pid}")
        }
        Cause::SecurityModule => "It says what it forbids: sudo journalctl -k -g denied".to_owned(),
        // With it sudo cannot make us root.
        _ if facts.no_new_privileges => {
            format!(
                "We run under no_new_privs, where sudo is of no use; in a shell without it: sudo pyflame-tui {pid}"
            )
        }
        _ => format!("Run: sudo pyflame-tui {pid}"),
    }
}

#[cfg(test)]
mod tests;
