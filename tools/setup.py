"""Make or check the course's environment, and print the path of its Python. `build.sh` calls this before every command.

Standard library only, and quick when nothing is missing: one start of the environment's Python.

What has been done is written to the environment's state file after the work it stands for, so an interruption at any moment
leaves a state that the next run recognises and repairs. A file lock keeps two set-ups apart; the installer inherits it, so it
holds even when this process is killed and the installer is not.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -I leaves it out

from environment import (
    BUILD,
    CSRC,
    LOG,
    REQUIREMENTS,
    ROOT,
    Environment,
    Problem,
    csrc_digest,
    digest,
    find_compiler,
    find_uv,
    name,
    say,
)
from installer import OutOfReach, create, explain, install
from installer_settings import settings
from workbench import cures


def install_packages(target: Environment, lock: int) -> None:
    """Install requirements.txt."""
    before = target.state.get("packages", "")
    target.record(packages=None)
    doing = "Installing the packages of requirements.txt"
    say(doing + " (the first time they have to be downloaded)")
    output = install(target, lock, "--requirement", REQUIREMENTS, doing=doing)
    if output is not None:
        problem = explain("the packages cannot be installed", output)
        if isinstance(problem, OutOfReach):
            target.record(packages=before)  # downloads come before changes: the environment is what it was
        raise problem
    target.record(packages=digest(REQUIREMENTS))


def install_compiler(target: Environment, lock: int) -> str:
    """Install the ziglang wheel and return the command that makes it a C compiler."""
    wrapper = target.folder / "bin" / "ziglang-cc"
    if not wrapper.exists():
        say("No C compiler here: installing the ziglang wheel, which contains one")
        groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
        output = install(target, lock, *groups["compiler"], doing="Installing ziglang")
        if output is not None:
            problem = explain("there is no C compiler, and ziglang cannot be installed instead", output)
            raise Problem(f"{problem} Or install a compiler: {cures.compiler()}.")
        # One word, found on PATH: setuptools splits commands at spaces, and this folder's path may have some.
        wrapper.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m ziglang cc "$@"\n', encoding="utf-8")
        wrapper.chmod(0o755)
    return wrapper.name


def install_csrc(target: Environment, lock: int) -> None:
    """Compile csrc and install it as the package snek."""
    compiler = find_compiler() or install_compiler(target, lock)
    wanted = csrc_digest()
    if not wanted:
        return
    about = "import sys, sysconfig; print(sysconfig.get_path('include'), sysconfig.get_path('platlib'), '%d.%d' % sys.version_info[:2], sep=chr(10))"
    answer = subprocess.run([target.python, "-I", "-c", about], capture_output=True, text=True, check=True)
    include, site, version = answer.stdout.splitlines()
    if not Path(include, "Python.h").exists():
        raise Problem(
            f"the headers of Python {version} are missing ({include}/Python.h). Bring them and run again: {cures.headers(version)}"
        )
    target.record(csrc=None)
    for leftover in Path(site).glob("snek*"):  # an interrupted installation has no list of its files
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    say("Compiling csrc")
    environment = {
        **settings().variables,
        "CC": compiler,
        "PATH": f"{target.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    # Built in a copy: nothing generated lands between the sources, and no half-written object file is ever taken for a finished one.
    with tempfile.TemporaryDirectory(prefix="csrc-", dir=BUILD) as folder:
        copy = Path(folder, "csrc")
        shutil.copytree(
            CSRC,
            copy,
            ignore=shutil.ignore_patterns("build", "doors", "__pycache__", "*.egg-info", "*.so", "*.o"),
        )
        output = install(
            target,
            lock,
            "--no-build-isolation",
            "--no-deps",
            "--config-settings=--global-option=--no-user-cfg",  # ~/.pydistutils.cfg could send it elsewhere
            copy,
            doing="Compiling csrc",
            environment=environment,
        )
    if output is not None:
        raise explain("csrc does not compile", output)
    target.record(csrc=wanted)


def set_up(target: Environment, lock: int) -> None:
    """Do whatever is missing."""
    state, identity = target.state, target.identity()
    can_install = identity is not None and (
        find_uv(target.folder, BUILD / "uv") is not None
        or subprocess.run(
            [target.python, "-m", "pip", "--version"],
            env=settings().variables,  # a setting that stops pip says nothing of the environment
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    interrupted = bool(state) and "packages" not in state
    if (
        not target.suits(identity)
        or not can_install
        or interrupted
        or state.get("python", identity) != identity
    ):
        if target.folder.exists():
            reason = (
                "an earlier set-up did not finish"
                if interrupted
                else "its interpreter is gone or has changed"
            )
            say(f"Making {target.folder.name} again: {reason}")
        target.remove()
        create(target, lock)
    if target.state.get("packages") != digest(REQUIREMENTS):
        install_packages(target, lock)
    target.record(python=target.identity())
    install_csrc(target, lock)


@contextlib.contextmanager
def locked() -> Iterator[int]:
    """Hold the repository's set-up lock; give its file descriptor."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is running here: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def clean() -> None:
    """Remove what build.sh made: environments, build/, caches."""
    for folder in sorted(ROOT.glob(".venv*")):
        target = Environment(folder)
        if ".removed-" in folder.name or target.state.get("made"):
            target.remove()
        else:
            say(f"Left {folder.name}: build.sh did not make it")
    shutil.rmtree(BUILD, ignore_errors=True)
    for cache in (".pytest_cache", ".ruff_cache", ".hypothesis"):
        shutil.rmtree(ROOT / cache, ignore_errors=True)
    for part in ("notebooks", "tools", "tests", "csrc"):
        for cache in (ROOT / part).rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)


def check_interpreter() -> None:
    """Refuse the interpreters for which some package cannot be installed."""
    if sys.implementation.name != "cpython":
        raise Problem(
            f"the course runs on CPython, and this is {sys.implementation.name}. Set PYTHON to a CPython of 3.11 or newer."
        )
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14):
        raise Problem(
            "JupyterLab cannot be installed on the free-threaded build of 3.13 (cffi refuses it). Use 3.14t, or a default build."
        )


def main() -> int:
    """Print the path of the ready environment's Python."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", action="store_true", help="remove what build.sh made")
    parser.add_argument(
        "--peers", action="store_true", help="add the systems that notebooks 15 to 19 compare with"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    target = Environment(ROOT / name())
    try:
        if options.clean:
            clean()
            return 0
        check_interpreter()
        if not target.ready():
            with locked() as lock:
                if not target.ready():
                    LOG.write_bytes(b"")
                    if settings().ignored:
                        say(str(settings()))
                    set_up(target, lock)
        if options.peers:
            import peers  # and with it the workbench: only when asked for

            with locked() as lock:
                peers.set_up(target, lock)
    except Problem as problem:
        say(f"build.sh: {problem}")
        return 1
    except OSError as error:
        where = error.filename or ROOT
        advice = {
            errno.EROFS: "cannot be written. Make it writable, or copy the course to a folder that is.",
            errno.ENOSPC: "cannot be written: no space left on the disk. Free about 1 GB and run again.",
        }
        advice[errno.EACCES] = advice[errno.EPERM] = advice[errno.EROFS]
        say(f"build.sh: {where} {advice.get(error.errno, f'is in the way: {error.strerror}.')}")
        return 1
    except KeyboardInterrupt:
        return 130  # build.sh says what happened
    sys.stdout.buffer.write(os.fsencode(target.python) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
