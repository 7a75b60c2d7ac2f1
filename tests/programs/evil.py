"""evil.py [FILE]: works under names that want to drive a terminal or forge a line.

With FILE its function claims to come from that file.
"""
import ctypes
import sys
import threading
import types

import tracee

EVIL = "".join([
    "\x1b]0;owned\x07",                 # the title of the window
    "\x1b[2J\x1b[31m",                  # clear it, in red
    "\x1bP+q\x1b\\\x9b5n\x90x\x9c",     # ask it something, in 7 bits and in 8
    "\nforged:stack:1 999\r",           # a line of the output
    ";a:b;",                            # frames
    "\u202egnp.exe\u2066\u200f",        # from right to left
    "\u200b\u200d\ufeff\u2060",         # no width
    "e\u0301\u0301\u0301",              # marks upon marks
    "\t\\x1b \x7f\x00 \ud800",
])


def renamed(function, name, file):
    code = function.__code__
    changes = {"co_name": name, "co_filename": file}
    if hasattr(code, "co_qualname"):
        changes["co_qualname"] = name
    return types.FunctionType(code.replace(**changes), globals(), name)


def leaf():
    for _ in range(300):
        pass


def caller(callee):
    while True:
        callee()


def main():
    if tracee.libc is not None:
        tracee.libc.prctl(15, ctypes.c_char_p(b"\x1b[31m\n;evil\x9b"), 0, 0, 0)   # PR_SET_NAME
    if len(sys.argv) > 1 and sys.argv[1] != EVIL:
        run, plain = renamed(caller, "caller", sys.argv[1]), renamed(leaf, "leaf", sys.argv[1])
        tracee.ready()
        run(plain)
    huge = "huge" + "A" * (1 << 20) + EVIL
    run = renamed(caller, "caller" + EVIL, EVIL + ".py")
    for name, callee in ((EVIL, renamed(leaf, EVIL, EVIL + ".py")), (huge, renamed(leaf, huge, huge))):
        threading.Thread(target=run, args=(callee,), name=name).start()
    tracee.ready()
    run(leaf)


if __name__ == "__main__":
    main()
