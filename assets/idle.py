"""Does nothing, in every way in which a service does nothing: waits for a queue, a lock, a socket, a child, the time."""
import queue
import selectors
import socket
import subprocess
import threading
import time


def consume(jobs):
    while True:
        jobs.get()


def accept(listener):
    while True:
        listener.accept()


def serve(listener):
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        selector.select()


def tick():
    while True:
        time.sleep(3600)


def wait_for_child():
    subprocess.run(["sleep", "infinity"])


def wait_for_lock(lock):
    with lock:
        pass


def main():
    listener, lock = socket.socket(), threading.Lock()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    lock.acquire()
    for function, arguments in [
        (consume, (queue.Queue(),)),
        (accept, (listener,)),
        (serve, (listener,)),
        (tick, ()),
        (wait_for_child, ()),
        (wait_for_lock, (lock,)),
    ]:
        threading.Thread(target=function, args=arguments, name=function.__name__, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
