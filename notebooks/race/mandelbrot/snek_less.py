"""Ours, doing less: the kernel "shortcut" of `snek.mandelbrot` leaves out steps whose outcome is known.

A point in the main cardioid or the largest disk never escapes, and neither does one that comes back to where it has been.
"""

NAME = "snek (ours), less work"
SOURCE = "csrc/README.md"
REQUIRES = ("snek", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "less"
FILES = "snek_auto"
OURS = True


def version():
    return "kernel shortcut"


def prepare(task, threads, folder):
    import numpy

    import snek

    window = {
        "xmin": task.xmin,
        "xmax": task.xmax,
        "ymin": task.ymin,
        "ymax": task.ymax,
        "kernel": "shortcut",
    }

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        return snek.mandelbrot(counts, max_iter=task.max_iter, threads=threads, **window)

    run()
    return run
