# -*- coding: utf-8 -*-
"""Works in functions whose names use every kind of string. Python 3 only."""
import tracee


def plain():
    for _ in range(100):
        größe()


def größe():                    # Latin-1: one byte a character, but not ASCII
    return функция()


def функция():                  # two bytes a character
    return 関数()


def 関数():
    return 𐐷𠀀()                # four bytes a character


def 𐐷𠀀():
    return sum(range(1000))


def main():
    tracee.ready()
    scope = {"plain": plain}
    code = compile("def début():\n    while True:\n        plain()\n", "файл.py", "exec")
    exec(code, scope)
    scope["début"]()


if __name__ == "__main__":
    main()
