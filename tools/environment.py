"""Make or check the course's environment, and print the path of its Python. `build.sh` calls this before every command.

Standard library only, and quick when nothing is missing: one start of the environment's Python.

An environment is ready when its state file says so: which interpreter it was made with, which requirements.txt was installed,
which csrc/ was compiled. Each of these is written after the work it stands for, so an interruption at any moment leaves a state
that the next run recognises and repairs. A file lock keeps two set-ups apart; the installer inherits it, so it holds
even when this process is killed and the installer is not.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator
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

# How uv and pip say that the package index is out of reach; lower case.
NO_NETWORK = (
    *(
        "failed to fetch",
        "dns error",
        "error sending request",
        "network was disabled",
        "network connectivity is disabled",
    ),
    *(
        "connection error",
        "newconnectionerror",
        "proxyerror",
        "no matching distribution found",
        "name resolution",
    ),
    *("connection refused", "network is unreachable", "timed out"),
)


class Problem(Exception):
    """Something the user has to know, in one line that ends with what to do."""


class OutOfReach(Problem):
    """No network, or no way through it."""


def say(line: str) -> None:
    """Tell the user what happens; stdout is for the result."""
    print(line, file=sys.stderr, flush=True)


# --- the environment and its state --------------------------------------------------------------------------------------


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
    generated = ("build", "__pycache__", ".ruff_cache")
    files = (
        file for file in CSRC.rglob("*") if file.is_file() and not file.name.endswith((".so", ".o", ".pyc"))
    )
    return digest(
        *sorted(
            file for file in files if not any(p in generated or p.endswith(".egg-info") for p in file.parts)
        )
    )


# --- running what does the work -----------------------------------------------------------------------------------------


def run(*command: str | Path, doing: str, lock: int, environment: dict[str, str] | None = None) -> str | None:
    """Run a command with its output in the log. Return None when it succeeded, else what it printed."""
    started = time.monotonic()
    with LOG.open("ab") as log:
        log.write(f"\n$ {shlex.join(map(str, command))}\n".encode("utf-8", "surrogateescape"))
        log.flush()
        begin = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=ROOT,
            pass_fds=[lock],
        )
        try:
            while True:
                try:
                    process.wait(0.2 if sys.stderr.isatty() else None)
                    break
                except subprocess.TimeoutExpired:
                    print(
                        f"\r{doing}: {time.monotonic() - started:.0f} s", end="", file=sys.stderr, flush=True
                    )
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr, flush=True)
    if process.returncode == 0:
        return None
    with LOG.open("rb") as log:
        log.seek(begin)
        return log.read().decode("utf-8", "replace")


def explain(what: str, output: str) -> Problem:
    """Turn the output of a failed installer into one line."""
    text = output.lower()
    if "no space left" in text or "disk quota exceeded" in text:
        return Problem(f"{what}: no space left on the disk. Free about 1 GB and run again.")
    if any(sign in text for sign in NO_NETWORK):
        return OutOfReach(
            f"{what}: the package index cannot be reached, and this needs the network once. Connect and run again."
        )
    if "permission denied" in text or "read-only file system" in text:
        return Problem(f"{what}: permission denied. Make {ROOT} writable and run again.")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    signs = (
        r":\d+: (fatal )?error: ",
        r"\berror: ",
        "",
    )  # the compiler's own word first, then the installer's
    reason = next(
        (line for sign in signs for line in lines if re.search(sign, line, re.IGNORECASE)), "not a word why"
    )
    return Problem(f"{what}: {reason[:200]} (the whole log: {LOG.relative_to(ROOT)})")


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


# --- the steps ----------------------------------------------------------------------------------------------------------


def create(
    target: Environment, lock: int, base: Path | None = None, version: str = sys.version.split(" ")[0]
) -> None:
    """Make the empty environment, with pip or uv to fill it; of the interpreter that runs this, or of `base`."""
    base = base or Path(getattr(sys, "_base_executable", None) or sys.executable)
    target.folder.mkdir()
    target.record(made=True)  # and nothing else: an interruption from here on means starting again
    uv = find_uv(BUILD / "uv")
    say(f"Making the environment {target.folder.name} with Python {version}")
    if uv is None:
        output = run(base, "-m", "venv", target.folder, doing="Making the environment", lock=lock)
        if output is None:
            run(target.python, "-m", "pip", "install", "--quiet", "uv", doing="Looking for uv", lock=lock)
            return
        # Debian splits ensurepip off. uv does not need it, and the system's pip may be able to bring uv.
        run(
            base,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            BUILD / "uv",
            "uv",
            doing="Looking for uv",
            lock=lock,
        )
        uv = find_uv(BUILD / "uv")
        if uv is None and "ensurepip" in output:
            short = ".".join(version.split(".")[:2])
            raise Problem(
                f"this Python cannot make environments. Install its venv module (Debian, Ubuntu: sudo apt install python{short}-venv), or uv, and run again."
            )
        if uv is None:
            raise explain("the environment cannot be made", output)
    output = run(
        uv,
        "venv",
        "--quiet",
        "--allow-existing",
        "--python",
        base,
        target.folder,
        doing="Making it",
        lock=lock,
    )
    if output is not None:
        raise explain("the environment cannot be made", output)


def install(
    target: Environment, lock: int, *what: str | Path, doing: str, environment: dict[str, str] | None = None
) -> str | None:
    """Install into the environment with uv, or else with pip. Return None, or the output of a failure."""
    uv = find_uv(target.folder, BUILD / "uv")
    if uv is not None:
        command: list[str | Path] = [uv, "pip", "install", "--python", target.python]
    else:
        command = [target.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    output = run(*command, *what, doing=doing, lock=lock, environment=environment)
    if output is not None and uv is not None and "peer certificate" in output:
        # Behind a proxy with a certificate of its own: uv brings its own list of authorities, the system knows more.
        trusting = {**(environment or os.environ), "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
        output = run(*command, *what, doing=doing, lock=lock, environment=trusting)
    return output


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
    from workbench import cures

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
    from workbench import cures

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
        **os.environ,
        "CC": compiler,
        "PATH": f"{target.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    # Built in a copy: nothing generated lands between the sources, and no half-written object file is ever taken for a finished one.
    with tempfile.TemporaryDirectory(prefix="csrc-", dir=BUILD) as folder:
        copy = Path(folder, "csrc")
        shutil.copytree(
            CSRC, copy, ignore=shutil.ignore_patterns("build", "__pycache__", "*.egg-info", "*.so", "*.o")
        )
        output = install(
            target,
            lock,
            "--no-build-isolation",
            "--no-deps",
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
            [target.python, "-m", "pip", "--version"], capture_output=True, check=False
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
    for name in (".pytest_cache", ".ruff_cache", ".hypothesis"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
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


def name() -> str:
    """Return the environment's folder name: .venv, or .venv-3.14 when PYTHON asks for an interpreter."""
    if not os.environ.get("PYTHON"):
        return ".venv"
    threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return ".venv-{}.{}{}".format(*sys.version_info[:2], threads)


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
                    set_up(target, lock)
        if options.peers:
            sys.modules["environment"] = sys.modules[__name__]  # -I leaves this folder out of sys.path
            sys.path.insert(0, str(ROOT / "tools"))
            import peers

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
        say("\nInterrupted. Run it again to go on.")
        return 130
    sys.stdout.buffer.write(os.fsencode(target.python) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
