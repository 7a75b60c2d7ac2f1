//! Whether we live in a container, and of which kind: what helps against a refusal is said on its outside.

use std::fs;
use std::path::Path;

/// What runs us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// Nothing: the machine itself, real or virtual.
    #[default]
    None,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// A pod of Kubernetes, by whatever runtime.
    Kubernetes,
    /// Another one: LXC, systemd-nspawn.
    Other,
}

impl Container {
    /// Where we are.
    pub fn ours() -> Self {
        let cgroup = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
        let kubernetes = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        // What systemd and LXC tell their first process; only root may read it.
        let environment = fs::read("/proc/1/environ").unwrap_or_default();
        let told = environment.split(|byte| *byte == 0).any(|line| line.starts_with(b"container="));
        Self::judge(|path| Path::new(path).exists(), kubernetes, &cgroup, told)
    }

    fn judge(exists: impl Fn(&str) -> bool, kubernetes: bool, cgroup: &str, told: bool) -> Self {
        if kubernetes || cgroup.contains("kubepods") {
            Self::Kubernetes
        } else if exists("/run/.containerenv") || cgroup.contains("libpod") {
            Self::Podman
        } else if exists("/.dockerenv") || cgroup.contains("docker") {
            Self::Docker
        } else if told || cgroup.contains("/lxc") {
            Self::Other
        } else {
            Self::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_marks() {
        let judge = |mark: &'static str, kubernetes, cgroup, told| {
            Container::judge(|path| path == mark, kubernetes, cgroup, told)
        };
        assert_eq!(judge("", false, "0::/\n", false), Container::None);
        assert_eq!(judge("/.dockerenv", false, "0::/\n", false), Container::Docker);
        assert_eq!(judge("", false, "1:name=systemd:/docker/0123\n", false), Container::Docker);
        assert_eq!(judge("/run/.containerenv", false, "0::/\n", false), Container::Podman);
        assert_eq!(judge("", false, "0::/machine.slice/libpod-01.scope\n", false), Container::Podman);
        // A pod's runtime may leave marks of its own.
        assert_eq!(judge("/.dockerenv", true, "0::/\n", false), Container::Kubernetes);
        assert_eq!(judge("", false, "0::/kubepods/besteffort/pod1\n", false), Container::Kubernetes);
        assert_eq!(judge("", false, "0::/\n", true), Container::Other);
        assert_eq!(judge("", false, "0::/lxc/a\n", false), Container::Other);
    }
}
