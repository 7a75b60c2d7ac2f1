"""Tasks of asyncio that wait in known places, each in one of the ways in which a coroutine or a task can wait for another.

    waits.py [SECONDS]

Says what each of them is called and where it stands, `name<TAB>function:line;…` from the coroutine of the task that nobody
awaits to its leaf, then `ready`, and waits. Lines are those that end in a mark: `# name.1`, `# name.2`…
"""
import asyncio
import os
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


async def over_next():
    two = numbers()
    await anext(two, None)
    await anext(two, None)  # next.1


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


async def over_gather():
    tasks = [asyncio.create_task(plain(), name="plain"), asyncio.create_task(nested(), name="nested")]
    # Something else is called, too, when it is done.
    tasks[0].add_done_callback(EXPECTED.get)
    await asyncio.gather(*tasks)  # gather.1


async def over_task(name):
    await asyncio.create_task(plain(), name=name)  # task.1


async def over_wait():
    await asyncio.wait([asyncio.create_task(over_task("waited"))])  # wait.1


async def over_shield():
    await asyncio.shield(asyncio.create_task(plain(), name="shielded"))  # shield.1


async def over_group():
    async with asyncio.TaskGroup() as group:  # group.1
        group.create_task(plain(), name="of a group")
        group.create_task(over_task("below a group"))


async def in_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(plain(), name="not waited for")
        await NEVER  # body.1


async def over_each_other(tasks, other):
    await asyncio.sleep(0)
    await tasks[other]  # circle.1


class Iterator:
    """Waits, and is no coroutine: what it does nobody can tell."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        NEVER._asyncio_future_blocking = True
        return NEVER


class Derived(asyncio.Task):
    pass


async def of_derived():
    await NEVER  # derived.1


async def over_iterator():
    await Iterator()  # iterator.1


def expect(name, *frames):
    EXPECTED[name] = ";".join(f"{function}:{LINES[mark]}" for function, mark in frames)


async def main(seconds):
    global NEVER
    NEVER = asyncio.get_running_loop().create_future()
    expect("plain", ("over_gather", "gather.1"), ("plain", "plain.1"))
    expect("nested", ("over_gather", "gather.1"), ("nested", "nested.1"), ("middle", "nested.2"),
           ("inner", "nested.3"))
    expect("waited", ("over_wait", "wait.1"), ("over_task", "task.1"), ("plain", "plain.1"))
    expect("shielded", ("over_shield", "shield.1"), ("plain", "plain.1"))
    expect("of a group", ("over_group", "group.1"), ("plain", "plain.1"))
    expect("below a group", ("over_group", "group.1"), ("over_task", "task.1"), ("plain", "plain.1"))
    expect("not waited for", ("plain", "plain.1"))
    made = [
        ("deep", down(50), [*[("down", "deep.1")] * 50, ("down", "deep.2")]),
        ("generator", generator(), [("generator", "generator.1"), ("numbers", "generator.2"),
                                    ("inner_of_generator", "generator.3")]),
        ("next", over_next(), [("over_next", "next.1"), ("numbers", "generator.2"),
                               ("inner_of_generator", "generator.3")]),
        ("old", over_old(), [("over_old", "old.1"), ("old", "old.2")]),
        ("object", over_object(), [("over_object", "object.1"), ("Awaitable.__await__", "object.2")]),
        ("wrapper", over_wrapper(), [("over_wrapper", "wrapper.1"), ("plain_of_wrapper", "wrapper.2")]),
        ("manager", over_manager(), [("over_manager", "manager.1"), ("Manager.__aexit__", "manager.2")]),
        ("body", in_group(), [("in_group", "body.1")]),
        ("iterator", over_iterator(), [("over_iterator", "iterator.1")]),
        ("Käse 関", plain(), [("plain", "plain.1")]),
    ]
    tasks = []
    for name, coroutine, frames in made:
        expect(name, *frames)
        tasks.append(asyncio.create_task(coroutine, name=name))
    # They are shown by those that they await.
    tasks += [asyncio.create_task(over()) for over in (over_gather, over_wait, over_shield, over_group)]
    expect("derived", ("of_derived", "derived.1"))
    tasks.append(Derived(of_derived(), name="derived"))
    circle = []
    for name, other in (("one", 1), ("other", 0)):
        expect(name, ("over_each_other", "circle.1"))
        circle.append(asyncio.create_task(over_each_other(circle, other), name=name))
    await asyncio.sleep(0.1)
    for name, stack in EXPECTED.items():
        print(name, stack, sep="\t")
    print("ready", flush=True)
    await asyncio.wait([NEVER], timeout=seconds)  # main.1
    # Those that await each other could not be cancelled.
    os._exit(0)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
