"""Judges the stacks of maze.py: which of them can never have been?

    maze_judge.py RULES FOLDED

takes what maze.py wrote to --rules, and a profile in folded form: `file:function:line;… count`
(or py-spy's `function (file:line);… count`). Prints one line of JSON: samples and impossible
ones (idle and failed are counted apart), with the first few examples, each with its reason.
The exit status says only whether the files could be read: judging is the reader's business.
"""
import json
import re
import sys

LIBRARY_OF_THREADS = ("threading.py", "_weakrefset.py")
BOOTSTRAP = ("bootstrap", "bootstrap_inner", "run")


def parse(stack):
    """[(file's base name, function, line)], root first."""
    frames = []
    for text in stack.split(";"):
        match = (re.match(r"(?P<f>.*):(?P<n>[^:]*):(?P<l>\d+)$", text)
                 or re.match(r"(?P<n>.*) \((?P<f>.*):(?P<l>\d+)\)$", text))
        if not match:
            return None
        frames.append((match.group("f").rsplit("/", 1)[-1], match.group("n"),
                       int(match.group("l"))))
    return frames


def fits(frame, place, lineless=False):
    """Whether a frame is one of the function at this place."""
    file, first, last, names = place
    inside = lineless or first <= frame[2] <= last
    return frame[0] == file and inside and frame[1] in names


def impossible(frames, rules):
    """Why a stack can never have been, or None."""
    if not frames:
        return "not a stack"
    if frames[0][0] in LIBRARY_OF_THREADS:
        names = [name.rsplit(".", 1)[-1].lstrip("_") for _, name, _ in frames]
        if all(file in LIBRARY_OF_THREADS for file, _, _ in frames):
            return None if names[0] == "bootstrap" else "a thread that begins elsewhere"
        if tuple(names[:3]) != BOOTSTRAP:
            return "a thread that begins elsewhere"
        frames = frames[3:]
        if not any(fits(frames[0], place) for place in rules["threads"]):
            return "not a function that a thread begins with: %s:%s:%d" % frames[0]
    elif list(frames[0][:2]) != rules["main"]:
        return "not where the program begins: %s:%s:%d" % frames[0]
    for position, frame in enumerate(frames):
        if frame[2] == 0 and position + 1 == len(frames):
            # Some instructions have no line (3.10+). None of them calls, so that only a leaf
            # can be at one; then the function at least must be the callee.
            return None
        key = "%s:%d" % (frame[0], frame[2])
        if frame[1] not in rules["lines"].get(key, ()):
            return "%s is no line of %s" % (key, frame[1])
        if position + 1 < len(frames):
            places = rules["calls"].get(key, [])
            if any(place[0] == "*" for place in places):
                return None
            callee = frames[position + 1]
            lineless = callee[2] == 0 and position + 2 == len(frames)
            if not any(fits(callee, place, lineless) for place in places):
                return "%s (%s) does not call %s:%s:%d" % ((key, frame[1]) + callee)
    return None


def judge(rules, lines):
    result = {"samples": 0, "impossible": 0, "idle": 0, "failed": 0, "stacks": 0,
              "deepest": 0, "examples": []}
    for line in lines:
        stack, _, count = line.rstrip("\n").rpartition(" ")
        count = int(count)
        if stack in ("(idle)", "(failed)"):
            result[stack.strip("()")] += count
            continue
        # py-spy puts a frame for the process or the thread on top when asked to.
        frames = parse(re.sub(r"^(process|thread) [^;]*;", "", stack))
        reason = impossible(frames, rules)
        result["samples"] += count
        result["stacks"] += 1
        result["deepest"] = max(result["deepest"], len(frames or ()))
        if reason:
            result["impossible"] += count
            if len(result["examples"]) < 5:
                result["examples"].append({"reason": reason, "stack": stack, "count": count})
    return result


if __name__ == "__main__":
    with open(sys.argv[1]) as opened:
        published = json.load(opened)
    with open(sys.argv[2], encoding="utf-8") as opened:
        print(json.dumps(judge(published, opened)))
