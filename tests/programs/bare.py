"""Three threads without a Python frame: the first is at its prompt, one sleeps, one computes without the GIL. With "busy",
a fourth that runs Python beside them."""
import os
import sys

if not sys.flags.interactive:
    # A prompt at which nobody ever says anything.
    end, said = os.pipe()
    os.dup2(end, 0)
    if hasattr(os, "set_inheritable"):
        os.set_inheritable(said, True)
    os.execv(sys.executable, [sys.executable, "-i"] + sys.argv)

import threading
import time

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread


def compute():
    while True:
        sum(range(100))


try:
    from _hashlib import pbkdf2_hmac
    burn = (pbkdf2_hmac, ("sha256", b"x", b"y", 2**31 - 1))
except ImportError:
    import zlib
    # Of two letters, in which zlib seeks in vain for a minute; bz2 would come back for the GIL again and again.
    burn = (zlib.compress, (os.urandom(1 << 25).translate(b"ab" * 128), 9))

# Functions of C, and none of Python that calls them.
start_new_thread(time.sleep, (1000000,))
start_new_thread(*burn)
if "busy" in sys.argv:
    worker = threading.Thread(target=compute, name="worker")
    worker.daemon = True
    worker.start()


class Prompt(object):
    def __str__(self):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        return ""


# Before it the prompt imports what it needs.
sys.ps1 = Prompt()
