"""A thread for each request, of five milliseconds, beside three hundred that wait, for ever.

    per_request.py [FILE]

notes in FILE how much was done. Runs unchanged on CPython 2.7 and 3.6 to 3.15.
"""
import sys
import threading
import time

import tracee

END = threading.Event()


def handle(board, done):
    now = time.time()
    end = now + 0.005
    while now < end:
        done[0] += 1
        now = time.time()
    board[:] = tracee.noted(now, done[0])


def start(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.daemon = True
    thread.start()
    return thread


def main():
    for _ in range(300):
        start(END.wait)
    board, done = tracee.board(*sys.argv[1:]), [0]
    tracee.ready()
    while True:
        start(handle, board, done).join()


if __name__ == "__main__":
    main()
