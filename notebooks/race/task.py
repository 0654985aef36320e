"""What a race is about: its tasks, each the same job for all competitors.

A race is a folder beside this file that holds `_task.py`, with

    BUDGET                      seconds of rounds for each task
    COMPETITORS                 where others than those in the folder are: a pattern relative to it (optional); calls/ has one
    SHARED                      patterns of files that those are compiled from, none of them a competitor's own (optional)
    tasks(*, quick=False)       its tasks, small ones with `quick`. Further keywords, such as `rows`, are options of the command line

Its docstring says what a competitor's `task` holds, what `run()` returns, and when that is right. Everything else in the folder
is a competitor (contract.py), or begins with an underscore.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent


def races() -> list[str]:
    """The names of all races: of the folders that say what they are about."""
    return sorted(path.parent.name for path in HERE.glob("*/_task.py"))


def module(race: str) -> ModuleType:
    """What is particular to a race: its `_task.py`."""
    return importlib.import_module(f"race.{race}._task")


class WrongResult(Exception):
    """A competitor did not return what it should; the message says where."""


@dataclass(frozen=True)
class Quote:
    """A time that somebody else measured elsewhere, with one thread: shown as a quotation, never compared."""

    who: str
    seconds: float
    source: str


@dataclass(frozen=True)
class Ceiling:
    """What this machine can do at most, and how that is known.

    From the FLOP that a unit of work takes at least, at the rate that `peak()` measures during the race; or, where `flop` is
    None, from the competitor whose CEILING is True.
    """

    name: str  # in the figure
    note: str  # below the table: what 100 % is
    flop: float | None = None


@dataclass(frozen=True)
class Task:
    """One job, the same for all competitors of a race."""

    race: str  # the name of its folder
    title: str
    slug: str  # in the names of files
    parameters: dict[str, Any]  # what the competitors get
    work: float  # how much there is to do, in `unit`
    unit: str
    check: Callable[[Path, list[int]], None] = field(repr=False)  # (file, shape); raises WrongResult
    ceiling: Ceiling | None  # None: nobody knows what the machine could do
    size: int = 0  # bytes of input
    timeout: float = 120.0  # seconds for one call
    quotes: tuple[Quote, ...] = ()
    driver: Path | None = (
        None  # its prepare(competitor, task, threads, folder) stands in for that of a competitor without one
    )
    each: str = ""  # "a call": what the table gives the time of, in place of a rate
