"""scribbles.py: a child that sleeps with the GIL in its hands, while its parent writes over
the child's thread state, interpreter, frames and code objects: random bytes, pointers to anywhere,
pointers to themselves.

The child does not run Python meanwhile, so that it does not fall over what is in its memory; a
profiler reads all of it. Prints "ready PID" with the child's PID; SIGTERM ends both, with a last
line "scribbled COUNT alive TRUTH".
"""
import ctypes
import os
import random
import signal
import struct
import sys
import time

import tracee

WORD = 8


def sleeper(depth):
    """So many frames, then the child, which sleeps; returns its PID and what there is to write over."""
    if depth:
        return sleeper(depth - 1)
    ranges = [(state(), 512), (interpreter(), 2048)]
    frame = sys._getframe()
    memory = open("/proc/self/mem", "rb", 0)
    while frame is not None:
        ranges += [(id(frame), 128), (id(frame.f_code), 192), (id(frame.f_code.co_name), 64)]
        # From 3.11 on the frame that counts is another, to which this one points.
        pointer = struct.unpack("Q", read(memory, id(frame) + 24, WORD))[0]
        if pointer % WORD == 0 and read(memory, pointer, 96):
            ranges.append((pointer, 96))
        frame = frame.f_back
    child = os.fork()
    if child == 0:
        tracee.end_with_parent()
        ctypes.PyDLL(None).sleep(1000000)
        os._exit(0)
    await_sleep(child)
    return child, ranges


def await_sleep(child):
    """Until then it runs Python, and would fall over what is written."""
    while True:
        with open("/proc/%d/syscall" % child) as file:
            if file.read().split(" ")[0] in ("35", "101", "115", "230"):    # nanosleep, clock_nanosleep
                return
        time.sleep(0.001)


def state():
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    return get()


def interpreter():
    get = getattr(ctypes.pythonapi, "PyInterpreterState_Get", None)
    if get is None:
        return state()
    get.restype = ctypes.c_void_p
    return get()


def read(memory, address, count):
    try:
        memory.seek(address)
        return memory.read(count)
    except (EnvironmentError, OverflowError, ValueError):
        return b"\0" * WORD if count == WORD else b""


def scribble(memory, ranges, kept):
    """One thing written over, or all of it put back."""
    kind = random.randrange(6)
    if kind == 0:
        for (address, _), content in zip(ranges, kept):
            memory.seek(address)
            memory.write(content)
        return
    address, count = random.choice(ranges)
    at = address + random.randrange(count // WORD) * WORD
    if kind == 1:
        at, content = address, bytes(bytearray(random.randrange(256) for _ in range(count)))
    elif kind == 2:
        content = struct.pack("Q", random.getrandbits(64))
    elif kind == 3:
        content = struct.pack("Q", random.choice(ranges)[0])
    elif kind == 4:     # a ring of one: whatever of it is a pointer leads to itself
        at, content = address, struct.pack("Q", address) * (count // WORD)
    else:
        content = struct.pack("Q", random.choice([0, 1, 1 << 63, (1 << 64) - 1, 1 << 31, 4096]))
    memory.seek(at)
    memory.write(content)


def main():
    child, ranges = sleeper(20)
    memory = open("/proc/%d/mem" % child, "r+b", 0)
    kept = [read(memory, address, count) for address, count in ranges]
    tracee.ready("ready %d" % child)
    ends, count = [], 0
    signal.signal(signal.SIGTERM, lambda *_: ends.append(1))
    while not ends:
        scribble(memory, ranges, kept)
        count += 1
        if count % 20 == 0:
            time.sleep(0.0005)
    alive = os.waitpid(child, os.WNOHANG)[0] == 0
    os.kill(child, signal.SIGKILL)
    tracee.ready("scribbled %d alive %s" % (count, alive))


if __name__ == "__main__":
    main()
