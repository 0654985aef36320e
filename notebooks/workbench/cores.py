"""How many cores may this process use? The answer is not `os.cpu_count()`.

Needs nothing but the standard library.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path("/")  # the tests put a made-up /proc and /sys in its place


def usable_cores() -> int:
    """How many threads of this process can run at once: its affinity, its container's quota (rounded up), at least 1.

    `os.cpu_count()` knows of neither. PYTHON_CPU_COUNT, or `-X cpu_count`, overrides both, as in CPython 3.13.
    """
    if getattr(sys.flags, "cpu_count", None) not in (None, -1):  # PYTHON_CPU_COUNT has been given
        return os.cpu_count() or 1
    allowed = quietly(lambda: len(os.sched_getaffinity(0))) or os.cpu_count() or 1
    quota = cpu_quota()
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def cpus() -> list[int]:
    """The numbers of the CPUs that this process may use, one of each physical core first; none where none can be pinned.

    Two threads that are pinned to the first two of the list share no core, as long as there are two cores.
    """
    allowed = sorted(quietly(lambda: os.sched_getaffinity(0)) or ())
    topology = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    seen: dict[str, int] = {}  # {the siblings, which share a core: how many of them came before}
    turn = {}
    for cpu in allowed:
        siblings = quietly(lambda cpu=cpu: (ROOT / topology.format(cpu)).read_text()) or str(cpu)
        turn[cpu] = seen[siblings] = seen.get(siblings, -1) + 1
    return sorted(allowed, key=lambda cpu: (turn[cpu], cpu))


def cpu_quota() -> float | None:
    """How many cores' worth of time the container (Linux control group) may use; None without a limit.

    Groups nest, and the tightest limit on the way up to the root holds.
    """

    def quota(text: str) -> float | None:
        allowed, period = text.split()[:2]  # version 2: "150000 100000" or "max 100000"
        return None if allowed == "max" or int(allowed) <= 0 else int(allowed) / int(period)

    limits = [quietly(lambda text=text: quota(text)) for text in cgroup("cpu", ["cpu.max"])]
    limits += [
        quietly(lambda text=text: quota(text))
        for text in cgroup("cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"])
    ]  # version 1: "-1" without a limit
    return min((limit for limit in limits if limit is not None), default=None)


def cgroup(controller: str, files: list[str]) -> Iterator[str]:
    """The contents of `files`, joined by a space, in this process's control group and in all those around it.

    A line of /proc/self/cgroup is "0::/a/b" for version 2, "4:cpu,cpuacct:/a/b" for version 1. Inside a container
    the path is often that of the host and leads nowhere; the folders above it still count.
    """
    lines = (quietly(lambda: (ROOT / "proc/self/cgroup").read_text()) or "").splitlines()
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [controllers, controller] if controllers else ["", "unified"]
        for mount in dict.fromkeys(mounts):
            top = ROOT / "sys/fs/cgroup" / mount
            group = top / path.lstrip("/")
            for folder in (group, *group.parents):
                text = quietly(
                    lambda folder=folder: " ".join((folder / f).read_text().strip() for f in files)
                )
                if text:
                    yield text
                if folder == top:
                    break


def quietly(ask: Callable[[], T]) -> T | None:
    """The answer, or None where the question makes no sense on this system."""
    try:
        return ask()
    except Exception:
        return None
