"""Which interpreter hosts which competitor, and with how many threads: the entries of a race.

An interpreter can host a competitor when its version is within the competitor's bounds and all modules that the competitor
requires are there. Tried in this order: those in $FAST_SNEK_PEERS (paths, separated as on PATH), the one that runs this, the
older one that `./build.sh setup --peers` makes an environment of. For what asks for PyPy: any PyPy.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from race.contract import Competitor, allows, competitors
from workbench import cures
from workbench.cores import usable_cores
from workbench.interpreters import interpreters

ROOT = Path(__file__).resolve().parent.parent.parent

ASK = """
import importlib.util, json, platform, sys
print(json.dumps([platform.python_implementation(), sys.version_info[:3],
                  [name for name in sys.argv[1:] if importlib.util.find_spec(name)]]))
"""
INSTALL = cures.PEERS
COURSE = {"cffi", "Cython", "numpy", "setuptools", "snek"}  # plain ./build.sh setup brings these


@dataclass(frozen=True)
class Entry:
    """A competitor that takes part: with so many threads, in this interpreter."""

    competitor: Competitor
    threads: int
    python: str

    @property
    def label(self) -> str:
        return f"{self.competitor.name}, {self.threads} thread{'s' * (self.threads > 1)}"


@dataclass(frozen=True)
class Skipped:
    """A competitor, or one of its entries, that doesn't take part; `cure` is a command, where there is one."""

    name: str
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f"  ({self.cure})" if self.cure else "")


@dataclass(frozen=True)
class Field:
    """Who takes part in a race, and who doesn't and why."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


def find(
    race: str | Iterable[Competitor], *, only: Sequence[str] = (), threads: Iterable[int] | None = None
) -> Field:
    """All entries of a race: each competitor with one thread, and with a thread for every core this process may use.

    `only`: the file names of those that shall take part, and ours in any case. Raises ValueError for an unknown one.
    """
    known = competitors(race) if isinstance(race, str) else list(race)
    if unknown := set(only) - {each.key for each in known}:
        raise ValueError(
            f"no competitor {', '.join(sorted(unknown))}; there are {', '.join(each.key for each in known)}"
        )
    chosen = [each for each in known if not only or each.key in only or each.ours or each.ceiling]
    counts = sorted(set(threads) if threads is not None else {1, usable_cores()})
    modules = tuple(sorted({module for each in chosen for module in each.requires}))
    entries, skipped = [], []
    for competitor in chosen:
        python = host_of(competitor, modules)
        if isinstance(python, Skipped):
            skipped.append(python)
            continue
        entries += [Entry(competitor, n, python) for n in counts if n == 1 or competitor.threads == "any"]
    return Field(tuple(entries), tuple(skipped))


def host_of(competitor: Competitor, modules: tuple[str, ...]) -> str | Skipped:
    """The path of the interpreter that can host a competitor, or why there is none."""
    if competitor.python == "pypy":
        return _pypy(competitor, modules)
    lacking: set[str] | None = None
    for path in candidates():
        asked = ask(path, modules)
        if asked is None:
            continue
        implementation, version, present = asked
        if implementation != "CPython" or not allows(competitor.python, version):
            continue
        missing = set(competitor.requires) - set(present)
        if not missing:
            return path
        lacking = missing if lacking is None else min(lacking, missing, key=len)
    if lacking is None:
        return Skipped(competitor.name, f"needs Python {competitor.python}, and none is set up", INSTALL)
    reason = f"{' and '.join(sorted(lacking))} {'is' if len(lacking) == 1 else 'are'} not installed"
    return Skipped(competitor.name, reason, cures.SETUP if lacking <= COURSE else INSTALL)


def _pypy(competitor: Competitor, modules: tuple[str, ...]) -> str | Skipped:
    found = [each for each in interpreters() if each.implementation == "PyPy"]
    for each in sorted(found, key=lambda each: each.key, reverse=True):
        if not set(competitor.requires) - set((ask(each.path, modules) or (0, 0, []))[2]):
            return each.path
    if found:
        return Skipped(competitor.name, f"PyPy lacks {', '.join(competitor.requires)}")
    return Skipped(competitor.name, "no PyPy here", cures.package("pypy3"))


def candidates() -> list[str]:
    """The CPythons that may host."""
    given = [path for path in os.environ.get("FAST_SNEK_PEERS", "").split(os.pathsep) if path]
    return list(dict.fromkeys([*given, sys.executable, str(ROOT / ".venv-peers" / "bin" / "python")]))


@functools.lru_cache
def ask(path: str, modules: tuple[str, ...]) -> tuple[str, tuple[int, ...], list[str]] | None:
    """Implementation, version, and which of the modules it has; None when it doesn't answer."""
    try:
        asked = subprocess.run(
            [path, "-I", "-c", ASK, *modules], capture_output=True, text=True, timeout=30, check=True
        )
        implementation, version, present = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return implementation, tuple(version), present
