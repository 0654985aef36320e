"""PyPy: plain Python with real numbers and no objects in the inner loop, which its tracing JIT turns into machine code.

One thread. Tried: complex numbers, a list of lists, `for` and `break`.
"""

import array

NAME = "PyPy"
SOURCE = "https://pypy.org/performance.html"
REQUIRES = ()
PYTHON = "pypy"
THREADS = "one"
WORK = "all"


def version():
    import platform
    import sys

    return "PyPy {}.{}.{}, Python {}".format(*sys.pypy_version_info[:3], platform.python_version())


def escape_count(cx, cy, max_iter):
    x = y = xx = yy = 0.0
    n = 0
    while n < max_iter and xx + yy <= 4.0:
        y = 2.0 * x * y + cy
        x = xx - yy + cx
        xx = x * x
        yy = y * y
        n += 1
    return n


def prepare(task, threads, folder):
    def run():
        counts = array.array("i", bytes(4 * task.width * task.height))
        place = 0
        for j in range(task.height):
            cy = task.ymin + (task.ymax - task.ymin) * j / task.height
            for i in range(task.width):
                cx = task.xmin + (task.xmax - task.xmin) * i / task.width
                counts[place] = escape_count(cx, cy, task.max_iter)
                place += 1
        return memoryview(counts).cast("B").cast("i", (task.height, task.width))

    run()
    return run
