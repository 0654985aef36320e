"""What `snek` leaks: calls that succeed, that are refused, that a signal ends."""

import atexit
import os
import shutil
import signal
import tempfile

from _leaks import print_leaks
from _script import call_named

import snek

# ---- what the work is done with ----

lines = bytearray(b"Hamburg;12.0\nBulawayo;8.9\nmore than 16 bytes;-2.5\n" * 50)
many = b"".join(b"%d;1.0\n" % n for n in range(40_000))
folder = tempfile.mkdtemp()
atexit.register(shutil.rmtree, folder)
path = os.path.join(folder, "lines")
with open(path, "wb") as file:
    file.write(lines * 200)
owner = bytearray(4 * 12)
out = memoryview(owner).cast("i", (3, 4))
number = 10**20
WATCHED = {
    "lines": lines,
    "a path": path,
    "out": out,
    "its owner": owner,
    "a number": number,
    "kernels()": snek.kernels(),
    "the module": snek._snek,
}


class Index:
    """A number, a new object each time: Python keeps those to 256, from 3.15 on to 1024."""

    def __index__(self):
        return int("5000")


class Unwilling:
    """No number, for a reason of its own."""

    def __index__(self):
        raise ZeroDivisionError

    __float__ = __index__


# ---- the work ----


def good() -> None:
    """Calls that succeed."""
    for threads in (1, 2, 3, 0):
        for _ in range(20):
            snek.mandelbrot(out, max_iter=Index(), threads=threads, kernel="auto", xmin=-1)
            snek.mandelbrot(out=out, max_iter=5)
    for n in (0, 10, 20, 26):
        snek.fib(n)
    for threads in (1, 2, 3):
        for source in (lines, path):
            snek.stations(source, threads=threads)
            snek.stations_merge([snek.stations_part(source, threads=threads)] * 2)
    snek.stations(many, threads=2)  # tables that grow
    snek.nop(out)
    snek.kernels()


def bad() -> None:
    """Calls that are refused."""
    read_only = memoryview(bytes(48)).cast("i", (3, 4))
    floats = memoryview(owner).cast("f", (3, 4))
    three_dimensions = memoryview(owner).cast("i", (3, 4, 1))
    for args, kwargs in [
        *[((), {}), ((1,), {}), ((out, out), {}), ((owner,), {}), ((read_only,), {}), ((out[::-1],), {})],
        *[((floats,), {}), ((three_dimensions,), {})],
        *[((out,), {"xmin": value}) for value in (Unwilling(), "x", float("nan"), 10**400)],
        *[((out,), {"max_iter": value}) for value in (Unwilling(), -1)],
        *[((out,), {"kernel": value}) for value in ("none", 5)],
        *[((out,), {"threads": number}), ((out,), {"size": 5}), ((out,), {"out": out})],
    ]:
        for function in (snek.mandelbrot, snek.fib, snek.nop, snek.kernels):
            try:
                function(*args, **kwargs)
            except (TypeError, ValueError, BufferError, ZeroDivisionError):
                pass

    for source in [
        *(b"x", lines + b"x", b"a\xff;1.0", many + b"a;1"),
        *("nowhere", "/", "/dev/null", "/proc/self/status", "a\0"),
        *(5, memoryview(lines)[::2]),
    ]:
        for threads in (1, 2, -1, Unwilling()):
            for function in (snek.stations, snek.stations_part):
                try:
                    function(source, threads=threads)
                except (TypeError, ValueError, BufferError, OSError, ZeroDivisionError):
                    pass

    for numbers in ((1, 2), (1, 2, 3, 4.0), (0, 0, 0, number), (Unwilling(),) * 4, (number, 0, 0, 1), None):
        try:
            snek.stations_merge([{"a": (0, 0, 0, 1)}, {"a": numbers}, {5: numbers}])
        except (TypeError, ValueError, ZeroDivisionError):
            pass


def interrupted() -> None:
    """Calls that a signal handler ends."""

    class Stop(Exception):
        pass

    def handler(signum, frame):
        raise Stop

    signal.signal(signal.SIGALRM, handler)
    window = {"xmin": 0, "xmax": 0.01, "ymin": 0, "ymax": 0.01}
    for call in (
        lambda: snek.mandelbrot(out, **window, max_iter=2**31 - 1, threads=2),
        lambda: [snek.stations(path, threads=2) for _ in range(100_000)],
        lambda: [snek.stations_part(path, threads=2) for _ in range(100_000)],
        lambda: snek.fib(80),
    ):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            call()
        except Stop:
            pass


# ---- the hunt ----


def hunt(work: str) -> None:
    """Print what leaks in the work of that name, a line each."""
    print_leaks({"good": good, "bad": bad, "interrupted": interrupted}[work], WATCHED)


if __name__ == "__main__":
    call_named(globals())
