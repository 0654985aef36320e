"""The threads of this process, as Linux lists them: helpers of `snek` are not in `threading`."""

import os
from pathlib import Path

TASKS = Path("/proc/self/task")


def count() -> int:
    """Return the number of threads."""
    return len(list(TASKS.iterdir()))


def helpers() -> list[Path]:
    """Return the folders of all threads but the main one."""
    return [task for task in TASKS.iterdir() if task.name != str(os.getpid())]


def seconds() -> dict[str, float]:
    """Return the CPU time, in seconds, of every thread by its id."""
    tick = os.sysconf("SC_CLK_TCK")
    return {
        task.name: sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13])) / tick
        for task in TASKS.iterdir()
    }
