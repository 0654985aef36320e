"""Race Mandelbrot on this machine: a table here, the figure and the numbers as CSV in build/.

./build.sh bench
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))

import numpy  # noqa: E402

import snek  # noqa: E402
from workbench.draw import ladder  # noqa: E402
from workbench.machine import machine  # noqa: E402
from workbench.measure import race  # noqa: E402

HEIGHT, WIDTH, MAX_ITER = 120, 160, 500
XMIN, XMAX, YMIN, YMAX = -2.0, 0.47, -1.12, 1.12


def in_python() -> list[list[int]]:
    """Return the escape counts of the grid, in plain Python; the reference of the race."""
    rows = []
    for j in range(HEIGHT):
        row = []
        for i in range(WIDTH):
            c = complex(XMIN + (XMAX - XMIN) * i / WIDTH, YMIN + (YMAX - YMIN) * j / HEIGHT)
            z, count = 0j, 0
            while count < MAX_ITER and z.real * z.real + z.imag * z.imag <= 4:
                z = z * z + c
                count += 1
            row.append(count)
        rows.append(row)
    return rows


def in_c(threads: int) -> list[list[int]]:
    """Return the same from the compiled package."""
    counts = numpy.empty((HEIGHT, WIDTH), dtype=numpy.int32)
    bounds = {"xmin": XMIN, "xmax": XMAX, "ymin": YMIN, "ymax": YMAX}
    return snek.mandelbrot(counts, **bounds, max_iter=MAX_ITER, threads=threads, kernel="scalar")


def mostly_equal(one: object, other: object) -> bool:
    """Whether two grids differ on at most 0.05 % of the pixels: compilers may round differently."""
    return bool(numpy.mean(numpy.asarray(one) != numpy.asarray(other)) <= 0.0005)


def main() -> int:
    """Race, print, draw, store."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    print(machine(), end="\n\n")
    iterations = sum(map(sum, in_python()))
    thunks = {
        "pure Python": in_python,
        "C, one thread": lambda: in_c(1),
        "C, every core": lambda: in_c(0),
    }
    result = race(thunks, same=mostly_equal, budget=10.0, work=iterations, unit="iterations")
    print(result)
    ratios = {name: result.ratio(name) for name in result.names}
    with (build / "bench.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            [
                "name",
                "median_seconds",
                "best_seconds",
                "iterations_per_second",
                "times_as_fast",
                "low",
                "high",
            ]
        )
        for name, timing in result.timings.items():
            ratio = ratios[name]
            rate = iterations / timing.median
            table.writerow([name, timing.median, timing.best, rate, ratio.value, ratio.low, ratio.high])
    ladder(result, title="The same picture in Python and in C").save(build / "bench.png")
    print(f"\nWritten: {(build / 'bench.csv').relative_to(ROOT)}, {(build / 'bench.png').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
