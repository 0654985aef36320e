"""What a race found: as a table, as a figure, as CSV."""

from __future__ import annotations

import csv
import itertools
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from race.rounds import Outcome, Runner
from race.task import Quote
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

WIDTH = 116  # of the notes, in characters; the table is hardly wider


class Table(Shown):
    """The outcome as a table, in one group for each number of threads, and what there is to know about it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def _columns(self) -> tuple[list[str], list[bool]]:
        task = self.outcome.task
        rate = ["rows/s", "B/s"] if task.size else [task.each or "per thread"]
        compared = ["to ours", "99 % interval"] if self._compared else []
        header = [
            "",
            "time",
            *compared,
            *rate,
            *(["ceiling"] if task.ceiling else []),
            "lines",
            "build",
            "memory",
            "rounds",
        ]
        return header, [name not in ("", "99 % interval") for name in header]

    @property
    def _compared(self) -> bool:
        """Is anybody here ours, to compare the others with?"""
        return any(self.outcome.ours(each.entry.threads) for each in self.outcome.runners)

    def _row(self, runner: Runner, first: bool) -> list[str]:
        """One runner; `first`: of its competitor's."""
        outcome, task, threads = self.outcome, self.outcome.task, runner.entry.threads
        rate = task.work / runner.median
        share, ours, build = outcome.of_ceiling(runner), outcome.ours(threads), outcome.build(runner)
        ratio = outcome.ratio(runner, ours) if ours else None
        rates = (
            [si(rate, "").strip(), si(task.size / runner.median, "B/s")]
            if task.size
            else [duration(1 / rate) if task.each else si(rate / threads, "").strip()]
        )
        competitor = runner.entry.competitor
        if competitor.ceiling:
            compared = ["", ""] if self._compared else []
            found = [f"ceiling: {competitor.name}", duration(runner.median), *compared, *rates]
            return [*found, *[""] * (len(self._columns()[0]) - len(found))]
        compared = [
            times(ratio.value) if ratio else "",
            "baseline" if runner is ours else interval(ratio, len(runner.seconds)) if ratio else "",
        ]
        return [
            f"**{competitor.name}**" if competitor.ours else competitor.name,
            duration(runner.median),
            *(compared if self._compared else []),
            *rates,
            *([f"{share:.1%}" if share is not None else ""] if task.ceiling else []),
            f"{competitor.lines:,}",
            duration(build) if first and build is not None else "",
            si(runner.memory, "B"),
            str(len(runner.seconds)),
        ]

    def _rows(self) -> Iterator[list[str]]:
        width = len(self._columns()[0])
        shown: set[str] = set()
        for (work, threads), group in groups(self.outcome):
            title = f"{threads} thread{'s' * (threads > 1)}" + (", less work" if work == "less" else "")
            yield [f"*{title}*", *[""] * (width - 1)]
            for runner in group:
                key = runner.entry.competitor.key
                yield self._row(runner, first=key not in shown)
                shown.add(key)
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
            "time: the median of the rounds, for one job. Each competitor has a process of its own, its result is checked first,"
            " and in a round all take their turns in shuffled order.",
        ]
        if self._compared:
            found.append(
                "to ours: its time divided by that of ours with as many threads. 2.00x takes twice as long, 0.500x half as long."
                " Then the 99 % interval of this ratio."
            )
        if not task.size and not task.each:
            found.append(f"per thread: {task.unit}/s, divided by the number of threads.")
        if task.ceiling:
            found.append(f"ceiling: how much of it is reached. {task.ceiling.note}.")
        found += [
            "lines: of code, all source files of its own together, without comments, docstrings and blank lines.",
            "build: to import, compile and warm up (some do the job once) with nothing compiled yet; shown once a competitor."
            " Ours is compiled by ./build.sh setup.",
            "memory: at most during the first job, its worker processes included, mapped files not.",
        ]
        if any(runner.entry.competitor.work == "less" for runner in outcome.runners):
            found.append(
                "less work: skips iterations whose outcome is known. Its rate counts those, too, so the ceiling is none for it."
            )
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
        notes = [line for note in self.notes() for line in note.splitlines()]
        notes = [
            textwrap.fill(line, WIDTH, subsequent_indent=" " * 4, break_on_hyphens=False) for line in notes
        ]
        return "\n".join([self.outcome.task.title, "", table, "", *notes])


def table(outcome: Outcome) -> Table:
    """The outcome, to be printed or displayed."""
    return Table(outcome)


def groups(outcome: Outcome) -> Iterator[tuple[tuple[str, int], list[Runner]]]:
    """The runners by class of work and threads, each group with the fastest first, what is only a ceiling last."""

    def group_of(runner: Runner) -> tuple[str, int]:
        return runner.entry.competitor.work, runner.entry.threads

    ordered = sorted(outcome.runners, key=lambda r: (*group_of(r), r.entry.competitor.ceiling, r.median))
    for key, members in itertools.groupby(ordered, key=group_of):
        yield key, list(members)


def interval(ratio: Ratio, rounds: int) -> str:
    """The interval of a ratio, in words."""
    return ratio.interval if rounds > 1 else "one round"


# --- CSV ------------------------------------------------------------------------------------------------------------------

COLUMNS = {  # and what they hold; empty where there is nothing to say
    "task": "the job",
    "competitor": "its file, without .py",
    "name": "as in the table",
    "threads": "how many it was given",
    "work": "all, or less: skips some",
    "ours": "True for the course's own",
    "version": "what raced",
    "python": "the interpreter it raced in",
    "rounds": "how many it took part in",
    "median_seconds": "of one job",
    "best_seconds": "the same, in its fastest round",
    "worst_seconds": "and in its slowest",
    "times_ours": "its time divided by ours with as many threads: above 1 is slower",
    "times_ours_low": "from here",
    "times_ours_high": "to here: the 99 % interval of that ratio",
    "work_per_second": "by all its threads together",
    "unit": "of that work",
    "bytes_per_second": "of input",
    "of_ceiling": "share of what the machine can do, 1 is all of it",
    "lines": "of code, in all its files",
    "build_seconds": "to get ready with nothing compiled yet",
    "warm_up_seconds": "to get ready this time",
    "memory_bytes": "at most during the first job",
    "cores_busy": "while it worked, the median of the rounds",
    "cores_busy_waiting": "while others had their turn, at most",
    "seconds": "the time of each round, separated by blanks",
}


def records(outcome: Outcome) -> list[dict[str, Any]]:
    """One row for each competitor and number of threads: plain numbers, for a CSV or a data frame."""
    task, found = outcome.task, []
    for _, group in groups(outcome):
        for runner in group:
            entry, times_taken = runner.entry, list(runner.seconds.values())
            ours, share = outcome.ours(entry.threads), outcome.of_ceiling(runner)
            build = outcome.build(runner)
            ratio = outcome.ratio(runner, ours) if ours else None
            rate = task.work / runner.median
            values = (
                task.slug, entry.competitor.key, entry.competitor.name, entry.threads, entry.competitor.work,
                entry.competitor.ours, runner.version, runner.python, len(times_taken), runner.median, min(times_taken),
                max(times_taken), *((ratio.value, ratio.low, ratio.high) if ratio else ("", "", "")), rate, task.unit,
                task.size / runner.median if task.size else "", "" if share is None else share, entry.competitor.lines,
                "" if build is None else build, runner.warm, round(runner.memory), runner.busy, runner.busy_waiting, " ".join(f"{s:.6g}" for s in times_taken),
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
            axes.annotate(f"ceiling ({task.ceiling.name}), {threads}",
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
