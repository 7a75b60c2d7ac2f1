"""Tasks of asyncio that are over as soon as they have begun, each called like its function.

    called.py

Those of `f3` are called `n3-` and a number. Says `ready`.
"""
import asyncio
import itertools

LINES = "async def f%d():\n    for _ in range(2): await sleep(0)"


async def main():
    scope, numbers = {"sleep": asyncio.sleep}, itertools.count()
    exec("\n".join(LINES % kind for kind in range(10)), scope)
    print("ready", flush=True)
    while True:
        few = [next(numbers) for _ in range(40)]
        tasks = [asyncio.create_task(scope["f%d" % (n % 10)](), name="n%d-%d" % (n % 10, n)) for n in few]
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main())
