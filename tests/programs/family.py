"""A process that waits, and those below it that work, each in a function of its own.

    family.py              two forked workers, the second of which starts this program anew as a
                           third; and a program that is no Python
    family.py successors   workers that live for 0.3 s and are followed by others

Each says "ready NAME" when it works. Runs unchanged on CPython 2.7 and 3.6 to 3.15.
"""
import os
import subprocess
import sys
import time

import tracee


def busy(until):
    """Half of the time, so that all of them find a CPU."""
    while time.time() < until:
        rest = time.time() + 0.005
        while time.time() < rest:
            sum(range(100))
        time.sleep(0.005)


def work_in_first():
    busy(float("inf"))


def work_in_second():
    busy(float("inf"))


def work_in_third():
    busy(float("inf"))


def work_in_successor():
    busy(time.time() + 0.3)


def fork(name, work):
    child = os.fork()
    if child == 0:
        tracee.end_with_parent()
        tracee.ready("ready " + name)
        work()
        os._exit(0)
    return child


def second():
    subprocess.Popen([sys.executable, os.path.abspath(__file__), "third"])
    work_in_second()


def main():
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    tracee.end_with_parent()
    if kind == "third":
        tracee.ready("ready third")
        work_in_third()
    elif kind == "successors":
        tracee.ready()
        while True:
            os.waitpid(fork("successor", work_in_successor), 0)
    else:
        # First, so that it is no Python any more when the others are ready.
        subprocess.Popen(["sleep", "1000"], preexec_fn=tracee.end_with_parent)
        fork("first", work_in_first)
        fork("second", second)
        tracee.ready()
        time.sleep(1000000)


if __name__ == "__main__":
    main()
