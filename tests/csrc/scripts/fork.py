"""Forks before, during and after pictures."""

import os
import threading

from _check_pictures import check
from _forking import fork_in_the_middle, forked
from _pictures import blank
from _script import call_named

import snek


def after_the_pool_has_run() -> None:
    def fresh():
        check()
        if os.path.exists("/proc/self/task"):
            assert len(os.listdir("/proc/self/task")) == 2, "no helper of its own"

    def generations():
        fresh()
        forked(fresh)
        check()

    check()
    for _ in range(5):
        forked(generations)
        check()


def while_other_threads_compute() -> None:
    stop = False

    def work():
        while not stop:
            check(3)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        forked(check)
    stop = True
    for thread in threads:
        thread.join()


def in_the_middle_of_a_call(threads: str) -> None:
    def draw(threads=1):
        return snek.mandelbrot(blank(400, 400), max_iter=60_000, threads=threads)

    threads = int(threads)
    fork_in_the_middle(lambda: draw(threads), draw(), check, after=0.05, threads=threads)


if __name__ == "__main__":
    call_named(globals())
