"""Taichi with its vector types: tiles of 8 x 2 points in `ti.Vector`s, steps unrolled by `ti.static`, which LLVM turns into vector
instructions; all threads, default fast math.

STEPS steps are taken without a test. A point that is outside the circle |z| = 2 stays outside, so if as many points are
inside afterwards, none has left and the steps count for all of them. If not, they are taken again and counted one by one.
Tried: one test a step; rows instead of tiles; 4, 8 and 32 points; blocks of 4 steps; without fast math.
"""

NAME = "Taichi, vectors"
SOURCE = "https://docs.taichi-lang.org/docs/meta#compile-time-evaluations"
REQUIRES = ("taichi", "numpy")
PYTHON = ">=3.11,<3.14"
THREADS = "any"
WORK = "all"

ACROSS, DOWN = 8, 2  # points of a tile
TILE = ACROSS * DOWN
STEPS = 8


def version():
    import taichi

    return "Taichi {}.{}.{}".format(*taichi.__version__)


def prepare(task, threads, folder):
    import numpy
    import taichi as ti

    ti.init(arch=ti.cpu, cpu_max_num_threads=threads, default_fp=ti.f64, log_level=ti.WARN)
    reals = ti.types.vector(TILE, ti.f64)
    ints = ti.types.vector(TILE, ti.i32)

    @ti.func
    def inside(x, y):
        return ti.cast(x * x + y * y <= 4.0, ti.i32)

    @ti.func
    def step(x, y, cx, cy):
        return x * x + (cx - y * y), (x + x) * y + cy

    @ti.kernel
    def mandelbrot(counts: ti.types.ndarray(ti.i32, ndim=2), max_iter: ti.i32):
        for row, column in ti.ndrange((task.height + DOWN - 1) // DOWN, (task.width + ACROSS - 1) // ACROSS):
            cx, cy = reals(0.0), reals(0.0)
            for k in ti.static(range(TILE)):
                cx[k] = task.xmin + (task.xmax - task.xmin) * (column * ACROSS + k % ACROSS) / task.width
                cy[k] = task.ymin + (task.ymax - task.ymin) * (row * DOWN + k // ACROSS) / task.height
            x, y, n = reals(0.0), reals(0.0), ints(0)
            left = max_iter
            if left >= STEPS:  # many points leave early: the first block is counted at once
                left -= STEPS
                for _ in ti.static(range(STEPS)):
                    n += inside(x, y)
                    x, y = step(x, y, cx, cy)
            before = inside(x, y)
            while left >= STEPS and before.sum() > 0:
                left -= STEPS
                start_x, start_y = x, y
                for _ in ti.static(range(STEPS)):
                    x, y = step(x, y, cx, cy)
                after = inside(x, y)
                if after.sum() == before.sum():
                    n += before * STEPS
                else:
                    x, y = start_x, start_y
                    for _ in ti.static(range(STEPS)):
                        n += inside(x, y)
                        x, y = step(x, y, cx, cy)
                before = after
            if before.sum() > 0:
                for _ in range(left):
                    n += inside(x, y)
                    x, y = step(x, y, cx, cy)
            for k in ti.static(range(TILE)):
                j, i = row * DOWN + k // ACROSS, column * ACROSS + k % ACROSS
                if j < task.height and i < task.width:
                    counts[j, i] = n[k]

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        mandelbrot(counts, task.max_iter)
        return counts

    run()
    return run
