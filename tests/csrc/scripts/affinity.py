"""On which CPUs the helpers run. Needs two, and Linux."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable

import _tasks
from _pictures import blank
from _script import call_named

import snek

EVERYWHERE = os.sched_getaffinity(0)
ONE, TWO = sorted(EVERYWHERE)[:2]


def helpers_affinities() -> list[set[int]]:
    return [os.sched_getaffinity(int(helper.name)) for helper in _tasks.helpers()]


def draw() -> None:
    snek.mandelbrot(blank(300, 300), max_iter=4000, threads=2)


def drawn_within(cpus: Iterable[int]) -> bool:
    """Has the helper been at work in that set? It need not come to each call on a busy machine."""
    for _ in range(100):
        draw()
        if helpers_affinities() == [set(cpus)]:
            return True
    return False


def of_a_pinned_first_call() -> None:
    def pinned():
        os.sched_setaffinity(0, {ONE})  # this thread's
        draw()

    thread = threading.Thread(target=pinned)
    thread.start()
    thread.join()
    # join() returns a moment before the system has done with the thread: it may still be listed, as if it were a helper
    while (_tasks.TASKS / str(thread.native_id)).exists():
        time.sleep(0.001)
    print(helpers_affinities() == [{ONE}], drawn_within(EVERYWHERE))


def of_a_process_that_is_narrowed() -> None:
    draw()
    print(drawn_within(EVERYWHERE))
    for cpu in (ONE, TWO):
        os.sched_setaffinity(0, {cpu})
        print(drawn_within({cpu}))
    os.sched_setaffinity(0, EVERYWHERE)
    print(drawn_within(EVERYWHERE))


def away_from_the_callers_cpu() -> None:
    """Print how many of 20 times the helper has moved."""

    def cpu(thread):
        """Return the CPU it was on last."""
        return int((thread / "stat").read_text().rpartition(")")[2].split()[36])

    os.sched_setaffinity(0, {ONE})
    out = blank(300, 300)
    snek.mandelbrot(out, threads=2)
    (helper,) = _tasks.helpers()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(busy.pid, {TWO})
    moved = 0
    try:
        for _ in range(20):
            os.sched_setaffinity(0, {ONE})  # a helper goes where its caller may go
            while cpu(helper) != ONE or os.sched_getaffinity(int(helper.name)) != {ONE}:
                snek.mandelbrot(out, threads=2)
            os.sched_setaffinity(0, {ONE, TWO})
            snek.mandelbrot(out, max_iter=1000, threads=2)
            moved += cpu(helper) == TWO
            # {ONE}: it came too late for this one
            assert os.sched_getaffinity(int(helper.name)) in ({ONE}, {ONE, TWO})
    finally:
        busy.kill()
        busy.wait()
    print(moved)


if __name__ == "__main__":
    call_named(globals())
