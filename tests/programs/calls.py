"""Works in calls of some twenty milliseconds each, in C, and notes in the file that is the first argument, if any, how
many it has made: a program whose stacks last much longer than a look takes.
"""
import sys
import time

import tracee

ODD = (1 << 2203) - 1


def power():
    return pow(3, ODD >> 1, ODD)


def work(board):
    tracee.ready()
    calls = 0
    while True:
        power()
        calls += 1
        board[:] = tracee.noted(time.time(), calls)


if __name__ == "__main__":
    work(tracee.board(*sys.argv[1:]))
