"""A view of Flask's that computes."""
import time

from flask import Flask

app = Flask(__name__)


def compute():
    end, rounds = time.thread_time() + 0.02, 0
    while time.thread_time() < end:
        rounds += 1
    return str(rounds)


@app.get("/")
def view():
    return compute()
