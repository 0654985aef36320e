"""What a race found: as a table, as a figure, as CSV."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from race.rounds import Outcome, Runner
from race.tasks import Quote
from workbench.figure import (
    FAINT,
    INK,
    PATCH,
    Figure,
    colours_of,
    finished,
    log_ticks,
    name_rows,
    rows_height,
)
from workbench.results import Ratio
from workbench.show import Shown, duration, markdown_table, plain_table, si, times

CEILINGS = {
    "mandelbrot": (
        "ceiling: four vector operations a step (fnmadd, add, fma, fma), each issued at the rate of the fused multiply-adds"
        " that peak() measured three times during the race, so iterations/s = FLOP/s / 2 / 4. It binds CPUs that add and"
        " multiply in the same units; one with more units for additions can pass it"
    ),
    "stations": "ceiling: reading the file from the page cache into a small buffer, nothing else, in the same rounds",
}
CEILING_NAMES = {"mandelbrot": "four FMAs a step", "stations": "reading alone"}


class Table(Shown):
    """The outcome as a table, in one group for each number of threads, and what there is to know about it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def _columns(self) -> tuple[list[str], list[bool]]:
        rate = ["rows/s", "B/s"] if self.outcome.task.size else ["iterations/s per core"]
        header = [
            "",
            "time",
            "to ours",
            "99 % interval",
            *rate,
            "of ceiling",
            "lines",
            "build",
            "memory",
            "rounds",
        ]
        return header, [False, True, True, False, *[True] * (len(header) - 4)]

    def _row(self, runner: Runner) -> list[str]:
        outcome, task, threads = self.outcome, self.outcome.task, runner.entry.threads
        rate = task.work / runner.median
        ceiling, ours = outcome.ceiling(threads), outcome.ours(threads)
        ratio = outcome.ratio(runner, ours) if ours else None
        rates = (
            [si(rate, "").strip(), si(task.size / runner.median, "B/s")]
            if task.size
            else [si(rate / threads, "").strip()]
        )
        competitor = runner.entry.competitor
        return [
            f"**{competitor.name}**" if competitor.ours else competitor.name,
            duration(runner.median),
            times(ratio.value) if ratio else "",
            "baseline" if runner is ours else interval(ratio, len(runner.seconds)) if ratio else "",
            *rates,
            f"{rate / ceiling:.1%}" if ceiling else "",
            f"{competitor.lines:,}",
            duration(runner.build),
            si(runner.memory, "B"),
            str(len(runner.seconds)),
        ]

    def _rows(self) -> Iterator[list[str]]:
        width = len(self._columns()[0])
        for (work, threads), group in groups(self.outcome):
            title = f"{threads} thread{'s' * (threads > 1)}" + (", less work" if work == "less" else "")
            yield [f"*{title}*", *[""] * (width - 1)]
            for runner in group:
                yield self._row(runner)
            for quote in self.outcome.task.quotes:
                if threads == 1 and work == "all":
                    yield self._quoted(quote, width)

    def _quoted(self, quote: Quote, width: int) -> list[str]:
        return [
            f"“{quote.who}”",
            duration(quote.seconds),
            "quoted",
            "",
            si(self.outcome.task.work / quote.seconds, "").strip(),
            *[""] * (width - 5),
        ]

    def notes(self) -> list[str]:
        """What the table can't say: how it was measured, with what, and who is not in it."""
        outcome, task = self.outcome, self.outcome.task
        found = [
            "time: the median of the rounds, interleaved in shuffled order, each competitor in a process of its own;"
            " results checked first. to ours: how many times as long as ours with as many threads (> 1: slower)."
            " build: the first time, with nothing compiled yet. memory: of the process at most, mapped files not counted.",
            CEILINGS[task.race] + ".",
        ]
        if any(runner.entry.competitor.work == "less" for runner in outcome.runners):
            found.append("less work: skips iterations whose outcome is known; its rate counts those, too.")
        found += [f"“{quote.who}”: a quotation, not measured here. {quote.source}" for quote in task.quotes]
        versions = dict.fromkeys(
            f"{r.entry.competitor.name}: {r.version}, in {r.python}" for r in outcome.runners
        )
        found += ["with  " + "\n      ".join(versions)] if versions else []
        for r in outcome.runners:
            if r.busy > r.entry.threads + 0.15:
                found.append(f"{r.entry.label} kept {r.busy:.2f} cores busy")
            if r.busy_waiting > 0.1:
                found.append(
                    f"{r.entry.label} kept {r.busy_waiting:.2f} cores busy while others had their turn"
                )
        found += [f"skipped  {each}" for each in outcome.skipped]
        found += [f"FAILED   {each}" for each in outcome.failed]
        return found

    def _markdown(self) -> str:
        header, numeric = self._columns()
        notes = "".join(f"\n- {note}" for note in self.notes())
        return f"**{self.outcome.task.title}**\n\n{markdown_table(header, self._rows(), numeric)}\n{notes}"

    def _plain(self) -> str:
        header, numeric = self._columns()
        table = plain_table(header, list(self._rows()), numeric)
        return "\n".join([self.outcome.task.title, "", table, "", *self.notes()])


def table(outcome: Outcome) -> Table:
    """The outcome, to be printed or displayed."""
    return Table(outcome)


def groups(outcome: Outcome) -> Iterator[tuple[tuple[str, int], list[Runner]]]:
    """The runners by class of work and threads, each group with the fastest first."""

    def group_of(runner: Runner) -> tuple[str, int]:
        return runner.entry.competitor.work, runner.entry.threads

    ordered = sorted(outcome.runners, key=lambda runner: (*group_of(runner), runner.median))
    for key, members in itertools.groupby(ordered, key=group_of):
        yield key, list(members)


def interval(ratio: Ratio, rounds: int) -> str:
    """The interval of a ratio, in words."""
    return ratio.interval if rounds > 1 else "one round: none"


# --- CSV ------------------------------------------------------------------------------------------------------------------

COLUMNS = (
    "task", "competitor", "name", "threads", "work", "ours", "version", "python", "rounds", "median_seconds", "best_seconds",
    "worst_seconds", "times_ours", "times_ours_low", "times_ours_high", "work_per_second", "unit", "bytes_per_second",
    "of_ceiling", "lines", "build_seconds", "warm_up_seconds", "memory_bytes", "cores_busy", "cores_busy_waiting", "seconds",
)  # fmt: skip


def records(outcome: Outcome) -> list[dict[str, Any]]:
    """One row for each competitor and number of threads: plain numbers, for a CSV or a data frame."""
    task, found = outcome.task, []
    for _, group in groups(outcome):
        for runner in group:
            entry, times_taken = runner.entry, list(runner.seconds.values())
            ours, ceiling = outcome.ours(entry.threads), outcome.ceiling(entry.threads)
            ratio = outcome.ratio(runner, ours) if ours else None
            rate = task.work / runner.median
            values = (
                task.slug, entry.competitor.key, entry.competitor.name, entry.threads, entry.competitor.work,
                entry.competitor.ours, runner.version, runner.python, len(times_taken), runner.median, min(times_taken),
                max(times_taken), *((ratio.value, ratio.low, ratio.high) if ratio else ("", "", "")), rate, task.unit,
                task.size / runner.median if task.size else "", rate / ceiling if ceiling else "", entry.competitor.lines,
                runner.build, runner.warm, round(runner.memory), runner.busy, runner.busy_waiting, " ".join(f"{s:.6g}" for s in times_taken),
            )  # fmt: skip
            found.append(dict(zip(COLUMNS, values, strict=True)))
    return found


def write_csv(outcomes: list[Outcome], path: Path) -> None:
    """Write the records of several races into one file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for outcome in outcomes:
            writer.writerows(records(outcome))


# --- the figure -----------------------------------------------------------------------------------------------------------


def figure(outcome: Outcome) -> Figure:
    """How fast everybody is, with one thread and with all: fastest on top, the machine's ceiling beside them."""
    task = outcome.task
    rates: dict[str, dict[int, float]] = {}
    less: set[str] = set()
    for runner in outcome.runners:
        if runner.entry.competitor.ceiling:
            continue
        name = runner.entry.competitor.name
        rates.setdefault(name, {})[runner.entry.threads] = task.work / runner.median
        if runner.entry.competitor.work == "less":
            less.add(name)
    ours = {r.entry.competitor.name for r in outcome.runners if r.entry.competitor.ours}
    names = sorted(rates, key=lambda name: (name in less, -max(rates[name].values())))
    counts = sorted({threads for each in rates.values() for threads in each})
    ceilings = {n: ceiling for n in counts if (ceiling := outcome.ceiling(n))}
    unit = f"{task.unit}/s"

    def body(canvas: Any) -> None:
        axes = canvas.add_subplot()
        every = [rate for each in rates.values() for rate in each.values()] + list(ceilings.values())
        axes.set_xscale("log")
        axes.set_xlim(min(every) / 1.6, max(every) * 1.25)
        axes.set_xlabel(
            f"{unit}: with one thread hollow, with {counts[-1]} filled" if len(counts) > 1 else unit
        )
        for row, (name, colour) in enumerate(zip(names, colours_of(names), strict=True)):
            ends = rates[name]
            axes.plot(
                list(ends.values()), [row] * len(ends), color=colour, linewidth=3 if name in ours else 1.6
            )
            for threads, rate in ends.items():
                face = "white" if threads == 1 and len(counts) > 1 else colour
                size = 10 if name in ours else 8
                axes.plot(
                    rate,
                    row,
                    "o",
                    color=colour,
                    markerfacecolor=face,
                    markersize=size,
                    markeredgewidth=2,
                    zorder=4,
                )
            text = si(max(ends.values()), "").strip()
            if max(ends.values()) > min(every) * (max(every) / min(every)) ** 0.75:  # no room on the right
                axes.annotate(text, (min(ends.values()), row), (-9, 0), textcoords="offset points", va="center",
                              ha="right", bbox=PATCH, zorder=5)  # fmt: skip
            else:
                axes.annotate(text, (max(ends.values()), row), (9, 0), textcoords="offset points", va="center",
                              bbox=PATCH, zorder=5)  # fmt: skip
        name_rows(axes, names)
        for label, name in zip(axes.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name in ours else "normal")
        if less and len(less) < len(names):
            axes.axhline(len(names) - len(less) - 0.5, color=FAINT, linewidth=0.8)
        for threads, ceiling in ceilings.items():
            axes.axvline(
                ceiling,
                color=INK,
                linewidth=1.2,
                linestyle=(0, (5, 2)) if threads > 1 else (0, (1, 2)),
                zorder=1,
            )
        if ceilings:
            threads = f"{' and '.join(str(n) for n in ceilings)} thread{'s' * (counts[-1] > 1)}"
            axes.annotate(f"ceiling ({CEILING_NAMES[task.race]}), {threads}",
                (max(ceilings.values()), 1.0), (0, 4), xycoords=("data", "axes fraction"),
                          textcoords="offset points", ha="right", va="bottom", color=INK)  # fmt: skip
        log_ticks(axes, "x", lambda value: si(value, "").strip())
        axes.grid(axis="x")

    facts = [
        f"{name} " + " and ".join(f"{si(rate, unit)} with {n}" for n, rate in sorted(rates[name].items()))
        for name in names
    ]
    facts += [f"ceiling with {n} {si(ceiling, unit)}" for n, ceiling in ceilings.items()]
    height = 1.45 + rows_height(names)
    return finished("Dot plot, logarithmic", headline(outcome), facts, height, body)


def headline(outcome: Outcome) -> str:
    """The outcome in one sentence, for the title of its figure."""
    most = max((r.entry.threads for r in outcome.runners), default=1)
    field = [
        r
        for r in outcome.runners
        if r.entry.threads == most and r.entry.competitor.work == "all" and not r.entry.competitor.ceiling
    ]
    ours = outcome.ours(most)
    others = [r for r in field if not r.entry.competitor.ours]
    where = f"{outcome.task.title}, {most} thread{'s' * (most > 1)}"
    if ours is None or not others:
        return where
    next_best = min(others, key=lambda r: r.median)
    ratio = outcome.ratio(next_best, ours)
    if not ratio.decided:
        return f"{where}: no difference shown between {ours.entry.competitor.name} and {next_best.entry.competitor.name}"
    first, second = (ours, next_best) if ratio.value > 1 else (next_best, ours)
    factor = max(ratio.value, 1 / ratio.value)
    return (
        f"{where}: {first.entry.competitor.name} is {times(factor)} as fast as {second.entry.competitor.name}"
    )
