"""Code objects that take turns at one address: each is unmarshalled, executed for a moment and dropped.

The one of file reused-N.py calls only_N(), which lives for ever: whoever takes a code object for one
that was at its address before sees only_N() called from another file. With the word "sleep" each sleeps. With
"deep" it is called by many, and lives for some looks, so that it is well known when the next one comes.
Runs until it is killed.
"""
import marshal
import sys
import time

import tracee

CODES = 10
DEPTH = 60
clock = time.time


def runner(depth):
    """What executes a code object; of its callers each is another function."""
    space = {"loads": marshal.loads, "f0": None}
    exec(compile("def f0(code, scope):\n    exec(loads(code), scope)\n", "reused.py", "exec"), space)
    for number in range(depth):
        source = "def f%d(code, scope):\n    f%d(code, scope)\n" % (number + 1, number)
        exec(compile(source, "reused.py", "exec"), space)
    return space["f%d" % depth]


def main():
    scope = {"clock": clock, "sleep": time.sleep}
    wait = "sleep(0.0001)" if sys.argv[1:] == ["sleep"] else "pass"
    deep = sys.argv[1:] == ["deep"]
    time_each = "0.02" if deep else "0.0003"
    codes = []
    for number in range(CODES):
        source = "def only_%d(until):\n    while clock() < until: %s\n" % (number, wait)
        exec(compile(source, "reused.py", "exec"), scope)
        source = "\n" * (0 if deep else number) + "only_%d(clock() + %s)\n" % (number, time_each)
        codes.append(marshal.dumps(compile(source, "reused-%d.py" % number, "exec")))
    run = runner(DEPTH if deep else 0)
    # What is made next takes the other one's place: every second one of a kind is where the one before it was.
    short = marshal.dumps(compile("only_0(clock() + 0)\n", "reused-0.py", "exec"))
    tracee.ready("ready")
    while True:
        for code in codes:
            run(code, scope)
            if deep:
                run(short, scope)


main()
