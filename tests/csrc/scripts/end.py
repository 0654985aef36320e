"""The process ends in the middle of a call."""

import threading
import time

from _lines import long_lines
from _pictures import ENDLESS, blank
from _script import call_named

import snek


def while_a_daemon_thread_draws(threads: str) -> None:
    out = blank(300, 300)
    draw = {**ENDLESS, "threads": int(threads)}
    threading.Thread(target=lambda: snek.mandelbrot(out, **draw), daemon=True).start()
    threading.Thread(target=lambda: snek.fib(90), daemon=True).start()
    time.sleep(0.1)


def while_a_daemon_thread_reads(threads: str) -> None:
    lines = long_lines()
    threading.Thread(target=lambda: snek.stations(lines, threads=int(threads)), daemon=True).start()
    time.sleep(0.1)


def by_a_signal() -> None:
    print("computing")
    snek.mandelbrot(blank(99, 99), **ENDLESS, threads=2)


if __name__ == "__main__":
    call_named(globals())
