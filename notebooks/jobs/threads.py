"""What notebook 06 runs on other Pythons: the threads of notebook 02, unchanged, and a pool of two workers, measured.

Open it beside the notebook. It runs in child processes, so it imports nothing but the standard library; the jobs of
the pools are in `jobs.processes`, where every kind of worker can import them.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from math import isqrt
from threading import Barrier
from time import perf_counter, sleep
from typing import Any

from jobs.processes import empty, private_memory, spin, sum_of_squares
from jobs.processes import python_spans as python_spans  # a worker for `two_lanes`

# ---- the threads of notebook 02 ----

pieces = [range(start, start + 2_000) for start in range(2, 100_002, 2_000)]


def count_primes(numbers: Iterable[int]) -> int:
    return sum(all(n % d for d in range(2, isqrt(n) + 1)) for n in numbers)


def in_threads(workers: int, function: Callable, items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def primes_with(workers: int) -> int:
    return sum(in_threads(workers, count_primes, pieces))


def two_lanes(worker: Callable, seconds: float = 0.1) -> dict[str, list[tuple[float, float]]]:
    """Run `worker(until)` in two threads that start together; return the spans of each."""
    gate = Barrier(2)

    def lane(name: str) -> tuple[str, list[tuple[float, float]]]:
        gate.wait()
        return name, worker(perf_counter() + seconds)

    return dict(in_threads(2, lane, ["first", "second"]))


def gain_of_two(rounds: int = 8) -> float:
    """How many times as fast as one thread do two count the primes? The best of both, of interleaved rounds."""
    return best_ratio(lambda: primes_with(1), lambda: primes_with(2), rounds)


def best_ratio(slow: Callable[[], Any], fast: Callable[[], Any], rounds: int) -> float:
    """How many times as fast is `fast`? The best of each: other programs can only make a round slower."""
    pairs = [(seconds(slow), seconds(fast)) for _ in range(rounds)]
    return min(s for s, _ in pairs) / min(f for _, f in pairs)


def seconds(job: Callable[[], Any]) -> float:
    begin = perf_counter()
    job()
    return perf_counter() - begin


# ---- four kinds of workers ----

WORKERS = 2
SETTLE = 0.05  # the first task sleeps so many seconds, so that the second needs a worker of its own


def pool_of(kind: str) -> Executor:
    """A pool of two "threads", "processes" or "interpreters" (CPython 3.14 and newer)."""
    if kind == "processes":  # spawned, so that the figures mean the same on every version and system
        return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))
    if kind == "interpreters":
        return concurrent.futures.InterpreterPoolExecutor(WORKERS)
    return ThreadPoolExecutor(WORKERS)


def cost_of(kind: str, rounds: int = 10) -> dict[str, float | None]:
    """Start a pool of that kind and measure it.

    start-up: seconds until both workers have begun a task; memory: private bytes a worker; dispatch: seconds an empty
    task; cpu, data: two tasks of pure Python that get a number each, or half a list; how many times as fast as a plain
    loop on the same Python, the best of both.
    """
    before, begin = private_bytes(), perf_counter()
    with pool_of(kind) as pool:
        list(pool.map(sleep, [SETTLE] * WORKERS))
        found = {"start-up": perf_counter() - begin - SETTLE}
        after = private_bytes()
        list(pool.map(empty, range(100)))  # warm-up: every worker imports the jobs
        empties = [seconds(lambda: list(pool.map(empty, range(200)))) for _ in range(rounds)]
        found["dispatch"] = statistics.median(empties) / 200
        half = list(range(1_000, 151_000))
        for name, job, tasks in (
            ("cpu", spin, [500_000] * WORKERS),
            ("data", sum_of_squares, [half, half[::-1]]),
        ):
            found[name] = best_ratio(
                lambda job=job, tasks=tasks: [job(task) for task in tasks],
                lambda job=job, tasks=tasks: list(pool.map(job, tasks)),
                rounds,
            )
    found["memory"] = None if None in (before, after) else max(0, after - before) / WORKERS
    return found


def private_bytes() -> int | None:
    """What this process and its workers have to themselves, in bytes; None where the system doesn't tell."""
    processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    each = [private_memory(process) for process in processes]
    return None if None in each else sum(each)
