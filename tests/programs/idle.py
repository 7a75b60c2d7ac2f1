"""Does nothing: the main thread sleeps, for ever."""
import time

import tracee


def sleeper():
    while True:
        time.sleep(1000000)


tracee.ready()
sleeper()
