"""Tasks of asyncio that wait in known places, each in one of the ways in which a coroutine can wait for another.

    waits.py [SECONDS]

Says what each of them is called and where it stands, `name<TAB>function:line;…` from the task's own coroutine to its
leaf, then `ready`, and waits. Lines are those that end in a mark: `# name.1`, `# name.2`…
"""
import asyncio
import re
import sys
import types

with open(__file__, encoding="utf-8") as file:
    LINES = {mark: number for number, line in enumerate(file, 1) for mark in re.findall(r"# (\S+\.\d)$", line)}
EXPECTED = {}
NEVER = None


async def plain():
    await NEVER  # plain.1


async def inner():
    await NEVER  # nested.3


async def middle():
    await inner()  # nested.2


async def nested():
    await middle()  # nested.1


async def down(depth):
    if depth > 0:
        await down(depth - 1)  # deep.1
    else:
        await NEVER  # deep.2


async def numbers():
    yield 1
    await inner_of_generator()  # generator.2
    yield 2


async def inner_of_generator():
    await NEVER  # generator.3


async def generator():
    async for _ in numbers():  # generator.1
        pass


@types.coroutine
def old():
    yield from NEVER  # old.2


async def over_old():
    await old()  # old.1


class Awaitable:
    def __await__(self):
        yield from NEVER.__await__()  # object.2


async def over_object():
    await Awaitable()  # object.1


class Wrapped:
    def __await__(self):
        return plain_of_wrapper().__await__()


async def plain_of_wrapper():
    await NEVER  # wrapper.2


async def over_wrapper():
    await Wrapped()  # wrapper.1


class Manager:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await NEVER  # manager.2


async def over_manager():
    async with Manager():  # manager.1
        pass


async def over_group():
    tasks = [asyncio.create_task(plain(), name="plain"), asyncio.create_task(nested(), name="nested")]
    await asyncio.gather(*tasks)  # gather.1


class Iterator:
    """Waits, and is no coroutine: what it does nobody can tell."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        NEVER._asyncio_future_blocking = True
        return NEVER


async def over_iterator():
    await Iterator()  # iterator.1


def expect(name, *frames):
    EXPECTED[name] = ";".join(f"{function}:{LINES[mark]}" for function, mark in frames)


async def main(seconds):
    global NEVER
    NEVER = asyncio.get_running_loop().create_future()
    expect("plain", ("plain", "plain.1"))
    expect("nested", ("nested", "nested.1"), ("middle", "nested.2"), ("inner", "nested.3"))
    made = [
        ("deep", down(50), [*[("down", "deep.1")] * 50, ("down", "deep.2")]),
        ("generator", generator(), [("generator", "generator.1"), ("numbers", "generator.2"),
                                    ("inner_of_generator", "generator.3")]),
        ("old", over_old(), [("over_old", "old.1"), ("old", "old.2")]),
        ("object", over_object(), [("over_object", "object.1"), ("Awaitable.__await__", "object.2")]),
        ("wrapper", over_wrapper(), [("over_wrapper", "wrapper.1"), ("plain_of_wrapper", "wrapper.2")]),
        ("manager", over_manager(), [("over_manager", "manager.1"), ("Manager.__aexit__", "manager.2")]),
        ("gather", over_group(), [("over_group", "gather.1")]),
        ("iterator", over_iterator(), [("over_iterator", "iterator.1")]),
        ("Käse 関", plain(), [("plain", "plain.1")]),
    ]
    tasks = []
    for name, coroutine, frames in made:
        expect(name, *frames)
        tasks.append(asyncio.create_task(coroutine, name=name))
    await asyncio.sleep(0.1)
    for name, stack in EXPECTED.items():
        print(name, stack, sep="\t")
    print("ready", flush=True)
    await asyncio.wait([NEVER], timeout=seconds)  # main.1


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
