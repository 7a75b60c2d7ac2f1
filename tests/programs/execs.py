"""execs.py COUNT PROGRAM...: works for a second, then becomes PROGRAM, in turn, COUNT times.

A PROGRAM that is a Python is given this script again; when the count has reached 0 the
process works until it is killed. Each generation works in a function of its own name,
generation_COUNT, so that a profile tells which it saw.

    execs.py 2 python3.12 python2.7     is python2.7 in between and python3.12 in the end
    execs.py 1 /bin/sleep 60            is no Python after a second: other words are passed on
"""
import os
import re
import sys
import time

import tracee


def generation(count, until):
    source = ("def generation_%d():\n"
              "    while clock() < until:\n"
              "        sum(range(100))\n" % count)
    scope = {"clock": time.time, "until": until}
    exec(compile(source, "execs.py", "exec"), scope)
    scope["generation_%d" % count]()


def main():
    count, programs = int(sys.argv[1]), sys.argv[2:]
    tracee.ready("ready %d" % count)
    generation(count, time.time() + 1 if count else float("inf"))
    if not re.match(r"python[0-9.]*[a-z]*$", os.path.basename(programs[0])):
        os.execvp(programs[0], programs)
    program = programs[(count - 1) % len(programs)]
    os.execvp(program, [program, os.path.abspath(__file__), str(count - 1)] + programs)


if __name__ == "__main__":
    main()
