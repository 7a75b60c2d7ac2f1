# -*- coding: utf-8 -*-
"""The part of truth.py that only Python 3 can read, and what only some versions have."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import re
import select
import sys
import time

import tracee


def starters(gate, in_lock, step):
    """The threads of this file as (name, function)."""
    found = []

    def parked(name):
        def enlist(function):
            found.append((name, function))
            return function
        return enlist

    # ---- yield from, coroutines, asynchronous generators ----

    def innermost():
        received = yield 1
        while received:
            received = yield 2
        gate().acquire()

    def middle(depth):
        if depth:
            return (yield from middle(depth - 1))
        return (yield from innermost())

    @parked("yield from")
    def in_yield_from():
        generator = middle(20)
        next(generator)
        generator.send(True)
        generator.send(False)

    class Awaitable:
        def __await__(self):
            yield "suspended"
            gate().acquire()

    async def coroutine(depth):
        if depth:
            await coroutine(depth - 1)
        else:
            await Awaitable()

    @parked("coroutine")
    def in_coroutine():
        running = coroutine(10)
        running.send(None)
        running.send(None)

    async def ticking():
        for i in range(100):
            yield i
        async for i in ticking_inner():
            yield i

    async def ticking_inner():
        yield 1
        gate().acquire()

    async def consuming():
        return [i async for i in ticking()]

    @parked("async generator")
    def in_async_generator():
        consuming().send(None)

    @parked("asyncio busy")
    def in_asyncio_busy():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(in_task())

    async def in_task():
        await asyncio.sleep(0)
        await asyncio.gather(coroutine_that_blocks(), asyncio.sleep(0))

    async def coroutine_that_blocks():
        async with Entering():
            pass

    class Entering:
        async def __aenter__(self):
            gate().acquire()

        async def __aexit__(self, *exc):
            pass

    @parked("asyncio idle")
    def in_asyncio_idle():
        loop = asyncio.new_event_loop()
        gate() and loop.run_until_complete(loop.create_future())

    @parked("asyncio callback")
    def in_asyncio_callback():
        loop = asyncio.new_event_loop()
        loop.call_soon(lambda: in_lock())
        loop.run_forever()

    @contextlib.contextmanager
    def managed():
        gate().acquire()
        yield

    @parked("contextmanager")
    def in_contextmanager():
        with contextlib.ExitStack() as stack:
            stack.enter_context(managed())

    @parked("executor")
    def in_executor():
        # The worker has a name of its own; this thread waits for it.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            gate() and pool.submit(time.sleep, 1000000).result()

    # ---- names in every kind of string ----

    @parked("latin names")
    def in_latin_names():
        class Größe:
            def naïve(self):
                def übung():
                    gate().acquire()
                übung()
        Größe().naïve()

    @parked("wide names")
    def in_wide_names():
        class Класс:
            def функция(self):
                def 関数():
                    # outside the basic plane: strings with four bytes a character
                    def 𐐷𠀀():
                        in_lock()
                    𐐷𠀀()
                関数()
        Класс().функция()

    # 15 bytes and more in the kernel's eyes, six letters in Python's
    @parked("потоки")
    def in_a_thread_with_a_wide_name():
        in_lock()

    @parked("wide files")
    def in_wide_files():
        step(["größe.py", "日本/файл.py", "𝒻ile-𠀀.py", "surrogate-\udcff.py", "bidi-\u202e.py"])

    if sys.version_info >= (3, 8):
        @parked("odd names")
        def in_odd_names():
            """Function names that no compiler makes, but tools that rewrite code do."""
            scope = {"in_lock": in_lock}
            exec("def f():\n    in_lock()\n", scope)
            function = scope["f"]
            names = {"co_name": "semi;colon\nand (file:3) new\x1bline"}
            if sys.version_info >= (3, 11):
                names["co_qualname"] = names["co_name"] + ".<locals>.é"
            function.__code__ = function.__code__.replace(**names)
            function()

    if sys.version_info >= (3, 12):
        @parked("monitored")
        def in_monitored():
            """Instrumented bytecode, as coverage and debuggers leave behind."""
            def watched(n):
                if n:
                    return watched(n - 1)
                in_lock()
            tool = sys.monitoring.COVERAGE_ID
            events = sys.monitoring.events
            sys.monitoring.use_tool_id(tool, "truth")
            for event in (events.LINE, events.INSTRUCTION, events.PY_START, events.CALL):
                sys.monitoring.register_callback(tool, event, lambda *args: None)
            sys.monitoring.set_local_events(
                tool, watched.__code__,
                events.LINE | events.INSTRUCTION | events.PY_START | events.CALL)
            watched(5)

    return found


# Runs inside a sub-interpreter: reports its own stack through a pipe, as truth.rest does.
# The modules are imported first, so that report and rest are one line.
IN_SUB_INTERPRETER = """
import json, os, sys
try:
    from _thread import get_native_id as native_id
except ImportError:
    from threading import get_native_id as native_id

def walk(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append([code.co_filename, getattr(code, "co_qualname", code.co_name), frame.f_lineno])
        frame = frame.f_back
    return frames

def tell(frame):
    return json.dumps({"tid": native_id(), "name": None, "interpreter": %(number)d,
                       "frames": walk(frame)}).encode() + b"\\n"

class Sub:
    def rest(self):
        os.write(%(report)d, tell(sys._getframe())); os.read(%(silent)d, 1)

def recursion(n):
    return recursion(n - 1) if n else Sub().rest()

recursion(%(depth)d)
"""


def interpreter_makers():
    """(kind, create) for what this version has: sub-interpreters that share the GIL, and
    ones that own theirs (3.12+)."""
    if sys.version_info >= (3, 13):
        import _interpreters
        return _interpreters.run_string, [
            ("legacy", lambda: _interpreters.create("legacy")),
            ("isolated", lambda: _interpreters.create("isolated")),
        ]
    if sys.version_info >= (3, 12):
        import _xxsubinterpreters
        return _xxsubinterpreters.run_string, [
            ("legacy", lambda: _xxsubinterpreters.create(isolated=False)),
            ("isolated", lambda: _xxsubinterpreters.create(isolated=True)),
        ]
    if sys.version_info >= (3, 8):
        import _xxsubinterpreters
        return _xxsubinterpreters.run_string, [("legacy", _xxsubinterpreters.create)]
    return None, []


def sub_interpreters(start, gate, expected):
    """Starts a thread per sub-interpreter, and returns what they report of themselves."""
    run_string, makers = interpreter_makers()
    reports = []
    for number, (kind, create) in enumerate(makers, 1):
        report_read, report = os.pipe()
        silent, _never_written = os.pipe()
        source = IN_SUB_INTERPRETER % {
            "number": number, "report": report, "silent": silent, "depth": 10 * number}

        # Created by the thread that runs it. Up to 3.12 an interpreter's first thread state is for
        # ever its creator's, whichever thread runs it, and nothing there tells which does.
        def in_sub_interpreter():
            interpreter = create()
            gate() and run_string(interpreter, source)

        name = "sub " + kind
        start(name, in_sub_interpreter)
        expected.add(name)
        if not select.select([report_read], [], [], 30)[0]:
            sys.stderr.write("truth: the %s sub-interpreter says nothing\n" % kind)
            os._exit(3)
        data = b""
        while not data.endswith(b"\n"):
            data += os.read(report_read, 65536)
        reports.append(json.loads(data.decode()))
    return reports
