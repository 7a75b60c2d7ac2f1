//! A handle of a process that outlives it. Through it the kernel tells how the process ended, also when its parent has
//! asked already (since Linux 6.15), and whoever has got the number by then.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;

use super::process::Pid;

/// `_IOWR(0xFF, 11, struct pidfd_info)` of `include/uapi/linux/pidfd.h`.
const GET_INFO: libc::c_ulong = 0xc040_ff0b;
/// Asked for, and set in the answer if the process has been waited for.
const EXIT: u64 = 1 << 3;

/// `struct pidfd_info`, as it was at first: the kernel goes by the size.
#[repr(C)]
#[derive(Default)]
struct Answer {
    mask: u64,
    control_group: u64,
    ids: [u32; 11],
    exit_code: u32,
}

/// The handle; without one where the kernel gives none.
#[derive(Debug)]
pub(super) struct Handle(Option<OwnedFd>);

impl Handle {
    /// Of the process that has this number now.
    pub(super) fn of(pid: Pid) -> Self {
        #[expect(unsafe_code, reason = "nix has no pidfd_open")]
        // SAFETY: takes two numbers; touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid.0), 0) };
        let Some(fd) = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0) else { return Self(None) };
        #[expect(unsafe_code, reason = "a descriptor from a system call")]
        // SAFETY: the kernel has just made it, for us alone.
        Self(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// How it ended, as `wait` told its parent; nothing before that, and of older kernels.
    pub(super) fn end(&self) -> Option<u32> {
        let mut answer = Answer { mask: EXIT, ..Answer::default() };
        #[expect(unsafe_code, reason = "nix has no such ioctl")]
        // SAFETY: the request has the size of `answer`, which the kernel fills and does not keep.
        let done = unsafe { libc::ioctl(self.0.as_ref()?.as_raw_fd(), GET_INFO, &raw mut answer) };
        (done == 0 && answer.mask & EXIT != 0).then_some(answer.exit_code)
    }
}
