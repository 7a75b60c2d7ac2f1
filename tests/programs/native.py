"""Computes without the GIL: one call into C that takes for ever."""
import hashlib

import tracee


def native():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2 ** 31 - 1)


tracee.ready()
native()
