"""Works in a sub-interpreter that the main thread has made and another one runs; 3.8 and later.

Two chains of calls, a1 to a5 and b1 to b5, in turn: a stack that has functions of both never was.
The argument chooses the kind of sub-interpreter, of those that truth3.py knows.
"""
import sys
import threading
import time

import tracee
import truth3

CHAIN = """
def %(letter)s1():
    %(letter)s2()
def %(letter)s2():
    %(letter)s3(); %(letter)s3()
def %(letter)s3():
    %(letter)s4(); %(letter)s4()
def %(letter)s4():
    %(letter)s5(); %(letter)s5()
def %(letter)s5():
    return 1
"""
SOURCE = CHAIN % {"letter": "a"} + CHAIN % {"letter": "b"} + """
for _ in iter(int, 1):
    a1()
    b1()
"""     # for ever, but not by `while True`, of which 3.14's debug build dies here


def main():
    run_string, makers = truth3.interpreter_makers()
    _kind, create = makers[int(sys.argv[1])]
    interpreter = create()
    thread = threading.Thread(target=run_string, args=(interpreter, SOURCE), name="sub")
    thread.daemon = True
    tracee.ready()      # before it starts: from 3.9 to 3.11 we shall not get the GIL back
    thread.start()
    while True:
        time.sleep(1000000)


if __name__ == "__main__":
    main()
