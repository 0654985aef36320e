"""Which C compiler does this machine have?

Needs nothing but the standard library: the set-up asks, too, before there is an environment.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Compiler:
    """A C compiler: the words that call it, what it is ("gcc", "clang", "zig cc"), and its version."""

    command: list[str]
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


def find_compiler(ziglang: bool = True) -> Compiler | None:
    """The C compiler to use: the first that answers of $CC, cc, gcc, clang, Python's own, that of the `ziglang` package."""
    own = sysconfig.get_config_var("CC") or ""  # what compiled this interpreter
    commands = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"], shlex.split(own)]
    if ziglang and _has_ziglang():
        # Left alone, zig compiles for this very processor, and without -O puts in checks that end the process.
        commands.append([sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-fno-sanitize=undefined"])
    for command in commands:
        program = shutil.which(command[0]) if command else None
        if program is None or _is_stub(program):
            continue
        try:
            asked = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        if asked.returncode == 0:
            return _identify(command, asked.stdout)
    return None


def _has_ziglang() -> bool:
    try:
        return importlib.util.find_spec("ziglang") is not None
    except (ImportError, ValueError):
        return False


def _is_stub(program: str) -> bool:
    """Without Apple's command line tools, /usr/bin/cc on macOS only opens a window that offers to install them."""
    if sys.platform != "darwin" or not program.startswith("/usr/bin/"):
        return False
    return subprocess.run(["xcode-select", "-p"], capture_output=True).returncode != 0


def _identify(command: list[str], answer: str) -> Compiler:
    first = answer.partition("\n")[0]
    name = next((known for known in ("clang", "gcc") if known in answer.lower()), Path(command[0]).name)
    if name == Path(command[0]).name == "cc" or "Free Software Foundation" in answer:
        name = "gcc" if "Free Software Foundation" in answer else name
    version = re.search(r"version (\d[\w.]*)", first) or re.search(r"\) (\d+\.\d[\w.]*)", first)
    return Compiler(command, "zig cc" if "ziglang" in command else name, version[1] if version else "")
