"""Install the systems that the race and notebooks 15 to 19 compare with: `./build.sh setup --peers`.

They go into the course's own environment, so that a notebook can import them. What has no wheel for its Python (Taichi, past 3.13)
gets an environment with an older Python, `.venv-peers`, when one is found. Each is optional: what can't be installed is reported
in one line, and the rest is installed all the same. Standard library only; quick when nothing is missing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import installer
from environment import REQUIREMENTS, ROOT, Environment, digest, say

sys.path.append(str(ROOT / "notebooks"))
from workbench import cures
from workbench.interpreters import Interpreter, interpreters

LOCK = ROOT / "requirements-peers.txt"
OLDER = Environment(ROOT / ".venv-peers")  # for what has no wheel for the course's Python
OLDEST = (3, 11)


def requirements() -> list[str]:
    """The peers, as pyproject.toml asks for them."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return groups["peers"]


def name(requirement: str) -> str:
    """ "numba" of "numba>=0.63"."""
    return re.match(r"[\w.-]+", requirement)[0]


def newest_python(requirement: str) -> tuple[int, int] | None:
    """The Python that a requirement stays below, (3, 14) for `python_version < '3.14'`; None for no bound."""
    bound = re.search(r"python_version < '3\.(\d+)'", requirement)
    return (3, int(bound[1])) if bound else None


def for_python(version: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """The peers that can be installed on this Python, and those that need an older one."""
    here, older = [], []
    for requirement in requirements():
        bound = newest_python(requirement)
        (older if bound and version[:2] >= bound else here).append(requirement)
    return here, older


def wanted() -> str:
    """What an environment with the peers was made from."""
    return digest(REQUIREMENTS, LOCK)


def set_up(target: Environment, lock: int) -> None:
    """Install what is missing, and say what can't be."""
    version = tuple(int(part) for part in target.identity().split(" ")[0].split(".")[:2])
    here, older = for_python(version)
    problems = fill(target, here, lock)
    if older:
        problems += fill_older(older, lock)
    for problem in problems:
        say(problem)
    if not any(each.implementation == "PyPy" for each in interpreters()):
        say("PyPy is not here, and the race can do without: ./build.sh doctor says how to install it")


def fill(target: Environment, peers: list[str], lock: int) -> list[str]:
    """Install peers into an environment: all at once, or one by one where that fails. Return a line for each failure."""
    if target.state.get("peers") == wanted():
        return list(target.state.get("peers_refused", []))
    target.record(peers=None, peers_refused=None)
    locks = ["--only-binary", ":all:", "--constraint", LOCK, "--constraint", REQUIREMENTS]
    doing = f"Installing {', '.join(map(name, peers))} into {target.folder.name}"
    say(doing + " (the first time they have to be downloaded)")
    bare = [peer.partition(";")[0] for peer in peers]  # whether it belongs on this Python has been decided
    refused: list[str] = []
    try_again = False
    if installer.install(target, lock, *locks, *bare, doing=doing) is not None:
        for peer in bare:
            output = installer.install(target, lock, *locks, peer, doing=f"Installing {name(peer)}")
            if output is None:
                continue
            if "no wheels" in output:
                refused.append(
                    f"{name(peer)} cannot be installed: it has no wheel for this Python or this system"
                )
            else:
                try_again = True
                refused.append(str(installer.explain(f"{name(peer)} cannot be installed", output)))
    if not try_again:
        target.record(peers=wanted(), peers_refused=refused)
    return refused


def fill_older(peers: list[str], lock: int) -> list[str]:
    """Install peers into an environment with an older Python."""
    identity = OLDER.identity()
    if identity is None or OLDER.state.get("python") != identity:
        base = older_python(min(filter(None, map(newest_python, peers))))
        if base is None:
            names = " and ".join(map(name, peers))
            return [
                f"{names} cannot be installed: no Python 3.11 to 3.13 here. Bring one, and run again: {cures.python('3.13')}"
            ]
        OLDER.remove()
        installer.create(OLDER, lock, Path(base.path), base.version)
        OLDER.record(python=OLDER.identity())
    return fill(OLDER, peers, lock)


def older_python(below: tuple[int, int]) -> Interpreter | None:
    """The newest CPython on this machine that is older than `below`."""
    fits = [
        each
        for each in interpreters()
        if each.implementation == "CPython" and not each.free_threaded and OLDEST <= each.key[:2] < below
    ]
    return max(fits, key=lambda each: each.key, default=None)
