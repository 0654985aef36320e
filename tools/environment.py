"""What an environment of the course is: where it lies, what it is made of, what has been done to it.

Standard library only: `setup.py` and `doctor.py` use this before anything is installed.

An environment is ready when its state file says so: which interpreter it was made with, which requirements.txt was installed,
which csrc/ was compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "notebooks"))  # for the workbench
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
REQUIREMENTS = ROOT / "requirements.txt"
CSRC = ROOT / "csrc"

# What an interpreter is: printed by the interpreter itself.
IDENTITY = "import sys; print(sys.version.replace(chr(10), ' '), sys.base_prefix, sys.prefix, sep=chr(10))"


class Problem(Exception):
    """Something the user has to know, in one line that ends with what to do."""


def say(line: str) -> None:
    """Tell the user what happens; stdout is for the result."""
    print(line, file=sys.stderr, flush=True)


class Environment:
    """One virtual environment in the repository, and what has been done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.state_file = folder / "fast-snek.json"

    @property
    def state(self) -> dict[str, Any]:
        """What has been completed; empty when nothing is known."""
        try:
            return json.loads(self.state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def record(self, **changes: Any) -> None:
        """Change the state file in one step; None removes an entry."""
        state = {key: value for key, value in {**self.state, **changes}.items() if value is not None}
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1), encoding="utf-8")
        fresh.replace(self.state_file)

    def identity(self) -> str | None:
        """What the environment's Python says it is, or None when it does not start or lives elsewhere."""
        try:
            answer = subprocess.run(
                [self.python, "-I", "-c", IDENTITY], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        identity = answer.stdout.strip()
        return (
            identity if Path(identity.splitlines()[-1]) == self.folder else None
        )  # a moved folder: scripts point to the old one

    def suits(self, identity: str | None) -> bool:
        """Whether the environment can stay: alive, recent enough, and of the interpreter that was asked for."""
        if identity is None:
            return False
        version, base, _ = identity.splitlines()
        if os.environ.get("PYTHON"):
            return version == sys.version.replace("\n", " ") and os.path.samefile(base, sys.base_prefix)
        return tuple(map(int, version.split(" ")[0].split(".")[:2])) >= (3, 11)

    def ready(self) -> bool:
        """Whether nothing is left to do."""
        state, identity = self.state, self.identity()
        return (
            self.suits(identity)
            and state.get("python") == identity
            and state.get("packages") == digest(REQUIREMENTS)
            and state.get("csrc", "") == csrc_digest()
            and (find_compiler() is not None or (self.folder / "bin" / "ziglang-cc").exists())
        )

    def remove(self) -> None:
        """Move the environment out of the way in one step, then delete it."""
        if self.folder.is_symlink():
            raise Problem(
                f"{self.folder.name} is a symbolic link to an environment that cannot be used: remove the link and run again."
            )
        if self.folder.exists():
            aside = self.folder.with_name(f"{self.folder.name}.removed-{os.getpid()}")
            self.folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def digest(*files: Path) -> str:
    """Return a fingerprint of the names and contents of files."""
    total = hashlib.sha256()
    for file in files:
        data = file.read_bytes()
        total.update(f"{file.relative_to(ROOT)}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return total.hexdigest()[:20]


def csrc_digest() -> str:
    """Return a fingerprint of everything in csrc that is source, or "" when there is nothing to build."""
    if not (CSRC / "pyproject.toml").exists():
        return ""
    others = (
        "build",
        "__pycache__",
        ".ruff_cache",
        "doors",
    )  # what nobody wrote, and what is not in the package
    files = (
        file for file in CSRC.rglob("*") if file.is_file() and not file.name.endswith((".so", ".o", ".pyc"))
    )
    return digest(
        *sorted(
            file
            for file in files
            if not any(part in others or part.endswith(".egg-info") for part in file.relative_to(CSRC).parts)
        )
    )


def find_uv(*folders: Path) -> str | None:
    """Return a uv that starts: on PATH, or one installed here earlier."""
    for candidate in [shutil.which("uv"), *(str(folder / "bin" / "uv") for folder in folders)]:
        if candidate and os.access(candidate, os.X_OK):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                subprocess.run([candidate, "--version"], capture_output=True, check=True)
                return candidate
    return None


def find_compiler() -> str | None:
    """Return the command of a C compiler for setuptools, or None."""
    from workbench import compiler

    found = compiler.find_compiler(ziglang=False)  # install_compiler wraps that one
    return None if found is None else shlex.join(found.command)


def name() -> str:
    """Return the environment's folder name: .venv, or .venv-3.14 when PYTHON asks for an interpreter."""
    if not os.environ.get("PYTHON"):
        return ".venv"
    threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return ".venv-{}.{}{}".format(*sys.version_info[:2], threads)
