"""A dispatcher with 600 handlers: a few of them take most of the time, the others next to nothing each."""
import importlib.util
import os
import random
import signal
import sys
import tempfile

HANDLERS = 600
SOURCE = '''
def on_event_{n:03}(event):
    total = 0
    for turn in range(event % 50 + 150):
        total += turn * {n} % 13
    return total
'''


def plugins(folder):
    """The handlers, as a module of their own: they have a file that can be read."""
    path = os.path.join(folder, "handlers.py")
    with open(path, "w") as file:
        file.write("".join(SOURCE.format(n=n) for n in range(HANDLERS)))
    spec = importlib.util.spec_from_file_location("handlers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [getattr(module, "on_event_%03d" % n) for n in range(HANDLERS)]


def dispatch(handler, event):
    return handler(event)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    weights = [1 / (n + 3) for n in range(HANDLERS)]
    with tempfile.TemporaryDirectory() as folder:
        handlers = plugins(folder)
        while True:
            for event, handler in enumerate(random.choices(handlers, weights, k=1000)):
                dispatch(handler, event)


if __name__ == "__main__":
    main()
