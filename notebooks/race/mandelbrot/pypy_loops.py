"""PyPy: plain Python, which its tracing JIT turns into machine code without objects; complex numbers in the inner loop, an array
for the counts. One thread.

Tried: real numbers instead of complex ones (slower), `for` with `return` instead of `while`.
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
    c = complex(cx, cy)
    z = 0j
    n = 0
    while n < max_iter and z.real * z.real + z.imag * z.imag <= 4.0:
        z = z * z + c
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
