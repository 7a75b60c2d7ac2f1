"""Threads with every sort of name, kept in every sort of dict; for CPython 2.7 and 3.3-3.15. Prints
{"names": [[ident, name], ...]} as JSON when all of them run, then waits to be killed. Pure ASCII, so that
it can be given with -c in any locale."""
import json
import sys
import threading
import time
import types

OLD = sys.version_info[0] == 2
ATTRIBUTE = "_Thread__name" if OLD else "_name"
FOREVER = threading.Event()


def text(name):
    """A str of this Python, which is UTF-8 in 2.7."""
    return name.encode("utf-8") if OLD else name


class Waiting(threading.Thread):
    def __init__(self, *args, **kwargs):
        threading.Thread.__init__(self, *args, **kwargs)
        self.daemon = True
        self.up = threading.Event()

    def run(self):
        self.up.set()
        FOREVER.wait()


class Extra(Waiting):
    """Attributes before and behind those of Thread."""

    def __init__(self, name):
        self.before = 1
        Waiting.__init__(self, name=name)
        self.after = 2


class Many(Waiting):
    """More attributes than a class's shared keys take: each instance has a dict of its own."""

    def __init__(self, name):
        for number in range(40):
            setattr(self, "attribute%d" % number, number)
        Waiting.__init__(self, name=name)


class Slotted(Waiting):
    __slots__ = ("slot", "other")


class Text(str):
    """No compact string: its characters are elsewhere."""


def unnamed_modules():
    """Many modules, half of which have names as long as that of threading."""
    for number in range(1500):
        sys.modules["module_%02x" % number] = types.ModuleType("noise")


def short_lives():
    """Entries of threading._active that come and go."""
    for _ in range(100):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()


def start():
    started = []

    def add(kind, name, change=None):
        thread = kind(name=text(name))
        thread.start()
        thread.up.wait()
        if change:
            change(thread)
        started.append(thread)
        return thread

    def odd_key(thread):
        thread.__dict__[5] = "not a string"

    def another_dict(thread):
        thread.__dict__ = dict(thread.__dict__, more=1)

    def without_some(thread):
        thread.gone = 1
        del thread.gone
        del thread.up

    add(Waiting, u"plain")
    add(Waiting, u"t\xe4glich")
    add(Waiting, u"\u041f\u043e\u0442\u043e\u043a \u4e00")
    add(Waiting, u"\U0001f9f5 thread")
    add(Waiting, u"old").name = ""
    add(Waiting, u"long " + u"\xe9" * 300)
    early = Waiting()
    early.name = "set before the start"
    early.start()
    started.append(early)
    add(Waiting, u"old").name = "set after the start"
    add(Extra, u"extra")
    add(Many, u"many")
    add(Slotted, u"slotted").slot = 1
    add(Waiting, u"a dict was asked for", lambda thread: thread.__dict__)
    add(Waiting, u"an odd key", odd_key)
    add(Waiting, u"another dict", another_dict)
    add(Waiting, u"without some", without_some)
    setattr(add(Waiting, u"old"), ATTRIBUTE, Text("subclass"))
    setattr(add(Waiting, u"old"), ATTRIBUTE, 42)
    delattr(add(Waiting, u"old"), ATTRIBUTE)
    if not OLD:
        setattr(add(Waiting, u"old"), ATTRIBUTE, "lone \udc80")
        # A class made anew for each thread: each has keys of its own.
        for number in range(5):
            add(type("Made", (Waiting,), {}), u"made %d" % number)
    return started


def foreign():
    """A thread that was not started by threading, but asked for its name."""
    up = threading.Event()

    def run():
        threading.current_thread()
        up.set()
        FOREVER.wait()

    try:
        import thread
    except ImportError:
        import _thread as thread
    thread.start_new_thread(run, ())
    up.wait()


def told(name):
    if isinstance(name, bytes):
        return name.decode("utf-8")
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def main():
    unnamed_modules()
    short_lives()
    kept = start()
    foreign()
    short_lives()
    names = []
    for ident, thread in threading._active.items():
        name = getattr(thread, ATTRIBUTE, None)
        if isinstance(name, str):
            names.append([ident, told(name)])
    assert len(names) > 15 and len(kept) > 15
    sys.stdout.write(json.dumps({"version": sys.version, "names": names}) + "\n")
    sys.stdout.flush()
    while True:
        time.sleep(1000)


main()
