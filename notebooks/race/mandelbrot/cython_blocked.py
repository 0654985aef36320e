"""Cython in the form that the C compiler vectorises: tiles of points in C arrays, inner loops of fixed length without branches, rows of
tiles handed out by `prange`, compiled as the first lines of blocked_rows.pyx say.

Tried: the loop over the steps inside the loop over the points (1.2 times as long), tiles of 16, 48 and 64 points, blocks of 8 and
16 steps, -funroll-loops, -mprefer-vector-width=512.
"""

import pathlib

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
    import _rows

    return _rows.cython_runner(pathlib.Path(__file__).with_name("blocked_rows.pyx"), task, threads, folder)
