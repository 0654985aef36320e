"""The Mandelbrot set: escape counts of a grid of points.

`task` has width, height, xmin, xmax, ymin, ymax, max_iter. Pixel (j, i) samples c = xmin + (xmax - xmin) * i / width
+ 1j * (ymin + (ymax - ymin) * j / height). `run()` returns the escape counts, as `snek.mandelbrot` defines them: a
C-contiguous int32 buffer of shape (height, width), or a list of lists. A fresh result every time; allocating it is
part of the job. Right when at most 0.05 % of the pixels differ from the scalar kernel of snek: compilers may fuse a
multiplication and an addition, which rounds once instead of twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy

from race.task import Ceiling, Quote, Task, WrongResult

BUDGET = 50.0

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
CEILING = Ceiling(
    name="four FMAs a step",
    note=(
        "100 % is four vector operations a step (fnmadd, add, fma, fma), each issued at the rate of the fused multiply-adds"
        " that peak() measured three times during the race, so iterations/s = FLOP/s / 2 / 4. A CPU that adds in units of"
        " their own, beside those that multiply, can pass it"
    ),
    flop=8,  # an FMA counts as two
)


def tasks(*, quick: bool = False) -> list[Task]:
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
        ceiling=CEILING,
        timeout=120 + work * 1e-6,  # pure Python needs a tenth of that for an iteration
        quotes=quotes,
    )
