"""What a measurement found, and how sure one can be of it: `Timing`, `Ratio`, `Race`, `Scaling`.

`measure.py` takes the samples; here they become medians, ratios with intervals, and tables.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.show import Shown, duration, markdown_table, plain_table, si, three_digits, times

ROUNDS_FOR_EXACT_INTERVAL = 8  # fewer can't reach 99 %: all eight on one side of 1 has a chance of 2 / 2**8
SAME_SPEED = (
    1.02  # where code and data happen to lie in memory moves a function by this much (Mytkowicz et al. 2009)
)


@dataclass(frozen=True)
class Timing(Shown):
    """What `measure` found: `seconds` per call, one for each sample; a sample is `calls` calls in a row."""

    seconds: tuple[float, ...]
    calls: int
    result: Any = None

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        """5 % of the samples were faster."""
        return _quantile(self.seconds, 0.05)

    @property
    def high(self) -> float:
        """5 % of the samples were slower."""
        return _quantile(self.seconds, 0.95)

    @property
    def spread(self) -> float:
        """Width of the middle half of the samples, divided by the median: 0.02 is 2 %."""
        return (_quantile(self.seconds, 0.75) - _quantile(self.seconds, 0.25)) / self.median

    def _markdown(self) -> str:
        return (
            f"**{duration(self.median)}** per call: the median of {_count(len(self.seconds), 'sample')}"
            f" of {_count(self.calls, 'call')}, nine in ten between {duration(self.low)} and {duration(self.high)},"
            f" the best {duration(self.best)}"
        )


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one thing is as another (> 1: faster), with its 99 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of_rounds(cls, ratios: Sequence[float]) -> Ratio:
        """The median of one ratio a round, and an interval that holds the true median in 99 % of all races.

        From eight rounds on, the interval is exact and assumes nothing about the noise: each round falls above or
        below the true median by the toss of a coin, so counting from both ends of the sorted ratios, as far as a
        binomial distribution allows, brackets it. (Between equals the shuffled order makes the coin fair, whatever
        else the machine is doing.) Fewer rounds get Student's t on the logarithms, which assumes normal noise.
        """
        ordered = sorted(ratios)
        n = len(ordered)
        middle = statistics.median(ordered)
        if n >= ROUNDS_FOR_EXACT_INTERVAL:
            skip, tail = 0, 2.0**-n
            while tail + math.comb(n, skip + 1) * 2.0**-n <= 0.005:
                skip += 1
                tail += math.comb(n, skip) * 2.0**-n
            return cls(middle, ordered[skip], ordered[-1 - skip])
        if n == 1:
            return cls(middle, 0.0, math.inf)
        t = {2: 63.66, 3: 9.925, 4: 5.841, 5: 4.604, 6: 4.032, 7: 3.707}[
            n
        ]  # 99.5 % quantile, n - 1 degrees of freedom
        factor = math.exp(min(700, t * statistics.stdev(map(math.log, ordered)) / math.sqrt(n)))
        return cls(middle, middle / factor, middle * factor)

    @property
    def decided(self) -> bool:
        """Does the interval exclude equal speed, with 2 % to spare for what memory layout alone can do?

        At most one race in a hundred between two equals says yes; in practice far fewer, thanks to the 2 %.
        """
        return self.low > SAME_SPEED or self.high < 1 / SAME_SPEED

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return times(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    @property
    def interval(self) -> str:
        return f"{three_digits(self.low)} to {three_digits(self.high)}"


@dataclass(frozen=True)
class Race(Shown):
    """The outcome of `race`."""

    timings: dict[str, Timing]
    baseline: str
    work: float | None = None
    unit: str = ""
    compared: bool = True

    @property
    def names(self) -> list[str]:
        return list(self.timings)

    @property
    def rounds(self) -> int:
        return len(self.timings[self.baseline].seconds)

    @property
    def fastest(self) -> str:
        return min(self.timings, key=lambda name: self.timings[name].median)

    def ratio(self, name: str, to: str | None = None) -> Ratio:
        """How many times as fast as `to` (default: the baseline) is `name`? Above 1 is faster."""
        ours, theirs = self.timings[name].seconds, self.timings[to or self.baseline].seconds
        return Ratio.of_rounds([b / a for a, b in zip(ours, theirs, strict=True)])

    def _table(self) -> tuple[list[str], list[list[str]], list[bool]]:
        header = ["", "time per call", "rate", f"as fast as {self.baseline}", "99 % interval"]
        rows = []
        for name, timing in self.timings.items():
            ratio = self.ratio(name)
            undecided = "" if ratio.decided else ": no difference shown"
            # Whoever can't be told from the fastest shares the honour.
            first = name == self.fastest or not self.ratio(self.fastest, name).decided
            row = [
                f"**{name}**" if first else name,
                duration(timing.median),
                si(self.work / timing.median, f"{self.unit}/s") if self.work else "",
                f"{ratio}",
                "baseline" if name == self.baseline else ratio.interval + undecided,
            ]
            rows.append(row)
        kept = [column for column in range(len(header)) if column != 2 or self.work]
        numeric = [False, True, True, True, False]
        return [header[c] for c in kept], [[row[c] for c in kept] for row in rows], [numeric[c] for c in kept]

    def _how(self) -> str:
        few = self.rounds < ROUNDS_FOR_EXACT_INTERVAL
        return (
            f"Medians of {_count(self.rounds, 'round')}, interleaved in shuffled order"
            + ("; so few that the interval assumes normal noise" if few else "")
            + (
                "; equal results checked first"
                if self.compared
                else "; no results to compare: all returned None"
            )
            + ". Bold: the fastest."
        )

    def _markdown(self) -> str:
        return f"{markdown_table(*self._table())}\n\n*{self._how()}*"

    def _plain(self) -> str:
        return f"{plain_table(*self._table())}\n{self._how()}"


@dataclass(frozen=True)
class Scaling(Shown):
    """The outcome of `scaling`: `timings[n]` is the same job done with n workers."""

    timings: dict[int, Timing]
    cores: int

    @property
    def workers(self) -> list[int]:
        return list(self.timings)

    def speedup(self, n: int) -> Ratio:
        """How many times as fast as the smallest number of workers are `n`?"""
        one, many = self.timings[min(self.timings)].seconds, self.timings[n].seconds
        return Ratio.of_rounds([a / b for a, b in zip(one, many, strict=True)])

    def amdahl(self) -> float:
        """The parallel fraction p of the job, 0 to 1, by Amdahl's law: 1/S(n) = (1 - p) + p/n.

        Fitted by least squares to the measured 1/S(n). Written as 1 - 1/S = p (1 - 1/n) the law is a line through the
        origin, so p is one quotient of two sums. Only worker counts up to the usable cores take part: more workers
        than cores can't gain, whatever the job.
        """
        points = [(1 - 1 / n, 1 - 1 / self.speedup(n).value) for n in self.timings if 1 < n <= self.cores]
        if min(self.timings) != 1 or not points:
            raise ValueError("Amdahl's law needs the times of 1 worker and of 2 or more, on as many cores")
        p = sum(x * y for x, y in points) / sum(x * x for x, _ in points)
        return min(1.0, max(0.0, p))

    def _table(self) -> tuple[list[str], list[list[str]], list[bool]]:
        rows = []
        for n, timing in self.timings.items():
            speedup = self.speedup(n)
            interval = "baseline" if n == min(self.timings) else speedup.interval
            rows.append([str(n), duration(timing.median), str(speedup), interval])
        return ["workers", "time", "speedup", "99 % interval"], rows, [True, True, True, False]

    def _how(self) -> str:
        rounds = len(self.timings[min(self.timings)].seconds)
        return (
            f"Medians of {_count(rounds, 'round')}, interleaved in shuffled order; {_count(self.cores, 'usable core')}. "
            "Speedup: the median of the rounds' ratios, so it need not equal the ratio of the times."
        )

    def _markdown(self) -> str:
        return f"{markdown_table(*self._table())}\n\n*{self._how()}*"

    def _plain(self) -> str:
        return f"{plain_table(*self._table())}\n{self._how()}"


def _quantile(values: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the values lie, interpolated between neighbours."""
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
