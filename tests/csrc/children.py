"""Runs a script of the folder `scripts` in a child process: what may crash, hang, fork or be interrupted.

`run("fork.py", "after_the_pool_has_run")` calls the function of that name in that file.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
# What a child imports its helpers from, and what hides nothing that it prints. The folder of the script is the first that
# is searched anyway, but not in the other interpreters of a process before 3.13.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        + [str(Path(__file__).parent), str(SCRIPTS)]
    ),
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",
}

ASAN = "libasan" in os.environ.get("LD_PRELOAD", "")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
# For tests whose helpers may start, or allocate, while another thread forks. glibc's malloc is made for that; the one of
# AddressSanitizer keeps its locks as they were in the thread that is gone, and the child waits for ever (GCC 12, seen).
forks_beside_threads = pytest.mark.skipif(
    ASAN, reason="AddressSanitizer's malloc may stay locked in a forked child"
)


def python(*arguments: object) -> subprocess.Popen:
    """Start a Python with these arguments, and with pipes for its outputs."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def start(script: str, function: str, *arguments: object, options: Sequence[str] = ()) -> subprocess.Popen:
    """Start a Python that calls a function of a script with these arguments, as strings."""
    return python(*options, SCRIPTS / script, function, *arguments)


def finish(child: subprocess.Popen, timeout: float) -> str:
    """Wait for it to end well; return what it printed, or fail with all it said. One that hangs says where."""
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGABRT)  # faulthandler prints the stacks
        out, err = child.communicate()
        raise AssertionError(f"the child hangs\n{out}\n{err}") from None
    assert child.returncode == 0, f"the child ended with status {child.returncode}\n{out}\n{err}"
    return out


def run(
    script: str, function: str, *arguments: object, options: Sequence[str] = (), timeout: float = 120
) -> str:
    """Call a function of a script, wait for the end of the process, and return what it printed."""
    return finish(start(script, function, *arguments, options=options), timeout)


def run_line(line: str, *options: str, timeout: float = 120) -> str:
    """Run a line of Python, too short for a script, and return what it printed."""
    return finish(python(*options, "-c", line), timeout)


def interrupt(
    script: str, function: str, *arguments: object, after: float = 0.3, timeout: float = 120
) -> str:
    """Press Ctrl-C `after` so many seconds from the first line of a script's output; return the other lines.

    The child finds the time at which the key was pressed in the clock time.monotonic(), which all processes share: it
    is the first of the lines returned.
    """
    child = start(script, function, *arguments)
    child.stdout.readline()
    time.sleep(after)
    pressed = time.monotonic()
    child.send_signal(signal.SIGINT)
    return f"{pressed}\n{finish(child, timeout)}"


# Half of what people still feel to be immediate would do; the machine may be busy, and sanitizers slow it down.
AT_ONCE = 0.25


def assert_stops_at_once(script: str, function: str, *arguments: object, tries: int = 4) -> None:
    """Press Ctrl-C, and fail unless the call has ended within a quarter of a second, in the best of some tries.

    The script does what _signals.until_ctrl_c does: it prints a line before the call that is to be interrupted, and
    time.monotonic() when it has been.
    """
    latencies = []
    for _ in range(tries):
        # 0.1 s: with a clock that is looked at every 0.6 s, 0.5 s would go by
        pressed, stopped = map(float, interrupt(script, function, *arguments, after=0.1).split()[:2])
        assert stopped >= pressed
        latencies.append(stopped - pressed)
        if latencies[-1] <= AT_ONCE:
            return
    raise AssertionError(f"Ctrl-C took {', '.join(f'{seconds:.3f}' for seconds in latencies)} s")
