"""What workers are asked to do in notebooks 03 to 06: processes first, and the same jobs by interpreters and threads.

Why a file of its own: a worker is told the *name* of a function and imports it, and nobody can import a notebook. Open
it beside the notebook. It imports nothing but the standard library, and little of that, since every worker pays for it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from time import perf_counter, sleep, thread_time
from typing import Any

setting = "as the file says"  # notebook 03 changes it in the parent, to see which workers notice


def empty(_: Any = None) -> None:
    """Do nothing: what remains is the price of asking."""


def echo(thing: Any) -> Any:
    """Return what was sent: the data travels there and back."""
    return thing


def fib(n: int) -> int:
    """The n-th Fibonacci number by double recursion: calls, and nothing else."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def spin(steps: int) -> int:
    """A loop of pure Python: twice the steps take twice the time."""
    total = 0
    for i in range(steps):
        total += i & 3
    return total


def sum_of_squares(numbers: Iterable[int]) -> int:
    return sum(number * number for number in numbers)


def timed(function: Callable, *args: Any) -> tuple[int, float, float]:
    """Call `function(*args)`; return (process id, start, end). `perf_counter` is one clock for all processes."""
    start = perf_counter()
    function(*args)
    return os.getpid(), start, perf_counter()


def cpu_timed(function: Callable, *args: Any) -> tuple[Any, float]:
    """(`function(*args)`, the seconds of processor time that this thread spent on it): what the job costs, not the waiting."""
    start = thread_time()
    result = function(*args)
    return result, thread_time() - start


def each(function: Callable, arguments: Iterable[Any]) -> list[Any]:
    """[`function(argument)` for each argument]: many small tasks as one."""
    return [function(argument) for argument in arguments]


def put_each(queue: Any, function: Callable, jobs: Iterable[tuple[int, Any]]) -> None:
    """Put (number, `function(argument)`) into `queue` for each (number, argument)."""
    for number, argument in jobs:
        queue.put((number, function(argument)))


def surroundings(module: str, variable: str) -> tuple[str, str, str]:
    """What this worker finds on arrival: is `module` imported, what is `setting`, what the environment `variable`?"""
    return "imported" if module in sys.modules else "not there", setting, os.environ.get(variable, "not set")


def change_setting(value: str) -> str:
    """Change the global `setting` of this process; return the new value."""
    global setting
    setting = value
    return setting


def double_or_die(number: int, deadly: int) -> int:
    """Return 2 * number after 10 ms; for `deadly`, die on the spot, as when memory runs out and the system kills."""
    sleep(0.01)
    if number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


held: list[float] = []  # notebook 03 fills it in the parent: a forked worker finds it, no other does


def report(connection: Any, needs: str = "", read: bool = False) -> None:
    """Import the module `needs`, read every number of `held` if asked to, say so, and wait to be dismissed."""
    if needs:
        import_module(needs)
    total = sum(held) if read else 0.0
    connection.send(total)
    connection.recv()


lock: Any = None  # `adopt` puts one here that all workers share


def adopt(shared: Any) -> None:
    """Keep a lock of the parent's context; for `initializer=`."""
    global lock
    lock = shared


def with_lock(function: Callable, *args: Any) -> Any:
    """`function(*args)` while this worker alone has the adopted lock."""
    with lock:
        return function(*args)


def count_lines(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)


def name_in(module: str, name: str) -> Any:
    """The object `name` of a module, which is imported here."""
    return getattr(import_module(module), name)


# ---- what a worker has to itself ----


def private_memory(process: int | None = None) -> int | None:
    """The bytes of a process (default: this one) that no other process shares; None where the system doesn't tell."""
    try:
        from workbench.memory import memory

        found = memory(process)
        return found and found.private
    except ImportError:  # psutil is missing on this Python; Linux tells without it
        try:
            with open(f"/proc/{process or os.getpid()}/smaps_rollup", encoding="ascii") as file:
                return sum(1024 * int(line.split()[1]) for line in file if line.startswith("Private_"))
        except OSError:
            return None


# ---- who ran when (notebooks 05 and 06) ----


def python_spans(until: float, gap: float = 0.0005, begin: float = 0.0) -> list[tuple[float, float]]:
    """From `begin` to `until` read the clock over and over; return the spans without a pause longer than `gap` seconds.

    What a thread does in notebook 02: while it is not running it can't read the clock. Notebook 06 runs it, too.
    """
    sleep(max(0.0, begin - perf_counter()))
    spans, start, last = [], perf_counter(), perf_counter()
    while last < until:
        now = perf_counter()
        if now - last > gap:
            spans.append((start, last))
            start = now
        last = now
    return [*spans, (start, last)]
