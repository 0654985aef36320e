"""Numba, one thread: the loops of the pure Python version, compiled by `@njit`, as Numba's performance tips advise.

One pixel at a time. Tried: complex numbers (half as fast), `for` with `break`, `fastmath` and `error_model="numpy"`
(no difference); see also numba_parallel.py and numba_blocked.py.
"""

NAME = "Numba, njit"
SOURCE = "https://numba.readthedocs.io/en/stable/user/performance-tips.html"
REQUIRES = ("numba", "numpy")
PYTHON = ">=3.11"
THREADS = "one"
WORK = "all"


def version():
    import llvmlite.binding
    import numba

    return f"Numba {numba.__version__}, LLVM {llvmlite.binding.llvm_version_info[0]}"


def prepare(task, threads, folder):
    import numba
    import numpy

    @numba.njit
    def mandelbrot(width, height, xmin, xmax, ymin, ymax, max_iter):
        counts = numpy.empty((height, width), numpy.int32)
        for j in range(height):
            cy = ymin + (ymax - ymin) * j / height
            for i in range(width):
                cx = xmin + (xmax - xmin) * i / width
                x = y = xx = yy = 0.0
                n = 0
                while n < max_iter and xx + yy <= 4.0:
                    y = 2.0 * x * y + cy
                    x = xx - yy + cx
                    xx = x * x
                    yy = y * y
                    n += 1
                counts[j, i] = n
        return counts

    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        return mandelbrot(task.width, task.height, *window, task.max_iter)

    run()
    return run
