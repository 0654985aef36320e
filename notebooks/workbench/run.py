"""Run code in a child process: on another interpreter (`%%runon 3.14t`), or because it may crash (`%%child`).

Needs nothing but the standard library. The child is a process group of its own with a timeout; whatever it
does, the kernel lives on, and the report says how the child ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.child_setup import plain
from workbench.interpreters import Interpreter, MissingInterpreter, find_python, missing

NOTEBOOKS = Path(__file__).resolve().parents[1]
KEPT = 100_000  # bytes of each output: half from its beginning, half from its end
GRACE = 2  # seconds that processes left behind by the child have to finish


@dataclass(repr=False)
class Report:
    """How a child process ended, and what it said and left."""

    stdout: str
    stderr: str
    returncode: int
    timed_out: bool
    seconds: float
    values: dict[str, object] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)  # names that could not be brought back, and why
    left_behind: bool = False  # processes of the child outlived it, and were killed

    @property
    def signal(self) -> str | None:
        """The name of the signal it died of, such as "SIGSEGV"."""
        with contextlib.suppress(ValueError):
            return signal.Signals(-self.returncode).name
        return None

    @property
    def ending(self) -> str:
        """How it ended, in plain words; empty for a normal end."""
        sentences = []
        if self.timed_out:
            sentences.append(f"Stopped after {self.seconds:.3g} s: it never came back.")
        elif self.returncode < 0:
            name = self.signal or "a signal"
            sentences.append(
                f"The child process died of {name} (signal {-self.returncode}) after {self.seconds:.2f} s; "
                "this notebook's kernel is unharmed."
            )
        elif self.returncode:
            sentences.append(f"The child process ended with exit status {self.returncode}.")
        if self.left_behind:
            sentences.append(f"It left a process behind, which was killed {GRACE} s later.")
        if not self.timed_out and self.returncode == 0:
            sentences += [
                f"{name} could not be brought back: {reason}." for name, reason in self.lost.items()
            ]
        return "\n".join(sentences)

    def __str__(self) -> str:
        """What a reader needs: the output, how it ended, the crash report."""
        parts = [self.stdout, self.ending, _trimmed(self.stderr)]
        return "\n".join(part.rstrip("\n") for part in parts if part)

    __repr__ = __str__


def run_python(
    source: str,
    python: Interpreter | str | None = None,
    *,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
    give: Mapping[str, object] | None = None,
    take: Sequence[str] = (),
) -> Report:
    """Run `source` as the script `cell.py` in a child process, and report.

    python: an Interpreter or a specification for `find_python`; default: this one with its packages. Any other
        has only its standard library and `workbench`
    timeout: seconds, then the whole process group is killed
    env: environment variables to set; PYTHON* variables of the kernel are not passed on
    give: globals of the script, as far as JSON goes (NumPy arrays arrive as lists)
    take: names of its globals to bring back in `.values` when it ends other than by a crash

    The first line of `source` is replaced when it is blank or a comment, which keeps line numbers. Raises
    MissingInterpreter. Processes that the child leaves behind have 2 s to finish. Of each output the first
    and the last 50 kB are kept. Paths of this machine are shortened in the outputs.
    """
    if os.name == "nt":
        raise OSError("Children of a cell work on Linux and macOS. On Windows, use WSL: `wsl --install`.")
    if isinstance(python, str):
        spec, python = python, find_python(python)
        if python is None:
            raise MissingInterpreter(missing(spec))
    path = python.path if python else sys.executable
    with tempfile.TemporaryDirectory(prefix="fast-snek-", ignore_cleanup_errors=True) as folder:
        values = Path(folder, "values.json")
        job = {"give": dict(give or {}), "take": list(take), "values": str(values)}
        Path(folder, "job.json").write_text(json.dumps(job, default=plain), encoding="utf-8")
        cell = Path(folder, "cell.py")
        cell.write_text(_prepared(source), encoding="utf-8")
        report = _watch([path, "-X", "faulthandler", str(cell)], _environment(path, env or {}), timeout)
        with contextlib.suppress(OSError, ValueError):
            brought = json.loads(values.read_text(encoding="utf-8"))
            report.values, report.lost = brought["values"], brought["lost"]
        prefixes = _prefixes(folder, python)
    report.stdout, report.stderr = _scrubbed(report.stdout, prefixes), _scrubbed(report.stderr, prefixes)
    return report


def _prepared(source: str) -> str:
    """`source` with the call of `child_setup` where it moves no other line, if there is such a place."""
    call = "import workbench.child_setup as _; _.setup(globals()); del _"
    futures = list(re.finditer(r"^from __future__ import [\w, ]+", source, flags=re.MULTILINE))
    if futures:
        end = futures[-1].end()
        return f"{source[:end].rstrip()}; {call}{source[end:]}"
    first, _, rest = source.partition("\n")
    if not first.strip() or first.lstrip().startswith("#"):
        return f"{call}\n{rest}"
    return f"{call}; {source}" if _simple(first) else f"{call}\n{source}"


def _simple(line: str) -> bool:
    return not re.match(r"\s|@|(async|class|def|for|if|match|try|while|with)\b", line)


def _environment(path: str, env: Mapping[str, str]) -> dict[str, str]:
    """The kernel's environment without what is meant for the kernel, and `env`."""
    dropped = {"MPLBACKEND", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "__PYVENV_LAUNCHER__"}
    kept = {"PYTHONHASHSEED", "PYTHON_CPU_COUNT"}
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in dropped and (not key.startswith("PYTHON") or key in kept)
    }
    search = [str(NOTEBOOKS)]
    if path == sys.executable and os.environ.get("PYTHONPATH"):
        search.append(os.environ["PYTHONPATH"])
    return clean | {"PYTHONPATH": os.pathsep.join(search), "PYTHONIOENCODING": "utf-8", **env}


def _watch(command: list[str], env: dict[str, str], timeout: float) -> Report:
    """Start `command` in a process group of its own, collect its output, and leave nothing of it alive."""
    start = time.perf_counter()
    child = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    outputs = [_Kept(child.stdout), _Kept(child.stderr)]
    waiter = threading.Thread(target=child.wait, daemon=True)
    waiter.start()
    try:
        waiter.join(timeout)
        timed_out = waiter.is_alive()
        seconds = time.perf_counter() - start
        if timed_out:
            child.send_signal(signal.SIGUSR1)  # faulthandler writes where every thread is
            waiter.join(0.5)
        else:
            deadline = time.monotonic() + GRACE
            for output in outputs:
                output.join(max(0, deadline - time.monotonic()))
        left_behind = not timed_out and any(output.is_alive() for output in outputs)
    finally:  # also when the kernel is interrupted
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        waiter.join()
    for output in outputs:
        output.join(1)  # a process that left the group may still hold the pipe
    return Report(
        outputs[0].text(), outputs[1].text(), child.returncode, timed_out, seconds, left_behind=left_behind
    )


class _Kept(threading.Thread):
    """Reads a pipe to its end and keeps its first and last bytes: a child that prints forever fills no memory."""

    def __init__(self, pipe) -> None:
        super().__init__(daemon=True)
        self.pipe, self.head, self.tail, self.cut = pipe, b"", b"", 0
        self.start()

    def run(self) -> None:
        half = KEPT // 2
        with self.pipe:
            while chunk := self.pipe.read1(1 << 16):
                room = half - len(self.head)
                self.head += chunk[:room]
                tail = self.tail + chunk[room:]
                self.cut += max(0, len(tail) - half)
                self.tail = tail[-half:]

    def text(self) -> str:
        gap = f"\n... {self.cut:,} bytes cut here ...\n".encode() if self.cut else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


# What is shown -------------------------------------------------------------------------------------------------


def _prefixes(folder: str, python: Interpreter | None) -> dict[str, str]:
    """Folders of this machine as regular expressions, and what to show instead."""
    repository = NOTEBOOKS.parent
    named = {folder: "", str(repository): "", str(Path.home()): "~", tempfile.gettempdir(): "<tmp>"}
    if sys.prefix != sys.base_prefix:
        named[sys.prefix] = "<venv>"
    for prefix in (sys.base_prefix, python.prefix if python else sys.base_prefix):
        named[f"{prefix}/lib"] = "lib"
    both = {form: short for path, short in named.items() for form in (path, os.path.realpath(path))}
    builds = re.escape(f"{repository}/build/cells/") + r"\w{8}"  # see workbench.compile
    return {builds: ""} | {re.escape(path): short for path, short in both.items() if path != "/"}


def _scrubbed(text: str, prefixes: Mapping[str, str]) -> str:
    """`text` with those folders shortened, the longest first."""
    for prefix in sorted(prefixes, key=len, reverse=True):
        short = prefixes[prefix]
        text = re.sub(rf"(?<![\w.~/-]){prefix}/", f"{short}/" if short else "", text)
        text = re.sub(rf"(?<![\w.~/-]){prefix}(?![\w.-])", short or ".", text)
    return text


def _trimmed(stderr: str) -> str:
    """The crash report without what differs from run to run and what speaks of the interpreter's own C."""
    text = re.sub(r"^Current thread's C stack trace.*?(\n\n|\Z)", "", stderr, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^Extension modules: .*\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\b(thread) 0x[0-9a-f]+", r"\1", text, flags=re.IGNORECASE).strip("\n")


# The magics ------------------------------------------------------------------------------------------------


def register(shell) -> None:
    """Give the running IPython `%%runon` and `%%child`."""
    import argparse

    from IPython.core.error import UsageError

    class Parser(argparse.ArgumentParser):
        def error(self, message: str):
            raise UsageError(f"{self.prog}: {message}")

    def parser(magic: str) -> Parser:
        made = Parser(prog=magic, add_help=False, allow_abbrev=False)
        names = {
            "type": lambda text: [name for name in text.split(",") if name],
            "default": [],
            "metavar": "a,b",
        }
        made.add_argument("--timeout", type=float, default=60, metavar="SECONDS")
        made.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
        made.add_argument("--give", **names)
        made.add_argument("--take", **names)
        return made

    def parsed(made: Parser, line: str) -> argparse.Namespace:
        try:
            return made.parse_args(shlex.split(line))
        except ValueError as error:
            raise UsageError(f"{made.prog}: {error}") from None

    def execute(options: argparse.Namespace, line: str, cell: str, python: Interpreter | None) -> None:
        absent = [name for name in options.give if name not in shell.user_ns]
        if absent:
            raise UsageError(f"--give: the notebook has no {', '.join(absent)}")
        if not all("=" in pair for pair in options.env):
            raise UsageError("--env takes NAME=VALUE")
        try:
            given = json.loads(
                json.dumps({name: shell.user_ns[name] for name in options.give}, default=plain)
            )
        except (TypeError, ValueError) as error:
            raise UsageError(f"--give: {error}") from None
        report = run_python(
            f"# {line}\n{cell}",  # the magic is line 1 of the cell: line numbers are the cell's
            python,
            timeout=options.timeout,
            env=dict(pair.split("=", 1) for pair in options.env),
            give=given,
            take=options.take,
        )
        if python:
            print(f"[{python.label}]")
        if str(report):
            print(report)
        shell.user_ns.update({name: report.values.get(name) for name in options.take})

    def runon(line: str, cell: str) -> None:
        """%%runon SPEC [--timeout S] [--env K=V] [--give a,b] [--take x,y]: the cell on another interpreter."""
        made = parser("%%runon")
        made.add_argument("spec")
        options = parsed(made, line)
        try:
            python = find_python(options.spec)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if python is None:
            print(missing(options.spec))
            shell.user_ns.update(dict.fromkeys(options.take))
        else:
            execute(options, line, cell, python)

    def child(line: str, cell: str) -> None:
        """%%child [--timeout S] [--env K=V] [--give a,b] [--take x,y]: the cell in a child process."""
        execute(parsed(parser("%%child"), line), line, cell, None)

    shell.register_magic_function(runon, "cell", "runon")
    shell.register_magic_function(child, "cell", "child")
