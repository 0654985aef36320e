"""What a function does beside returning its result: does it let other threads run, does it leave something behind?

Needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from workbench.show import three_digits


def releases_gil(f: Callable[[], Any]) -> bool:
    """Can other threads run while `f()` runs? A heartbeat thread must tick throughout the calls.

    On a build with the GIL, the switch interval is raised meanwhile, so that pure Python, which gives way every 5 ms
    without being asked, does not pass for C that lets go. On a free-threaded build other threads always tick; what
    must not happen there is that `f` keeps its thread state attached, since then nobody can stop the world: the
    heartbeat is a garbage collection, which has to. (There, pure Python passes.)

    `f` is called for a tenth of a second or more. Code that releases the GIL for less than half of that fails.
    """
    attached_matters = not getattr(sys, "_is_gil_enabled", lambda: True)()
    beat: Callable[[], Any] = gc.collect if attached_matters else (lambda: None)
    f()  # warm-up: imports and caches must not count
    interval = sys.getswitchinterval()
    for _ in range(
        3
    ):  # a busy machine may keep the heartbeat off the processor; a held GIL does so every time
        beats: list[float] = []
        started, stop = threading.Event(), threading.Event()

        def heart(beats: list[float] = beats, started=started, stop=stop) -> None:
            while not stop.is_set():
                beat()
                beats.append(time.perf_counter())
                started.set()
                time.sleep(0.001)

        thread = threading.Thread(target=heart, daemon=True)
        try:
            thread.start()
            started.wait()
            sys.setswitchinterval(1000)
            begin = now = time.perf_counter()
            while now - begin < 0.1:
                f()
                now = time.perf_counter()
            during = [t for t in beats if begin < t < now]
        finally:
            sys.setswitchinterval(interval)
            stop.set()
            thread.join()
        moments = [begin, *during, now]
        longest_silence = max(b - a for a, b in pairwise(moments))
        if len(during) >= 3 and longest_silence < (now - begin) / 2:
            return True
    return False


def leaks(f: Callable, *args: Any) -> str | None:
    """What every call of `f(*args)` leaves behind, in words; None when nothing.

    The idea of CPython's own `regrtest -R`: after a warm-up, count before and after many calls, several times over;
    only what grows every time, by one or more a call, is a leak. Counted are blocks of the Python allocator, bytes on
    the C heap (glibc only), references to the arguments, and open files. What it can't see: memory that `f` keeps
    where it can still be reached is growth, and is reported, too; a leak on a path that these arguments don't take;
    a reference to an immortal object (None, small integers), which does no harm.
    """
    for _ in range(3):  # noise from other threads seldom grows in step three times over
        found = _growth(f, args)
        if found is None:
            return None
    return found


def _growth(f: Callable, args: tuple, calls: int = 100, repeats: int = 5) -> str | None:
    before = None
    grown: dict[str, list[float]] = {}
    for repeat in range(3 + repeats):
        for _ in range(calls):
            f(*args)
        after = _resources(args)
        if before is not None and repeat >= 3:
            for name in after:
                grown.setdefault(name, []).append((after[name] - before[name]) / calls)
        before = after
    for name, each in grown.items():
        if min(each) > 0.9:
            return f"{three_digits(round(min(each), 1))} {name} a call"
    return None


def _resources(args: tuple) -> dict[str, int]:
    gc.collect()
    counts = {f"references to argument {i}": sys.getrefcount(arg) for i, arg in enumerate(args, 1)}
    counts["memory blocks"] = sys.getallocatedblocks()
    counts["bytes of C heap"] = _heap()
    if os.path.isdir("/dev/fd"):
        counts["open files"] = len(os.listdir("/dev/fd"))
    return counts


class _Mallinfo2(ctypes.Structure):
    """What glibc's mallinfo2() returns; `uordblks` and `hblkhd` are the bytes in use, small and large."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    )]  # fmt: skip


def _heap() -> int:
    """Bytes in use on the C heap; 0 where the C library can't tell."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        return 0
    mallinfo2.restype = _Mallinfo2
    info = mallinfo2()
    return info.uordblks + info.hblkhd
