"""Forks without Python's knowing, as C programs do in which it is embedded; parent and child sleep, for ever."""
import ctypes
import os
import signal
import sys
import time

import tracee


def sleeper():
    while True:
        time.sleep(1000000)


# A PyDLL keeps the GIL: whoever has it at the fork has it in the child.
libc = ctypes.PyDLL(None)
tracee.ready()
parent = os.getpid()
if libc.fork() == 0:
    libc.prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    print("child %d" % os.getpid())
    sys.stdout.flush()
sleeper()
