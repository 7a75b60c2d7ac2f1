"""A thread for each request, of five milliseconds, beside three hundred that wait, for ever.

Runs unchanged on CPython 2.7 and 3.6 to 3.15.
"""
import threading
import time

import tracee

END = threading.Event()


def handle():
    end = time.time() + 0.005
    while time.time() < end:
        pass


def start(function):
    thread = threading.Thread(target=function)
    thread.daemon = True
    thread.start()
    return thread


def main():
    for _ in range(300):
        start(END.wait)
    tracee.ready()
    while True:
        start(handle).join()


if __name__ == "__main__":
    main()
