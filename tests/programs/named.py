"""Threads that live for milliseconds, a dozen at a time, each called like its function.

    named.py

Those that are in `w3` are called `n3-` and a number. Says `ready`. Runs unchanged on CPython 2.7 and 3.6 to 3.15.
"""
import itertools
import sys
import threading
import time

SCOPE = {"sleep": time.sleep}
PLACES = threading.Semaphore(12)


def run(kind):
    try:
        SCOPE["w%d" % kind]()
    finally:
        PLACES.release()


def main():
    exec("\n".join("def w%d():\n    sleep(0.004)" % kind for kind in range(10)), SCOPE)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in itertools.count():
        PLACES.acquire()
        kind = number % 10
        thread = threading.Thread(target=run, args=(kind,), name="n%d-%d" % (kind, number))
        thread.daemon = True
        thread.start()


main()
