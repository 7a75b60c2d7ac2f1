"""Tasks of asyncio that never rest: stacks that can be told from those that cannot.

    relay.py SECONDS [TASKS] [SHORT]

Each task goes through a maze of coroutines in which every line awaits one that no other line does, itself or in a task of
its own, so that a caller and its callee that were not there together show. One task at a time is in `inside`, under a lock: two of them in one look
were not seen at one moment. With SHORT tasks end after some turns, and others are made. Says `ready`.
"""
import asyncio
import random
import sys
import time

WIDTH, HEIGHT = 6, 5


# A coroutine, or a task that runs it.
WAYS = ["await %s", "await gather(%s)", "async with Group() as group: group.create_task(%s)"]


def to(level, number, turn):
    return f"s{level + 1}_{(number * 3 + turn) % WIDTH}(way)"


def maze():
    """`s<level>_<number>` awaits the one of the next level that its line names."""
    lines = []
    for level in range(HEIGHT):
        for number in range(WIDTH):
            lines.append(f"async def s{level}_{number}(way):")
            lines.append("    turn = way.randrange(3)")
            for turn in range(3):
                word = ("if turn == 0:", "elif turn == 1:", "else:")[turn]
                lines.append(f"    {word}")
                lines.append(f"        {WAYS[turn] % to(level, number, turn) if level + 1 < HEIGHT else 'await end()'}")
    lines.append("async def end():")
    lines.append("    await sleep(0)")
    space = {"sleep": asyncio.sleep, "gather": asyncio.gather, "Group": asyncio.TaskGroup}
    exec(compile("\n".join(lines), "relay-body.py", "exec"), space)
    return [space[f"s0_{number}"] for number in range(WIDTH)]


async def inside():
    for _ in range(3):
        await asyncio.sleep(0)


async def walk(starts, lock, seed, turns):
    way = random.Random(seed)
    while turns > 0:
        turns -= 1
        await way.choice(starts)(way)
        if way.randrange(4) == 0:
            async with lock:
                await inside()


async def main(seconds, count, turns):
    starts, lock = maze(), asyncio.Lock()
    print("ready", flush=True)
    end = time.monotonic() + seconds
    tasks, made = set(), 0
    while time.monotonic() < end:
        while len(tasks) < count:
            made += 1
            tasks.add(asyncio.create_task(walk(starts, lock, made, turns)))
        _, tasks = await asyncio.wait(tasks, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    seconds, count = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    asyncio.run(main(seconds, count, 20 if len(sys.argv) > 3 else 1 << 60))
