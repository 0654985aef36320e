"""Race Python's fast roads against each other on this machine: `./build.sh bench [mandelbrot|stations|calls] [--quick]`.

A table here, the numbers (CSV) and a figure in build/. Exit status 1 when a competitor returns a wrong result, crashes, hangs or
keeps far more cores busy than it was given threads.
The competitors: one file each in the folders of notebooks/race/. How it works: notebooks/race/__init__.py.
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "notebooks")]

from race import entries, report, rounds, task  # noqa: E402
from race.contract import BrokenContract  # noqa: E402
from workbench.cores import usable_cores  # noqa: E402
from workbench.machine import machine  # noqa: E402

RACES = task.races()
QUICK_BUDGET = 2.0  # seconds of rounds a task, at most


def number(text: str) -> int:
    """Read 1_000_000, 100M or 1B."""
    match = re.fullmatch(r"([\d_,]+)([kMBG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: 1_000_000, 100M or 1B is")
    scale = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "G": 10**9}[match[2]]
    if not 0 < (value := int(re.sub("[_,]", "", match[1]) or 0) * scale) <= 10**10:
        raise argparse.ArgumentTypeError(f"{text} rows: 1 to 10B is possible")
    return value


def counts(text: str) -> list[int]:
    """Read 1,2,4."""
    if not re.fullmatch(r"[1-9]\d{0,2}(,[1-9]\d{0,2})*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers of threads: 1,2,4 is")
    numbers = [int(word) for word in text.split(",")]
    if max(numbers) > usable_cores():
        raise argparse.ArgumentTypeError(f"{max(numbers)} threads: there are {usable_cores()} cores here")
    return numbers


def seconds(text: str) -> float:
    """Read 60 or 2.5."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: 60 is")
    return value


def names(text: str) -> list[str]:
    """Read numba_njit,c_scalar."""
    if not (found := [name.strip() for name in text.split(",") if name.strip()]):
        raise argparse.ArgumentTypeError(f"{text!r} names no competitor: numba_njit,c_scalar does")
    return found


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    columns = "\n".join(f"  {name:20}{about}" for name, about in report.COLUMNS.items())
    parser = argparse.ArgumentParser(
        prog="./build.sh bench",
        description=__doc__.splitlines()[0],
        epilog=f"the columns of the CSV:\n{columns}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("race", nargs="?", choices=RACES, help="one race; all without")
    parser.add_argument("--quick", action="store_true", help="small tasks, few rounds: does everything work?")
    parser.add_argument(
        "--only", type=names, metavar="A,B", default=[], help="these competitors and ours (names of files)"
    )
    parser.add_argument(
        "--rows", type=number, help="stations: how many rows, 100M for example (default: 10M)"
    )
    parser.add_argument(
        "--threads", type=counts, metavar="N,M", help="numbers of threads (default: one, and every core)"
    )
    parser.add_argument("--budget", type=seconds, metavar="SECONDS", help="of rounds, for each table")
    options = parser.parse_args(words)
    if options.only and not options.race:
        parser.error(f"--only needs to know which race: {' or '.join(RACES)}")
    if options.rows and options.race and "rows" not in takes(options.race):
        parser.error(
            f"--rows: {options.race} has none, {' and '.join(r for r in RACES if 'rows' in takes(r))} has"
        )
    return options


def takes(race: str) -> set[str]:
    """The options that the tasks of a race can be made with."""
    return set(inspect.signature(task.module(race).tasks).parameters)


def main() -> int:
    """Race, print, draw, store."""
    options = arguments()
    if options.quick:
        os.environ["FAST_SNEK_QUICK"] = "1"
    # What a quick run finds, or one with some of the competitors or rounds, does not replace the real thing.
    partial = options.only or options.threads or options.budget
    folder = ROOT / "build" / ("quick" if options.quick else "") / ("partial" if partial else "")
    folder.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    wrong = False
    for race in [options.race] if options.race else RACES:
        outcomes = []
        try:
            entered = entries.find(race, only=options.only, threads=options.threads)
            about = task.module(race)
            rows = {"rows": options.rows} if options.rows and "rows" in takes(race) else {}
            todo = about.tasks(quick=options.quick, **rows)
        except (BrokenContract, ImportError, ValueError, OSError) as problem:
            cure = "  (./build.sh setup)" if isinstance(problem, ImportError) else ""
            print(f"bench: {problem}{cure}", file=sys.stderr)
            return 2
        for job in todo:
            budget = options.budget or (
                min(QUICK_BUDGET, about.BUDGET / 6) if options.quick else about.BUDGET
            )
            outcome = rounds.race(job, entered, budget=budget, say=rounds.progress)
            outcomes.append(outcome)
            wrong = wrong or bool(outcome.failed)
            print(f"\n{report.table(outcome)}", flush=True)
            if outcome.runners:
                picture = folder / f"{job.slug}.png"
                report.figure(outcome).save(picture)
                print(f"\nDrawn: {picture.relative_to(ROOT)}")
        numbers = folder / f"{todo[0].slug if rows else race}.csv"
        report.write_csv(outcomes, numbers)
        print(f"Written: {numbers.relative_to(ROOT)} (its columns: ./build.sh bench --help)")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
