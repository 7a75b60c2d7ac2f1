"""lives.py HOW [COUNT]: a life that a profiler must get along with.

    exits       works until there is a file "end" beside the script, and ends with status 7
    daemon      becomes a daemon, which works for ever; prints its PID
    children    has COUNT children that sleep, and works for ever; prints their PIDs
    threads     starts and ends COUNT threads a second, for ever
    crowd       has COUNT threads that wait, and works for ever
    lines       works in a function of COUNT lines
"""
import os
import sys
import threading
import time

import tracee


def work(until=float("inf")):
    while time.time() < until:
        sum(range(100))


def exits(_):
    end = os.path.join(os.path.dirname(os.path.abspath(__file__)), "end")
    tracee.ready()
    while not os.access(end, os.F_OK):
        work(time.time() + 0.01)
    os._exit(7)


def daemon(_):
    work(time.time() + 0.5)
    if os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        tracee.ready("daemon %d" % os.getpid())
        work()
    os.wait()
    os._exit(0)


def children(count):
    tracee.ready()
    born = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            tracee.end_with_parent()
            time.sleep(1000000)
        born.append(child)
    tracee.ready("born " + " ".join(map(str, born)))
    work()


def threads(count):
    tracee.ready()
    begin, started = time.time(), 0
    while True:
        threading.Thread(target=sum, args=((1, 2),)).start()
        started += 1
        if started % 1000 == 0:
            tracee.ready("started %d in %.1f s" % (started, time.time() - begin))
        ahead = started / float(count) - (time.time() - begin)
        if ahead > 0.002:
            time.sleep(ahead)


def crowd(count):
    gate = threading.Lock()
    gate.acquire()
    threading.stack_size(64 << 10)
    for _ in range(count):
        thread = threading.Thread(target=gate.acquire)
        thread.daemon = True
        thread.start()
    tracee.ready()
    work()


def lines(count):
    source = ["def long(x):"] + ["    x += 1"] * (count - 2) + ["    return x"]
    scope = {}
    exec(compile("\n".join(source), "long.py", "exec"), scope)
    tracee.ready()
    while True:
        scope["long"](0)


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]) if len(sys.argv) > 2 else 0)
