"""Spends 70, 20 and 10 % of its CPU time in three functions, for ever.

The shares are cut by the process's CPU clock against an absolute plan, so they hold however
slow the machine is and whoever stops the program meanwhile; nothing drifts.
"""
import time

import tracee

clock = getattr(time, "process_time", None) or time.clock   # 2.7: clock() is CPU time
PERIOD = 0.0107     # in step with no sampling rate that anybody asks for


def seventy(until):
    while clock() < until:
        pass


def twenty(until):
    while clock() < until:
        pass


def ten(until):
    while clock() < until:
        pass


def main():
    tracee.ready()
    begin = clock()
    while True:
        seventy(begin + 0.7 * PERIOD)
        twenty(begin + 0.9 * PERIOD)
        ten(begin + 1.0 * PERIOD)
        begin += PERIOD


if __name__ == "__main__":
    main()
