"""A coroutine of FastAPI's that awaits and computes."""
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def compute():
    end, rounds = time.thread_time() + 0.02, 0
    while time.thread_time() < end:
        rounds += 1
    return rounds


@app.get("/")
async def view():
    await asyncio.sleep(0.001)
    return compute()
