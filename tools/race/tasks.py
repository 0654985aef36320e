"""The jobs of the races, and how a result is checked before anything is timed.

mandelbrot   `task` has width, height, xmin, xmax, ymin, ymax, max_iter. Pixel (j, i) samples c = xmin + (xmax - xmin) * i / width
             + 1j * (ymin + (ymax - ymin) * j / height). `run()` returns the escape counts, as `snek.mandelbrot` defines them: a
             C-contiguous int32 buffer of shape (height, width), or a list of lists. A fresh result every time; allocating it
             is part of the job. Right when at most 0.05 % of the pixels differ from the scalar kernel of snek: compilers may
             fuse a multiplication and an addition, which rounds once instead of twice.
stations     `task` has path, rows and stations (how many names). `run()` returns {name: (min, mean, max, count)}, sorted by name,
             mean rounded to one decimal. Right when min, max and count are those that the generator knows, and the mean
             within 0.051 of the exact one: libraries round ties differently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

import stations_data
from race.hosts import BUILD


class WrongResult(Exception):
    """A competitor did not return what it should; the message says where."""


@dataclass(frozen=True)
class Quote:
    """A time that somebody else measured elsewhere, with one thread: shown as a quotation, never compared."""

    who: str
    seconds: float
    source: str


@dataclass(frozen=True)
class Task:
    """One job, the same for all competitors of a race."""

    race: str  # "mandelbrot" or "stations"
    title: str
    slug: str  # in the names of files
    parameters: dict[str, Any]
    work: float  # how much there is to do, in `unit`
    unit: str
    check: Callable[[Path, list[int]], None] = field(repr=False)  # (file, shape); raises WrongResult
    size: int = 0  # bytes of input
    timeout: float = 120.0  # seconds for one call
    quotes: tuple[Quote, ...] = ()


# --- mandelbrot -----------------------------------------------------------------------------------------------------------

DEFAULT = {
    "width": 1024,
    "height": 1024,
    "max_iter": 1000,
    "xmin": -2.0,
    "xmax": 0.47,
    "ymin": -1.12,
    "ymax": 1.12,
}
MOJO = {"width": 960, "height": 960, "max_iter": 200, "xmin": -2.0, "xmax": 0.6, "ymin": -1.5, "ymax": 1.5}
QUOTE = Quote(
    who="Mojo's repository",
    seconds=13.54e-3,
    source="modularml/mojo, pull request 742 of September 2023: 13.54 ms on one core of an 8-core machine that it doesn't name.",
)
DIFFERENT_PIXELS = 0.0005


def mandelbrot(*, quick: bool = False) -> list[Task]:
    """The two grids, or with `quick` a small one."""
    if quick:
        return [grid(**{**DEFAULT, "width": 160, "height": 160})]
    return [grid(**DEFAULT), grid(**MOJO, quotes=(QUOTE,))]


def grid(*, width: int, height: int, max_iter: int, quotes: tuple[Quote, ...] = (), **window: float) -> Task:
    """The task of one grid; computes the reference."""
    import snek

    reference = numpy.empty((height, width), numpy.int32)
    snek.mandelbrot(reference, max_iter=max_iter, threads=0, kernel="scalar", **window)

    def check(file: Path, shape: list[int]) -> None:
        if shape != [height, width]:
            raise WrongResult(f"the shape is {tuple(shape)}, not {(height, width)}")
        counts = numpy.fromfile(file, numpy.int32).reshape(height, width)
        different = counts != reference
        if different.mean() > DIFFERENT_PIXELS:
            j, i = (int(index) for index in numpy.argwhere(different)[0])
            raise WrongResult(
                f"{different.mean():.2%} of the pixels differ from the reference,"
                f" the first in row {j}, column {i}: {counts[j, i]} instead of {reference[j, i]}"
            )

    work = float(reference.sum(dtype=numpy.int64))
    return Task(
        race="mandelbrot",
        title=f"Mandelbrot, {width} x {height}, at most {max_iter} iterations",
        slug=f"mandelbrot-{width}x{height}-{max_iter}",
        parameters={"width": width, "height": height, "max_iter": max_iter, **window},
        work=work,
        unit="iterations",
        check=check,
        timeout=120 + work * 1e-6,  # pure Python needs a tenth of that for an iteration
        quotes=quotes,
    )


# --- stations -------------------------------------------------------------------------------------------------------------

MEAN_WITHIN = 0.051


def stations(rows: int = 10_000_000) -> list[Task]:
    """The aggregation of a file with so many rows, which is written when it isn't there."""
    path = BUILD / f"stations-{rows}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = stations_data.ensure(path, rows)
    known = data.stations

    def check(file: Path, shape: list[int]) -> None:
        _compare(dict(json.loads(file.read_text(encoding="utf-8"))), known)

    return [
        Task(
            race="stations",
            title=f"{rows:,} rows, {len(known):,} stations, {data.bytes / 1e6:,.0f} MB",
            slug=f"stations-{rows}",
            parameters={"path": str(path), "rows": rows, "stations": len(known)},
            work=float(rows),
            unit="rows",
            check=check,
            size=data.bytes,
            timeout=120 + rows * 5e-6,
        )
    ]


def _compare(found: dict[str, list[float]], known: Mapping[str, tuple[int, ...]]) -> None:
    """Hold {name: [min, mean, max, count]} against the generator's {name: [min, sum, max, count]} in tenths."""
    if different := found.keys() ^ known.keys():
        raise WrongResult(f"{len(different)} names are missing or too many, among them {min(different)!r}")
    if list(found) != sorted(found):
        raise WrongResult("the names are not sorted")
    for name, (low, total, high, count) in known.items():
        got = found[name]
        right = (
            abs(got[0] * 10 - low) < 1e-6
            and abs(got[2] * 10 - high) < 1e-6
            and got[3] == count
            and abs(got[1] - total / count / 10) <= MEAN_WITHIN
            and abs(got[1] * 10 - round(got[1] * 10)) < 1e-6
        )
        if not right:
            exact = (low / 10, total / count / 10, high / 10, count)
            raise WrongResult(f"{name}: {tuple(got)} instead of {exact}")
