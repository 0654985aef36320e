"""Numba, all threads: rows shared out by `prange` in small chunks, since they need very different times, with fast math.

One pixel at a time. Tried: other chunks and the default ones, which are as large as can be; see also numba_blocked.py.
"""

NAME = "Numba, parallel"
SOURCE = "https://numba.readthedocs.io/en/stable/user/parallel.html"
REQUIRES = ("numba", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"


def version():
    import llvmlite.binding
    import numba

    return f"Numba {numba.__version__}, LLVM {llvmlite.binding.llvm_version_info[0]}"


def prepare(task, threads, folder):
    import numba
    import numpy

    # Fast math but for "arcp": a product with 1 / width instead of a division by it would move the points.
    fast = {"nnan", "ninf", "nsz", "contract", "afn", "reassoc"}

    @numba.njit(parallel=True, fastmath=fast, error_model="numpy")
    def mandelbrot(width, height, xmin, xmax, ymin, ymax, max_iter):
        counts = numpy.empty((height, width), numpy.int32)
        for j in numba.prange(height):
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

    numba.set_num_threads(threads)
    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        numba.set_parallel_chunksize(8)
        return mandelbrot(task.width, task.height, *window, task.max_iter)

    run()
    return run
