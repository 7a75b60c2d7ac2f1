"""Two threads that compute for some milliseconds, in C without the GIL, and then wait for some, for ever.

One sleeps, the other waits for something to do; the main thread gives it that, and sleeps. `compute` is all that uses
a CPU for longer than a moment.
"""
import random
import threading
import time
import zlib

import tracee

try:
    import queue
except ImportError:
    import Queue as queue

DATA = b"x" * 2000000
TASKS = queue.Queue()


def compute():
    zlib.compress(DATA)


def pause():
    time.sleep(random.uniform(0.005, 0.02))


def sleeper():
    while True:
        compute()
        pause()


def worker():
    while True:
        TASKS.get()
        compute()


def main():
    for function in (sleeper, worker):
        thread = threading.Thread(target=function)
        thread.daemon = True
        thread.start()
    tracee.ready()
    while True:
        TASKS.put(None)
        pause()


if __name__ == "__main__":
    main()
