"""What leaks: work that is done again and again, and what there is more of each time."""

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Mapping

libc = ctypes.CDLL(None)


class Mallinfo2(ctypes.Structure):
    """What glibc says of its malloc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


if hasattr(libc, "mallinfo2"):
    libc.mallinfo2.restype = Mallinfo2


def measure(watched: Mapping[str, object]) -> dict[str, int]:
    """Return how many there are of all that may leak, and how many references to what is watched."""
    gc.collect()
    c_memory = libc.mallinfo2() if hasattr(libc, "mallinfo2") else Mallinfo2()
    counts = {
        "blocks of Python's memory": sys.getallocatedblocks(),
        "bytes of C memory": c_memory.uordblks + c_memory.hblkhd,
        "threads": len(os.listdir("/proc/self/task")),
        "file descriptors": len(os.listdir("/proc/self/fd")),
    }
    for name, thing in watched.items():
        counts["references to " + name] = sys.getrefcount(thing)
    return counts


def leaks(
    work: Callable[[], None], watched: Mapping[str, object], warmup: int = 3, rounds: int = 6
) -> list[str]:
    """Return the names of what grew in every round."""
    for _ in range(warmup):
        work()
        measure(watched)
    before = measure(watched)
    rounds_grown = dict.fromkeys(before, 0)
    for _ in range(rounds):
        work()
        after = measure(watched)
        for name in after:
            rounds_grown[name] += after[name] > before[name]
        before = after
    return sorted(name for name in before if rounds_grown[name] == rounds)


def print_leaks(work: Callable[[], None], watched: Mapping[str, object]) -> None:
    """Print what leaks, a line each."""
    gc.collect()
    gc.freeze()  # what is there already is not looked at again, and there are hundreds of collections
    print(*leaks(work, watched), sep="\n")
