"""Four times as many threads that compute as there are CPUs: without a GIL, or each in an interpreter with its own.

Says "none" where a Python has neither (or has interpreters only under a private name), and ends.
"""
import os
import sys
import threading

import tracee

SOURCE = """
def compute(rounds):
    total = 0
    for number in range(rounds):
        total += number
    return total

# Not `while True`: 3.14 asserts that code ends in a return.
for _ in iter(int, 1):
    compute(1000)
"""


def work():
    exec(compile(SOURCE, "crowd.own", "exec"), {})


def interpreter():
    from concurrent import interpreters
    one = interpreters.create()
    return lambda: one.exec(SOURCE)


def main():
    free = not getattr(sys, "_is_gil_enabled", lambda: True)()
    try:
        targets = [work if free else interpreter() for _ in range(4 * (os.cpu_count() or 1))]
    except ImportError:
        return tracee.ready("none")
    for target in targets:
        threading.Thread(target=target, daemon=True).start()
    tracee.ready()
    threading.Event().wait()


main()
