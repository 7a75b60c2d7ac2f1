"""The profilers that are compared: how each is called, and how what it says is read.

Each gives the same: folded stacks as maze_judge.py takes them, and the number of samples.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from targets import Failed, cache, output

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(REPOSITORY, "target")
VENV = os.path.join(TARGET, "bench", "venv")


#: More often than anybody can, in samples a second.
AS_IT_CAN = 1000000


#: So many seconds after what was asked for a profiler is overdue,
GRACE = 2.5
#: and so long before that we watch it closely, which takes a tenth of a CPU.
NEAR = GRACE + 0.2


class Job:
    """What is asked of a profiler: samples a second, for how many seconds, of which threads.

    Threads are "usual" (what it does when nobody asks), "holder" (who holds the GIL) or "all".
    """

    def __init__(self, rate, seconds, threads="usual"):
        self.rate, self.seconds, self.threads = rate, seconds, threads

    @property
    def asked(self):
        return self.rate * self.seconds


class Result:
    """What came of it, and what it cost."""

    def __init__(self, folded, samples, cpu, peak, said, overdue):
        self.folded, self.samples = folded, samples
        self.cpu, self.peak, self.said, self.overdue = cpu, peak, said, overdue


class Run:
    """A profiler at work."""

    def __init__(self, command):
        self.said = tempfile.TemporaryFile()
        self.begin = time.monotonic()
        self.peak, self.usage, self.status, self.wall = 0, None, None, None
        self.overdue = False
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.said,
                                        stderr=self.said)

    def end(self, longest, well=lambda status: status == 0, due=None):
        """Waits for its end, for so many seconds since its beginning at the most; what it said.
        When it is due and goes on, it is interrupted, as a user would do.
        """
        # wait4's own peak would be that of the process that forked it, if that is larger; so the
        # kernel is asked for the peak of its memory until it is gone.
        while self.status is None:
            self.look()
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status, self.usage = status, usage
                self.process.returncode = status
            elif due and not self.overdue and time.monotonic() > self.begin + due:
                self.overdue = True
                self.process.send_signal(signal.SIGINT)
            elif time.monotonic() > self.begin + longest:
                self.kill()
                raise Failed("did not end within %d s" % longest)
            else:
                # Its peak may come at its end. Until that is near we keep off the CPUs.
                near = not due or time.monotonic() > self.begin + due - NEAR
                time.sleep(0.002 if near else 0.05)
        self.wall = time.monotonic() - self.begin
        self.said.seek(0)
        text = self.said.read().decode("utf-8", "replace")
        if not well(self.status) and not self.overdue:
            raise Failed("failed: " + (plain(text) or "status %d" % self.status))
        return text

    def kill(self):
        if self.status is None:
            self.process.kill()
            os.wait4(self.process.pid, 0)
            self.process.returncode = self.status = -9

    def look(self):
        try:
            with open("/proc/%d/status" % self.process.pid) as opened:
                found = re.search(r"VmHWM:\s*(\d+)", opened.read())
        except OSError:
            return
        if found:
            self.peak = max(self.peak, int(found.group(1)))


class Profiler:
    """One of them, in one of its ways to work."""

    name = ""
    #: Words for its command line that make this way.
    words = ()
    #: Which exit statuses are those of a success?
    well = staticmethod(lambda status: status == 0)

    def __init__(self, name, words=()):
        self.name, self.words = name, list(words)

    def version(self):
        """Its version; raises Failed if it is not there."""
        raise NotImplementedError

    def cannot(self, python):
        """Why it cannot read this Python, if it says so itself."""
        return None

    def command(self, target, job, out):
        raise NotImplementedError

    def once(self, target, out):
        """The command that takes one stack and ends, or None if it has none."""
        return None

    def read(self, out, said, job):
        """(folded lines, samples by its own count or None)."""
        raise NotImplementedError

    def place(self, target):
        """(where it shall write, as it names it; the same as we name it)."""
        path = os.path.join(target.room, "profile")
        return path, path

    def start(self, target, job):
        seen, self.path = self.place(target)
        if os.path.exists(self.path):
            os.remove(self.path)
        return Run(self.command(target, job, seen))

    def result(self, run, job):
        # Some (py-spy) take the samples that they are late for when their time is over; those
        # are not samples of the time that was asked for.
        said = run.end(job.seconds + 60, self.well, due=job.seconds + GRACE)
        if not os.path.exists(self.path):
            raise Failed("wrote nothing: " + plain(said))
        folded, samples = self.read(self.path, said, job)
        cpu = run.usage.ru_utime + run.usage.ru_stime
        return Result(folded, samples, cpu, run.peak, said, run.overdue)


def plain(said):
    """The first that somebody says in words: no colours, no banner."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()
    worded = [line.strip() for line in lines if re.search("[A-Za-z]{4}", line)]
    if worded and worded[0].startswith("Traceback"):
        worded = worded[-1:]
    return " ".join(worded)[:100]


def text(path):
    with open(path, encoding="utf-8", errors="replace") as opened:
        return opened.read().splitlines()


def without_trampolines(line):
    """A folded line without the frames that CPython puts between those of functions (3.12 and
    later): they belong to no line, and no function of the program."""
    stack, _, count = line.rpartition(" ")
    frames = stack.split(";")
    return ";".join(frame for frame in frames if re.search(r":\d+\)?$", frame)) + " " + count


def number(pattern, said):
    found = re.search(pattern, said)
    return float(found.group(1)) if found else None


class Ours(Profiler):
    """pyflame-tui."""

    binary = os.path.join(TARGET, "release", "pyflame-tui")

    def version(self):
        said = output([self.binary, "--version"])
        if said is None:
            raise Failed("%s does not run" % self.binary)
        for word in self.words:
            if word not in (output([self.binary, "--help"]) or ""):
                raise Failed("this build has no %s" % word)
        commit = output(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"])
        return said.split()[1] + (" (%s)" % commit.strip() if commit else "")

    def command(self, target, job, out):
        words = ["--threads"] if job.threads == "all" else []
        return [self.binary, "--headless", "--stats", "-s", str(job.seconds), "-r",
                "%.9f" % (1 / job.rate), "-o", out] + words + self.words + [str(target.pid)]

    def once(self, target, out):
        return [self.binary, "-s", "0", "-o", out] + self.words + [str(target.pid)]

    def read(self, out, said, job):
        samples, failed = number(r"samples (\d+)", said), number(r"failed (\d+)", said)
        if samples is None or failed is None:
            return text(out), None
        return text(out), samples - failed


class Floor(Profiler):
    """What nobody can do without, see floor.rs."""

    #: The calls of a look and their pieces, before 3.11 and since; %d stands for the bytes of a stack.
    calls = (["31:%d", "23:9000"], ["8:%d"])
    binary = os.path.join(TARGET, "release", "examples", "floor")

    def version(self):
        if not os.access(self.binary, os.X_OK):
            raise Failed("cargo build --release --example floor makes it")
        return "tests/bench/floor.rs"

    def command(self, target, job, out):
        # Before 3.11 each frame lies for itself, and nothing tells that a code object is still
        # the one that was read but itself: where they are is known when the frames are.
        minor = int(target.python.version.split(".")[1])
        calls = [call.replace("%d", str(target.stack)) for call in self.calls[minor >= 11]]
        rate = 0 if job.rate == AS_IT_CAN else job.rate
        return [self.binary, *self.words, str(target.pid), str(rate), str(job.seconds), out,
                *calls]

    def read(self, out, said, job):
        return [], number(r"samples (\d+)", text(out)[0])


class Kernel(Floor):
    """What a look of ours asks of the kernel, and nothing else: in a maze, as strace shows it."""

    calls = (["31:84000", "23:9000"], ["11:20000"])


class PySpy(Profiler):
    binary = os.path.join(VENV, "bin", "py-spy")

    def version(self):
        said = output([self.binary, "--version"])
        if said is None:
            raise Failed("not installed: pip could not")
        return said.split()[-1]

    def command(self, target, job, out):
        words = {"usual": [], "holder": ["--gil"], "all": ["--idle"]}[job.threads]
        return [self.binary, "record", "-p", str(target.pid), "-d", str(job.seconds), "-r",
                str(job.rate), "-f", "raw", "-o", out] + words + self.words

    def once(self, target, out):
        return None if self.words else [self.binary, "dump", "-p", str(target.pid)]

    def read(self, out, said, job):
        # It counts each thread of a sample.
        samples = None if job.threads == "all" else number(r"Samples: (\d+)", said)
        return [without_trampolines(line) for line in text(out)], samples


class Austin(Profiler):
    binary = os.path.join(VENV, "bin", "austin")
    loader = None
    # It ends with 254 when it could not make sense of a stack or two.
    well = staticmethod(lambda status: os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 254))

    def version(self):
        said = output([self.binary, "--version"])
        if said is None:
            # Its wheel wants a newer libc than some systems have; the sid root has one.
            root = os.path.join(cache(), "sid")
            Austin.loader = [os.path.join(root, "lib64/ld-linux-x86-64.so.2"), "--library-path",
                             os.path.join(root, "lib/x86_64-linux-gnu")]
            said = output(self.loader + [self.binary, "--version"])
        if said is None:
            raise Failed("not installed, or it does not run here")
        return said.split()[1]

    def command(self, target, job, out):
        interval = "%dus" % (1e6 / job.rate)
        return (self.loader or []) + [self.binary, "-i", interval, "-x", str(job.seconds), "-o",
                                      out, "-p", str(target.pid)]

    def once(self, target, out):
        return (self.loader or []) + [self.binary, "-w", str(target.pid)]

    def read(self, out, said, job):
        as_text = out + ".austin"
        if output([os.path.join(VENV, "bin", "mojo2austin"), out, as_text]) is None:
            raise Failed("mojo2austin cannot read what it wrote")
        # A line a sample of a thread, with the microseconds that it stands for.
        lines = (re.sub(r" \d+$", " 1", re.sub(r"^P[^;]*;T[^; ]*;?", "", line))
                 for line in text(as_text) if line and not line.startswith("#"))
        return list(lines), None


class Sampling(Profiler):
    """CPython's own, which reads Pythons of its own version only."""

    python = None

    def version(self):
        if self.python is None:
            raise Failed("no CPython 3.15 here: tests/pythons.sh sid fetches it")
        if output(self.python.run("-m", "profiling.sampling", "--help")) is None:
            raise Failed("CPython %s has no profiling.sampling" % self.python.version)
        return "CPython " + self.python.version

    def cannot(self, python):
        return None if python is self.python else "reads only its own version"

    def module(self, *words):
        return self.python.run("-m", "profiling.sampling", *words)

    def place(self, target):
        return target.inside + "/profile", target.room + "/profile"

    def command(self, target, job, out):
        # Without it, it takes the main thread, which is the busy one.
        words = self.words + (["--all-threads"] if job.threads == "all" else [])
        return self.module("attach", "-d", str(job.seconds), "-r", str(job.rate), "--no-gc",
                           "--collapsed", "-o", out, *(words + [str(target.pid)]))

    def once(self, target, out):
        return None if self.words else self.module("dump", str(target.pid))

    def read(self, out, said, job):
        # Threads are a frame to it.
        lines = [without_trampolines(re.sub(r"^tid:[^;]*;", "", line)) for line in text(out)]
        samples, errors = number(r"Captured (\d+)", said), number(r"Error rate: ([\d.]+)", said)
        return lines, None if samples is None else samples * (1 - (errors or 0) / 100)


def build():
    """This profiler and the floor."""
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bins", "--example", "floor"],
                   check=True, cwd=REPOSITORY)


def install():
    """The peers that PyPI has, in a venv of their own below target/."""
    wanted = ["py-spy", "austin-dist", "austin-python"]
    pip = os.path.join(VENV, "bin", "pip")
    if not os.path.exists(pip):
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True, stdout=sys.stderr)
    for package in wanted:
        # One at a time: what cannot be had must not keep the others away.
        subprocess.run([pip, "install", "--quiet", "--disable-pip-version-check", package],
                       stdout=sys.stderr)


OURS, NONBLOCKING = Ours("pyflame-tui"), Ours("pyflame-tui --nonblocking", ["--nonblocking"])
FAMILY = Ours("pyflame-tui --subprocesses", ["--subprocesses"])
PY_SPY_FAMILY = PySpy("py-spy --subprocesses", ["--subprocesses"])
PY_SPY, PY_SPY_NONBLOCKING = PySpy("py-spy"), PySpy("py-spy --nonblocking", ["--nonblocking"])
AUSTIN = Austin("austin")
SAMPLING = Sampling("profiling.sampling")
SAMPLING_BLOCKING = Sampling("profiling.sampling --blocking", ["--blocking"])
FLOOR = Floor("the floor: wakes up, copies a stack", ["nap"])
FLOOR_STOP = Floor("the floor: stops, copies nothing", ["stop"])
KERNEL = Kernel("the kernel's part of our look", ["alone"])
ALL = [OURS, KERNEL, FLOOR, FLOOR_STOP, NONBLOCKING, FAMILY, PY_SPY, PY_SPY_NONBLOCKING,
       PY_SPY_FAMILY, AUSTIN, SAMPLING, SAMPLING_BLOCKING]
