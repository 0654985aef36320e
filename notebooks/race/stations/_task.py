"""One billion rows: aggregate lines of `name;-12.3` by name.

`task` has path, rows and stations (how many names). `run()` returns {name: (min, mean, max, count)}, sorted by name,
mean rounded to one decimal. Right when min, max and count are those that the generator knows, and the mean within
0.051 of the exact one: libraries round ties differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from race.host import BUILD
from race.stations import _data
from race.task import Ceiling, Task, WrongResult

BUDGET = 120.0
ROWS, QUICK_ROWS = 10_000_000, 100_000
MEAN_WITHIN = 0.051  # of the exact mean, in degrees
CEILING = Ceiling(
    name="reading alone",
    note="100 % is reading the file from the page cache into a small buffer, nothing else, in the same rounds",
)


def tasks(*, quick: bool = False, rows: int | None = None) -> list[Task]:
    """The aggregation of a file with so many rows, which is written when it isn't there."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    path = BUILD / f"stations-{rows}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _data.ensure(path, rows)
    known = data.stations

    def check(file: Path, shape: list[int]) -> None:
        compare(dict(json.loads(file.read_text(encoding="utf-8"))), known)

    return [
        Task(
            race="stations",
            title=f"{rows:,} rows, {len(known):,} stations, {data.bytes / 1e6:,.0f} MB",
            slug=f"stations-{rows}",
            parameters={"path": str(path), "rows": rows, "stations": len(known)},
            work=float(rows),
            unit="rows",
            check=check,
            ceiling=CEILING,
            size=data.bytes,
            timeout=120 + rows * 5e-6,
        )
    ]


def compare(found: dict[str, list[float]], known: Mapping[str, tuple[int, ...]]) -> None:
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
