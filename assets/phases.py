"""Does one thing for ten seconds, then another, and so on: does whoever watches see it at once?

    python3 phases.py [SECONDS A PHASE]
"""
import json
import sys
import time
import zlib

ROWS = [{"id": n, "name": "row %d" % n, "price": n * 1.25} for n in range(2000)]


def load_rows():
    text = json.dumps(ROWS)
    return json.loads(text)


def compute_prices():
    total = 0
    for row in ROWS:
        for digit in str(row["price"] ** 3):
            total = (total * 31 + ord(digit)) % 1000003
    return total


def compress_archive():
    return zlib.compress(repr(ROWS).encode(), 9)


def run_phase(work, end):
    while time.monotonic() < end:
        work()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    while True:
        for work in (load_rows, compute_prices, compress_archive):
            print(work.__name__, flush=True)
            run_phase(work, time.monotonic() + seconds)


if __name__ == "__main__":
    main()
