"""Signals in the middle of a picture, or of fib."""

import os
import signal
import threading
from functools import partial

from _check_pictures import check
from _pictures import ENDLESS, blank
from _script import call_named
from _signals import until_ctrl_c, while_an_alarm_rings

import snek

CALLS = {
    "one thread": lambda: snek.mandelbrot(blank(100, 100), **ENDLESS, threads=1),
    "all cores": lambda: snek.mandelbrot(blank(100, 100), **ENDLESS, threads=0),
    "three threads": lambda: snek.mandelbrot(blank(100, 100), **ENDLESS, threads=3),
    "a single pixel": lambda: snek.mandelbrot(blank(1, 1), **ENDLESS),
    # two tiles, one endless pixel after the other in both: the caller is inside of one, a helper inside of the other
    "a single row": lambda: snek.mandelbrot(blank(1, 65), **ENDLESS, threads=2),
    # two tiles, and only the second is endless: the caller has nothing to do but to wait for the helper (a vector
    # kernel would have taken both, for lack of points to work on)
    "a waiting caller": lambda: snek.mandelbrot(
        blank(1, 128), xmin=1.52, xmax=-1.04, ymin=0, max_iter=2**31 - 1, threads=2, kernel="scalar"
    ),
    "fib": lambda: snek.fib(70),
}


def ctrl_c_stops_a_call(name: str) -> None:
    check()
    until_ctrl_c(CALLS[name])
    check()
    check(0)


def ctrl_c_while_python_threads_are_busy() -> None:
    def spin():
        while True:
            sum(range(1000))

    for _ in range(2):
        threading.Thread(target=spin, daemon=True).start()
    until_ctrl_c(lambda: snek.mandelbrot(blank(100, 100), **ENDLESS, threads=2))
    os._exit(0)


def out_after_ctrl_c() -> None:
    owner = bytearray(b"\xff" * 4 * 1000 * 1000)
    out = memoryview(owner).cast("i", (1000, 1000))
    # half a minute and more on any machine: no picture that is finished before the key is pressed
    window = {**ENDLESS, "max_iter": 1_000_000}
    try:
        print("computing")
        snek.mandelbrot(out, **window, threads=2)
    except KeyboardInterrupt:
        pass
    values = set(out.cast("B").cast("i"))
    out.release()
    owner.append(1)
    print(sorted(values))


def a_handler_that_does_not_raise() -> None:
    out = blank(300, 300)

    def inside():
        check(2)
        snek.fib(20)

    def call(threads):
        snek.mandelbrot(out, max_iter=40_000, threads=threads)

    while_an_alarm_rings(call, inside, every=0.05)
    reference = blank(300, 300)
    snek.mandelbrot(reference, max_iter=40_000)
    assert reference == out


def the_handlers_exception() -> None:
    class Mine(Exception):
        pass

    def handler(signum, frame):
        raise Mine

    signal.signal(signal.SIGALRM, handler)
    for threads in (1, 2):
        draw = partial(snek.mandelbrot, blank(9, 9), **ENDLESS, threads=threads)
        for call in (draw, lambda: snek.fib(80)):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            try:
                call()
            except Mine:
                pass
            else:
                raise AssertionError("not stopped")
    check()


if __name__ == "__main__":
    call_named(globals())
