"""execs.py COUNT PROGRAM...: works, then becomes PROGRAM, in turn, COUNT times.

A PROGRAM that is a Python is given this script again; when the count has reached 0 the
process works until it is killed. Each generation works in a function of its own name,
generation_COUNT, so that a profile tells which it saw, until there is a file end_COUNT beside
the script.

    execs.py 2 python3.12 python2.7     is python2.7 in between and python3.12 in the end
    execs.py 1 /bin/sleep 60            is no Python then: other words are passed on
"""
import os
import re
import sys

import tracee


def generation(count):
    source = ("def generation_%d():\n"
              "    while not is_there(end, 0):\n"
              "        sum(range(100))\n" % count)
    end = os.path.join(os.path.dirname(os.path.abspath(__file__)), "end_%d" % count)
    scope = {"is_there": os.access, "end": end}
    exec(compile(source, "execs.py", "exec"), scope)
    scope["generation_%d" % count]()


def main():
    count, programs = int(sys.argv[1]), sys.argv[2:]
    tracee.ready("ready %d" % count)
    generation(count)
    if not re.match(r"python[0-9.]*[a-z]*$", os.path.basename(programs[0])):
        os.execvp(programs[0], programs)
    program = programs[(count - 1) % len(programs)]
    os.execvp(program, [program, os.path.abspath(__file__), str(count - 1)] + programs)


if __name__ == "__main__":
    main()
