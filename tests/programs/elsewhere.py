"""Tasks of asyncio that were made where their loop does not run.

    elsewhere.py SECONDS [ALONE]

One is made in a thread that is over by the time its loop runs, one before the thread of its loop is started, by who has a
loop of its own. ALONE it is that one, and who has made it only waits. Each goes to and fro between `one` and `other`, which
wait equally long. Says `ready`.
"""
import asyncio
import sys
import threading


async def one():
    await asyncio.sleep(0.02)


async def other():
    await asyncio.sleep(0.02)


async def of_the_past():
    while True:
        await one()
        await other()


async def of_the_main_thread():
    while True:
        await one()
        await other()


async def own(seconds):
    await asyncio.sleep(seconds)


def run(loop):
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    return thread


async def main(seconds, loop):
    tasks = [asyncio.create_task(own(seconds)), loop.create_task(of_the_main_thread())]
    run(loop)
    tasks.append(asyncio.create_task(own(seconds)))
    print("ready", flush=True)
    await asyncio.sleep(seconds)


def alone(seconds, loop):
    task = loop.create_task(of_the_main_thread())
    thread = run(loop)
    print("ready", flush=True)
    thread.join(seconds)


if __name__ == "__main__":
    seconds, loops, made = float(sys.argv[1]), [asyncio.new_event_loop() for _ in range(2)], []
    if len(sys.argv) > 2:
        alone(seconds, loops[0])
    else:
        maker = threading.Thread(target=lambda: made.append(loops[0].create_task(of_the_past())))
        maker.start()
        maker.join()
        run(loops[0])
        asyncio.run(main(seconds, loops[1]))
