"""Works for 0.3 s, or as many as the first argument says, and ends with status 3."""
import sys
import time

import tracee


def work(until):
    while time.time() < until:
        sum(range(100))


tracee.ready()
work(time.time() + (float(sys.argv[1]) if len(sys.argv) > 1 else 0.3))
sys.exit(3)
