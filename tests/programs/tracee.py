"""What every test program does first and last: let itself be traced, say "ready".

Runs unchanged on CPython 2.7 and 3.6 to 3.15. Importing it is enough to be traceable.
"""
from __future__ import print_function

import mmap
import os
import struct
import sys
import threading

try:
    import ctypes
    libc = ctypes.CDLL(None)
except Exception:   # a Python built without it: root may trace it all the same
    libc = None

# The programs are copied about and run by twenty interpreters: no bytecode files.
sys.dont_write_bytecode = True


def _allow_tracing():
    """prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY), so that under Yama scope 1 any process of
    the same user may trace this one. Without Yama or ctypes it does nothing."""
    if libc is not None:
        libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def _gettid_by_syscall():
    """gettid() for Pythons before 3.8."""
    if libc is not None:
        return libc.syscall({"x86_64": 186, "aarch64": 178}[os.uname()[4]])
    return int(os.readlink("/proc/thread-self").rsplit("/", 1)[1])


native_id = getattr(threading, "get_native_id", _gettid_by_syscall)


# `board[:] = noted(clock's time, count of work done)` says how far a program is. It is C from
# end to end, so that a profiler never meets a frame of it; and it is one copy of 16 bytes:
# pack_into() writes zeros first, which a reader sees when the program is stopped just then.
noted = struct.Struct("<dd").pack


def board(path=None):
    """Where to note the progress: a file that others map as well, or nowhere."""
    if path is None:
        return bytearray(16)
    with open(path, "w+b") as opened:
        opened.write(b"\0" * 16)
        opened.flush()
        return mmap.mmap(opened.fileno(), 16)


def end_with_parent():
    """prctl(PR_SET_PDEATHSIG, SIGKILL): a test that fails leaves no children behind."""
    if libc is not None:
        libc.prctl(1, ctypes.c_ulong(9), 0, 0, 0)


def ready(word="ready"):
    """The line that a test waits for before it attaches."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


_allow_tracing()
