"""Threads that take one another's place: each lives for some hundredths of a second, and the next one has its memory.

Each waits, and works a little, in a function that is called after the thread's number and its name: stands_NUMBER_NAME().
Two are there at any time. Runs until it is killed.
"""
import threading
import time

import tracee

SOURCE = """
def stands_%d_%s(until):
    while clock() < until:
        sum(range(300))
        sleep(0.003)
"""


def work():
    name = threading.current_thread().name
    number = tracee.native_id()
    scope = {"clock": time.time, "sleep": time.sleep}
    exec(compile(SOURCE % (number, name), "succeed.py", "exec"), scope)
    scope["stands_%d_%s" % (number, name)](time.time() + 0.06)


def main():
    tracee.ready()
    count = 0
    while True:
        both = [threading.Thread(target=work, name="t%d" % (count + each)) for each in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        count += 2


main()
