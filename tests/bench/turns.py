#!/usr/bin/env python3
"""What a look costs where the machine is not quiet, beside the floor, in turns of a tenth of a second.

Neighbours make a machine fast and slow for seconds; windows of seconds with and without a profiler then differ by ten
times what the profiler costs. Here this profiler, the kernel's part of its looks, and the floor are started once, and let
run and stopped (SIGSTOP) in turn, so that what is compared lies tenths of a second apart. The target is bound to a CPU:
what the kernel's moving it about costs would be put down to whoever's turn it is. The figures are means of the middle
three fifths of all turns and, of the slowdown, the standard error of that mean.
"""
import argparse
import math
import os
import signal
import statistics
import sys
import time

import profilers
import targets

#: Seconds after a profiler was stopped or let go that are in no turn.
SETTLE = 0.005


class Player:
    """A profiler that runs only in its turns."""

    def __init__(self, tool, target, rate):
        self.tool, self.target, self.rate = tool, target, rate
        #: Of each turn: percent, and µs a look.
        self.slowdowns, self.cpu = [], []
        self.run = profilers.Run(tool.command(target, profilers.Job(rate, 3600), os.devnull))

    def begin(self):
        """Lets it find the Python, and where it had best run."""
        time.sleep(1)
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.run.process.pid, ended):
            raise targets.Failed("%s ended: %s" % (self.tool.name, self.run.end(1)))
        self.stop()

    def stop(self):
        """Stops it where it holds nobody: else the target would stand still in the turn of nobody."""
        while True:
            self.run.process.send_signal(signal.SIGSTOP)
            time.sleep(SETTLE)
            if self.target.state() not in "tT":
                return
            self.run.process.send_signal(signal.SIGCONT)

    def seconds_on_cpu(self):
        """CPU time of all its threads, to the nanosecond."""
        tasks, total = "/proc/%d/task" % self.run.process.pid, 0
        for tid in os.listdir(tasks):
            with open("%s/%s/schedstat" % (tasks, tid)) as opened:
                total += int(opened.read().split()[0])
        return total / 1e9

    def turn(self, seconds):
        """The target's rate while it looks."""
        self.run.process.send_signal(signal.SIGCONT)
        time.sleep(SETTLE)
        begin, cpu = time.monotonic(), self.seconds_on_cpu()
        rate = self.target.rate(seconds)
        looks = (time.monotonic() - begin) * self.rate
        self.cpu.append(1e6 * (self.seconds_on_cpu() - cpu) / looks)
        self.stop()
        return rate


def middle(values):
    """The mean of the middle three fifths, and its standard error."""
    fifth = len(values) // 5
    kept = sorted(values)[fifth:len(values) - fifth]
    return statistics.mean(kept), statistics.stdev(kept) / math.sqrt(len(kept))


def measure(python, options):
    """A line for each profiler."""
    with targets.maze(python, options.idle) as target:
        if options.pin >= 0:
            os.sched_setaffinity(target.pid, {options.pin})
        players = []
        try:
            for tool in (profilers.OURS, profilers.KERNEL, profilers.FLOOR):
                players.append(Player(tool, target, options.rate))
                players[-1].begin()
            before = target.rate(options.length)
            for turn in range(options.turns):
                # Forth and back: none is always the first after another.
                for player in players if turn % 2 else reversed(players):
                    during = player.turn(options.length)
                    after = target.rate(options.length)
                    player.slowdowns.append(100 * (1 - 2 * during / (before + after)))
                    before = after
        finally:
            for player in players:
                player.run.kill()
    for player in players:
        times = statistics.median(one / least for one, least in zip(player.cpu, players[-1].cpu))
        print("| %s | %s | %.2f ± %.2f | %.1f | %.1f |" % (
            python.version, player.tool.name, *middle(player.slowdowns), middle(player.cpu)[0], times), flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--python", nargs="+", default=["3.8", "3.12", "3.15"], help="these versions")
    options.add_argument("--rate", type=float, default=1000, help="looks a second [1000]")
    options.add_argument("--idle", type=int, default=0, help="threads that wait beside the busy one [0]")
    options.add_argument("--turns", type=int, default=100, help="turns of each [100]")
    options.add_argument("--pin", type=int, default=0, help="the target's CPU; -1: as the kernel likes [0]")
    options.add_argument("--length", type=float, default=0.1, help="seconds of a turn [0.1]")
    options.add_argument("--no-build", action="store_true", help="take the program as it is")
    options = options.parse_args()
    if not options.no_build:
        profilers.build()
    targets.end_when_told()
    pythons = targets.pythons()
    print("%s: %g/s, %d turns of %g s\n" % (
        time.strftime("%Y-%m-%d %H:%M"), options.rate, options.turns, options.length))
    print("| Python | profiler | slowdown % | own CPU µs a look | × the floor's |\n|---|---|---|---|---|")
    for version in options.python:
        if version in pythons:
            measure(pythons[version], options)
        else:
            print("| %s | (no such Python here) | | | |" % version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
