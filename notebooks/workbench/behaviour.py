"""What a function does beside returning its result: does it let other threads run, does it leave something behind?

Needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from workbench.show import three_digits


def releases_gil(f: Callable[[], Any]) -> bool:
    """Can other threads run while `f()` runs? A heartbeat thread must tick throughout the calls.

    On a build with the GIL, the switch interval is raised meanwhile, so that pure Python, which gives way every 5 ms
    without being asked, does not pass for C that lets go. On a free-threaded build other threads run anyway; what `f`
    must not do there is keep its thread state attached, since nobody can then stop the world (the garbage collector
    has to). So each tick asks for all threads' frames, which stops the world on such a build. (There, pure Python
    passes: it stops when asked.)

    `f` is called for a tenth of a second or more. A call should take a few milliseconds; code that is without the GIL
    for less than half of it fails.
    """
    f()  # warm-up: imports and caches must not count
    interval = sys.getswitchinterval()
    for _ in range(
        3
    ):  # a busy machine may keep the heartbeat off the processor; a held GIL does so every time
        beats: list[tuple[float, float]] = []
        started, stop = threading.Event(), threading.Event()

        def heart(beats=beats, started=started, stop=stop) -> None:
            while not stop.is_set():
                wanted = time.perf_counter()
                sys._current_frames()
                beats.append((wanted, time.perf_counter()))
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
        finally:
            sys.setswitchinterval(interval)
            stop.set()
            thread.join()
        during = [(wanted, done) for wanted, done in beats if begin < wanted and done < now]
        longest_silence = max(b - a for a, b in pairwise([begin, *(done for _, done in during), now]))
        waited = sum(done - wanted for wanted, done in during)  # for `f` to let the world be stopped
        if longest_silence < (now - begin) / 2 and waited < (now - begin) / 5:
            return True
    return False


def leaks(f: Callable, *args: Any) -> str | None:
    """What every call of `f(*args)` leaves behind, in words; None when nothing.

    The idea of CPython's own `regrtest -R`: after a warm-up, count before and after many calls, several times over;
    only what grows every time, by one or more a call, is a leak. Counted are blocks of the Python allocator, bytes on
    the C heap (glibc only), and references to the arguments. Memory that `f` keeps on purpose, in a list
    say, grows just as well and is reported. Not seen are a leak on a path that these arguments don't take, one that
    doesn't happen in every call, and references to immortal objects (None, small integers), which do no harm.
    """
    with _objects_of_before_frozen():
        for _ in range(3):  # noise from other threads seldom grows in step three times over
            found = _growth(f, args)
            if found is None:
                return None
    return found


@contextmanager
def _objects_of_before_frozen() -> Iterator[None]:
    """Takes what is there already out of the sight of the garbage collector: a hunt collects two dozen times."""
    gc.collect()
    ours = gc.get_freeze_count() == 0  # unfreezing would undo what somebody else has frozen
    gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()


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
            return f"{name} grow by {three_digits(min(each)) if min(each) % 1 else round(min(each))} with every call"
    return None


def _resources(args: tuple) -> dict[str, int]:
    gc.collect()
    counts = {f"references to argument {i}": sys.getrefcount(arg) for i, arg in enumerate(args, 1)}
    counts["Python's memory blocks"] = sys.getallocatedblocks()
    counts["bytes on the C heap"] = _heap()
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
