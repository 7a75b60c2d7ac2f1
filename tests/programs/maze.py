"""A maze of calls in which an impossible stack shows itself.

Every calling line of the generated functions calls one known callee. So any stack can be
judged from its text alone: each frame's line must be a line of the function that is named,
and must call the function of the frame below it. `--rules FILE` publishes which line calls
what; maze_judge.py judges. The functions do next to no work, so that whoever reads the
stack of a running thread meets calls and returns all the time.

The ways to be called: plain functions, __init__ of classes, generators and `yield from`,
coroutines, recursion, callbacks from C, properties, __getitem__, __del__, and code that is
unmarshalled, executed and dropped each time, so that code objects change places in memory.

Prints "ready" when all threads are on their way and, after --seconds, one line of JSON with
the passes made through the maze, by which a slowdown can be measured; with --progress FILE
they can be read there at any time, by the program's own clock.

Runs unchanged on CPython 2.7 and 3.6 to 3.15.
"""
from __future__ import print_function

import argparse
import functools
import json
import marshal
import os
import random
import re
import sys
import threading
import time
import zlib

import tracee

PY3 = sys.version_info[0] == 3
LEVELS = 9
WIDTH = 24

# How often a kind of function occurs, in percent.
KINDS = [("plain", 46), ("wide", 8), ("init", 9), ("generator", 9), ("coroutine", 5),
         ("recursion", 6), ("callback", 5), ("property", 4), ("getitem", 3), ("del", 2),
         ("exec", 3)]


class Dice(object):
    """The same maze on every version; random's own sequence is not."""

    def __init__(self, seed):
        self.state = seed

    def roll(self, sides):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % sides


class Node(object):
    """A function of the maze: what it is, how it is called, and what the call leads to."""
    #: The last line of those that call nobody.
    rest = "len(ONE)"

    def __init__(self, number, level, kind):
        self.number, self.level, self.kind = number, level, kind
        self.callees = []

    def key(self):
        """The name by which the source's `# ->` comments mean this function."""
        n = self.number
        return {
            "init": "C%d.__init__" % n, "property": "P%d.value" % n,
            "getitem": "P%d.__getitem__" % n, "del": "D%d.__del__" % n,
            "exec": "maze-exec-%d.py" % n,
        }.get(self.kind, "f%d" % n)

    def call_from(self, caller):
        """The lines, mostly one, by which a function of kind `caller` calls this one."""
        n = self.number
        if self.kind == "generator":
            if PY3 and caller == "generator":
                return ["yield from f%d()" % n]
            if caller == "generator":
                return ["for _ in f%d(): yield _" % n]
            return ["for _ in f%d(): pass" % n]
        if self.kind == "coroutine":
            if caller == "coroutine":
                return ["await f%d()" % n]
            return ["try: f%d().send(None)" % n, "except StopIteration: pass"]
        return [{
            "init": "C%d()" % n, "del": "D%d()" % n,
            "recursion": "f%d(%d)" % (n, 3 + n % 28),
            "callback": "sorted(ONE, key=f%d)" % n,
            "property": "p%d.property" % n, "getitem": "p%d[1]" % n,
            "exec": "exec(loads(CODE[%d]), GLOBALS)" % n,
        }.get(self.kind, "f%d()" % n)]

    def source(self):
        """The lines of the definition."""
        n, kind = self.number, self.kind
        body = []
        for callee in self.callees:
            lines = callee.call_from(kind)
            lines[0] += "  # -> " + callee.key()
            body.extend(lines)
            if kind == "generator":
                body.append("yield %d" % callee.number)
        if not self.callees:
            body = ["x = 1", "x += 1", self.rest]
            if kind == "generator":
                body.append("yield x")
        if kind == "wide":      # a big frame: chunks of the data stack end in odd places
            body.insert(0, " = ".join("v%d" % i for i in range(60)) + " = None")
        if kind == "recursion":
            body = ["if left:", "    f%d(left - 1)  # -> f%d" % (n, n), "    return"] + body
        if kind in ("init", "property", "getitem", "del"):
            name, arguments = {"init": ("__init__", "self"), "property": ("value", "self"),
                               "getitem": ("__getitem__", "self, i"),
                               "del": ("__del__", "self")}[kind]
            letter = {"init": "C", "del": "D"}.get(kind, "P")
            lines = ["class %s%d(object):" % (letter, n), "    def %s(%s):" % (name, arguments)]
            lines += ["        " + line for line in body]
            if kind == "property":
                lines.append("    property = property(value)")
            if letter == "P":
                lines.append("p%d = P%d()" % (n, n))
            return lines
        if kind == "exec":
            # Lines far apart from one maze-exec file to the next: a code object that is
            # mistaken for an earlier one at its address gives itself away by its line.
            return ([""] * n + ["def x%d():" % n] + ["    " + line for line in body] +
                    ["x%d()  # -> x%d" % (n, n)])
        arguments = {"recursion": "left", "callback": "item"}.get(kind, "")
        word = "async def" if kind == "coroutine" else "def"
        return ["%s f%d(%s):" % (word, n, arguments)] + ["    " + line for line in body]


def plan():
    """All nodes, the entrance first."""
    dice = Dice(20)
    chances = [kind for kind, percent in KINDS for _ in range(percent)]
    levels = [[Node(0, 0, "plain")]]
    for level in range(1, LEVELS + 1):
        row = []
        for column in range(WIDTH):
            kind = chances[dice.roll(len(chances))]
            if kind == "coroutine" and not PY3:
                kind = "plain"
            row.append(Node(level * 100 + column, level, kind))
        levels.append(row)
    for level, row in enumerate(levels[:-1]):
        for node in row:
            for _ in range(8 if level == 0 else 2 + dice.roll(2)):
                # Every third call skips levels: depths vary, and so do the leaves' callers.
                target = level + 1 + (dice.roll(3) if dice.roll(3) == 0 and level else 0)
                choice = levels[min(target, LEVELS)]
                node.callees.append(choice[dice.roll(len(choice))])
    return [node for row in levels for node in row]


def rests():
    """What those that call nobody do where they rest, one by chance: mostly nothing, now and then sleep for a moment,
    or compute in C. Both let go of the GIL, and neither has a frame."""
    nothing, text = functools.partial(len, (1,)), os.urandom(3000) * 20
    return [nothing] * 30 + [functools.partial(time.sleep, 0.0002), functools.partial(zlib.compress, text)]


def build(nodes):
    """({file: source}, the entrance)."""
    sources = {"maze-body.py": []}
    for node in nodes:
        if node.kind == "exec":
            sources["maze-exec-%d.py" % node.number] = node.source()
        else:
            sources["maze-body.py"] += [""] + node.source()
    sources = dict((file, "\n".join(lines) + "\n") for file, lines in sources.items())
    scope = {"ONE": (1,), "loads": marshal.loads, "CODE": {}}
    scope.update(RESTS=rests(), BITS=random.getrandbits)
    scope["GLOBALS"] = scope
    for file, source in sources.items():
        code = compile(source, file, "exec")
        if file == "maze-body.py":
            exec(code, scope)
        else:
            scope["CODE"][int(re.search("[0-9]+", file).group())] = marshal.dumps(code)
    return sources, scope["f0"]


# ---- the rules ----

def functions_of(file, source):
    """[(key, names, first line, last line)] of a source, and the innermost names by line."""
    lines = source.split("\n")
    module = [file, {"<module>"}, 1, len(lines)]
    found, open_ones, names = [module], [], {}
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        if line.strip():
            while open_ones and indent <= open_ones[-1][0]:
                open_ones.pop()
        enclosing = [entry for _, entry in open_ones if entry] or [module]
        names[number] = set(enclosing[-1][1])
        match = re.match(r"\s*(?:async )?(def|class) (\w+)", line)
        if match:
            key = ".".join([e[0] for _, e in open_ones if e][-1:] + [match.group(2)])
            entry = [key, {match.group(2), key}, number, number]
            open_ones.append((indent, entry))
            if match.group(1) == "def":
                found.append(entry)
                # The line of the definition is the enclosing code's and the function's own.
                names[number] |= entry[1]
        if line.strip():
            for _, entry in open_ones:
                entry[3] = number
    return found, names


def rules(sources):
    """What maze_judge.py needs to know, for JSON."""
    own = os.path.basename(__file__).replace(".pyc", ".py")
    with open(os.path.splitext(os.path.abspath(__file__))[0] + ".py") as opened:
        sources = dict(sources, **{own: opened.read()})
    places, lines, calls = {}, {}, {}
    for file, source in sources.items():
        found, names = functions_of(file, source)
        for key, function_names, first, last in found:
            places.setdefault(key, [file, first, last, sorted(function_names)])
        for number, line_names in names.items():
            lines["%s:%d" % (file, number)] = sorted(line_names)
    for file, source in sources.items():
        for number, line in enumerate(source.split("\n"), 1):
            match = re.search(r"# -> (.+)$", line)
            if match and '"' not in match.group(1):
                calls["%s:%d" % (file, number)] = [
                    places[key] if key != "library" else ["*", 0, 0, []]
                    for key in match.group(1).split()]
    return {"lines": lines, "calls": calls, "main": [own, "<module>"],
            "threads": [places["busy"], places["idle"]]}


# ---- the program ----

def busy(entrance, until, passes, index, board):
    """Walks the maze until it is time to stop."""
    clock, noted = time.time, tracee.noted
    while clock() < until:
        entrance()  # -> f0
        passes[index] += 1
        board[:] = noted(clock(), sum(passes))


def idle(gate):
    gate.acquire()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--busy", type=int, default=1, help="threads that walk the maze")
    options.add_argument("--idle", type=int, default=0, help="threads that wait")
    options.add_argument("--children", type=int, default=0, help="processes below it that wait")
    options.add_argument("--rests", action="store_true", help="they let go of the GIL all the time")
    options.add_argument("--seconds", type=float, default=0, help="0: for ever")
    options.add_argument("--rules", help="write the rules for the judge to this file")
    options.add_argument("--progress", help="note the passes in this file")
    options = options.parse_args()
    if options.rests:
        Node.rest = "RESTS[BITS(5)]()"
    sources, entrance = build(plan())
    if options.rules:
        with open(options.rules, "w") as out:
            json.dump(rules(sources), out)
    gate = threading.Lock()
    gate.acquire()
    for _ in range(options.children):
        if os.fork() == 0:
            tracee.end_with_parent()
            idle(gate)  # -> idle
    begin = time.time()
    until = begin + options.seconds if options.seconds else float("inf")
    passes = [0] * options.busy
    board = tracee.board(options.progress)
    threads = []
    for index in range(1, options.busy):
        arguments = (entrance, until, passes, index, board)
        threads.append(threading.Thread(target=busy, args=arguments, name="busy-%d" % index))
    for index in range(options.idle):
        threads.append(threading.Thread(target=idle, args=(gate,), name="idle-%d" % index))
    for thread in threads:
        thread.daemon = True
        thread.start()  # -> library
    tracee.ready()  # -> library
    if options.busy:
        busy(entrance, until, passes, 0, board)  # -> busy
    else:
        time.sleep(options.seconds or 1000000)
    for thread in threads[:max(options.busy - 1, 0)]:
        thread.join()  # -> library
    print(json.dumps({"passes": sum(passes), "seconds": time.time() - begin}))
    sys.stdout.flush()


# uWSGI loads its application under another name.
if __name__ == "__main__" or __name__.startswith("uwsgi_file"):
    main()  # -> main
