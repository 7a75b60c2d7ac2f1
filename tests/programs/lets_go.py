"""Threads that have the GIL for a tenth of a millisecond, let go of it in C for as long, and so on.

    lets_go.py SECONDS THREADS

Says `ready`, and at the end `held SHARE`: of all its time, that in which somebody computed with the GIL. Runs
unchanged on CPython 2.7 and 3.6 to 3.15.
"""
import os
import sys
import threading
import time
import zlib

CLOCK = getattr(time, "perf_counter", time.time)
MOMENT = 0.0001
SECONDS, THREADS = float(sys.argv[1]), int(sys.argv[2])
HELD = []


def said(word):
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def without(packer, data):
    packer.compress(data)
    packer.flush(zlib.Z_SYNC_FLUSH)


def within():
    end = CLOCK() + MOMENT
    while CLOCK() < end:
        pass


def alternate(end):
    packer, data, held = zlib.compressobj(), os.urandom(20000), 0
    while CLOCK() < end:
        without(packer, data)
        start = CLOCK()
        within()
        held += CLOCK() - start
    HELD.append(held)


def main():
    # Nobody takes it from who computes: what two count would overlap.
    getattr(sys, "setswitchinterval", getattr(sys, "setcheckinterval", None))(1 << 20)
    said("ready")
    start = CLOCK()
    others = [threading.Thread(target=alternate, args=(start + SECONDS,)) for _ in range(THREADS - 1)]
    for other in others:
        other.start()
    alternate(start + SECONDS)
    for other in others:
        other.join()
    said("held %.3f" % (sum(HELD) / (CLOCK() - start)))


main()
