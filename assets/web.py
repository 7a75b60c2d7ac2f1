"""A threaded web service under its own load, in which something becomes slow.

    python3 web.py [CALM SECONDS]

Six workers answer six clients (in a process of their own, which ends with this one). After CALM seconds, or never,
nobody keeps the monthly report any more: `view_report` computes it anew for everybody, under a lock.
"""
import gzip
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

WORKERS = 6
LOCK = threading.Lock()
START = time.monotonic()
CALM = float(sys.argv[1]) if len(sys.argv) == 2 else float("inf")
REPORTS = {}
USERS = [{"id": n, "name": "user%d" % n, "mail": "user%d@example.org" % n} for n in range(120)]
TEXT = " ".join("word%d" % (n * n % 89) for n in range(600))
ENGINE = re.compile(r"\bword(?:[0-4]\d|7)\b")


def view_report(request):
    with LOCK:
        if "month" not in REPORTS or time.monotonic() - START > CALM:
            REPORTS["month"] = summarise(range(150000))
        return REPORTS["month"]


def summarise(rows):
    total = 0
    for row in rows:
        total += row * row % 7
    return {"rows": len(rows), "total": total}


def view_users(request):
    chosen = [user for user in USERS if user["id"] % 3 == request["page"] % 3]
    return {"users": sorted(chosen, key=lambda user: user["mail"])}


def view_search(request):
    return {"found": len(ENGINE.findall(TEXT)), "of": request["page"]}


def view_health(request):
    return {"well": True}


VIEWS = {"/report": view_report, "/users": view_users, "/search": view_search, "/health": view_health}


def dispatch(request):
    return json.dumps(VIEWS[request["path"]](request)).encode()


def middleware_gzip(request):
    return gzip.compress(dispatch(request), 5)


def middleware_log(request):
    answer = middleware_gzip(request)
    request["log"].append((request["path"], len(answer)))
    return answer


def middleware_auth(request):
    if not request["token"].startswith("token-"):
        raise PermissionError(request["path"])
    return middleware_log(request)


class Handler(BaseHTTPRequestHandler):
    log = []

    def do_GET(self):
        path, _, page = self.path.partition("?")
        request = {"path": path, "page": int(page), "token": self.headers["X-Token"], "log": self.log}
        answer = middleware_auth(request)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


class Server(ThreadingMixIn, HTTPServer):
    workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="worker")

    def process_request(self, request, client):
        self.workers.submit(self.process_request_thread, request, client)


def flush_log(stopped):
    while not stopped.wait(2):
        del Handler.log[:-100]


def watch_config(changed):
    changed.wait()


def client(port, number):
    chance = random.Random(number)
    while True:
        path = chance.choices(["report", "users", "search", "health"], [6, 4, 3, 3])[0]
        head = "GET /%s?%d HTTP/1.0\r\nX-Token: token-%d\r\n\r\n" % (path, chance.randrange(99), number)
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(head.encode())
            while link.recv(65536):
                pass
        time.sleep(chance.expovariate(1 / 0.012))


def load(port):
    threads = [threading.Thread(target=client, args=(port, number)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    if sys.argv[1:2] == ["--load"]:
        return load(int(sys.argv[2]))
    server = Server(("127.0.0.1", 0), Handler)
    subprocess.Popen([sys.executable, __file__, "--load", str(server.server_port)], stderr=subprocess.DEVNULL)
    for work in (flush_log, watch_config):
        threading.Thread(target=work, args=(threading.Event(),), name=work.__name__, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
