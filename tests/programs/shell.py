"""Runs a command as a shell with job control does: in a process group of its own, in the foreground; waits until it has ended,
however often it stands still."""

import os
import signal
import sys

command = os.fork()
if command == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(command, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
