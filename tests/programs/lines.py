# Prints the line tables of many functions, and what this interpreter itself makes of them.
#
# First the version, then one line for each code object, fields parted by tabs:
#     first line, table (hex), positions, truth, spots, second truth, name
# Positions are what the tables count: bytes up to 3.10, code units of two bytes from 3.11 on. A truth
# names the positions at which the line changes, and the new line: "0:7 12:8 14:0"; 0 is "no line".
# The first is PyCode_Addr2Line's, which `frame.f_lineno` is made with; that walks the table from its start
# each time, so of long tables it is asked at some hundred spots only, and the truth is empty. The second is
# the Python side's: dis.findlinestarts up to 3.9, code.co_lines() and from 3.11 on co_positions(), too.
#
# Runs on 2.7 and 3.6-3.15; nothing that is compiled here is executed.
from __future__ import print_function

import ast
import ctypes
import dis
import glob
import os
import random
import sys

VERSION = sys.version_info[:2]
UNIT = 2 if VERSION >= (3, 11) else 1
STEP = 2 if VERSION >= (3, 6) else 1
CODE = type((lambda: 0).__code__)
LONG = 800
MODULES = (
    "argparse.py ast.py dataclasses.py difflib.py inspect.py threading.py tokenize.py typing.py this.py "
    "asyncio/*.py json/*.py unittest/case.py unittest/mock.py ctypes/__init__.py"
).split()

to_line = ctypes.pythonapi.PyCode_Addr2Line
to_line.argtypes = [ctypes.py_object, ctypes.c_int]
to_line.restype = ctypes.c_int


def sources():
    library = os.path.dirname(os.__file__)
    for pattern in MODULES:
        for path in sorted(glob.glob(os.path.join(library, pattern))):
            with open(path, "rb") as file:
                yield compile(file.read(), path, "exec", dont_inherit=True)
    for text in generated():
        try:
            yield compile(text, "generated", "exec", dont_inherit=True)
        except SyntaxError:
            pass  # a statement that this version does not have yet
    for seed in range(8):
        yield scattered(seed)


def generated():
    far = "\n" * 300
    yield "\n" * 70000 + "def late():\n    return 1\n"
    yield "def first():\n    a = 1" + far + "    b = 2" + far + "    return a + b\n"
    yield "def loop(n):\n    for i in range(n):" + far + "        print(i)\n    return n\n"
    yield "def call():\n    return f(" + far + "        1," + far + "        g(2)," + far + "    )\n"
    yield "@one\n@two(" + far + ")\ndef decorated(a=(" + far + "1)):\n    return a\n"
    yield "def same():\n    " + "; ".join("a%d = f(a%d)" % (i, i) for i in range(2000)) + "\n"
    yield "def wide():\n    return " + " + ".join("some_function(%d)" % i for i in range(400)) + "\n"
    yield "def huge(x):\n" + "".join("    x = f(x, %d)\n" % i for i in range(6000)) + "    return x\n"
    yield "values = [\n" + "".join("    f(%d),\n" % i for i in range(3000)) + "]\n"
    yield "def steps(x):\n" + "".join("    x = x + 1\n" + "\n" * i for i in range(0, 400, 3))
    yield "def nested(x):\n    try:\n        with a(x) as b, c(\n            b):\n            yield b\n" \
        "    except (\n        E, F) as e:\n        raise G(\n            e)\n    finally:\n        h()\n" \
        "    while x:\n        if x: continue\n        else: break\n    return [\n        y\n        for y in x\n" \
        "        if y]\n"
    yield "def branches(x):\n" + "".join(
        "    if x == %d:\n        return %d\n%s" % (i, i, "\n" * (i % 130)) for i in range(600))
    yield "f = lambda:(\n\n1 +\n\n\n2)\n\nclass C(\n  D):\n  x = 1\n  def m(self):\n    pass\n"
    yield "async def waits(a):\n    async with a as b:\n        async for c in b:" + far + \
        "            await c(\n                1,\n                2)\n    return [d async for d in a\n]\n"
    yield "def match(x):\n    match x:\n        case [1,\n              2]:\n            return 3\n" \
        "        case {'a': b} if b(\n            x): return b\n        case _:\n            pass\n"
    yield "def text(x):\n    return f'''{x}\n\n{x(\n1)}'''\n"
    yield "def walrus(x):\n    while (y := x(\n            1)) > 2:\n        print(y)\n"
    yield "try:\n    pass\nexcept* E as e:\n    f(\n        e)\n"
    yield ""


# Positions in no order at all, as macros and templates make them.
def scattered(seed):
    rand = random.Random(seed)
    tree = ast.parse(
        "def f(a, b):\n" + "".join("    a = g(a, b(%d)) + [c for c in b]\n" % i for i in range(60))
        + "    if a: return b\n    for a in b: g(a)\n    return a\n"
    )
    reach = (3, 200, 5000, 40000)[seed % 4]
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = rand.randint(1, reach)
            node.col_offset = rand.choice((0, 5, 79, 80, 127, 128, 300))
        if hasattr(node, "end_lineno"):
            node.end_lineno = node.lineno + rand.choice((0, 0, 1, 300))
            node.end_col_offset = node.col_offset + rand.choice((0, 1, 15, 16, 200))
    return compile(tree, "scattered", "exec", dont_inherit=True)


def codes(code):
    found = [code]
    while found:
        code = found.pop()
        yield code
        found.extend(constant for constant in code.co_consts if isinstance(constant, CODE))


def runs(lines):
    last = None
    for position, line in lines:
        line = line if line and line > 0 else 0
        if line != last:
            yield "%d:%d" % (position, line)
            last = line


def second(code, size):
    if VERSION >= (3, 11):
        lines = [position[0] for position in code.co_positions()]
        by_range = [None] * len(lines)
        for start, end, line in code.co_lines():
            by_range[start // 2 : end // 2] = [line] * ((end - start) // 2)
        assert lines == by_range, (code, lines, by_range)
        return enumerate(lines)
    if VERSION == (3, 10):
        return ((start, line) for start, end, line in code.co_lines() if end > start)
    starts = list(dis.findlinestarts(code))
    # Where the first line begins later than the code, the code until then has the function's line.
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, code.co_firstlineno))
    return starts


out = getattr(sys.stdout, "buffer", sys.stdout)
out.write(("%d.%d.%d\n" % sys.version_info[:3]).encode("ascii"))
for module in sources():
    for code in codes(module):
        table = bytearray(code.co_linetable if VERSION >= (3, 10) else code.co_lnotab)
        size = len(code.co_code)
        asked = range(0, size, STEP)
        truth = spots = ()
        if len(table) < LONG:
            truth = runs((at // UNIT, to_line(code, at)) for at in asked)
        else:
            asked = sorted(random.Random(size).sample(asked, min(300, len(asked))))
            spots = ("%d:%d" % (at // UNIT, max(0, to_line(code, at))) for at in asked)
        fields = [
            str(code.co_firstlineno),
            "".join("%02x" % byte for byte in table),
            str(size // UNIT),
            " ".join(truth),
            " ".join(spots),
            " ".join(runs(second(code, size))),
            code.co_name,
        ]
        out.write(("\t".join(fields) + "\n").encode("utf-8"))
