"""A coroutine of FastAPI's that awaits and computes."""
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def compute():
    end, rounds = time.monotonic() + 0.02, 0
    while time.monotonic() < end:
        rounds += 1
    return rounds


@app.get("/")
async def view():
    await asyncio.sleep(0.001)
    return compute()
