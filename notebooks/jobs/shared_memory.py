"""What worker processes are asked to do in notebook 04: each function finds its data, or is sent it.

Open it beside the notebook. It is a module of its own, beside `jobs.processes`, because it imports NumPy, which every worker
that imports this pays for.
"""

from __future__ import annotations

import functools
import math
import pickle
import sys
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

ROW = 8_192  # samples that become one row of the overview
ROWS = 64  # rows at a time: 1 MiB of 16-bit samples, which stays in the cache between the two passes over it

# Who attaches must not clean up; that is for the creator to do. Before 3.13 there was no way to say so.
UNTRACKED: dict[str, Any] = {"track": False} if sys.version_info >= (3, 13) else {}


def record(samples: np.ndarray) -> None:
    """Fill `samples` (int16) in place with a hiss that swells, and a crackle."""
    block = ROWS * ROW
    hiss = np.random.default_rng(2026).standard_normal(block, dtype=np.float32) * 5_000
    for start in range(0, len(samples), block):
        part = samples[start : start + block]
        swell = abs(math.sin(20 * start / len(samples))) + 0.1
        np.multiply(hiss[: len(part)], np.float32(swell), out=part, casting="unsafe")
    crackle = samples[len(samples) // 3 :][:block]
    crackle[::2], crackle[1::2] = -32_768, 32_767


def overview(samples: np.ndarray) -> np.ndarray:
    """The lowest and the highest of every `ROW` samples: shape (rows, 2)."""
    rows = samples.reshape(-1, ROW)
    found = np.empty((len(rows), 2), samples.dtype)
    for start in range(0, len(rows), ROWS):
        block = slice(start, start + ROWS)
        np.min(rows[block], axis=1, out=found[block, 0])
        np.max(rows[block], axis=1, out=found[block, 1])
    return found


@functools.cache
def attached(name: str) -> SharedMemory:
    """The segment `name`: opened once, then kept open until the worker ends."""
    return SharedMemory(name, **UNTRACKED)


def overview_of_segment(name: str, start: int, stop: int) -> np.ndarray:
    samples = np.frombuffer(attached(name).buf, np.int16)
    return overview(samples[start:stop])


def overview_of_file(path: str, start: int, stop: int) -> np.ndarray:
    samples = np.memmap(path, np.int16, mode="r")
    return overview(samples[start:stop])


def loudness(take: dict[str, Any]) -> dict[str, int]:
    """The span between the lowest and the highest sample of each channel."""
    return {channel: int(take[channel].max()) - int(take[channel].min()) for channel in ("left", "right")}


def loudness_out_of_band(header: bytes, name: str, places: list[tuple[int, int]]) -> dict[str, int]:
    """The same for a pickle whose buffers lie at `places` (start, stop) of the segment `name`."""
    segment = SharedMemory(name, **UNTRACKED)
    try:
        return loudness(pickle.loads(header, buffers=[segment.buf[a:b] for a, b in places]))
    finally:
        segment.close()


# ---- counting in shared memory ----


def start(lock: Any, gate: Any) -> None:
    """Called once in every new worker: a lock and a barrier can be inherited, but not sent with a task."""
    global _lock, _gate
    _lock, _gate = lock, gate


def count_without_lock(name: str, updates: int) -> None:
    counters = np.frombuffer(attached(name).buf, np.int64)
    _gate.wait(60)  # both workers begin together
    for _ in range(updates):
        counters[0] += 1


def count_with_lock(name: str, updates: int) -> None:
    counters = np.frombuffer(attached(name).buf, np.int64)
    _gate.wait(60)
    for _ in range(updates):
        with _lock:
            counters[0] += 1


def count_privately(name: str, updates: int) -> None:
    private = np.zeros(1, np.int64)
    _gate.wait(60)
    for _ in range(updates):
        private[0] += 1
    counters = np.frombuffer(attached(name).buf, np.int64)
    with _lock:  # once, for the whole sum
        counters[0] += private[0]
