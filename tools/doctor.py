"""Say what this machine has and lacks for the course, and the one command that fills each gap: `./build.sh doctor`.

Works before anything is installed: standard library, and the parts of the workbench that need no more than that.
Ends with status 1 when something the course cannot do without is missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "notebooks")]

import environment  # noqa: E402
from workbench import cures  # noqa: E402
from workbench.compiler import find_compiler  # noqa: E402
from workbench.interpreters import find_python, interpreters  # noqa: E402
from workbench.machine import machine  # noqa: E402

VERSION = "{}.{}".format(*sys.version_info)


@dataclass(frozen=True)
class Finding:
    """One line of the report. `have` is None for a thing that is only useful and not here."""

    have: bool | None
    what: str
    cure: str = ""

    def __str__(self) -> str:
        mark = {True: "✓", False: "✗", None: "○"}[self.have]
        return f"  {mark} {self.what}" + (f"\n      {self.cure}" if self.cure else "")


def compiler() -> Finding:
    """A C compiler: the system's, or the wheel that build.sh installs in its place."""
    found = find_compiler()
    if found is not None:
        return Finding(True, f"C compiler: {found}")
    wheel = "no C compiler: ./build.sh installs the ziglang wheel as one"
    return Finding(None, wheel, f"a faster one: {cures.compiler()}")


def headers() -> Finding:
    """Python.h of the interpreter that runs."""
    if Path(sysconfig.get_path("include"), "Python.h").exists():
        return Finding(True, f"headers of Python {VERSION}")
    return Finding(
        False,
        f"no headers of Python {VERSION}: csrc and the C extensions need Python.h",
        cures.headers(),
    )


def installer() -> Finding:
    """Something that makes environments."""
    if environment.find_uv(environment.BUILD / "uv"):
        return Finding(True, "uv, to make and fill the environment")
    if importlib.util.find_spec("ensurepip"):
        return Finding(True, "venv and pip, to make and fill the environment (uv is faster)")
    return Finding(False, "neither uv nor the venv module: no environment can be made", cures.package("venv"))


def prepared() -> Finding:
    """The environment itself."""
    target = environment.Environment(ROOT / environment.name())
    if target.ready():
        return Finding(True, f"the environment {target.folder.name} is ready")
    state = "out of date" if target.folder.exists() else "not made yet"
    return Finding(None, f"the environment {target.folder.name} is {state}", cures.SETUP)


def room() -> list[Finding]:
    """Space on the disk, memory, cores, the right to write."""
    findings = []
    if not os.access(ROOT, os.W_OK):
        findings.append(
            Finding(False, "this folder cannot be written", "copy the course to a folder that can be")
        )
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < 1.5:
        cure = "free 1.5 GB, or copy the course to another disk"
        findings.append(
            Finding(free > 0.8 and None, f"{free:.1f} GB free on this disk: the environment needs 1", cure)
        )
    here = machine()
    if here.memory is not None and here.memory < 2e9:
        findings.append(Finding(None, "less than 2 GB of memory: notebooks 03 and 04 need about 1.5"))
    if here.usable_cores < 2:
        findings.append(Finding(None, "one usable core: the lessons on parallelism will show no gain"))
    return findings


def pythons() -> list[Finding]:
    """Other interpreters, which some lessons compare with."""
    others = [
        python
        for python in interpreters()
        if os.path.realpath(python.path) != os.path.realpath(sys.executable)
    ]
    findings = [Finding(True, python.label) for python in others]
    if find_python("free-threaded") is None:
        findings.append(Finding(None, "no free-threaded Python (notebook 06)", cures.python("3.14t")))
    if sys.version_info < (3, 14) and find_python("3.14") is None:
        findings.append(
            Finding(None, "no Python 3.14 (notebook 05: interpreters in one process)", cures.python("3.14"))
        )
    if find_python("pypy") is None:
        findings.append(Finding(None, "no PyPy (notebook 15, the race)", cures.package("pypy3")))
    return findings


def languages() -> list[Finding]:
    """Other compilers, for the notebook on other roads."""
    findings = []
    for command, language, package in (("cargo", "Rust", "cargo"), ("go", "Go", "go")):
        path = shutil.which(command)
        findings.append(
            Finding(True, language)
            if path
            else Finding(None, f"no {language} (notebook 15)", cures.package(package))
        )
    return findings


def peers() -> list[Finding]:
    """What the race and notebooks 15 to 19 compare with, where `./build.sh setup --peers` puts it."""
    import peers as optional
    from race import entries

    names = tuple(optional.name(requirement) for requirement in optional.requirements())
    own = environment.Environment(ROOT / environment.name())
    here: set[str] = set()
    for target in (own, optional.OLDER):
        asked = entries.ask(str(target.python), names)
        here.update(asked[2] if asked else [])
    refused = " ".join(own.state.get("peers_refused", []))
    findings = []
    for name in names:
        cure = cures.PEERS if name not in refused else "it has no package for this Python"
        findings.append(Finding(True, name) if name in here else Finding(None, f"no {name}", cure))
    return findings


def tools() -> list[Finding]:
    """What looks inside a running or crashed program."""
    found = []
    for command, use in (("gdb", "notebook 11"), ("valgrind", "notebook 11"), ("perf", "notebook 01")):
        if sys.platform == "linux":
            path = shutil.which(command)
            package = "linux-perf" if command == "perf" and shutil.which("apt-get") else command
            found.append(
                Finding(True, command)
                if path
                else Finding(None, f"no {command} ({use})", cures.package(package))
            )
    return found


def main() -> int:
    """Print the report."""
    print(machine())
    needed = [
        Finding(True, f"Python {VERSION}: {sys.executable}"),
        compiler(),
        headers(),
        installer(),
        prepared(),
        *room(),
    ]
    for title, findings in (
        ("Needed", needed),
        ("Other Pythons", pythons()),
        ("Other languages", languages()),
        ("To compare with (./build.sh bench, notebooks 15 to 19)", peers()),
        ("Tools", tools()),
    ):
        if findings:
            print(f"\n{title}", *findings, sep="\n")
    print("\n✓ here   ○ useful, not here   ✗ needed, not here: the line below says how to get it")
    return 1 if any(finding.have is False for finding in needed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
