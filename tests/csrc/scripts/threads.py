"""Which threads `snek` starts, and what other threads may do meanwhile. A child each: the pool is one for a process."""

import itertools
import os
import threading
import time
from signal import SIGBUS, SIGINT, SIGSEGV, SIGTERM

import _tasks
from _pictures import blank
from _script import call_named

import snek


def with_the_smallest_stack(kernel: str) -> None:
    smallest = 32768
    while True:
        try:
            threading.stack_size(smallest)
            thread = threading.Thread(target=lambda: snek.mandelbrot(blank(80, 90), kernel=kernel))
            thread.start()
            break
        except (ValueError, RuntimeError):  # RuntimeError: the size may be set, and be too small all the same
            smallest += 4096
    thread.join()


def share_the_work(threads: str) -> None:
    """Print how many there are, their CPU time in the call together, and that of each."""
    out = blank(600, 600)
    before = _tasks.seconds()
    snek.mandelbrot(out, max_iter=20_000, threads=int(threads))
    busy = sorted(seconds - before.get(thread, 0) for thread, seconds in _tasks.seconds().items())
    print(len(busy), sum(busy), *busy)


def after_a_thousand_calls() -> None:
    for _ in range(1000):
        snek.mandelbrot(blank(40, 40), xmin=-0.1, xmax=0.1, ymin=-0.1, ymax=0.1, threads=3)
    print(_tasks.count())


def blocked_signals() -> None:
    """Print for each helper whether it blocks SIGINT, SIGTERM, SIGSEGV and SIGBUS."""

    def blocked(task):
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        mask = int(status["SigBlk"], 16)
        return [mask >> number - 1 & 1 for number in (SIGINT, SIGTERM, SIGSEGV, SIGBUS)]

    snek.mandelbrot(blank(200, 200), max_iter=5000, threads=4)
    for task in _tasks.helpers():
        # A thread that has not run yet blocks everything: glibc sees to that. So each is given time to begin.
        until = time.monotonic() + 60
        while all(blocked(task)) and time.monotonic() < until:
            time.sleep(0.01)
        print(*blocked(task))


def after_a_small_picture() -> None:
    for kernel in snek.kernels():
        snek.mandelbrot(blank(16, 16), max_iter=20, threads=4, kernel=kernel)
    print(_tasks.count())


def after_threads_0() -> None:
    snek.mandelbrot(blank(200, 200), threads=0)
    print(_tasks.count())


def after_threads_0_on_one_cpu() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    snek.mandelbrot(blank(100, 100), threads=0)
    print(_tasks.count())


def run_while_the_dict_is_made() -> None:
    data = b"".join(b"%d;0.5\n" % n for n in range(1_500_000))
    ticks, stop = [], False

    def tick():
        while not stop:
            ticks.append(time.perf_counter())
            time.sleep(0.002)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    # the table lives until the end has been read: to free it takes a while too
    table = snek.stations(data, threads=1)
    end = time.perf_counter()
    stop = True
    thread.join()
    assert len(table) == 1_500_000
    times = [begin, *(now for now in ticks if begin < now < end), end]
    longest = max(after - before for before, after in itertools.pairwise(times))
    assert longest < (end - begin) / 4, (longest, end - begin)


if __name__ == "__main__":
    call_named(globals())
