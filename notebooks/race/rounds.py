"""Equal results first, then rounds: each host takes its turn, in an order drawn anew every round.

All hosts stay resident and asleep while another one runs, so everybody meets the same machine: warm, and with the same
neighbours. A ratio is made of two turns of one round. What needs seconds for a job takes part in fewer rounds, spread evenly
over the race; its interval is as wide as so few rounds make it.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from race.entries import Entry, Field, Skipped
from race.host import PREPARE_TIMEOUT, Failed, Host
from race.task import Task, WrongResult
from workbench.peak import Peak, peak
from workbench.results import Ratio

MOST_ROUNDS, FEWEST_ROUNDS = 25, 3
SHORTEST_TURN = 0.1  # seconds: a short job is done several times in a turn
MOST_BUSY = 1.75  # cores for each thread. Handing out work may take half a core; threads nobody asked for take them all


@dataclass
class Runner:
    """An entry in the race: what it needed, and its times. `seconds` has one time a turn, under the round's number."""

    entry: Entry
    version: str
    python: str
    build: float  # seconds: the first time, with nothing compiled yet
    warm: float  # seconds: this time
    memory: float  # bytes: the most at any moment of one job
    cost: float  # seconds: of that job
    busy_waiting: float = 0.0  # cores in use while it should have slept, at most
    cores: dict[int, float] = field(default_factory=dict)  # and while it worked, each turn
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds.values())

    @property
    def busy(self) -> float:
        """Cores in use while it worked."""
        return statistics.median(self.cores.values())


@dataclass
class Outcome:
    """A race that was run."""

    task: Task
    runners: list[Runner]
    skipped: list[Skipped]
    failed: list[Skipped]  # wrong results, crashes, hangs
    peaks: list[Peak]

    def ours(self, threads: int) -> Runner | None:
        """The course's own entry with so many threads, which the others are compared with."""
        return next(
            (
                each
                for each in self.runners
                if each.entry.competitor.ours
                and each.entry.competitor.work == "all"
                and each.entry.threads == threads
            ),
            None,
        )

    def ratio(self, runner: Runner, to: Runner) -> Ratio:
        """How many times as long as `to` it takes (> 1: slower), from the rounds that both took part in."""
        shared = sorted(runner.seconds.keys() & to.seconds.keys())
        return Ratio.of_rounds([runner.seconds[n] / to.seconds[n] for n in shared])

    def of_ceiling(self, runner: Runner) -> float | None:
        """The share of that ceiling that its rate is. None also for what skips some of the work: the ceiling is of all of it."""
        ceiling = self.ceiling(runner.entry.threads) if self.task.ceiling else None
        if ceiling is None or runner.entry.competitor.work == "less":
            return None
        return self.task.work / runner.median / ceiling

    def build(self, runner: Runner) -> float | None:
        """What it took its competitor to get ready, with however many threads. None for ours, which setup has compiled."""
        who = runner.entry.competitor
        if who.ours:
            return None
        return max(each.build for each in self.runners if each.entry.competitor.path == who.path)

    def ceiling(self, threads: int) -> float | None:
        """What this machine could do at most with so many threads, in units of work per second."""
        if self.task.ceiling is None:
            return None
        if flop := self.task.ceiling.flop:
            # Known for one core and for all of them.
            if self.peaks and threads == 1:
                return statistics.median(each.flops for each in self.peaks) / flop
            if self.peaks and threads == self.peaks[0].cores:
                return statistics.median(each.flops_all for each in self.peaks) / flop
            return None
        for each in self.runners:
            if each.entry.competitor.ceiling and each.entry.threads == threads:
                return self.task.work / each.median
        return None


def race(
    task: Task,
    field: Field,
    *,
    budget: float = 60.0,
    say: Callable[[str], None] = lambda line: None,
    seed: int | None = None,
) -> Outcome:
    """Let the field do the task, in rounds of together about `budget` seconds. `say` is told how far it has got."""
    hosts: dict[Entry, Host] = {}
    runners: dict[Entry, Runner] = {}
    outcome = Outcome(task, [], list(field.skipped), [], [])
    with _ended(hosts):
        # What shows a ceiling has nothing to show where the task has none.
        entered = [each for each in field.entries if task.ceiling or not each.competitor.ceiling]
        for number, entry in enumerate(entered, 1):
            say(f"{task.title}: preparing {number} of {len(entered)}, {entry.label}")
            try:
                hosts[entry], runners[entry] = _prepared(task, entry)
            except Failed as failure:
                note = Skipped(entry.label, str(failure))
                (outcome.skipped if failure.missing else outcome.failed).append(note)
            except WrongResult as wrong:
                outcome.failed.append(Skipped(entry.label, f"wrong result: {wrong}"))
        plan = schedule({entry: _turn(runner.cost)[1] for entry, runner in runners.items()}, budget, seed)
        probes = {0, len(plan) // 2, len(plan) - 1} if task.ceiling and task.ceiling.flop else set()
        begin = time.monotonic()
        for number, order in enumerate(plan):
            if number in probes:
                outcome.peaks.append(peak.__wrapped__())
            for entry in order:
                if entry not in runners:
                    continue
                say(
                    f"{task.title}: round {number + 1} of {len(plan)}, {time.monotonic() - begin:.0f} s, {entry.label}"
                )
                runner = runners[entry]
                try:
                    calls = _turn(runner.cost)[0]
                    patience = task.timeout + 10 * calls * runner.cost
                    answer = hosts[entry].ask(patience, do="run", calls=calls)
                except Failed as failure:
                    outcome.failed.append(Skipped(entry.label, str(failure)))
                    del runners[entry]
                    continue
                runner.seconds[number] = answer["seconds"]
                runner.cores[number] = answer["busy"] / answer["seconds"]
                runner.busy_waiting = max(runner.busy_waiting, answer["busy_waiting"])
    say("")
    for runner in runners.values():
        if not runner.seconds:
            continue
        if runner.busy > MOST_BUSY * runner.entry.threads:
            note = f"kept {runner.busy:.2f} cores busy, too many for its threads"
            outcome.failed.append(Skipped(runner.entry.label, note))
        else:
            outcome.runners.append(runner)
    return outcome


def _prepared(task: Task, entry: Entry) -> tuple[Host, Runner]:
    """A warm host whose result has been checked."""
    host = Host(entry)
    try:
        about = host.ask(
            PREPARE_TIMEOUT + task.timeout,
            do="prepare",
            path=str(entry.competitor.path),
            task=task.parameters,
            threads=entry.threads,
            folder=str(host.folder),
            driver=str(task.driver) if task.driver else None,
        )
        job, memory = host.ask_and_watch(task.timeout, do="run", calls=1)
        if not entry.competitor.ceiling:
            written = host.ask(task.timeout, do="result", path=str(host.result))
            task.check(host.result, written["shape"])
            host.result.unlink()
        host.settle()
    except BaseException:
        host.end()
        raise
    return host, Runner(
        entry, about["version"], about["python"], about["build"], about["warm"], memory, job["seconds"]
    )


def _turn(cost: float) -> tuple[int, float]:
    """How many calls make a turn of a job that takes `cost` seconds, and what the turn takes."""
    calls = max(1, min(100, math.ceil(SHORTEST_TURN / max(cost, 1e-9))))
    return calls, calls * cost


def schedule(costs: dict[Entry, float], budget: float, seed: int | None = None) -> list[list[Entry]]:
    """The rounds, each a shuffled list of those that take part in it.

    Whoever costs more than a share of the budget takes part in fewer rounds, down to three; in one, where three would cost more than
    half of the budget, for two say hardly more. The share is as large as the budget allows after that; whatever these few
    rounds cost, half of the budget goes into shares, or the slow would leave the fast with as few.
    """

    def turns(cost: float, share: float) -> int:
        paid = min(MOST_ROUNDS, int(share / max(cost, 1e-9)))
        if paid >= FEWEST_ROUNDS or FEWEST_ROUNDS * cost <= budget / 2:
            return max(paid, FEWEST_ROUNDS)
        return 1

    def total(share: float) -> float:
        return sum(cost * turns(cost, share) for cost in costs.values())

    low, high = 0.0, budget
    for _ in range(50):  # bisection: the largest share that can be paid
        share = (low + high) / 2
        if total(share) <= max(budget, total(0) + budget / 2):
            low = share
        else:
            high = share
    counts = {entry: turns(cost, low) for entry, cost in costs.items()}
    for entry in counts:
        if entry.competitor.ours and entry.competitor.work == "all":  # everybody's partner
            counts[entry] = max(counts.values())
    rounds: list[list[Entry]] = [[] for _ in range(max(counts.values(), default=0))]
    for entry, count in counts.items():
        for turn in range(count):
            rounds[int((turn + 0.5) * len(rounds) / count)].append(entry)
    shuffle = random.Random(seed).shuffle
    for order in rounds:
        shuffle(order)
    return rounds


@contextmanager
def _ended(hosts: dict[Entry, Host]) -> Iterator[None]:
    """End all host processes, whatever happens."""
    try:
        yield
    finally:
        for host in hosts.values():
            host.dismiss()
        for host in hosts.values():
            host.end(patience=2.0)


def progress(line: str) -> None:
    """Show a line on the terminal that the next one replaces; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:110]}", end="", file=sys.stderr, flush=True)
