"""Mojo at its fastest: explicit SIMD on tiles of 8 x 4 points, a block of steps between two tests, fused multiply-add. A shared
library with a C interface, called by Python threads: since 1.0 Mojo's standard library has no `parallelize`.

Tried: rows instead of tiles; 16 to 64 lanes; blocks of 4, 6, 12 and 16 steps; one test a step is mojo_simd.py.
"""

import pathlib

NAME = "Mojo, SIMD in blocks"
SOURCE = "https://docs.modular.com/mojo/std/builtin/simd/SIMD"
REQUIRES = ("mojo", "numpy")
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("mojo_blocks.mojo", "_rows.py")


def version():
    import _rows

    return _rows.mojo(["--version"])


def prepare(task, threads, folder):
    import _rows

    source = pathlib.Path(__file__).with_name("mojo_blocks.mojo")
    return _rows.runner(_rows.mojo_library(source, folder), task, threads)
