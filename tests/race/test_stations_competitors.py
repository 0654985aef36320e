"""Every competitor of the stations race that is installed, on data that no race has: awkward names, few rows, many pieces."""

from __future__ import annotations

import json
import random
from pathlib import Path

import psutil
import pytest

from race.contract import competitors
from race.entries import find
from race.host import Host
from race.stations._task import MEAN_WITHIN

KEYS = [each.key for each in competitors("stations") if not each.ceiling]

# What a CSV reader left to itself takes for quotes, comments, missing values, numbers, escapes; and the longest names.
NAMES = [
    *('"quoted"', '"', '""', 'a"b"', "'x'", "a,b", "#x", " lead", "trail ", "\t", "\\", "\\N", "%s", "{}"),
    *("NA", "N/A", "null", "None", "nan", "inf", "true", "1.5", "-"),
    *("é", "日本", "😀", "x" * 100, "é" * 50, "😀" * 25),
]


def rows_of(kind: str) -> list[tuple[str, int]]:
    """(name, tenths of a degree) in the order of the file."""
    draw = random.Random(7)
    if kind == "one row":
        return [("Nuuk", -14)]
    if kind == "extremes":
        return [("a", tenths) for tenths in range(-999, 1000)]
    return [(draw.choice(NAMES), draw.randint(-999, 999)) for _ in range(20_000)]


@pytest.mark.parametrize("kind", ["one row", "extremes", "awkward names", "no last newline"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("key", KEYS)
def test_right_whatever_the_names_are(key: str, threads: int, kind: str, tmp_path: Path) -> None:
    field = find([each for each in competitors("stations") if each.key == key], threads=[threads])
    if not field.entries:
        pytest.skip("; ".join(map(str, field.skipped)) or "takes one thread")
    rows = rows_of(kind)
    data = tmp_path / "data [1].txt"  # not a pattern of file names
    text = "".join(f"{name};{tenths / 10:.1f}\n" for name, tenths in rows)
    data.write_bytes(text.removesuffix("\n" if kind == "no last newline" else "").encode())
    known: dict[str, list[int]] = {}
    for name, tenths in rows:
        known.setdefault(name, []).append(tenths)

    host = Host(field.entries[0])
    host.result = tmp_path / "result"
    try:
        task = {"path": str(data), "rows": len(rows), "stations": len(known)}
        path = str(field.entries[0].competitor.path)
        host.ask(120, do="prepare", path=path, task=task, threads=threads, folder=str(host.folder))
        host.ask(60, do="run", calls=1)
        host.ask(60, do="result", path=str(host.result))
        if hasattr(psutil.Process, "cpu_affinity"):  # all are free to use any CPU, or none is
            assert psutil.Process(host.process.pid).cpu_affinity() == psutil.Process().cpu_affinity()
    finally:
        host.end()
    found = dict(json.loads(host.result.read_text(encoding="utf-8")))
    assert list(found) == sorted(known)
    for name, all_of_it in known.items():
        low, mean, high, count = found[name]
        assert (low, high, count) == (min(all_of_it) / 10, max(all_of_it) / 10, len(all_of_it))
        assert mean == pytest.approx(sum(all_of_it) / len(all_of_it) / 10, abs=MEAN_WITHIN)
        assert mean == round(mean, 1)
