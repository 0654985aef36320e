"""Numba, all threads, in the form that LLVM vectorises: tiles of points in small arrays, inner loops of fixed length without branches.

STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if the same points are
inside afterwards, none has left and the steps count for all of them. If not, they are taken again and counted one by one.
Tried: one test a step; rows instead of tiles; 16 to 128 points; 4 and 16 steps.
"""

NAME = "Numba, blocked"
SOURCE = "https://numba.readthedocs.io/en/stable/user/performance-tips.html#fastmath"
REQUIRES = ("numba", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"

ACROSS, DOWN = 8, 4  # points of a tile
TILE = ACROSS * DOWN
STEPS = 8


def version():
    import llvmlite.binding
    import numba

    return f"Numba {numba.__version__}, LLVM {llvmlite.binding.llvm_version_info[0]}"


def prepare(task, threads, folder):
    import numba
    import numpy

    # Fused multiply-add, nothing else of fast math: nan must stay nan.
    compiled = numba.njit(fastmath={"contract"}, error_model="numpy", inline="always")

    @compiled
    def count_steps(steps, x, y, n, inside, cx, cy):
        """Take some steps, counting those that begin inside. Return whether a point is left there."""
        left = 0
        for k in range(TILE):
            u, v, count = x[k], y[k], n[k]
            for _ in range(steps):
                uu, vv = u * u, v * v
                count += uu + vv <= 4.0
                v = (u + u) * v + cy[k]
                u = uu - vv + cx[k]
            x[k], y[k], n[k] = u, v, count
            inside[k] = u * u + v * v <= 4.0
            left += inside[k]
        return left > 0

    @compiled
    def escape_counts(max_iter, x, y, next_x, next_y, n, inside, cx, cy):
        x[:] = 0.0
        y[:] = 0.0
        n[:] = 0
        any_inside = True
        left = max_iter
        if left >= STEPS:  # many points leave early: the first block is counted at once
            left -= STEPS
            any_inside = count_steps(STEPS, x, y, n, inside, cx, cy)
        while left >= STEPS and any_inside:
            left -= STEPS
            changed = 0
            for k in range(TILE):
                u, v = x[k], y[k]
                for _ in range(STEPS):
                    t = cx[k] - v * v
                    v = (u + u) * v + cy[k]
                    u = u * u + t
                next_x[k], next_y[k] = u, v
                changed += (u * u + v * v <= 4.0) != inside[k]
            if changed:
                any_inside = count_steps(STEPS, x, y, n, inside, cx, cy)
            else:
                for k in range(TILE):
                    x[k], y[k] = next_x[k], next_y[k]
                    n[k] += STEPS * inside[k]
        if any_inside:
            count_steps(left, x, y, n, inside, cx, cy)

    @numba.njit(parallel=True, fastmath={"contract"}, error_model="numpy")
    def mandelbrot(width, height, xmin, xmax, ymin, ymax, max_iter):
        counts = numpy.empty((height, width), numpy.int32)
        for row in numba.prange((height + DOWN - 1) // DOWN):
            x, y, next_x, next_y = numpy.empty(TILE), numpy.empty(TILE), numpy.empty(TILE), numpy.empty(TILE)
            cx, cy = numpy.empty(TILE), numpy.empty(TILE)
            n, inside = numpy.empty(TILE, numpy.int64), numpy.empty(TILE, numpy.bool_)
            for column in range(0, width, ACROSS):
                for k in range(TILE):
                    cx[k] = xmin + (xmax - xmin) * (column + k % ACROSS) / width
                    cy[k] = ymin + (ymax - ymin) * (row * DOWN + k // ACROSS) / height
                escape_counts(max_iter, x, y, next_x, next_y, n, inside, cx, cy)
                for k in range(TILE):
                    j, i = row * DOWN + k // ACROSS, column + k % ACROSS
                    if j < height and i < width:
                        counts[j, i] = n[k]
        return counts

    numba.set_num_threads(threads)
    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        numba.set_parallel_chunksize(2)
        return mandelbrot(task.width, task.height, *window, task.max_iter)

    run()
    return run
