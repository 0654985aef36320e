"""What notebook 06 compares builds of Python by: six loops that stress different parts of the interpreter, and lines of
code hammered by threads that meet.

Open it beside the notebook. It runs in child processes on other Pythons, so it imports nothing but the standard
library (and `jobs.threads`, which imports no more).
"""

from __future__ import annotations

import platform
import sysconfig
import timeit
from collections.abc import Callable, Iterable
from threading import Barrier, Lock, Thread
from time import perf_counter, thread_time
from types import SimpleNamespace

from jobs.threads import primes_with, seconds

try:
    from _opcode import get_executor
except ImportError:  # Python 3.12 and older, and perhaps the next
    get_executor = None

# ---- one thread ----


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Point:
    def __init__(self) -> None:
        self.x = 0.0

    def move(self, by: float) -> None:
        self.x += by


def move_a_point(steps: int) -> None:
    point = Point()
    for _ in range(steps):
        point.move(0.5)


def count_words(steps: int) -> None:
    counts: dict[int, int] = {}
    for i in range(steps):
        counts[i % 97] = counts.get(i % 97, 0) + 1


def add_floats(steps: int) -> None:
    x = 0.0
    for i in range(steps):
        x = 0.5 * x + i


def collatz(numbers: int) -> None:
    for n in range(1, numbers):
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1


def key(i: int) -> int:
    return -i % 1000


# The function whose bytecode takes the time, and how to call it.
LOOPS: dict[str, tuple[Callable, str]] = {
    "calls": (fib, "fib(18)"),
    "attributes": (move_a_point, "move_a_point(40_000)"),
    "dict": (count_words, "count_words(40_000)"),
    "floats": (add_floats, "add_floats(60_000)"),
    "integers": (collatz, "collatz(1_000)"),
    "sorting": (key, "sorted(range(40_000), key=key)"),
}


def best_times() -> dict[str, float]:
    """The best of five runs of each loop, in seconds."""
    return {
        name: min(timeit.repeat(call, number=1, repeat=5, globals=globals()))
        for name, (_, call) in LOOPS.items()
    }


def prime_times() -> list[float]:
    """Seconds to count the primes of notebook 02 with one thread, and with two: the best of two each."""
    return [min(seconds(lambda n=n: primes_with(n)) for _ in range(2)) for n in (1, 2)]


def how_built() -> str:
    """The compiler of this Python, and what it was asked for that changes speed: "GCC 12.2.0, PGO, LTO"."""
    asked = sysconfig.get_config_var("CONFIG_ARGS") or ""
    options = {"PGO": "--enable-optimizations", "LTO": "--with-lto"}
    return ", ".join([platform.python_compiler(), *(name for name, flag in options.items() if flag in asked)])


def compiled_loops() -> list[str] | None:
    """The loops for which CPython's JIT has made machine code, each asked right after ten runs; None: it can't tell."""
    if get_executor is None:
        return None
    found = []
    for name, (function, call) in LOOPS.items():
        timeit.timeit(call, number=10, globals=globals())
        if has_machine_code(function):
            found.append(name)
    return found


def has_machine_code(function: Callable) -> bool:
    """Is there a piece of machine code that begins somewhere in `function`? (A private interface of CPython.)"""
    for offset in range(0, len(function.__code__.co_code), 2):
        try:
            get_executor(function.__code__, offset)
            return True
        except ValueError:  # none begins here
            pass
    return False


# ---- threads that meet ----


def hammer(line: str, threads: int, updates: int = 60_000) -> tuple[float, float, int]:
    """Run `line` so many times in each thread: seconds, cores busy, how many updates are missing.

    Each thread reads the clocks itself: the time is from the first to begin to the last to end.
    """
    shared, log, hits, own, spans = SimpleNamespace(n=0), [], {"page": 0}, [], []
    world = {"shared": shared, "log": log, "hits": hits, "own": own, "spans": spans, "lock": Lock()}
    world |= {"gate": Barrier(threads), "wall": perf_counter, "cpu": thread_time}
    source = f"""
def work(mine=0):
    gate.wait()
    begin, used = wall(), cpu()
    for _ in range({updates}):
        {line}
    spans.append((begin, wall(), cpu() - used))
    own.append(mine)
"""
    exec(source, world)
    team = [Thread(target=world["work"]) for _ in range(threads)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    took = max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans)
    done = sum(own) + shared.n + len(log) + hits["page"]
    return took, sum(used for _, _, used in spans) / took, threads * updates - done


def hammered(lines: Iterable[str], rounds: int = 15) -> dict[str, list]:
    """For each line, the results of one thread and of two; all lines take turns."""
    lines = list(lines)
    found: dict[str, list] = {line: [] for line in lines}
    for _ in range(rounds):
        for line in lines:
            found[line].append((hammer(line, 1), hammer(line, 2)))
    return found
