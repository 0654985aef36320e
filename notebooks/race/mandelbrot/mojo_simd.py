"""Mojo, the way Modular's own example is written: explicit SIMD, all lanes tested after every step, fused multiply-add. A
shared library with a C interface, called by Python threads: since 1.0 Mojo's standard library has no `parallelize`.

Tried: 8, 16 and 64 lanes instead of 32. mojo_blocks.py takes the same language further.
"""

import pathlib

NAME = "Mojo, SIMD"
SOURCE = "https://github.com/modular/modular/pull/742"
REQUIRES = ("mojo", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("mojo_simd.mojo", "_rows.py")


def version():
    import _rows

    return _rows.mojo(["--version"])


def prepare(task, threads, folder):
    import _rows

    source = pathlib.Path(__file__).with_name("mojo_simd.mojo")
    return _rows.runner(_rows.mojo_library(source, folder), task, threads)
