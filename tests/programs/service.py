"""A small service under its own load, for ever: what profilers meet in real life.

Four workers take requests from a queue, parse headers with re, bodies with json, keep a
cache behind a lock and answer through a queue; two clients ask, wait for the answer, check
it and think for a moment. Prints "ready", and after so many seconds as the first argument
says, if any, one line of JSON with the requests served. The second argument, if any, names
a file in which they can be read at any time, and the third says for how many seconds a
client thinks, if not for a thousandth: with 0.05 the service takes a tenth of a core.
"""
from __future__ import print_function

import json
import os
import re
import sys
import threading
import time

import tracee

try:
    import queue
except ImportError:
    import Queue as queue

HEADER = re.compile(r"^([A-Za-z-]+):\s*(.*?)\s*$", re.MULTILINE)
REQUEST_LINE = re.compile(r"^(GET|POST) (/\S*) HTTP/1\.[01]\r?\n")


class Request(object):
    def __init__(self, raw):
        match = REQUEST_LINE.match(raw)
        self.method, self.path = match.groups()
        head, _, self.body = raw.partition("\r\n\r\n")
        self.headers = dict(HEADER.findall(head))


class Cache(object):
    """The last hundred answers, least recently asked for first out."""

    def __init__(self, room):
        self.room, self.lock, self.kept, self.order = room, threading.Lock(), {}, []

    def get(self, key, make):
        with self.lock:
            if key in self.kept:
                self.order.remove(key)
                self.order.append(key)
                return self.kept[key]
        value = make(key)
        with self.lock:
            if key not in self.kept:
                self.order.append(key)
            self.kept[key] = value
            if len(self.order) > self.room:
                del self.kept[self.order.pop(0)]
        return value


class Service(object):
    def __init__(self, board):
        self.requests, self.cache, self.served = queue.Queue(64), Cache(100), 0
        self.board = board
        self.routes = {"/primes": self.primes, "/words": self.words, "/echo": self.echo}

    def work(self):
        while True:
            raw, answers = self.requests.get()
            answers.put(self.answer(Request(raw)))
            self.served += 1
            self.board[:] = tracee.noted(time.time(), self.served)

    def answer(self, request):
        handler = self.routes.get(request.path)
        if handler is None:
            return "HTTP/1.1 404 Not Found\r\n\r\n"
        body = json.dumps(handler(json.loads(request.body)), sort_keys=True)
        return "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def primes(self, asked):
        return self.cache.get(("primes", asked["below"]), self.sieve)

    def sieve(self, key):
        found = []
        for n in range(2, key[1]):
            if all(n % p for p in found if p * p <= n):
                found.append(n)
        return found

    def words(self, asked):
        counts = {}
        for word in re.findall(r"\w+", asked["text"].lower()):
            counts[word] = counts.get(word, 0) + 1
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:10]

    def echo(self, asked):
        return asked


def client(service, number, thinks):
    answers = queue.Queue()
    text = " ".join("word%d" % (i * i % 37) for i in range(200))
    turn = number
    while True:
        turn += 1
        path, body = [
            ("/primes", {"below": 200 + turn * 7 % 1500}),
            ("/words", {"text": text}),
            ("/echo", {"turn": turn, "list": list(range(50))}),
            ("/missing", {}),
        ][turn % 4]
        service.requests.put((
            "POST %s HTTP/1.1\r\nHost: localhost\r\nX-Turn: %d\r\n\r\n%s"
            % (path, turn, json.dumps(body)), answers))
        answer = answers.get()
        assert answer.startswith("HTTP/1.1 404" if path == "/missing" else "HTTP/1.1 200"), answer
        if turn % 16 == 0:
            time.sleep(thinks)


def start(name, function, *arguments):
    thread = threading.Thread(target=function, args=arguments, name=name)
    thread.daemon = True
    thread.start()


def main():
    service = Service(tracee.board(*sys.argv[2:3]))
    thinks = float(sys.argv[3]) if len(sys.argv) > 3 else 0.001
    for number in range(4):
        start("worker-%d" % number, service.work)
    for number in range(2):
        start("client-%d" % number, client, service, number, thinks)
    tracee.ready()
    begin = time.time()
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 1000000)
    print(json.dumps({"served": service.served, "seconds": time.time() - begin}))
    sys.stdout.flush()
    os._exit(0)     # 2.7's threads complain when the interpreter goes away below them


if __name__ == "__main__":
    main()
