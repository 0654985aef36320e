"""What notebook 05 measures interpreters by: starting five of a kind, asking through a queue or a pipe, painting together.

Open it beside the notebook. The jobs that processes and threads do as well are in `jobs.processes`. Interpreters import
this file, so it imports nothing but the standard library, and little of that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from jobs.processes import private_memory, report


def start_five(start: Callable, *args: Any) -> tuple[list[float], float | None]:
    """Call `start(*args)`, which returns (process id or None, a function that ends what was started), five times.

    Return the seconds of each, and the private bytes that one has, or, where it is no process, adds to this one.
    """
    before, seconds, ends = private_memory(), [], []
    for _ in range(5):
        begin = perf_counter()
        process, end = start(*args)
        seconds.append(perf_counter() - begin)
        ends.append(end)
    after = private_memory(process)
    for end in ends:
        end()
    if before is None or after is None:
        return seconds, None
    return seconds, after if process else (after - before) / 5


def start_thread() -> tuple[None, Callable[[], None]]:
    """Start a thread that waits; once it runs return (None, a function that ends it)."""
    import threading

    ready, stop = threading.Event(), threading.Event()
    threading.Thread(target=lambda: (ready.set(), stop.wait())).start()
    ready.wait()
    return None, stop.set


def start_process(method: str, needs: str) -> tuple[int, Callable[[], None]]:
    """Start a process that imports the module `needs`; once it is ready return its id and a function that ends it."""
    import multiprocessing

    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=report, args=(there, needs))
    process.start()
    here.recv()

    def end() -> None:
        here.send(None)
        process.join()

    return process.pid, end


def answer_queue(questions: Any, answers: Any) -> None:
    """Send back what comes through one queue through the other, until None comes."""
    while (thing := questions.get()) is not None:
        answers.put(thing)


def answer_pipe(questions: int, answers: int) -> None:
    """The same for the file descriptors of two pipes, byte by byte, until the byte b"." comes."""
    while (byte := os.read(questions, 1)) != b".":
        os.write(answers, byte)


def paint(view: memoryview, band: int, bands: int, width: int) -> tuple[int, float, float]:
    """Fill band number `band` of a picture of the Mandelbrot set: `view` is its bytes, int32 in rows of `width`.

    Return (number of the interpreter, start, end). The scalar kernel, so that there is something to wait for.
    """
    from concurrent import interpreters

    import snek

    start = perf_counter()
    size = len(view) // bands
    part = view[band * size : (band + 1) * size].cast("i", (size // (4 * width), width))
    top, height = -1.12, 2.24 / bands
    snek.mandelbrot(part, ymin=top + height * band, ymax=top + height * (band + 1), kernel="scalar")
    return interpreters.get_current().id, start, perf_counter()
