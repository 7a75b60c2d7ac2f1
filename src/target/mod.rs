//! The other process. Knows Linux (ptrace, /proc, ELF, how to launch a command); knows nothing of Python.

pub mod memory;
