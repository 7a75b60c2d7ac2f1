"""threads.py BUSY IDLE: so many threads that work and so many that wait, all named.

Each busy thread works in a function of its own, busy_0, busy_1 and so on, so that stacks can be
told apart. The main thread waits.
"""
import sys
import threading
import time

import tracee

TEMPLATE = """
def busy_%(number)d():
    there.append(%(number)d)
    while True:
        work_%(number)d(100)

def work_%(number)d(rounds):
    total = 0
    for i in range(rounds):
        total += i * i
    return total
"""


there = []      # who has begun: a thread that has been started may take its time to


def wait(gate):
    there.append(gate)
    gate.acquire()


def start(name, function, *arguments):
    thread = threading.Thread(target=function, args=arguments, name=name)
    thread.daemon = True
    thread.start()


def main():
    busy, idle = int(sys.argv[1]), int(sys.argv[2])
    gate = threading.Lock()
    gate.acquire()
    for number in range(idle):
        start("idle-%d" % number, wait, gate)
    for number in range(busy):
        scope = {"there": there}
        exec(compile(TEMPLATE % {"number": number}, "busy.py", "exec"), scope)
        start("busy-%d" % number, scope["busy_%d" % number])
    while len(there) < busy + idle:
        time.sleep(0.001)
    tracee.ready()
    while True:
        time.sleep(1000000)


if __name__ == "__main__":
    main()
