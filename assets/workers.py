"""A server as many are: a master that waits, and four workers below it that answer.

    python3 workers.py

Of the four one has got the accounts that are dear: it computes most of the time, the others wait for the database.
"""
import json
import os
import random
import time

WORKERS = 4
ROWS = [{"id": n, "name": "item%d" % n, "price": n * 7 % 1000} for n in range(400)]


def query(seconds):
    time.sleep(seconds)
    return ROWS


def price_list(rows):
    return "".join(json.dumps(row) for row in sorted(rows, key=lambda row: row["price"]))


def balance(rows):
    total = 0
    for number in range(150000):
        total += rows[number % len(rows)]["price"] * number % 11
    return total


def answer(is_dear):
    rows = query(random.expovariate(400 if is_dear else 60))
    return balance(rows) if is_dear else price_list(rows)


def worker(number):
    master = os.getppid()
    while os.getppid() == master:
        answer(number == 0)


def main():
    for number in range(WORKERS):
        if os.fork() == 0:
            worker(number)
            os._exit(0)
    while True:
        os.wait()


if __name__ == "__main__":
    main()
