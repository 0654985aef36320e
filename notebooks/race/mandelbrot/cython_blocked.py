"""Cython in the form that the C compiler vectorises: tiles of points in C arrays, inner loops of fixed length without branches, rows of
tiles handed out by `prange`, compiled as the first lines of blocked_rows.pyx say.

Tried: the loop over the steps inside the loop over the points (1.2 times as long), tiles of 16, 48 and 64 points, blocks of 8 and
16 steps, -funroll-loops, -mprefer-vector-width=512.
"""

NAME = "Cython, blocked"
SOURCE = "https://cython.readthedocs.io/en/latest/src/userguide/language_basics.html#c-arrays"
REQUIRES = ("Cython", "setuptools", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("blocked_rows.pyx", "_rows.py")


def version():
    import _rows
    import Cython

    return f"Cython {Cython.__version__}, {_rows.compiler_version()}"


def prepare(task, threads, folder):
    import pathlib
    import shutil
    import sys

    import _rows
    import numpy

    _rows.with_openmp()
    shutil.copy2(pathlib.Path(__file__).with_name("blocked_rows.pyx"), folder)
    _rows.build([sys.executable, "-m", "Cython.Build.Cythonize", "-i", folder / "blocked_rows.pyx"])
    sys.path.insert(0, str(folder))
    import blocked_rows

    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        blocked_rows.mandelbrot(counts, *window, task.max_iter, threads)
        return counts

    run()
    return run
