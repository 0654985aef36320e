"""What a competitor is: one file in `notebooks/race/<race>/`, read here without being run.

Adding a competitor is adding a file. At its top level it imports nothing but the standard library, since it is loaded by
whatever interpreter can host it (PyPy, Python 3.9 or newer), in a process of its own (host_main.py). It holds

    a docstring       what this is, whose advice it follows, what else was tried
    NAME              as it stands in the table
    SOURCE            the address of the documentation whose advice it follows
    REQUIRES          the modules that it imports, () for none; where one is missing, the competitor is skipped
    PYTHON            who may host it: ">=3.11", ">=3.11,<3.14", or "pypy"
    THREADS           "any", or "one" for what can only use one thread
    WORK              "all", or "less" for what is allowed to skip some of the work: a class of its own
    FILES             its other source files, relative to it, patterns allowed; counted among its lines (optional).
                      Or the key of the competitor beside it that has the same ones
    OURS              True for the course's own package, which the others are compared with (optional)
    CEILING           True for what only shows how fast the machine could do it; it has no result to check (optional)

    version()                           "Numba 0.66.0, LLVM 20"
    prepare(task, threads, folder)      builds, compiles, warms up; returns `run`, which does the whole job once and returns its
                                        result. `threads`: how many it must use, no more. `folder`: a pathlib.Path for compiled
                                        files, kept for the next run of the same version.

`prepare` raises ImportError, or an exception class of its own named Unavailable, with the reason, where something is missing:
the competitor is skipped. Any other exception is a failure of the race, as a wrong result is, and so are far more busy cores
than `threads`.
A door of csrc/doors (NAME_door.py) has `build(folder)` in place of `prepare`: see calls/_task.py.
What `task` holds and `run` returns: `_task.py` in the folder of its race.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

REQUIRED = {"NAME": str, "SOURCE": str, "REQUIRES": tuple, "PYTHON": str, "THREADS": str, "WORK": str}
DOOR = {
    "THREADS": "one",
    "WORK": "all",
}  # what a door, NAME_door.py, need not say; it has `build(folder)` for `prepare`
OPTIONAL = {"FILES": (), "OURS": False, "CEILING": False}


class BrokenContract(Exception):
    """A file in the folder of competitors does not keep to the contract; the message says how."""


@dataclass(frozen=True)
class Competitor:
    """What can be known of a competitor without running it."""

    path: Path
    name: str
    about: str
    source: str
    requires: tuple[str, ...]
    python: str
    threads: str
    work: str
    files: tuple[Path, ...]  # all of them, its own first
    ours: bool
    ceiling: bool
    shared: tuple[Path, ...] = ()  # what it is compiled from and did not bring: no lines of its own

    @property
    def key(self) -> str:
        """What it is called on the command line: the name of its file."""
        return self.path.stem

    @property
    def lines(self) -> int:
        """Lines of code: no blank lines, comments or docstrings, and not the contract's own constants."""
        return sum(len(lines_of_code(file)) for file in self.files)

    @property
    def digest(self) -> str:
        """A fingerprint of its source files, the shared ones included."""
        every = (*self.files, *self.shared)
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in every)).hexdigest()[:10]


def competitors(race: str, folder: Path = HERE) -> list[Competitor]:
    """All competitors of a race, by file name. Raises BrokenContract for a file that is none."""
    found = [read(path) for path in sorted((folder / race).glob("*.py")) if not path.name.startswith("_")]
    task = folder / race / "_task.py"
    said = _literals(task, {"COMPETITORS", "SHARED"}) if task.exists() else {}
    if "COMPETITORS" in said:
        shared = tuple(path for pattern in said.get("SHARED", ()) for path in _beside(task, pattern))
        found += [replace(read(path), shared=shared) for path in _beside(task, said["COMPETITORS"])]
    return found


def _beside(path: Path, pattern: str) -> list[Path]:
    """The files that a pattern relative to a file's folder means, sorted."""
    return sorted((path.parent / pattern).resolve().parent.glob(Path(pattern).name))


def _literals(path: Path, names: set[str]) -> dict[str, Any]:
    """The plain values of these constants in a file that is not run."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in names
    }


def read(path: Path) -> Competitor:
    """Read the constants of a competitor's file, without running it."""

    def complain(what: str) -> BrokenContract:
        return BrokenContract(f"{path.parent.name}/{path.name}: {what}")

    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    about = ast.get_docstring(tree)
    if not about:
        raise complain("no docstring")
    door = path.stem.endswith("_door")
    found = {**OPTIONAL, **(DOOR if door else {})}
    for node, name in _constants(tree):
        try:
            found[name] = ast.literal_eval(node.value)
        except ValueError:
            raise complain(f"{name} is not written as a plain value") from None
    for name, kind in REQUIRED.items():
        if not isinstance(found.get(name), kind):
            raise complain(f"{name} is missing, or no {kind.__name__}")
    if found["THREADS"] not in ("one", "any") or found["WORK"] not in ("all", "less"):
        raise complain('THREADS is "one" or "any", WORK "all" or "less"')
    if found["PYTHON"] != "pypy" and not re.fullmatch(r"[<>]=?3\.\d+(,[<>]=?3\.\d+)*", found["PYTHON"]):
        raise complain(f"PYTHON is {found['PYTHON']!r}: bounds like '>=3.11,<3.14', or 'pypy'")
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if missing := {"version", "build" if door else "prepare"} - functions:
        raise complain(f"no function {' and '.join(sorted(missing))}")
    if isinstance(found["FILES"], str):
        other = path.with_name(found["FILES"] + ".py")
        if not other.exists():
            raise complain(f"FILES names {found['FILES']}, which is not there")
        found["FILES"] = _literals(other, {"FILES"}).get("FILES", ())
    files = [path]
    for pattern in found["FILES"]:
        beside = _beside(path, pattern)
        if not beside:
            raise complain(f"FILES names {pattern}, which is not there")
        files += beside
    return Competitor(
        path=path,
        name=found["NAME"],
        about=about,
        source=found["SOURCE"],
        requires=found["REQUIRES"],
        python=found["PYTHON"],
        threads=found["THREADS"],
        work=found["WORK"],
        files=tuple(dict.fromkeys(files)),
        ours=found["OURS"],
        ceiling=found["CEILING"],
    )


def allows(bounds: str, version: tuple[int, ...]) -> bool:
    """Does ">=3.11,<3.14" allow the CPython of this version?"""
    for sign, number in re.findall(r"([<>]=?)([\d.]+)", bounds):
        bound = tuple(int(part) for part in number.split("."))
        here = version[: len(bound)]
        if not {"<": here < bound, "<=": here <= bound, ">": here > bound, ">=": here >= bound}[sign]:
            return False
    return True


def _constants(tree: ast.Module) -> Iterator[tuple[ast.Assign, str]]:
    """The contract's constants among the top-level assignments."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in {*REQUIRED, *OPTIONAL}:
                yield node, node.targets[0].id


# --- lines of code --------------------------------------------------------------------------------------------------------


def lines_of_code(file: Path) -> list[str]:
    """The lines of a source file that hold code: Python, Cython and Mojo, or C."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return _of_python(text)
    if file.suffix in (".pyx", ".mojo"):
        without = re.sub(r'^\s*"""(?s:.*?)"""\s*?$', "", text, flags=re.MULTILINE)
        return [line for line in without.splitlines() if line.strip() and not line.strip().startswith("#")]
    # A comment goes, a string or character that looks like one stays.
    pattern = r"//[^\n]*|/\*(?s:.*?)\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    without = re.sub(pattern, lambda m: "\n" * m[0].count("\n") if m[0].startswith("/") else m[0], text)
    return [line for line in without.splitlines() if line.strip()]


def _of_python(text: str) -> list[str]:
    """Lines with a token that is no comment, outside docstrings and the contract's constants."""
    tree = ast.parse(text)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                skipped.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    for node, _ in _constants(tree):
        skipped.update(range(node.lineno, node.end_lineno + 1))
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    with_code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent:
            with_code.update(range(token.start[0], token.end[0] + 1))
    lines = text.splitlines()
    return [lines[number - 1] for number in sorted(with_code - skipped) if lines[number - 1].strip()]
