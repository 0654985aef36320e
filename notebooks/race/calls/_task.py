"""What a call from Python into C costs: many calls that do nothing, and one call that does all the work.

The competitors are the doors of csrc/doors: a file there, NAME_door.py, is a competitor here. It has `build(folder)`
in place of `prepare`, which returns its kernels as attributes (python_door.py says what they are, and which may be missing).
THREADS is "one" and WORK "all" where it doesn't say otherwise, and RELEASES names the kernels that run without the GIL.
_driver.py does the job through a door. `task` holds kernel, and what that kernel gets.
Right when the result is that of the same operations in Python; of the picture's pixels 0.05 % may differ.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from race.mandelbrot import _task as mandelbrot
from race.task import Ceiling, Task, WrongResult

COMPETITORS = "../../../csrc/doors/*_door.py"
SHARED = ("../../../csrc/doors/_*.py", "../../../csrc/doors/kernels.*", "../../../csrc/kernels/*.[ch]")
BUDGET = 6.0
DRIVER = Path(__file__).with_name("_driver.py")


def tasks(*, quick: bool = False) -> list[Task]:
    """Many calls of nop; then one call each of fib, total and mandelbrot."""
    calls, n, values, size = (100_000, 18, 100_000, 48) if quick else (250_000, 25, 1_000_000, 128)
    fibs = [0, 1]
    while len(fibs) < n + 2:
        fibs.append(fibs[-1] + fibs[-2])
    total = 0.0
    for i in range(values):  # not sum(), which compensates
        total += i / 7
    picture = mandelbrot.grid(**{**mandelbrot.DEFAULT, "width": size, "height": size, "max_iter": 100})
    loop = Ceiling("empty loop", "100 % is the same loop with no call in it, in the same rounds")
    return [
        one(
            "nop",
            f"{calls:,} calls that do nothing",
            {"calls": calls},
            calls,
            "calls",
            calls - 1,
            loop,
            "a call",
        ),
        one(
            "fib",
            f"One call: fib({n}) by double recursion",
            {"n": n},
            2 * fibs[n + 1] - 1,
            "calls of fib",
            fibs[n],
        ),
        one(
            "total",
            f"One call: the sum of {values:,} doubles",
            {"values": values},
            values,
            "additions",
            total,
        ),
        dataclasses.replace(
            picture,
            race="calls",
            title=f"One call: {picture.title}, the scalar kernel",
            slug="calls-mandelbrot",
            parameters={"kernel": "mandelbrot", **picture.parameters},
            ceiling=None,
            driver=DRIVER,
        ),
    ]


def one(
    kernel: str, title: str, parameters: dict[str, Any], work: float, unit: str, expected: float,
    ceiling: Ceiling | None = None, each: str = "",
) -> Task:  # fmt: skip
    """The task whose result is one number."""
    return Task(
        race="calls",
        title=title,
        slug=f"calls-{kernel}",
        parameters={"kernel": kernel, **parameters},
        work=float(work),
        unit=unit,
        check=equals(kernel, expected),
        ceiling=ceiling,
        driver=DRIVER,
        each=each,
    )


def equals(kernel: str, expected: float) -> Callable[[Path, list[int]], None]:
    """A check that the result is exactly this number."""

    def check(file: Path, shape: list[int]) -> None:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found != [[kernel, [expected]]]:
            raise WrongResult(f"{found} instead of {expected}")

    return check
