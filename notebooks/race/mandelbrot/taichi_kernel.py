"""Taichi: a kernel whose outermost loop Taichi runs on all threads, writing to a NumPy array, with its default fast math.

One pixel at a time. Tried: a field or a Taichi ndarray copied out at the end, `ti.loop_config(block_dim=...)`, rows as the unit of
work, without fast math; see also taichi_vectors.py.
"""

NAME = "Taichi"
SOURCE = "https://docs.taichi-lang.org/docs/performance"
REQUIRES = ("taichi", "numpy")
PYTHON = ">=3.11,<3.14"
THREADS = "any"
WORK = "all"


def version():
    import taichi

    return "Taichi {}.{}.{}".format(*taichi.__version__)


def prepare(task, threads, folder):
    import numpy
    import taichi as ti

    ti.init(arch=ti.cpu, cpu_max_num_threads=threads, default_fp=ti.f64, log_level=ti.WARN)

    @ti.kernel
    def mandelbrot(counts: ti.types.ndarray(ti.i32, ndim=2), max_iter: ti.i32):
        for j, i in counts:
            cx = task.xmin + (task.xmax - task.xmin) * i / task.width
            cy = task.ymin + (task.ymax - task.ymin) * j / task.height
            x = y = xx = yy = 0.0
            n = 0
            while n < max_iter and xx + yy <= 4.0:
                y = 2.0 * x * y + cy
                x = xx - yy + cx
                xx = x * x
                yy = y * y
                n += 1
            counts[j, i] = n

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        mandelbrot(counts, task.max_iter)
        return counts

    run()
    return run
