"""An asyncio service whose requests hang: they queue for one of three connections, which a slow report holds."""
import asyncio
import random


class Pool:
    def __init__(self, size):
        self.free = asyncio.Semaphore(size)

    async def query(self, seconds):
        async with self.free:
            await asyncio.sleep(seconds * random.uniform(0.5, 1.5))


async def authorize(pool):
    await pool.query(0.005)


async def load_user(pool):
    await authorize(pool)
    await pool.query(0.01)


async def load_report(pool):
    # The mistake to be found: each holds a connection for long, and all requests wait for one.
    await pool.query(0.6)


async def ask_billing():
    await asyncio.sleep(random.uniform(0.05, 0.2))


async def handle(pool):
    await load_user(pool)
    if random.random() < 0.3:
        await load_report(pool)
    await ask_billing()


async def serve(pool):
    while True:
        await asyncio.sleep(random.expovariate(1))
        await handle(pool)


async def send_mail(mails):
    while True:
        await mails.get()


async def main():
    pool, mails = Pool(3), asyncio.Queue()
    workers = [asyncio.create_task(serve(pool)) for _ in range(40)]
    await asyncio.gather(*workers, asyncio.create_task(send_mail(mails), name="mailer"))


if __name__ == "__main__":
    asyncio.run(main())
