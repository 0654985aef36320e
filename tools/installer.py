"""Make environments and fill them, with uv where there is one, or else with pip.

Both are started with those settings of the user that say how the package index is reached, and without the others:
`installer_settings.py`. Standard library only.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from environment import BUILD, LOG, ROOT, Environment, Problem, find_uv, say
from installer_settings import settings

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
        "(from versions: none)",
        "name resolution",
    ),
    *("connection refused", "network is unreachable", "timed out"),
)
# How they say that a package is not where they were told to stay; these as well.
NOT_HERE = ("not found in the provided package locations", "not found in the cache", "needs to be downloaded")


class OutOfReach(Problem):
    """No network, or no way through it."""


def run(*command: str | Path, doing: str, lock: int, environment: dict[str, str] | None = None) -> str | None:
    """Run a command with its output in the log, by default in the variables of an installer.

    Return None when it succeeded, else what it printed.
    """
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
            env=settings().variables if environment is None else environment,
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
    if settings().offline and any(sign in text for sign in (*NO_NETWORK, *NOT_HERE)):
        return OutOfReach(
            f"{what}: {settings().offline} asks for no downloads, and not everything is here. Run it once without that setting."
        )
    if any(sign in text for sign in NO_NETWORK):
        return OutOfReach(
            f"{what}: the package index cannot be reached, and this needs the network once. Connect and run again."
        )
    if "permission denied" in text or "read-only file system" in text:
        return Problem(f"{what}: permission denied. Make {ROOT} writable and run again.")
    # uv says why on the lines that follow, after an arrow or, since 0.13, the word cause.
    if conflict := re.search(
        r"No solution found[^\n]*\n\s*(?:╰─▶|cause:)?(.*?)(?:\n\s*\n|\Z)", output, re.DOTALL
    ):
        return Problem(
            f"{what}: {' '.join(conflict[1].split())[:200]} (the whole log: {LOG.relative_to(ROOT)})"
        )
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
        trusting = {**(environment or settings().variables), "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
        output = run(*command, *what, doing=doing, lock=lock, environment=trusting)
    return output
