"""Ends with status 3 when it has worked for 0.3 s of CPU time, or as many as the first argument
says; or, if that is the path of a file, when that is there.

By the CPU's clock, because who watches it has the less of a CPU the less it has.
"""
import os
import sys
import time

import tracee


clock = getattr(time, "process_time", None) or time.clock   # 2.7: clock() is CPU time


def work(is_over):
    while not is_over():
        sum(range(100))


how_long = sys.argv[1] if len(sys.argv) > 1 else "0.3"
tracee.ready()
if os.path.isabs(how_long):
    work(lambda: os.access(how_long, 0))
else:
    until = clock() + float(how_long)
    work(lambda: clock() >= until)
sys.exit(3)
