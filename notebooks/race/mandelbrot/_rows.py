"""What the compiled competitors share: a C compiler, and Python threads that call a C function for a few rows each.

The function fills rows [first, last) of the picture:

    void mandelbrot_rows(int32_t *counts, ptrdiff_t width, ptrdiff_t height, ptrdiff_t first, ptrdiff_t last,
                         double xmin, double xmax, double ymin, double ymax, ptrdiff_t max_iter);

ctypes releases the GIL during the call, so the threads run side by side.
"""

import ctypes
import importlib
import itertools
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import threading

ROWS = 8  # a thread takes so many at a time: few enough for all threads to finish together, enough that the call costs nothing


class Unavailable(Exception):
    """Something that the competitor needs is missing here."""


def compiler():
    """The C compiler as a command. Raises Unavailable where there is none."""
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if command and shutil.which(shlex.split(command)[0]):
            return shlex.split(command)
    raise Unavailable("no C compiler: install gcc or clang, or set CC")


def with_openmp():
    """The C compiler as a command that turns OpenMP on. Raises Unavailable where it can't, as Apple's."""
    command = [*compiler(), "-fopenmp"]
    if subprocess.run([*command, "-E", "-x", "c", os.devnull], capture_output=True).returncode:
        raise Unavailable(f"{command[0]} has no OpenMP: set CC to a compiler that has")
    return command


def compiler_version():
    return subprocess.run([*compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def build(command, run=subprocess.run):
    """Run a compiler and return what it prints. Raises RuntimeError with that when it fails."""
    command = [str(part) for part in command]
    done = run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("{} failed:\n{}".format(" ".join(command), done.stdout + done.stderr))
    return done.stdout.strip()


def c_library(source, options, folder):
    """Compile a C file with these options into a shared library, unless it is there already. Return its path."""
    library = folder / pathlib.Path(source).with_suffix(".so").name
    if not library.exists():
        build([*compiler(), *options, "-shared", "-fPIC", "-o", library, source])
    return library


def cython_runner(source, task, threads, folder):
    """Compile a Cython file that needs OpenMP. Return the callable that draws the whole picture with its `mandelbrot`."""
    import numpy

    with_openmp()
    shutil.copy2(source, folder)
    build([sys.executable, "-m", "Cython.Build.Cythonize", "-i", folder / pathlib.Path(source).name])
    sys.path.insert(0, str(folder))
    compiled = importlib.import_module(pathlib.Path(source).stem)
    window = task.xmin, task.xmax, task.ymin, task.ymax

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        compiled.mandelbrot(counts, *window, task.max_iter, threads)
        return counts

    run()
    return run


def mojo(arguments):
    """Run the compiler of Mojo's wheel, as build does."""
    from mojo.run import subprocess_run_mojo

    return build(arguments, subprocess_run_mojo)


def mojo_library(source, folder):
    """Compile a Mojo file into a shared library, unless it is there already. Return its path."""
    library = folder / pathlib.Path(source).with_suffix(".so").name
    if not library.exists():
        mojo(["build", source, "--emit", "shared-lib", "-o", library])
    return library


def runner(library, task, threads):
    """Return the callable that draws the whole picture with `mandelbrot_rows` from a shared library."""
    import numpy

    size, real = ctypes.c_ssize_t, ctypes.c_double
    rows = ctypes.CDLL(str(library)).mandelbrot_rows
    rows.argtypes = [ctypes.c_void_p, size, size, size, size, real, real, real, real, size]
    rows.restype = None

    def work(counts, starts):
        for first in starts:
            if first >= task.height:
                return
            last = min(first + ROWS, task.height)
            rows(counts, task.width, task.height, first, last,
                 task.xmin, task.xmax, task.ymin, task.ymax, task.max_iter)  # fmt: skip

    def run():
        counts = numpy.empty((task.height, task.width), numpy.int32)
        starts = itertools.count(0, ROWS)  # shared: whoever is free takes the next rows
        others = [
            threading.Thread(target=work, args=(counts.ctypes.data, starts)) for _ in range(threads - 1)
        ]
        for other in others:
            other.start()
        work(counts.ctypes.data, starts)
        for other in others:
            other.join()
        return counts

    return run
