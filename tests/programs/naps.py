"""Sleeps 20 ms in one function and 10 ms in another, again and again, beside a thread that waits for ever.

Each until a moment of an absolute plan: who is woken late, as on a busy machine, is so after both, and
the shares stay.
"""
import threading
import time

import tracee


def long_nap(until):
    time.sleep(max(until - time.time(), 0))


def short_nap(until):
    time.sleep(max(until - time.time(), 0))


waiter = threading.Thread(target=threading.Event().wait)
waiter.daemon = True
waiter.start()
tracee.ready()
begin = time.time()
while True:
    long_nap(begin + 0.02)
    begin += 0.03
    short_nap(begin)
