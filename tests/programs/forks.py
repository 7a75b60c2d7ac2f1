"""Forks children one after another, for ever; each works for a moment and ends.

The parent waits for each child in a busy way, in a function of its own.
"""
import os
import time

import tracee


def in_child():
    until = time.time() + 0.01
    while time.time() < until:
        sum(range(100))


def in_parent(child):
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        sum(range(100))


def main():
    tracee.ready()
    while True:
        child = os.fork()
        if child == 0:
            in_child()
            os._exit(0)
        in_parent(child)


if __name__ == "__main__":
    main()
