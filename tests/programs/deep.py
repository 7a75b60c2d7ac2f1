"""Rests under 10,000 frames, or as many as the first argument says, of one thread.

With --busy as second argument the innermost function works instead, call by call, and notes how
often in the file that is the third, if any; with --lasting its calls, in C, take some twenty
milliseconds each, much longer than a look takes. The frames are in a thread of its own because a
thread's stack can be chosen: up to 3.10 every Python frame is a C frame as well.
"""
import sys
import threading
import time

import tracee


ODD = (1 << 2203) - 1


def down(left, call, board):
    if left > 1:
        return down(left - 1, call, board)
    tracee.ready()
    calls = 0
    while call:
        call()
        calls += 1
        board[:] = tracee.noted(time.time(), calls)
    time.sleep(1000000)


def leaf():
    return sum(range(100))


def power():
    return pow(3, ODD >> 1, ODD)


CALLS = {"--busy": leaf, "--lasting": power}


def main():
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    call = CALLS[sys.argv[2]] if len(sys.argv) > 2 else None
    board = tracee.board(*sys.argv[3:])
    sys.setrecursionlimit(frames + 1000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=down, args=(frames, call, board), name="deep")
    thread.daemon = True
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
