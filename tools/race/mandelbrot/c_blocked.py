"""C that the compiler turns into vector instructions: tiles of points in small arrays, `#pragma omp simd`, `-march=native`. What
a C programmer does who doesn't want to write intrinsics. Called by Python threads through ctypes.

Tried: clang, -mprefer-vector-width=256 and 512, rows instead of tiles.
"""

import pathlib

NAME = "C, vectorised"
SOURCE = "https://gcc.gnu.org/projects/tree-ssa/vectorization.html"
REQUIRES = ("numpy",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("c_blocked.c", "_rows.py")


def version():
    import _rows

    return _rows.compiler_version()


def prepare(task, threads, folder):
    import _rows

    library = folder / "c_blocked.so"
    source = pathlib.Path(__file__).with_name("c_blocked.c")
    options = ["-O3", "-march=native", "-fopenmp-simd", "-std=c11", "-ffp-contract=fast"]
    if not library.exists():
        _rows.build([*_rows.compiler(), *options, "-shared", "-fPIC", "-o", library, source])
    return _rows.runner(library, task, threads)
