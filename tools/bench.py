"""Race Python's fast roads against each other on this machine: `./build.sh bench [mandelbrot|stations] [--quick]`.

A table here, the numbers (CSV) and a figure in build/. Exit status 1 when a competitor returns a wrong result, crashes or hangs.
The competitors: tools/race/mandelbrot/ and tools/race/stations/, one file each. How it works: tools/race/__init__.py.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "notebooks")]

from race import field, report, rounds, tasks  # noqa: E402
from race.contract import BrokenContract  # noqa: E402
from workbench.machine import machine  # noqa: E402

RACES = ("mandelbrot", "stations")
BUDGETS = {"mandelbrot": 50.0, "stations": 120.0}  # seconds of rounds a task
QUICK_BUDGET = 2.0
ROWS, QUICK_ROWS = 10_000_000, 100_000


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
    return [int(word) for word in text.split(",")]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./build.sh bench", description=__doc__.splitlines()[0])
    parser.add_argument("race", nargs="?", choices=RACES, help="one race; both without")
    parser.add_argument("--quick", action="store_true", help="small tasks, few rounds: does everything work?")
    parser.add_argument(
        "--only", metavar="A,B", default="", help="these competitors and ours (names of files)"
    )
    parser.add_argument(
        "--rows", type=number, help="stations: how many rows, 100M for example (default: 10M)"
    )
    parser.add_argument(
        "--threads", type=counts, metavar="N,M", help="numbers of threads (default: one, and every core)"
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="of rounds, for each table")
    options = parser.parse_args(words)
    if options.only and not options.race:
        parser.error("--only needs to know which race: mandelbrot or stations")
    return options


def main() -> int:
    """Race, print, draw, store."""
    options = arguments()
    if options.quick:
        os.environ["FAST_SNEK_QUICK"] = "1"
    folder = (
        ROOT / "build" / ("quick" if options.quick else "")
    )  # what a quick run finds does not replace the real thing
    folder.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    wrong = False
    for race in [options.race] if options.race else RACES:
        outcomes = []
        only = [name for name in options.only.split(",") if name]
        try:
            entered = field.find(race, only=only, threads=options.threads)
            if race == "mandelbrot":
                todo = tasks.mandelbrot(quick=options.quick)
            else:
                todo = tasks.stations(options.rows or (QUICK_ROWS if options.quick else ROWS))
        except (BrokenContract, ValueError, OSError) as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 2
        for task in todo:
            budget = options.budget or (QUICK_BUDGET if options.quick else BUDGETS[race])
            outcome = rounds.race(task, entered, budget=budget, say=rounds.progress)
            outcomes.append(outcome)
            wrong = wrong or bool(outcome.failed)
            print(f"\n{report.table(outcome)}", flush=True)
            if outcome.runners:
                picture = folder / f"{task.slug}.png"
                report.figure(outcome).save(picture)
                print(f"\nDrawn: {picture.relative_to(ROOT)}")
        numbers = folder / f"{race}.csv"
        report.write_csv(outcomes, numbers)
        print(f"Written: {numbers.relative_to(ROOT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
