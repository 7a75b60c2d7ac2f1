#!/usr/bin/env python3
"""What profiling costs: this profiler and its peers, in turn, in one run, on the same targets.

    python3 tests/bench/peers.py            everything, half an hour
    python3 tests/bench/peers.py --quick    a first impression, about a minute

Builds the program, installs py-spy and austin into a venv below target/, takes CPython's own
profiler where there is a 3.15 (tests/pythons.sh sid), and prints Markdown.

How it is measured. The target counts its work and notes the count with its own time. Windows
without a profiler and windows with one take turns; the slowdown is what a window with one has
less than the mean of its two neighbours without. Of these, one per pair, the tables give the
median and, in brackets, the smallest and the largest. The line "nobody" compares the windows
without a profiler with each other in the same way: no difference below its spread means
anything. CPU per sample is all that the profiler used from its start to its end (wait4), by
the samples that it got. Nothing is printed that was not measured: who is missing or fails says so.

Exits with 1 if this profiler itself failed, or showed a stack that can never have been.
"""
import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import profilers  # noqa: E402
from profilers import (ALL, AS_IT_CAN, AUSTIN, FAMILY, FLOOR, FLOOR_STOP, KERNEL, NONBLOCKING, OURS,
                       PY_SPY, PY_SPY_FAMILY, PY_SPY_NONBLOCKING, SAMPLING, SAMPLING_BLOCKING, Job)  # noqa: E402
from targets import Failed, deep, end_when_told, lasting, maze, pythons, requests, service  # noqa: E402


class Row:
    """What is asked of whom: `who` says for each version of Python which profilers take part."""

    def __init__(self, key, title, start, who, rate, threads="usual", settle=0.6):
        self.key, self.title, self.start, self.who = key, title, start, who
        #: `settle`: seconds from the start of a profiler to the window.
        self.rate, self.threads, self.settle = rate, threads, settle


def crowded(python):
    return maze(python, idle=300)


# On 3.15 the peer that stops its target is CPython's own.
STOPPING = {"3.12": [OURS, PY_SPY], "3.15": [OURS, SAMPLING_BLOCKING]}
ROWS = [
    Row("busy", "1,000/s, one busy thread", maze,
        {"3.8": [OURS, KERNEL, FLOOR, PY_SPY, AUSTIN],
         "3.12": [OURS, KERNEL, FLOOR, NONBLOCKING, PY_SPY, PY_SPY_NONBLOCKING, AUSTIN],
         "3.15": [OURS, KERNEL, FLOOR, PY_SPY, SAMPLING, SAMPLING_BLOCKING]}, 1000),
    Row("fast", "10,000/s, one busy thread", maze,
        {"3.12": [OURS, FLOOR, FLOOR_STOP, PY_SPY],
         "3.15": [OURS, FLOOR, FLOOR_STOP, SAMPLING_BLOCKING]}, 10000),
    Row("idle", "1,000/s, the GIL's holder beside 300 idle threads", crowded,
        {"3.12": [OURS, FLOOR, PY_SPY], "3.15": [OURS, FLOOR, SAMPLING_BLOCKING]}, 1000, "holder"),
    Row("threads", "100/s, all threads: one busy, 300 idle", crowded, STOPPING, 100, "all"),
    Row("threads1000", "1,000/s, all threads: one busy, 300 idle", crowded, {"3.12": [OURS]}, 1000, "all"),
    Row("depth10", "1,000/s, 10 frames deep", lambda python: deep(python, 10),
        {"3.12": [OURS, FLOOR, PY_SPY]}, 1000),
    Row("depth1000", "1,000/s, 1,000 frames deep", lambda python: deep(python, 1000),
        {"3.12": [OURS, FLOOR, PY_SPY]}, 1000),
    Row("service", "1,000/s, a service of 7 threads, the GIL's holder", service,
        {"3.12": [OURS, NONBLOCKING, PY_SPY]}, 1000, "holder"),
    Row("service-threads", "1,000/s, a service of 7 threads, all of them", service, STOPPING, 1000, "all"),
    Row("requests", "1,000/s, a thread for each request of 5 ms beside 300 that wait, the GIL's holder",
        requests, {"3.12": [OURS, PY_SPY]}, 1000, "holder"),
    Row("family", "1,000/s, one busy thread, and 16 processes below it that wait",
        lambda python: maze(python, children=16), {"3.12": [FAMILY, PY_SPY_FAMILY]}, 1000, "holder"),
    # After five seconds --nonblocking looks from another CPU whether stacks prove themselves there, too.
    Row("calls", "1,000/s, one busy thread in calls of twenty milliseconds", lasting,
        {"3.12": [OURS, NONBLOCKING, PY_SPY_NONBLOCKING]}, 1000, settle=7),
]
# py-spy would only be late for most of them.
TILT = Row("tilt", "full tilt (as often as it can), one busy thread", maze,
           {"3.12": [OURS, FLOOR_STOP], "3.15": [OURS, FLOOR_STOP, SAMPLING_BLOCKING]}, AS_IT_CAN)
MINUTE = Row("minute", "a minute at 1,000/s, one busy thread", maze,
             {"3.8": [OURS, FLOOR], "3.12": [OURS, FLOOR, PY_SPY], "3.15": [OURS, FLOOR, SAMPLING]}, 1000)
START = Row("start", "start to first sample, one busy thread", maze,
            {"3.8": [OURS, PY_SPY], "3.12": [OURS, PY_SPY, AUSTIN], "3.15": [OURS, PY_SPY, SAMPLING]}, 0)
KEYS = [row.key for row in ROWS + [TILT, MINUTE, START]]
QUICK = ["busy", "start"]


def say(line=""):
    """To standard output, and at once: the whole takes long."""
    print(line, flush=True)


def note(line):
    print(line, file=sys.stderr, flush=True)


def spread(values, form="{:.1f}"):
    """Median, smallest and largest."""
    return "{} ({} to {})".format(*(form.format(value).replace("-", "−") for value in (
        statistics.median(values), min(values), max(values))))


class Crowd:
    """Who else uses the machine: an honest table says so."""

    def __init__(self, target):
        self.target, self.load = target, os.getloadavg()[0]
        self.begin = self.look()

    def look(self):
        with open("/proc/stat") as opened:
            ticks = [int(word) for word in opened.readline().split()[1:9]]
        tick = os.sysconf("SC_CLK_TCK")
        ours = sum(os.times()[:4]) + self.target.seconds_on_cpu()
        busy = (sum(ticks) - ticks[3] - ticks[4]) / tick
        return sum(ticks) / tick, busy - ours

    def text(self):
        total, others = (now - then for now, then in zip(self.look(), self.begin))
        share = max(0, 100 * others / total) if total else 0
        text = "load %.1f before, others took %.0f %% of all CPUs" % (self.load, share)
        return text + (": **loaded, do not trust the figures**" if share > 5 else "")


class Cell:
    """One profiler on one target: what its runs came to."""

    def __init__(self, tool):
        self.tool, self.slowdowns, self.results, self.failures, self.verdicts = tool, [], [], [], []

    def add(self, target, result):
        self.results.append(result)
        verdict = target.judge(result.folded) if result.folded else None
        if verdict:
            self.verdicts.append(verdict)

    def samples(self, result):
        """How many it got of the busy thread, as its output shows; of the service, which has
        several such, what it says itself."""
        deep = [line for line in result.folded if re.search(r"\bdown\b", line)]
        if deep:
            return sum(int(line.rpartition(" ")[2]) for line in deep)
        if not self.verdicts:
            return result.samples
        quiet = re.compile(r"\((idle|failed)\) |maze\.py:idle:|idle \(.*maze\.py:")
        return sum(int(line.rpartition(" ")[2]) for line in result.folded if not quiet.search(line))

    def line(self, python, job):
        """A row of the Markdown table."""
        head = "| %s | %s | " % (python, self.tool.name)
        if not self.results:
            return head + "%s | | | | | |" % (self.failures or ["was not run"])[0].replace("|", "/")
        got = [self.samples(result) for result in self.results]
        known = [count for count in got if count is not None]
        cpu = [1e6 * result.cpu / count for result, count in zip(self.results, got) if count]
        stops = [profilers.number(r"median ([\d.]+)", result.said) for result in self.results]
        slow = [profilers.number(r"p99 ([\d.]+)", result.said) for result in self.results]
        stop = "–"
        if self.tool in (OURS, FAMILY, KERNEL, FLOOR, FLOOR_STOP) and None not in stops + slow:
            stop = "%.1f / %.1f" % (statistics.median(stops), statistics.median(slow))
        cells = [
            spread(self.slowdowns) if self.slowdowns else "–",
            self.got(statistics.median(known), job) if known else "does not say",
            self.impossible(),
            "%.0f" % statistics.median(cpu) if cpu else "–",
            "%.1f" % (max(result.peak for result in self.results) / 1024),
            stop,
        ]
        if self.failures:
            cells[0] += "; %d of %d runs: %s" % (
                len(self.failures), len(self.failures) + len(self.results), self.failures[0])
        return head + " | ".join(cells).replace("\n", " ") + " |"

    def got(self, count, job):
        if job.rate == AS_IT_CAN:
            return "%d/s" % (count / job.seconds)
        late = sum(result.overdue for result in self.results)
        late = "; %d of %d runs took longer, and were ended" % (late, len(self.results)) if late else ""
        return "%d of %d%s" % (count, job.asked, late)

    def impossible(self):
        """Of all runs together."""
        seen = sum(verdict["samples"] for verdict in self.verdicts)
        if not seen:
            return "–"
        wrong = sum(verdict["impossible"] for verdict in self.verdicts)
        return "%d of %d" % (wrong, seen) + (" (%.2g %%)" % (100 * wrong / seen) if wrong else "")


HEAD = "| Python | profiler | slowdown % | samples | impossible stacks | CPU/sample µs | " \
       "peak RSS MiB | held up µs, median / p99 |\n|---|---|---|---|---|---|---|---|"


class Bench:
    """The whole run."""

    def __init__(self, options):
        self.options, self.pythons = options, pythons()
        self.missing, self.well = {}, True

    def prepare(self):
        if "3.15" in self.pythons:
            profilers.Sampling.python = self.pythons["3.15"]
        self.versions = {}
        for tool in ALL:
            try:
                self.versions[tool] = tool.version()
            except Failed as why:
                self.missing[tool] = str(why)

    def wanted(self, row):
        """(version, Python or None if it is not here, tools) for a row."""
        for version, tools in row.who.items():
            if self.options.python and version not in self.options.python:
                continue
            if version not in self.pythons:
                yield version, None, []
                continue
            python = self.pythons[version]
            yield version, python, [tool for tool in tools if self.can(tool, python)]

    def can(self, tool, python):
        named = not self.options.tool or any(word in tool.name for word in self.options.tool)
        return named and tool not in self.missing and not tool.cannot(python)

    def head(self):
        with open("/proc/cpuinfo") as opened:
            cpu = opened.read()
        model = re.search(r"model name\s*: (.*)", cpu)
        virtual = " (a virtual machine)" if re.search(r"flags\s*:.* hypervisor", cpu) else ""
        say("Measured %s by `python3 tests/bench/peers.py %s`: Linux %s, %s%s, %d CPUs, load %s." % (
            time.strftime("%Y-%m-%d %H:%M"), " ".join(sys.argv[1:]), platform.release(),
            model.group(1) if model else platform.machine(), virtual, os.cpu_count(),
            " ".join("%.2f" % load for load in os.getloadavg())))
        say("Windows of %.1f s, %d pairs; medians, in brackets the smallest and the largest." % (
            self.options.window, self.options.pairs))
        say()
        for tool in ALL:
            say("- %s: %s" % (tool.name, self.versions.get(tool) or "**missing**: " + self.missing[tool]))
        wanted = sorted({version for row in ROWS for version in row.who}, key=lambda it: int(it[2:]))
        say("- targets: " + ", ".join(
            "CPython " + self.pythons[version].version for version in wanted if version in self.pythons))

    def row(self, row, measure):
        """A table for a row."""
        say("\n**%s**\n" % row.title)
        head, crowds = HEAD, []
        for version, python, tools in self.wanted(row):
            note("-- %s, %s" % (row.title, version))
            if python is None:
                lines = ["| %s | (no such Python here) | | | | | | |" % version]
            else:
                try:
                    with row.start(python) as target:
                        time.sleep(1)
                        crowd = Crowd(target)
                        lines = measure(row, version, target, tools)
                        crowds.append("%s: %s" % (version, crowd.text()))
                except Failed as why:
                    lines = ["| %s | %s | | | | | | |" % (version, why)]
            for line in ([head] if head else []) + lines:
                say(line)
            head = None
        say("\n" + "; ".join(crowds) + ".")

    def pairs(self, row, version, target, tools):
        """Windows with and without, in turn."""
        window, settle = self.options.window, row.settle
        job = Job(row.rate, int(window + settle + 0.999), row.threads)
        cells, calm, order = [Cell(tool) for tool in tools], [], []
        for _ in range(self.options.pairs):
            for cell in cells:
                if cell.failures and not cell.results:
                    continue
                calm.append(target.rate(window * 0.75))
                order.append((cell, self.with_profiler(target, cell, job, settle)))
        calm.append(target.rate(window * 0.75))
        for index, (cell, rate) in enumerate(order):
            if rate is not None:
                alone = (calm[index] + calm[index + 1]) / 2
                cell.slowdowns.append(100 * (1 - rate / alone))
        noise = [100 * (1 - 2 * here / (before + after))
                 for before, here, after in zip(calm, calm[1:], calm[2:])]
        lines = [self.line(cell, version, job) for cell in cells]
        if noise:
            lines.append("| %s | nobody | %s | | | | | |" % (version, spread(noise)))
        return lines

    def line(self, cell, version, job):
        """A row of the table; what is wrong with our own makes the whole run fail."""
        wrong = any(verdict["impossible"] for verdict in cell.verdicts) or cell.failures
        if isinstance(cell.tool, profilers.Ours) and cell.tool is not NONBLOCKING and wrong:
            self.well = False
        return cell.line(version, job)

    def with_profiler(self, target, cell, job, settle):
        """The target's rate under a profiler, or None if that failed."""
        run = cell.tool.start(target, job)
        try:
            time.sleep(settle)
            rate = target.rate(self.options.window)
            cell.add(target, cell.tool.result(run, job))
        except Failed as why:
            cell.failures.append(str(why))
            rate = None
        finally:
            run.kill()
        if target.state() in "XTt":
            raise Failed("%s left the target in state %s" % (cell.tool.name, target.state()))
        time.sleep(0.1)
        return rate

    def single(self, row, version, target, tools, seconds):
        """One run each, without comparison."""
        job, lines = Job(row.rate, seconds, row.threads), []
        for tool in tools:
            cell = Cell(tool)
            run = tool.start(target, job)
            try:
                cell.add(target, tool.result(run, job))
            except Failed as why:
                cell.failures.append(str(why))
            finally:
                run.kill()
            lines.append(self.line(cell, version, job))
        return lines

    def first_samples(self):
        """How long it takes from the start of each until it has shown one stack and ended."""
        say("\n**%s**: one stack, from the start of the profiler to its end\n" % START.title)
        say("| Python | profiler | ms |\n|---|---|---|")
        for version, python, tools in self.wanted(START):
            if python is None:
                say("| %s | (no such Python here) | |" % version)
                continue
            note("-- %s, %s" % (START.title, version))
            with START.start(python) as target:
                took, failures = {tool: [] for tool in tools}, {tool: [] for tool in tools}
                for _ in range(max(7, self.options.pairs)):
                    for tool in tools:
                        run = profilers.Run(tool.once(target, tool.place(target)[0]))
                        try:
                            run.end(30)
                            took[tool].append(1000 * run.wall)
                        except Failed as why:
                            failures[tool].append(str(why))
            for tool in tools:
                text = spread(took[tool], "{:.0f}") if took[tool] else ""
                if failures[tool]:
                    text += " %d times: %s" % (len(failures[tool]), failures[tool][0])
                say("| %s | %s | %s |" % (version, tool.name, text.replace("|", "/")))

    def run(self):
        self.prepare()
        self.head()
        for row in ROWS:
            if row.key in self.options.rows:
                self.row(row, self.pairs)
        if TILT.key in self.options.rows:
            self.row(TILT, lambda *words: self.single(*words, seconds=5))
        if MINUTE.key in self.options.rows:
            self.row(MINUTE, lambda *words: self.single(*words, seconds=self.options.minute))
        if START.key in self.options.rows:
            self.first_samples()


def enter(options):
    """Where Pythons live in roots of their own, /proc is mounted there, for this run alone."""
    roots = sorted({python.root for python in pythons().values()} - {"/"})
    if not roots:
        return
    if not os.environ.get("PYFLAME_BENCH_INSIDE"):
        os.environ["PYFLAME_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              os.path.abspath(__file__)] + sys.argv[1:])
    for root in roots:
        subprocess.run(["mount", "-t", "proc", "proc", os.path.join(root, "proc")], check=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--quick", action="store_true",
                         help="some rows, one Python, two pairs: about a minute")
    options.add_argument("--rows", nargs="+", choices=KEYS, help="only these")
    options.add_argument("--python", nargs="+", help="only these versions, as in 3.12")
    options.add_argument("--tool", nargs="+", help="only profilers whose name contains this")
    options.add_argument("--pairs", type=int, help="windows with each profiler [5]")
    options.add_argument("--window", type=float, help="seconds of a window [2]")
    options.add_argument("--minute", type=int, default=60, help="seconds of the long row [60]")
    options.add_argument("--no-build", action="store_true", help="take the program as it is")
    options = options.parse_args()
    options.rows = options.rows or (QUICK if options.quick else KEYS)
    options.python = options.python or (["3.12"] if options.quick else None)
    options.pairs = options.pairs or (2 if options.quick else 5)
    options.window = options.window or (1 if options.quick else 2)
    if not os.environ.get("PYFLAME_BENCH_INSIDE"):
        if not options.no_build:
            profilers.build()
        profilers.install()
    enter(options)
    end_when_told()
    bench = Bench(options)
    bench.run()
    return 0 if bench.well else 1


if __name__ == "__main__":
    sys.exit(main())
