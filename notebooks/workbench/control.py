"""No conclusion without a control: could the experiment show its effect here and now?

A title says "Two threads take turns". On a machine whose other core is busy, two threads take turns whatever the GIL
does, and the picture would be the same. So each experiment carries a control, a check whose outcome is known beforehand,
and titles and sentences fall back to "Not shown in this run" where it fails:

    with cores_free(2) as control:
        lanes = two_lanes(python_spans)
    timeline(lanes, title=control.shown("Two threads of Python take turns"))

The controls, and what each is good for:

| control          | holds when                                                          | for the claim that          |
|------------------|---------------------------------------------------------------------|-----------------------------|
| `cores_free`     | before and after, threads pinned to their cores had them to themselves | threads did not run at once |
| `user_over_real` | the process executed on more than one core                          | threads did run at once     |
| `broken_variant` | the variant that has to fail did fail                               | a cure is what helped       |
| `decided`        | the interval of a ratio excludes "the same speed"                   | this is faster than that    |

`a & b` holds when both do. Needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.cores import cpu_quota, cpus, quietly, usable_cores

__all__ = ["Control", "broken_variant", "cores_free", "decided", "free_cores", "user_over_real"]

TO_ITSELF = 0.9  # a thread that executed for this share of the time had its core to itself
TRIES = 3  # a short disturbance is over by the next; a busy neighbour is there each time
SPIN = 0.1  # seconds; a busy machine hands a core round every few milliseconds
MOST_SPINNERS = 64
BLOCK = bytes(4_000_000)  # hashed in one call, some milliseconds without the GIL


@dataclass(frozen=True)
class Control:
    """Whether the control held, and if not, why: "1 of 2 cores was free"."""

    holds: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.holds

    def __and__(self, other: Control) -> Control:
        """Holds when both do; the reason is that of the first that doesn't."""
        return other if self.holds else self

    def shown(self, conclusion: str) -> str:
        """`conclusion` where the control held; else that it was not shown, and why. For titles and `say`."""
        return conclusion if self.holds else f"Not shown in this run: {self.why}"


class cores_free:
    """A control around an experiment: were `wanted` cores free right before it, and right after?

    The object of the `with` block is asked after it: `holds`, `why`, `shown`, and `free`, the number found. Costs 0.1 s
    before and after, up to 0.3 s each where cores are busy. What comes and goes during the experiment is not seen;
    `user_over_real` sees it. On a process that may use fewer cores than `wanted` it never holds.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.free: int | None = None
        self._usable = usable_cores()

    def __enter__(self) -> cores_free:
        self._before = self._found()
        return self

    def __exit__(self, *raised: object) -> None:
        self.free = self._before if self._before < self.wanted else self._found()

    def _found(self) -> int:
        """The best of a few tries; one, if it finds enough, or there can't be enough."""
        best = 0
        for _ in range(TRIES if self.wanted <= self._usable else 1):
            best = max(best, free_cores())
            if best >= self.wanted:
                break
        return best

    @property
    def control(self) -> Control:
        """What was found. Raises RuntimeError inside the `with` block: nothing is known before its end."""
        if self.free is None:
            raise RuntimeError("the experiment is still running: ask its control after the with block")
        if self.wanted > self._usable:
            return Control(False, f"it takes {self.wanted} cores, and this process may use {self._usable}")
        verb = "was" if self.free == 1 else "were"
        return Control(self.free >= self.wanted, f"{self.free} of {self._usable} cores {verb} free")

    @property
    def holds(self) -> bool:
        return self.control.holds

    @property
    def why(self) -> str:
        return self.control.why

    def __bool__(self) -> bool:
        return self.holds

    def __and__(self, other: Control | cores_free) -> Control:
        return self.control & other

    def shown(self, conclusion: str) -> str:
        """See `Control.shown`."""
        return self.control.shown(conclusion)


def free_cores(seconds: float = SPIN) -> int:
    """How many cores of this process does nobody else use? 0 to `usable_cores()`.

    A thread is pinned to each usable CPU (the first 64), and all hash for `seconds`, without the GIL. A core is free when
    its thread executed for nine tenths of the time. Hyperthreads count as cores, as they do in `usable_cores`. A container's
    quota caps the number, rounded down. Where threads can't be pinned (macOS), as many cores are free as the threads' time
    on them adds up to, rounded down: with others about, that can be one too many.
    """
    usable = usable_cores()
    count = min(usable, MOST_SPINNERS)
    shares, pinned = _spin(cpus()[:count] or [None] * count, seconds)
    free = sum(share >= TO_ITSELF for share in shares) if pinned else math.floor(sum(shares) + 1 - TO_ITSELF)
    return min(free, usable, math.floor(cpu_quota() or usable))


def _spin(where: Sequence[int | None], seconds: float) -> tuple[list[float], bool]:
    """Keep a thread busy on each CPU. The share of the time that each executed; was every one pinned?"""
    gate, shares, pinned = threading.Barrier(len(where)), [0.0] * len(where), [False] * len(where)

    def spin(number: int, cpu: int | None) -> None:
        if cpu is not None:
            pinned[number] = (
                quietly(lambda: os.sched_setaffinity(0, {cpu}) is None) or False
            )  # 0: this thread
        gate.wait()
        begin, before = time.perf_counter(), time.thread_time()
        while (now := time.perf_counter()) < begin + seconds:
            hashlib.sha256(BLOCK).digest()
        now = time.perf_counter()
        shares[number] = (time.thread_time() - before) / (now - begin)

    threads = [threading.Thread(target=spin, args=each, daemon=True) for each in enumerate(where)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return shares, all(pinned)


def user_over_real(watch: Any, cores: float = 1.5) -> Control:
    """Did the process execute on `cores` or more at once, on average? `watch` is a `stopwatch()` around the experiment.

    Threads that ran side by side use more user time than real time. Those that ran in turns don't, and then nothing says
    whether the GIL, or a neighbour on the other core, was the reason.
    """
    return Control(watch.cores >= cores, f"{watch.cores:.2f} cores were busy, and it takes {cores:g}")


def broken_variant(failures: int, variant: str) -> Control:
    """Did the variant that has to fail do so? `failures`: how often; `variant`: its name, for the sentence.

    A lock that loses no update proves nothing beside a loop without a lock that lost none either.
    """
    return Control(failures > 0, f"{variant} should have failed, and did not")


def decided(ratio: Any) -> Control:
    """Does the interval of a `Ratio` exclude that both are equally fast?"""
    return Control(ratio.decided, f"the interval, {ratio.interval}, leaves open which is faster")
