# -*- coding: utf-8 -*-
"""Says what its own stacks are: the other half of the live tests.

Some forty threads each come to rest in a known, odd place. When all of them have, one line
of JSON says where they are, and nothing moves any more:

    {"version": [3, 12, 1], "pid": 7, "threads": [
        {"tid": 9, "name": "lock", "interpreter": 0, "frames": [["truth.py", "f", 12], ...]}]}

Frames come leaf first, as file, function (qualified from 3.11 on) and line. A name is null
where Python knows none. The words are the interpreter's own (sys._current_frames), so there
is no list of expected stacks to keep up to date.

Runs unchanged on CPython 2.7 and 3.6 to 3.15; what needs Python 3 is in truth3.py.
`truth.py LIST,OF,NAMES` starts only these threads, for looking at one case; `truth.py -NAME`
starts all the others.

How a thread comes to rest: `gate().acquire()` enters it in the register and then blocks,
both on one line, so that there is no moment at which it is registered but about to leave
the line. Nothing ever opens the gate.
"""
from __future__ import print_function

import functools
import gc
import json
import os
import re
import select
import sys
import threading
import time
import traceback

import tracee

try:
    import queue
    import _thread as thread
except ImportError:
    import Queue as queue
    import thread

HERE = os.path.dirname(os.path.abspath(__file__))
PY3 = sys.version_info[0] == 3

GATE = threading.Lock()
GATE.acquire()
NEVER = threading.Event()
SILENT_READ, SILENT_WRITE = os.pipe()   # nothing is ever written

register = {}       # ident -> (native id, name or None)
failures = []       # what a thread that did not come to rest died of
starters = []       # (name, function), in the order of starting
sub_reports = []    # stacks that sub-interpreters reported of themselves


def gate(name=True):
    """Registers the calling thread and gives it the lock that never opens."""
    if name is True:
        name = threading.current_thread().name
    register[thread.get_ident()] = (tracee.native_id(), name)
    return GATE


def parked(name):
    """Decorator: a thread of this name runs the function, and the function never returns."""
    def enlist(function):
        starters.append((name, function))
        return function
    return enlist


# ---- the plain ways to wait ----

@parked("lock")
def in_lock():
    gate().acquire()


@parked("event")
def in_event():
    gate() and NEVER.wait()


@parked("condition")
def in_condition():
    condition = threading.Condition()
    with condition:
        gate() and condition.wait()


@parked("semaphore")
def in_semaphore():
    gate() and threading.Semaphore(0).acquire()


@parked("sleep")
def in_sleep():
    gate() and time.sleep(1000000)


@parked("pipe")
def in_pipe():
    gate() and os.read(SILENT_READ, 1)


@parked("select")
def in_select():
    gate() and select.select([SILENT_READ], [], [])


@parked("queue")
def in_queue():
    gate() and queue.Queue().get()


@parked("join")
def in_join():
    other = threading.Thread(target=in_lock, name="joined")
    other.daemon = True
    other.start()
    while other.ident not in register:
        time.sleep(0.001)
    gate() and other.join()


class OwnRun(threading.Thread):
    """A thread whose run() is overridden."""

    def run(self):
        gate().acquire()


# ---- recursion ----

def even(n):
    if n == 0:
        gate().acquire()
    return odd(n - 1)


def odd(n):
    return even(
        n - 1
    )


@parked("recursion")
def in_recursion():
    even(50)


def down(n):
    if n:
        if n % 3:
            down(n - 1)
        else:
            down(n - 1)
    else:
        gate().acquire()


@parked("deep")
def in_deep():
    down(2000)


# ---- callbacks from C ----

class Compared(object):
    def __lt__(self, other):
        return bool(self) and False

    def __bool__(self):
        return hash(self) == 0

    __nonzero__ = __bool__

    def __hash__(self):
        return int(self.attribute)

    def __getattr__(self, name):
        if name == "attribute":
            return self.computed
        raise AttributeError(name)

    @property
    def computed(self):
        return self["key"]

    def __getitem__(self, key):
        return str(self)

    def __str__(self):
        gate().acquire()


@parked("callbacks")
def in_callbacks():
    return sorted([3, 1, 2], key=callback_of_sort)


def callback_of_sort(item):
    return functools.reduce(callback_of_reduce, [1, 2, 3])


def callback_of_reduce(left, right):
    return list(map(callback_of_map, [left]))


def callback_of_map(item):
    return re.sub("b", callback_of_sub, "abc")


def callback_of_sub(match):
    return max([1, 2], key=functools.partial(callback_of_partial, 1))


def callback_of_partial(one, item):
    return list(filter(lambda x: callback_of_filter(x), [item]))


def callback_of_filter(item):
    return any(callback_of_genexpr(i) for i in [item])


def callback_of_genexpr(item):
    return sorted([Compared(), Compared()])


@parked("ctypes")
def in_ctypes():
    try:
        import ctypes
        wrapper = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(callback_of_ctypes)
    except Exception:
        return callback_of_ctypes(0)    # a Python without ctypes: an ordinary frame
    return wrapper(
        0)


def callback_of_ctypes(number):
    gate().acquire()


# ---- classes ----

class Outer(object):
    class Inner(object):
        def __init__(self, rest):
            self.rest = rest
            if rest:
                Outer.Most(self)

    class Most(object):
        def __init__(self, inner):
            gate().acquire()

    def __init__(self, rest):
        self.inner = Outer.Inner(rest)


@parked("init")
def in_init():
    # 3.13+ puts a trampoline frame under __init__, but only once the call is specialised.
    for _ in range(5000):
        Outer(False)
    for attempt in (False, False, True):
        Outer(attempt)


class Meta(type):
    def __call__(cls, *args):
        return super(Meta, cls).__call__(*args)

    def __new__(mcs, name, bases, body):
        if body.get("rest_in_new"):
            Meta("Instance", (object,), {"__new__": instance_new})()
        return super(Meta, mcs).__new__(mcs, name, bases, body)


def instance_new(cls):
    gate().acquire()


@parked("metaclass")
def in_metaclass():
    Meta("Odd", (object,), {"rest_in_new": True})


@parked("class body")
def in_class_body():
    class First(object):
        x = 1

        class Second(object):
            gate().acquire()


class Dying(object):
    def __del__(self):
        gate().acquire()


@parked("del")
def in_del():
    victim = Dying()
    victim = None
    return victim


if PY3:     # 2.7 never collects a cycle with a finaliser
    @parked("del in gc")
    def in_gc():
        victim = Dying()
        victim.itself = victim
        del victim
        gc.collect()


class Manager(object):
    def __init__(self, where):
        self.where = where

    def __enter__(self):
        if self.where == "enter":
            gate().acquire()

    def __exit__(self, *exc):
        if self.where == "exit":
            gate().acquire()


@parked("with enter")
def in_enter():
    with Manager("nowhere"), \
            Manager("enter"):
        pass


@parked("with exit")
def in_exit():
    with Manager("nowhere"):
        with Manager("exit"):
            for _ in range(3):
                pass


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@parked("decorated")
@decorated
@decorated
def in_decorated():
    in_lock()


def decorator_that_rests(function):
    gate().acquire()


@parked("decorating")
def in_decorating():
    @decorated

    @decorator_that_rests
    def never_made():
        pass


# ---- generators, as far as 2.7 has them ----

def counting(limit):
    for i in range(limit):
        yield i
    gate().acquire()


def doubling(source):
    for i in source:
        yield 2 * i


@parked("generator")
def in_generator():
    return sum(i for i in doubling(counting(300)))


def cleaning_up():
    try:
        yield 1
    finally:
        gate().acquire()


@parked("close")
def in_close():
    generator = cleaning_up()
    next(generator)
    generator.close()


def catching():
    while True:
        try:
            yield 1
        except ValueError:
            try:
                raise KeyError
            except KeyError:
                gate().acquire()


@parked("throw")
def in_throw():
    generator = catching()
    next(generator)
    generator.throw(
        ValueError("thrown")
    )


# ---- lines ----

@parked("multi-line")
def in_multi_line():
    return max(
        1,
        min(
            2,
            *[
                3,
                several_lines(
                    4,
                    lambda: 5 +
                    several_lines(
                        6,
                        gate().acquire
                    ),
                ),
            ]
        )
    )


def several_lines(
    number,
    function,
):
    return (
        number
        +
        function()
    )


@parked("comprehensions")
def in_comprehensions():
    return [
        {
            key: set(
                (lambda: gate().acquire())()
                for _ in range(2)
            )
            for key in
            [x for x in range(2)]
        }
        for value in range(2)
    ]


@parked("far")
def in_far():
    """Jumps over hundreds of lines, both ways, long expressions, and line numbers that do
    not fit into two bytes."""
    source = [
        "def far(then):",
        "    if then:" + "\n" * 700,
        "        x = 1; far(False)" + "\n" * 300,
        "    else:",
        "        for i in range(2):" + "\n" * 129,
        "            if i:" + "\n" * 5,
        # more than 255 bytes of bytecode on one line, then a call that ends 400 lines below
        "                x = " + " + ".join(["i"] * 300) + " + near(" + "\n" * 400,
        "                    i)",
        "def near(i):",
        "    try:" + "\n" * 127,
        "        raise ValueError" + "\n" * 128,
        "    except ValueError:" + "\n" * 126,
        "        gate().acquire()",
    ]
    scope = {"gate": gate}
    exec(compile("\n" * 70000 + "\n".join(source), "far.py", "exec"), scope)
    scope["far"](True)


# ---- names of files and functions ----

ODD_FILES = [
    "",
    "<exec>",
    "with space.py",
    "semi;colon.py",
    "new\nline.py",
    "tab\tand\x1b[31mescape\x7f.py",
    "file (with:7) brackets:9.py",
    "/" + "/".join(["a-rather-long-directory-name"] * 100) + "/file.py",
]


@parked("odd files")
def in_odd_files():
    step(list(ODD_FILES))


def step(left):
    if not left:
        gate().acquire()
    scope = {"step": step, "left": left[1:]}
    exec(compile("\n\ndef inner():\n    step(left)\n\ninner()\n", left[0], "exec"), scope)


@parked("eval")
def in_eval():
    eval("1 + (lambda: in_lock())()")


@parked("long name")
def in_long_name():
    name = "n" * 900
    scope = {"gate": gate}
    exec("def %s(): gate().acquire()\nclass %s:\n  def %s(self): %s()\n%s().%s()"
         % (name, name.upper(), name, name, name.upper(), name), scope)


if not PY3:
    @parked("bytes")
    def in_bytes():
        """2.7's names are bytes: UTF-8 by custom, anything in fact."""
        step(["gr\xc3\xb6\xc3\x9fe.py", "not \xff utf-8 \xfe.py"])


# ---- tracing, profiling, monitoring ----

def trace(frame, event, argument):
    return trace


@parked("traced")
def in_traced():
    sys.settrace(trace)
    for _ in range(3):
        even(4)


@parked("trace function")
def in_trace_function():
    def rests(frame, event, argument):
        if event == "line" and frame.f_lineno > in_trace_function_line:
            gate().acquire()
        return rests
    sys.settrace(rests)
    traced_function()


def traced_function():
    x = 1
    x += 1
    return x


in_trace_function_line = traced_function.__code__.co_firstlineno + 1


@parked("profiled")
def in_profiled():
    sys.setprofile(lambda frame, event, argument: None)
    even(4)


# ---- others ----

@parked("exception")
def in_exception():
    try:
        try:
            raise ValueError
        finally:
            in_handler()
    except ValueError:
        pass


def in_handler():
    try:
        {}["missing"]
    except KeyError:
        gate().acquire()


def hot(n):
    total = 0
    for i in range(n):
        total = add(total, i)
    if n > 100:
        gate().acquire()
    return total


def add(a, b):
    return a + b


@parked("hot")
def in_hot():
    """A function that has run often: specialised bytecode, per-thread bytecode."""
    for _ in range(200):
        hot(50)
    hot(20000)


def raw_thread():
    gate(None).acquire()


# ---- the register, read when nothing moves any more ----

def text(name):
    """JSON wants text. What no text can say is written as the profiler must write it: a byte
    that is not UTF-8 as \\xff, a lone surrogate as \\udcff, as Python itself shows them."""
    if isinstance(name, bytes):
        out = u""
        while name:
            try:
                return out + name.decode("utf-8")
            except UnicodeDecodeError as error:
                out += name[:error.start].decode("utf-8") + u"\\x%02x" % ord(name[error.start])
                name = name[error.start + 1:]
        return out
    if PY3:
        return "".join("\\u%04x" % ord(c) if 0xD800 <= ord(c) < 0xE000 else c for c in name)
    return name


def walk(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append([
            text(code.co_filename),
            text(getattr(code, "co_qualname", code.co_name)),
            frame.f_lineno,
        ])
        frame = frame.f_back
    return frames


def picture():
    """Where every registered thread is, to the instruction."""
    places = {}
    for ident, frame in sys._current_frames().items():
        if ident in register:
            place = places[ident] = []
            while frame is not None:
                place.append((id(frame.f_code), frame.f_lasti))
                frame = frame.f_back
    return places


def settle(expected):
    """Returns when all threads have registered and nothing has moved for a while. The gate
    needs no such wait (see above); Event.wait, Queue.get and their like walk a few lines of
    the library after they have registered."""
    deadline = time.time() + 60
    same, last = 0, None
    while same < 8:
        if failures or time.time() > deadline:
            missing = expected - set(name for _, name in register.values())
            sys.stderr.write("truth: not at rest: %s\n%s" % (missing, "".join(failures)))
            os._exit(3)
        time.sleep(0.03)
        now = picture() if len(register) == len(expected) else None
        same = same + 1 if now is not None and now == last else 0
        last = now


def tell(own_frame):
    """The line of JSON; `own_frame` is the caller's, which rests on the line it is now on."""
    threads = [{"tid": tracee.native_id(), "name": "MainThread", "interpreter": 0,
                "frames": walk(own_frame)}]
    for ident, frame in sys._current_frames().items():
        if ident in register:
            tid, name = register[ident]
            threads.append({"tid": tid, "name": None if name is None else text(name),
                            "interpreter": 0, "frames": walk(frame)})
    threads.extend(sub_reports)
    return json.dumps({"version": list(sys.version_info[:3]), "pid": os.getpid(),
                       "threads": threads}) + "\n"


def rest(out):
    # One line, so that what it says of itself is still so when it rests.
    out.write(tell(sys._getframe())); out.flush(); GATE.acquire()


def run(function):
    try:
        function()
        failures.append("%r returned\n" % function)
    except BaseException:
        failures.append(traceback.format_exc())


def start(name, function):
    runner = threading.Thread(target=run, args=(function,), name=name)
    runner.daemon = True    # 2.7 to 3.15: the process may end though none of them does
    runner.start()


class Choice(object):
    """Which threads the command line asks for."""

    def __init__(self, word=""):
        self.without = word.startswith("-")
        self.names = set(word.lstrip("-").split(",")) if word else None

    def __contains__(self, name):
        return self.names is None or (name in self.names) != self.without


def main(chosen):
    gc.disable()
    gc.collect()
    sys.setrecursionlimit(10000)
    expected = set()
    for name, function in starters:
        if name not in chosen:
            continue
        threading.stack_size(64 << 20 if name == "deep" else 0)
        start(name, function)
        expected.add(name)
        if name == "join":
            expected.add("joined")
    threading.stack_size(0)
    if "own run" in chosen:
        own = OwnRun(name="a name that is longer than fifteen bytes")
        own.daemon = True
        own.start()
        expected.add(own.name)
    if "raw" in chosen:
        thread.start_new_thread(raw_thread, ())
        expected.add(None)
    if PY3 and "sub-interpreters" in chosen:
        import truth3
        sub_reports.extend(truth3.sub_interpreters(start, gate, expected))
    if "import" in chosen:
        # Last, and with everything looked up that tell() needs: 2.7 holds its only import
        # lock for as long as an import lasts, here for ever.
        settle(expected)
        json.dumps([text(b"warm"), "warm"])
        start("import", lambda: __import__("parked_import"))
        expected.add("import")
    settle(expected)
    rest(sys.stdout)


if PY3:
    import truth3
    starters.extend(truth3.starters(gate, in_lock, step))

# uWSGI loads its application under another name.
if __name__ == "__main__" or __name__.startswith("uwsgi_file"):
    sys.modules.setdefault("truth", sys.modules[__name__])
    main(Choice(*sys.argv[1:]))
