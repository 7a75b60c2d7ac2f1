"""An asyncio pipeline: fetchers wait, parsers work, writers compress in threads, and one of them blocks the loop."""
import asyncio
import hashlib
import json
import random
import zlib

PAGE = json.dumps([{"id": n, "tags": ["a%d" % (n % 7), "b%d" % (n % 11)]} for n in range(400)])


async def fetch(pages):
    while True:
        await asyncio.sleep(random.random() * 0.02)
        await pages.put(PAGE)


def index(rows):
    tags = {}
    for row in rows:
        for tag in row["tags"]:
            tags.setdefault(tag, []).append(row["id"])
    return tags


async def parse(pages, records):
    while True:
        page = await pages.get()
        await records.put(index(json.loads(page)))


async def sign(record):
    # The mistake to be found: it works for long, and the loop with everybody else waits for it.
    return hashlib.pbkdf2_hmac("sha256", record, b"salt", 3000).hex()


def pack(record):
    return zlib.compress(json.dumps(record).encode(), 6)


async def write(records):
    loop = asyncio.get_running_loop()
    while True:
        record = await records.get()
        packed = await loop.run_in_executor(None, pack, record)
        await sign(packed)


async def main():
    pages, records = asyncio.Queue(20), asyncio.Queue(20)
    tasks = [fetch(pages) for _ in range(3)] + [parse(pages, records) for _ in range(2)]
    await asyncio.gather(*tasks, *[write(records) for _ in range(2)])


if __name__ == "__main__":
    asyncio.run(main())
