"""The command that brings what is missing on this machine: a compiler, Python's headers, another Python.

Needs nothing but the standard library. Whoever finds something missing, in a cell or in the set-up, names its cure with
these, so that a reader is told the same everywhere.
"""

from __future__ import annotations

import shutil
import sys

SETUP = "./build.sh setup"
PEERS = "./build.sh setup --peers"

# How each package manager installs a thing, `{version}` being Python's, and what the thing is called there where the
# name differs. The first manager that is found on this machine is the one to name.
MANAGERS = {
    "apt-get": ("sudo apt install {}", {"headers": "python{version}-dev", "venv": "python{version}-venv", "go": "golang"}),
    "dnf": ("sudo dnf install {}", {"headers": "python{version}-devel", "venv": "python{version}", "go": "golang"}),
    "pacman": ("sudo pacman -S {}", {"headers": "python", "venv": "python"}),
    "zypper": ("sudo zypper install {}", {"headers": "python3-devel", "venv": "python3"}),
    "apk": ("sudo apk add {}", {"headers": "python3-dev", "venv": "python3", "gcc": "gcc musl-dev"}),
    "brew": ("brew install {}", {"headers": "python@{version}", "venv": "python@{version}"}),
}  # fmt: skip


def package(thing: str, version: str = "") -> str:
    """The command that installs `thing` with this system's package manager; in words where there is none.

    `thing` is the name of a package, or "headers" or "venv" for those of Python `version` ("3.14"; default: the one
    that runs).
    """
    version = version or "{}.{}".format(*sys.version_info)
    for manager, (command, names) in MANAGERS.items():
        if shutil.which(manager):
            return command.format(names.get(thing, thing).format(version=version))
    known = {"headers": f"the headers of Python {version}", "venv": f"the venv module of Python {version}"}
    return f"install {known.get(thing, thing)} with your system's package manager"


def compiler() -> str:
    """The command that installs a C compiler."""
    return "xcode-select --install" if sys.platform == "darwin" else package("gcc")


def python(name: str) -> str:
    """The command that installs another Python: "3.14", "3.14t", "pypy3.11"."""
    install = f"uv python install {name}"
    return install if shutil.which("uv") else f"pip install uv && {install}"


def headers(version: str = "") -> str:
    """The command that brings Python.h of Python `version`; uv's Pythons have it."""
    found = any(map(shutil.which, MANAGERS))
    version = version or "{}.{}".format(*sys.version_info)
    return package("headers", version) if found else python(version)
