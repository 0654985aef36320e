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
    from mojo.run import subprocess_run_mojo

    return subprocess_run_mojo(["--version"], capture_output=True, text=True).stdout.strip()


def prepare(task, threads, folder):
    import _rows
    from mojo.run import subprocess_run_mojo

    library = folder / "mojo_simd.so"
    source = pathlib.Path(__file__).with_name("mojo_simd.mojo")
    if not library.exists():
        _rows.build(["build", source, "--emit", "shared-lib", "-o", library], subprocess_run_mojo)
    return _rows.runner(library, task, threads)
