"""Find the other Pythons of this machine: free-threaded builds, PyPy, other versions.

Needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench import cures

SPEC = re.compile(r"(?:(?P<pypy>pypy)-?)?(?P<version>3\.\d+(?:\.\d+)?)?(?P<t>t)?")


@dataclass(frozen=True)
class Interpreter:
    """A Python on this machine."""

    path: str
    version: str  # "3.14.2"
    implementation: str  # "CPython" or "PyPy"
    free_threaded: bool
    jit: bool  # CPython's JIT is in the build; PYTHON_JIT=1 turns it on
    prefix: str

    @property
    def label(self) -> str:
        return f"{self.implementation} {self.version}" + (" free-threaded" if self.free_threaded else "")

    @property
    def key(self) -> tuple[int, ...]:
        """The version, to be compared."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])


class MissingInterpreter(LookupError):
    """No interpreter on this machine answers the specification; the message says what to do."""


def find_python(spec: str) -> Interpreter | None:
    """The interpreter that `spec` means, or None when this machine has none.

    "3.14", "3.14.2", "3.14t" (free-threaded), "pypy", "pypy3.11"; or the newest of a kind: "free-threaded"
    ("t" for short), "jit" (a build with CPython's JIT), "newest" (of the default build). When a version is asked
    for and the running interpreter has it, that one is meant. Looked for on PATH, among the installations of uv
    and pyenv, and in $FAST_SNEK_PYTHONS (paths, separated as on PATH). Raises ValueError for any other `spec`.
    """
    fits = _test(spec)
    found = [each for each in interpreters() if fits(each)]
    running = [each for each in found if each.path == sys.executable]
    if running and spec not in ("free-threaded", "t", "newest", "jit"):
        return running[0]
    return max(found, key=lambda each: (each.key, each.path == sys.executable), default=None)


def _test(spec: str) -> Callable[[Interpreter], bool]:
    """A function that says whether an interpreter fits `spec`."""
    if spec in ("free-threaded", "t"):
        return lambda each: each.free_threaded
    if spec == "jit":
        return lambda each: each.jit
    if spec == "newest":
        return lambda each: each.implementation == "CPython" and not each.free_threaded
    match = SPEC.fullmatch(spec.lower())
    if not spec or not match:
        raise ValueError(
            f'{spec!r} names no Python: "3.14", "3.14t", "pypy", "free-threaded", "jit" or "newest" does'
        )
    implementation = "PyPy" if match["pypy"] else "CPython"
    version = tuple(int(part) for part in (match["version"] or "").split(".") if part)
    return lambda each: (
        each.implementation == implementation
        and each.free_threaded == bool(match["t"])
        and each.key[: len(version)] == version
    )


def missing(spec: str) -> str:
    """The sentence for a machine without `spec`."""
    if spec == "jit":
        return "No CPython on this machine was built with the JIT; conda's package `python-jit` brings one. Skipped."
    name = {"t": "3.14t", "free-threaded": "3.14t", "pypy": "pypy3.11", "newest": "3.15"}.get(spec, spec)
    label = name.replace("pypy", "PyPy ") if name.startswith("pypy") else f"CPython {name}"
    return f"{label} isn't on this machine; `{cures.python(name)}` brings it. Skipped."


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """Every interpreter found on this machine, the running one first; each was started once to ask what it is."""
    found: dict[str, Interpreter] = {}
    for path in _candidates():
        real = os.path.realpath(path)
        if real not in found and os.access(real, os.X_OK) and (known := _ask(path)):
            found[real] = known
    return tuple(found.values())


def _candidates() -> Iterator[str]:
    """Paths that may be an interpreter. Links are followed, so that a virtual environment gives its base."""
    yield sys.executable
    yield from (path for path in os.environ.get("FAST_SNEK_PYTHONS", "").split(os.pathsep) if path)
    home = Path.home()
    uv = (
        os.environ.get("UV_PYTHON_INSTALL_DIR")
        or f"{os.environ.get('XDG_DATA_HOME') or home / '.local/share'}/uv/python"
    )
    pyenv = f"{os.environ.get('PYENV_ROOT') or home / '.pyenv'}/versions"
    folders = [
        folder for folder in os.environ.get("PATH", "").split(os.pathsep) if not folder.endswith("shims")
    ]
    folders += glob.glob(f"{glob.escape(uv)}/*/bin") + glob.glob(f"{glob.escape(pyenv)}/*/bin")
    for folder in folders:
        for path in sorted(glob.glob(f"{glob.escape(folder)}/p[y]*")):
            if re.fullmatch(r"python3(\.\d+t?)?|pypy(3(\.\d+)?)?", os.path.basename(path)):
                yield os.path.realpath(path)


QUESTION = """
import json, platform, sys
jit = getattr(sys, "_jit", None)
print(json.dumps([platform.python_version(), platform.python_implementation(), "t" in getattr(sys, "abiflags", ""),
                  bool(jit and jit.is_available()), sys.base_prefix]))
"""


def _ask(path: str) -> Interpreter | None:
    """Start the interpreter at `path` and ask what it is; None when it doesn't answer or is older than 3.8."""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        answer = subprocess.run(
            [path, "-I", "-S", "-c", QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=True,
        )
        known = Interpreter(path, *json.loads(answer.stdout))
        return known if known.key >= (3, 8) else None
    return None
