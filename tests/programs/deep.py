"""Rests under 10,000 frames, or as many as the first argument says, of one thread.

With --busy as second argument the innermost function works instead, call by call, and notes
how often in the file that is the third, if any. The
frames are in a thread of its own because a thread's stack can be chosen: up to 3.10 every
Python frame is a C frame as well.
"""
import sys
import threading
import time

import tracee


def down(left, busy, board):
    if left > 1:
        return down(left - 1, busy, board)
    tracee.ready()
    calls = 0
    while busy:
        leaf()
        calls += 1
        board[:] = tracee.noted(time.time(), calls)
    time.sleep(1000000)


def leaf():
    return sum(range(100))


def main():
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    busy, board = "--busy" in sys.argv, tracee.board(*sys.argv[3:])
    sys.setrecursionlimit(frames + 1000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=down, args=(frames, busy, board), name="deep")
    thread.daemon = True
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
