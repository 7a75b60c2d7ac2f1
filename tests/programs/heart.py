"""heart.py FILE BUSY IDLE: beats, and measures itself how long it has not.

BUSY threads work, IDLE ones wait. Every 5 ms whichever has the GIL beats. FILE holds five
numbers of 8 bytes: the PID, how many beats, the longest time between two (in us), the longest
of those times in which no thread was on a CPU or waited for one (in us), and a place into
which a tester writes 1 to have the longest times measured anew.

A process that somebody holds does not run and does not want to: that is what the second of the
times shows, however busy the machine is.
"""
import mmap
import os
import struct
import sys
import threading
import time

import tracee

EVERY = 0.005


class Heart(object):
    def __init__(self, path):
        self.memory = mmap.mmap(os.open(path, os.O_RDWR), 40)
        self.clocks, self.busy, self.beats = [], threading.Lock(), 0
        self.last, self.used = time.time(), 0
        self.longest, self.held = 0, 0
        self.begun = False      # until all threads are there their times do not add up
        self.memory[:40] = struct.pack("QQQQQ", os.getpid(), 0, 0, 0, 0)

    def join(self):
        """The calling thread is one of those that work."""
        self.clocks.append(os.open("/proc/self/task/%d/schedstat" % tracee.native_id(), os.O_RDONLY))

    def accounted(self):
        """Seconds that all have been on a CPU or have waited for one."""
        total = 0
        for clock in list(self.clocks):
            on_cpu, waited, _ = os.pread(clock, 100, 0).split()
            total += int(on_cpu) + int(waited)
        return total / 1e9

    def beat(self):
        now = time.time()
        if not self.begun or now - self.last < EVERY or not self.busy.acquire(False):
            return
        began = time.time()
        used = self.accounted()
        now = time.time()
        if now - began > 0.002:     # another took the GIL meanwhile: the sum is of no one moment
            self.busy.release()
            return
        gap, held = now - self.last, now - self.last - (used - self.used)
        self.last, self.used, self.beats = now, used, self.beats + 1
        if self.memory[32:33] == b"\1":
            self.memory[32:33] = b"\0"
            self.longest = self.held = 0
        elif self.beats > 3:
            self.longest, self.held = max(gap, self.longest), max(held, self.held)
        figures = int(self.longest * 1e6), int(max(self.held, 0) * 1e6)
        self.memory[8:32] = struct.pack("QQQ", self.beats, *figures)
        self.busy.release()

    def toil(self):
        self.join()
        while True:
            sum(range(200))
            self.beat()

    def begin(self):
        self.begun, self.last = True, time.time()
        self.toil()


def start(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.daemon = True
    thread.start()


def main():
    heart, gate = Heart(sys.argv[1]), threading.Lock()
    gate.acquire()
    threading.stack_size(256 << 10)     # there may be 10,000
    for _ in range(int(sys.argv[3])):
        start(gate.acquire)
    for _ in range(int(sys.argv[2]) - 1):
        start(heart.toil)
    tracee.ready()
    heart.begin()


if __name__ == "__main__":
    main()
