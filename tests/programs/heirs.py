"""Sub-interpreters that come and go, one after the other, each often where the last one was.

Each works for some milliseconds in a function called after its number: belongs_to_NUMBER(). The argument chooses
their kind, of those that truth3.py knows; 3.8 and later.
"""
import sys

import tracee
import truth3

SOURCE = """
import time
def belongs_to_%d(until):
    while time.time() < until:
        sum(range(300))
belongs_to_%d(time.time() + 0.02)
"""


def main():
    run_string, makers = truth3.interpreter_makers()
    create = makers[int(sys.argv[1])][1]
    module = sys.modules[run_string.__module__]
    tracee.ready()
    while True:
        interpreter = create()
        number = int(interpreter)
        run_string(interpreter, SOURCE % (number, number))
        module.destroy(interpreter)


main()
