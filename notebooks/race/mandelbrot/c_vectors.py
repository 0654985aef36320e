"""C with the vector types of GCC and clang, `-march=native`: what a C programmer writes who doesn't want intrinsics. Called by Python
threads through ctypes.

Tried: vectors of 8 and 16 points, fewer of them, counting again only the vectors that have changed, clang; blocks of 8 to 32 steps:
16 suit the first grid, 8 the second, and 10 cost either 2 %. Arrays and `#pragma omp simd` instead take 1.4 times as long.
"""

import pathlib

NAME = "C, vector types"
SOURCE = "https://gcc.gnu.org/onlinedocs/gcc/Vector-Extensions.html"
REQUIRES = ("numpy",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("c_vectors.c", "_rows.py")


def version():
    import _rows

    return _rows.compiler_version()


def prepare(task, threads, folder):
    import _rows

    source = pathlib.Path(__file__).with_name("c_vectors.c")
    return _rows.runner(
        _rows.c_library(source, ["-O3", "-march=native", "-std=c11", "-ffp-contract=fast"], folder),
        task,
        threads,
    )
