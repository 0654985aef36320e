"""How the doors of this folder are compiled: one compiler, the same flags, the same C files for all of them.

Standard library only; whatever interpreter hosts a door imports this from beside it.
"""

import importlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE / "kernels.h"
KERNELS = HERE.parent / "kernels"
SOURCES = [
    HERE / "kernels.c",
    *(KERNELS / name for name in ("fib.c", "mandelbrot_scalar.c", "pool.c", "cpus.c")),
]
FLAGS = ["-O3", "-std=c11", "-fvisibility=hidden", "-pthread"]


class Unavailable(Exception):
    """Something that the door needs is missing here."""


def compiler():
    """Return the C compiler as a command. Raises Unavailable where there is none."""
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if command and shutil.which(shlex.split(command)[0]):
            return shlex.split(command)
    raise Unavailable("no C compiler (./build.sh doctor says how to get one)")


def compiler_version():
    """Return the first line of what the compiler says about itself."""
    return subprocess.run([*compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def extension_path(folder, name):
    """Return where the extension module `name` for this interpreter goes. Raises Unavailable where it can't be compiled."""
    compiler()
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        raise Unavailable("no Python.h (./build.sh doctor says how to get it)")
    return pathlib.Path(folder, name + sysconfig.get_config_var("EXT_SUFFIX"))


def extension(folder, name):
    """Import the extension module that was compiled into a folder."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def compiled(path, *arguments):
    """Compile kernels.h and what else the arguments name into a shared library, unless it is there already. Return its path.

    Raises RuntimeError with what the compiler prints when it fails.
    """
    if not path.exists():
        command = [*compiler(), *FLAGS, "-shared", "-fPIC", "-o", str(path), *arguments, *map(str, SOURCES)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("{} failed:\n{}".format(" ".join(command), done.stdout + done.stderr))
    return path


def library(folder):
    """Compile kernels.h into a shared library, unless it is there already, and return its path."""
    return compiled(pathlib.Path(folder, "libkernels.so"))


def declarations():
    """Return kernels.h for a parser of C that knows no preprocessor."""
    return re.sub(r"^#include .*$", "", HEADER.read_text(encoding="utf-8"), flags=re.MULTILINE)


def done(status):
    """Raise what a status of kernels.h other than 0 stands for: ValueError, or MemoryError."""
    if status == -1:
        raise ValueError("a value is out of range")
    if status:
        raise MemoryError("no memory for the threads")


def checked(values, format, dimensions):
    """Return a memoryview of a C-contiguous buffer with these items. Raises TypeError for anything else."""
    view = memoryview(values)
    if view.format != format or view.ndim != dimensions or not view.c_contiguous:
        raise TypeError(f"needs a C-contiguous buffer of {format!r} in {dimensions} dimensions")
    return view
