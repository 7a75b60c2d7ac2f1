"""Sleeps 20 ms in one function and 10 ms in another, again and again, beside a thread that waits for ever."""
import threading
import time

import tracee


def long_nap():
    time.sleep(0.02)


def short_nap():
    time.sleep(0.01)


waiter = threading.Thread(target=threading.Event().wait)
waiter.daemon = True
waiter.start()
tracee.ready()
while True:
    long_nap()
    short_nap()
