"""A small service with one thing wrong with it: something to watch.

    python3 demo.py [SECONDS]

Four workers answer requests: parse JSON, compute, take a lock, render. One answer in five goes through
`slow_checksum`, which takes most of the time. A thread sleeps between its rounds of housekeeping, and one
waits for requests that never come. Ends after SECONDS, or never.
"""
import json
import random
import sys
import threading
import time

LOCK = threading.Lock()
DOCUMENT = json.dumps({"user": "ada", "items": [{"id": n, "price": n * 1.25} for n in range(60)]})


def parse(text):
    return json.loads(text)


def slow_checksum(data):
    total = 0
    for item in data["items"]:
        for digit in str(item["price"] ** 3):
            total = (total * 31 + ord(digit)) % 1000003
    return total


def price(data):
    return sum(item["price"] for item in data["items"])


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def account(amount):
    with LOCK:
        time.sleep(0.0005)
        return amount * 2


def render(total, checksum):
    return "".join("<li>%d %d</li>" % (total, checksum + n) for n in range(40))


def handle(request):
    data = parse(request)
    total = price(data)
    checksum = sum(slow_checksum(data) for _ in range(6)) if random.random() < 0.2 else fibonacci(9)
    return render(account(total), checksum)


def worker(end):
    while time.time() < end:
        for _ in range(20):
            handle(DOCUMENT)
        time.sleep(0.002)


def housekeeping(end):
    while time.time() < end:
        sorted(random.random() for _ in range(20000))
        time.sleep(0.3)


def acceptor(stop):
    stop.wait()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else float("inf")
    end = time.time() + seconds
    stop = threading.Event()
    threads = [threading.Thread(target=worker, args=(end,), name="worker-%d" % n) for n in range(4)]
    threads.append(threading.Thread(target=housekeeping, args=(end,), name="housekeeping"))
    waiting = threading.Thread(target=acceptor, args=(stop,), name="acceptor")
    for thread in threads + [waiting]:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()


if __name__ == "__main__":
    main()
