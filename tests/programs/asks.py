"""Asks its terminal's user for names, says how large the terminal is, and ends with status 7 when told to."""

import os
import signal
import sys


def size():
    columns, rows = os.get_terminal_size()
    return "%dx%d" % (columns, rows)


def changed(*_):
    print("now", size(), flush=True)


def burn():
    total = 0
    for number in range(300_000):
        total += number * number % 7
    return total


signal.signal(signal.SIGWINCH, changed)
print("\x1b]0;not for others\x07\x1b[31mready\x1b[0m", size(), os.environ["TERM"], os.isatty(0), flush=True)
while True:
    name = input("name? ")
    if name == "end":
        sys.exit(7)
    if name == "flood":
        for number in range(40_000):
            print(number, "x" * 80)
    burn()
    print("hello", name, flush=True)
