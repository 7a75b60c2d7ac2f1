"""Greenlets that hand over to each other all the time, and new ones that begin and end.

Each has functions of its own, in a file of its own: a stack is one that has been only if all of its frames are of
one file, and its first is that file's `run`.
"""
import time

import greenlet

SOURCE = """
def leaf():
    total = 0
    for number in range(60):
        total += number
    main.switch()
    return total

def middle(depth):
    return middle(depth - 1) if depth else leaf()

def run():
    while True:
        middle(3)
"""

main = greenlet.getcurrent()


def of_its_own(letter):
    names = {"main": main}
    exec(compile(SOURCE, letter + ".own", "exec"), names)
    return greenlet.greenlet(names["run"])


lasting = [of_its_own(letter) for letter in "abcdef"]
print("ready", flush=True)
while True:
    for one in lasting:
        one.switch()
    if time.time_ns() % 16 == 0:
        of_its_own("new").switch()
