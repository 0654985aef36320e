"""Plain C, one pixel at a time, compiled with `-O3` and called through ctypes by as many Python threads as there are cores.

Tried: -march=native, -ffast-math, clang. c_vectors.py takes the same language further.
"""

import pathlib

NAME = "C, -O3"
SOURCE = "https://docs.python.org/3/library/ctypes.html"
REQUIRES = ("numpy",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("c_scalar.c", "_rows.py")


def version():
    import _rows

    return _rows.compiler_version()


def prepare(task, threads, folder):
    import _rows

    source = pathlib.Path(__file__).with_name("c_scalar.c")
    return _rows.runner(_rows.c_library(source, ["-O3", "-std=c11"], folder), task, threads)
