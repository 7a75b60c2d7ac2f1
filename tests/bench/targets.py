"""The Pythons of this machine, and programs under them whose progress can be read while they run."""
import json
import mmap
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(os.path.dirname(HERE), "programs")
sys.path.insert(0, PROGRAMS)
import maze_judge  # noqa: E402  (it lies where the programs lie)


class Failed(Exception):
    """Something could not be measured; the text says why, and stands in the table."""


def output(command, **options):
    """What a command prints, or None if it cannot be run."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, universal_newlines=True, **options)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


class Python:
    """A release build: where it lives (a root of its own, or "/") and its command there."""

    def __init__(self, version, root, command):
        self.version, self.root, self.command = version, root, command

    def run(self, *words):
        """A command line that runs it."""
        prefix = [] if self.root == "/" else ["chroot", self.root]
        return prefix + [self.command] + list(words)


def cache():
    """Where tests/pythons.sh puts what it fetches."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("PYFLAME_TEST_PYTHONS") or os.path.join(base, "pyflame-tui/pythons")


def fetched():
    """Those of tests/pythons.sh that are release builds and need no more than root."""
    try:
        with open(os.path.join(cache(), "index.tsv")) as opened:
            rows = [line.rstrip("\n").split("\t") for line in opened if not line.startswith("#")]
    except OSError:
        return
    for _, root, command, version, flags in rows:
        if flags == "release" and (root == "-" or os.geteuid() == 0):
            yield Python(version, "/" if root == "-" else root, command)


def installed():
    """pyenv's and those on PATH."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    versions = os.path.join(pyenv, "versions")
    commands = [os.path.join(versions, name, "bin/python3")
                for name in sorted(os.listdir(versions) if os.path.isdir(versions) else [])]
    commands += filter(None, (shutil.which("python3.%d" % minor) for minor in range(6, 16)))
    ask = "import sys, sysconfig; print('%d.%d.%d' % sys.version_info[:3], sys.executable, " \
          "sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    for command in commands:
        words = (output([command, "-c", ask]) or "").split()
        if len(words) == 3 and words[2] == "0":
            yield Python(words[0], "/", words[1])


def pythons():
    """{"3.12": Python}; of several releases of a version the first that is found."""
    found = {}
    for python in list(installed()) + list(fetched()):
        found.setdefault(".".join(python.version.split(".")[:2]), python)
    return found


def end_when_told():
    """Who is told to end leaves no busy target behind."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


class Target:
    """A program of tests/programs at work. Use it in a `with`; it is killed at the end."""

    #: Bytes of its busy thread's stack, or somewhat more.
    stack = 4096

    def __init__(self, python, program, words):
        self.python = python
        tmp = os.path.join(python.root, "tmp") if python.root != "/" else None
        self.room = tempfile.mkdtemp(prefix="pyflame-bench-", dir=tmp)
        # As the program names it.
        self.inside = self.room if tmp is None else "/" + os.path.relpath(self.room, python.root)
        os.chmod(self.room, 0o755)
        for name in os.listdir(PROGRAMS):
            if name.endswith(".py"):
                shutil.copy(os.path.join(PROGRAMS, name), self.room)
        words = [word.format(room=self.inside) for word in words]
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            python.run(os.path.join(self.inside, program), *words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.said)
        self.pid = self.process.pid

    def __enter__(self):
        try:
            ready, _, _ = select.select([self.process.stdout], [], [], 60)
            if not ready or not self.process.stdout.readline().startswith(b"ready"):
                self.said.seek(0)
                raise Failed("the target did not start: %r" % self.said.read()[-300:])
            with open(os.path.join(self.room, "progress"), "rb") as opened:
                self.board = mmap.mmap(opened.fileno(), 16, prot=mmap.PROT_READ)
            deadline = time.time() + 60
            while self.progress()[1] == 0:
                if time.time() > deadline:
                    raise Failed("the target does not get on")
                time.sleep(0.01)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.room, ignore_errors=True)

    def progress(self):
        """(the target's own time of its last note, work done until then)."""
        return struct.unpack("<dd", self.board[:])

    def rate(self, seconds):
        """Work per second, for so long from now on: by the target's own clock."""
        begin, (first, done) = time.time(), self.progress()
        time.sleep(seconds)
        last, more = self.progress()
        if more - done >= 20:
            return (more - done) / (last - first)
        # It hardly moves: then its notes are too old to tell the time by.
        return (more - done) / (time.time() - begin)

    def state(self):
        """As in /proc: R, S, T (stopped), t (stopped by a tracer) …; X when it has ended."""
        if self.process.poll() is not None:
            return "X"
        with open("/proc/%d/stat" % self.pid) as opened:
            return opened.read().rpartition(")")[2].split()[0]

    def seconds_on_cpu(self):
        """CPU time that it has taken."""
        with open("/proc/%d/stat" % self.pid) as opened:
            fields = opened.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def judge(self, folded):
        """What maze_judge.py says of folded stacks; None if this is no maze."""
        try:
            with open(os.path.join(self.room, "rules.json")) as opened:
                rules = json.load(opened)
        except OSError:
            return None
        return maze_judge.judge(rules, folded)


def maze(python, idle=0, children=0):
    """The maze with one busy thread, and so many that wait, in it or in processes below it."""
    return Target(python, "maze.py", ["--idle", str(idle), "--children", str(children),
                                      "--rules", "{room}/rules.json",
                                      "--progress", "{room}/progress"])


def deep(python, frames):
    """A busy thread under so many frames."""
    target = Target(python, "deep.py", [str(frames), "--busy", "{room}/progress"])
    target.stack = max(4096, 112 * frames)
    return target


def lasting(python):
    """A busy thread whose calls last."""
    return Target(python, "deep.py", ["1", "--lasting", "{room}/progress"])


def service(python):
    """Four workers and two clients."""
    return Target(python, "service.py", ["1000000", "{room}/progress"])


def requests(python):
    """A thread after the other, of five milliseconds each, beside 300 that wait."""
    return Target(python, "per_request.py", ["{room}/progress"])
