"""Cython: typed loops, rows handed out by OpenMP through `prange`, compiled as the first lines of prange_rows.pyx say: with
`-O3 -march=native`.

One pixel at a time. Tried: -ffast-math, which is slower here, and doing without -march=native; see also cython_blocked.py.
"""

import pathlib

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
    import _rows

    return _rows.cython_runner(pathlib.Path(__file__).with_name("prange_rows.pyx"), task, threads, folder)
