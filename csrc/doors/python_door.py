"""No door at all: the kernels in pure Python. What they cost here is what a door is for.

A door gives these functions:

    nop(x)                                          x
    fib(n)                                          n from 0 to 92, ValueError outside
    total(values)                                   of a contiguous buffer of doubles, added from the first to the last
    mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter)
                                                    fills a writable C-contiguous int32 buffer (height, width), returns it
    mandelbrot_threaded(counts, xmin, xmax, ymin, ymax, max_iter, threads)
                                                    the same counts by so many threads: 1 to 1024, ValueError outside

A wrong type is a TypeError, and so is a buffer of another kind, where the door does not say otherwise; a buffer
that is read-only may be a BufferError, too. Whatever the error, the counts stay as they were. RELEASES names the
functions that run without the GIL; mandelbrot_threaded is always among them.

A door may lack two of them, and then has no such attribute. Ours has no total. This one has no
mandelbrot_threaded: with a GIL, threads of pure Python take turns.

total is a loop, since sum() compensates for the rounding from Python 3.12 on: another result, not just another speed.
"""

import math
import operator
import types

NAME = "pure Python"
SOURCE = "https://docs.python.org/3/faq/programming.html#my-program-is-too-slow-how-do-i-speed-it-up"
REQUIRES = ()
PYTHON = ">=3.11"
RELEASES = ()  # the kernels that run without the GIL


def version():
    import platform

    return platform.python_version()


def nop(x):
    return x


def double_recursion(n):
    return n if n < 2 else double_recursion(n - 1) + double_recursion(n - 2)


def fib(n):
    if not 0 <= operator.index(n) <= 92:
        raise ValueError("n is out of range")
    return double_recursion(n)


def total(values):
    import _build

    result = 0.0
    for value in _build.checked(values, "d", 1):
        result += value
    return result


def steps(cx, cy, max_iter):
    """How many steps z -> z*z + c can be taken while |z| <= 2?"""
    x, y = cx, cy  # after the first step, which everybody can take
    for count in range(1, max_iter):
        xx = x * x
        yy = y * y
        if xx + yy > 4.0:
            return count
        y = 2.0 * x * y + cy
        x = xx - yy + cx
    return max_iter


def mandelbrot(counts, xmin, xmax, ymin, ymax, max_iter):
    import _build

    view = _build.checked(counts, "i", 2)
    if not (math.isfinite(xmax - xmin) and math.isfinite(ymax - ymin) and 0 <= max_iter < 2**31):
        raise ValueError("a value is out of range")
    height, width = view.shape
    xs = [xmin + (xmax - xmin) * i / width for i in range(width)]
    for j in range(height):
        y = ymin + (ymax - ymin) * j / height
        for i, x in enumerate(xs):
            view[j, i] = steps(x, y, max_iter)
    return counts


def build(folder):
    return types.SimpleNamespace(nop=nop, fib=fib, total=total, mandelbrot=mandelbrot)
