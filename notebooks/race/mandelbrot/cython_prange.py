"""Cython: typed loops, rows handed out by OpenMP through `prange`, compiled as the first lines of prange_rows.pyx say: with
`-O3 -march=native`.

One pixel at a time. Tried: -ffast-math, which is slower here, and doing without -march=native; see also cython_blocked.py.
"""

NAME = "Cython, prange"
SOURCE = "https://cython.readthedocs.io/en/latest/src/userguide/parallelism.html"
REQUIRES = ("Cython", "setuptools", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("prange_rows.pyx", "_rows.py")


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
    shutil.copy2(pathlib.Path(__file__).with_name("prange_rows.pyx"), folder)
    _rows.build([sys.executable, "-m", "Cython.Build.Cythonize", "-i", folder / "prange_rows.pyx"])
    sys.path.insert(0, str(folder))
    import prange_rows

    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        prange_rows.mandelbrot(counts, *window, task.max_iter, threads)
        return counts

    run()
    return run
