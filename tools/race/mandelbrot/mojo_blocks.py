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
    from mojo.run import subprocess_run_mojo

    return subprocess_run_mojo(["--version"], capture_output=True, text=True).stdout.strip()


def prepare(task, threads, folder):
    import _rows
    from mojo.run import subprocess_run_mojo

    library = folder / "mojo_blocks.so"
    source = pathlib.Path(__file__).with_name("mojo_blocks.mojo")
    if not library.exists():
        _rows.build(["build", source, "--emit", "shared-lib", "-o", library], subprocess_run_mojo)
    return _rows.runner(library, task, threads)
