"""Code objects that take turns at one address: each is unmarshalled, executed for a moment and dropped.

The one of file reused-N.py calls only_N(), which lives for ever: whoever takes a code object for one
that was at its address before sees only_N() called from another file. With the word "sleep" each sleeps.
Runs until it is killed.
"""
import marshal
import sys
import time

import tracee

CODES = 10
clock = time.time


def main():
    scope = {"clock": clock, "sleep": time.sleep}
    wait = "sleep(0.0001)" if sys.argv[1:] == ["sleep"] else "pass"
    codes = []
    for number in range(CODES):
        source = "def only_%d(until):\n    while clock() < until: %s\n" % (number, wait)
        exec(compile(source, "reused.py", "exec"), scope)
        source = "\n" * number + "only_%d(clock() + 0.0003)\n" % number
        codes.append(marshal.dumps(compile(source, "reused-%d.py" % number, "exec")))
    tracee.ready("ready")
    while True:
        for code in codes:
            exec(marshal.loads(code), scope)


main()
